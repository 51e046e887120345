"""The plain reference of the hash kernel."""

_M, _WORD = 0xC6A4A7935BD1E995, 2**64 - 1


def murmur(text: bytes, seed: int) -> int:
    """MurmurHash64A, as its author describes it."""
    h = seed ^ (len(text) * _M & _WORD)
    whole = len(text) // 8 * 8
    for at in range(0, whole, 8):
        k = int.from_bytes(text[at : at + 8], "little") * _M & _WORD
        h = (h ^ ((k ^ k >> 47) * _M & _WORD)) * _M & _WORD
    if rest := text[whole:]:
        h = (h ^ int.from_bytes(rest, "little")) * _M & _WORD
    h = (h ^ h >> 47) * _M & _WORD
    return h ^ h >> 47
