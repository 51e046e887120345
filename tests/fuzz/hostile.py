"""Values that somebody who means ill would send, drawn from a seeded generator."""

from random import Random

from ranker.journal import now_ms

INTEGERS = (
    0, 1, -1, 2, 127, 128, 255, 256, 65_535, 65_536, 2**31 - 1, 2**31, -(2**31), 2**32 - 1, 2**32,
    2**53, 2**62, 2**63 - 1, -(2**63), 2**64 - 1, 86_400_000, 100_000, 100_001, 3_600_000, 3_600_001,
)  # fmt: skip
FLOATS = (
    0.0,
    -0.0,
    1.0,
    -1.0,
    float("nan"),
    float("inf"),
    float("-inf"),
    1e-45,
    3.4e38,
    1e308,
    5e-324,
    1e-12,
)

_BIDI = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u061c"
_INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u180e\u034f\u115f\u3164\u2800"
_CONTROL = "\x00\x01\x07\x08\t\n\r\x1b\x7f\x80\x85\x9b"
_MARKS = "\u0301\u0327\u0345\u0315\u0323\u0489\u20dd\ufe0f\u1ab0"
_LETTERS = (
    "aZ09 éßıİΣςﬁĳŉ\ufdfa\u1e9e𝖒𝔘Ｆ猫คא\u0640ع\u064b한\u1100\u1161😀👩"
    "\U0001f3fd\U000e0061\ufffd\uffff\U0010ffff"
)
_PUNCTUATION = "'\"\\/<>{}[]();:%$&|`*?!#@.,-_=+~^"
_ALPHABETS = (_BIDI, _INVISIBLE, _CONTROL, _MARKS, _LETTERS, _PUNCTUATION)
_WHOLE = (
    "", " ", "\x00", ".", "..", "../../etc/passwd", "/", "a" * 255, "a" * 256, "a" * 257, "é" * 128,
    "\u202egnp.exe", "mu\u200bted", "\ufeff", "NaN", "null", "-1", "1e309", "%s%n", "{0}", "${x}", "<script>",
    "prior", "und", "é" * 129, "x-" * 20, "en-" + "a" * 8, "😀" * 65, "' OR 1=1", "\r\nfeedrank: x",
)  # fmt: skip
_BROKEN = (
    b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xed\xbf\xbf\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82",
    b"abc\x80", b"\xf8\x88\x80\x80\x80", b"\xc3",
)  # fmt: skip


def integer(random: Random) -> int:
    """A number at some boundary, or near now."""
    if random.random() < 0.3:
        return now_ms() + random.choice((0, -1, 1, -86_400_000, 86_400_000, 86_400_001, 10**12))
    return random.choice(INTEGERS) + random.choice((0, 0, 0, 1, -1))


def text(random: Random, most: int = 300) -> str:
    """Letters that mislead: marks, signs of direction, what is not seen, controls."""
    if random.random() < 0.3:
        return random.choice(_WHOLE)
    letters = random.choice(_ALPHABETS) + random.choice(_ALPHABETS)
    return "".join(random.choices(letters, k=random.randrange(min(most, 1 << random.randrange(9)) + 1)))


def long_text(random: Random) -> str:
    """A text of up to a megabyte, of one or two letters."""
    letters = "".join(random.choices(_LETTERS + _MARKS + _INVISIBLE, k=random.choice((1, 2))))
    return letters * (random.choice((2_000, 4_000, 9_999, 10_001, 100_000, 500_000)) // len(letters))


def broken_utf8(random: Random) -> bytes:
    """Bytes that are no UTF-8: lone surrogates, overlong forms, halves of characters."""
    return text(random).encode() + random.choice(_BROKEN)


def damaged(random: Random, content: bytes) -> bytes:
    """Bytes with some flipped, cut, doubled, moved or put in."""
    out = bytearray(content)
    for _ in range(1 << random.randrange(4)):
        at = random.randrange(len(out) + 1)
        kind = random.randrange(6)
        if kind == 0 and at < len(out):
            out[at] ^= 1 << random.randrange(8)
        elif kind == 1:
            del out[at:]
        elif kind == 2:
            out[at:at] = out[at : at + random.randrange(1, 64)]
        elif kind == 3:
            del out[at : at + random.randrange(1, 64)]
        elif kind == 4:
            out[at:at] = random.randbytes(random.randrange(1, 16))
        else:
            out[at : at + 4] = random.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\x80"))
    return bytes(out)
