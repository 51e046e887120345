"""The plain reference of the hash kernel."""

_WORD = 2**64 - 1
Four = tuple[int, int, int, int]


def _turned(value: int, by: int) -> int:
    return (value << by | value >> (64 - by)) & _WORD


def _mixed(a: int, b: int, c: int, d: int) -> Four:
    a, c = a + b & _WORD, c + d & _WORD
    b, d = _turned(b, 13) ^ a, _turned(d, 16) ^ c
    a = _turned(a, 32)
    a, c = a + d & _WORD, c + b & _WORD
    b, d = _turned(b, 17) ^ c, _turned(d, 21) ^ a
    return a, b, _turned(c, 32), d


def siphash(text: bytes, seed: int) -> int:
    """SipHash-1-3, as its authors describe it, with the key made of the seed."""
    other = seed * 0x9E3779B97F4A7C15 & _WORD
    a, b, c, d = (
        key ^ int.from_bytes(word, "big")
        for key, word in zip(
            (seed, other) * 2, (b"somepseu", b"dorandom", b"lygenera", b"tedbytes"), strict=True
        )
    )
    whole = len(text) // 8 * 8
    words = [int.from_bytes(text[at : at + 8], "little") for at in range(0, whole, 8)]
    for word in (*words, int.from_bytes(text[whole:], "little") | (len(text) & 255) << 56):
        a, b, c, d = _mixed(a, b, c, d ^ word)
        a ^= word
    a, b, c, d = _mixed(*_mixed(*_mixed(a, b, c ^ 0xFF, d)))
    return a ^ b ^ c ^ d
