"""Messages as trees of wire fields, so that they can be broken in ways that no protobuf library writes.

https://protobuf.dev/programming-guides/encoding has the wire format.
"""

import struct
from dataclasses import dataclass
from random import Random

from tests.fuzz import hostile

VARINT, FIXED64, BYTES, GROUP, END, FIXED32 = range(6)
_MOST_NUMBER = 2**29 - 1


@dataclass
class Field:
    """One field as it goes on the wire; a message's value is the list of its fields."""

    number: int
    kind: int
    value: "int | bytes | list[Field]"

    def encoded(self) -> bytes:
        """Its bytes."""
        tag = varint(self.number << 3 | self.kind)
        if isinstance(self.value, int):
            return tag + varint(self.value)
        content = encoded(self.value) if isinstance(self.value, list) else self.value
        return tag + varint(len(content)) + content if self.kind == BYTES else tag + content


def encoded(fields: list[Field]) -> bytes:
    """The bytes of a message."""
    return b"".join([one.encoded() for one in fields])


def varint(value: int) -> bytes:
    """A number of 64 bits."""
    value &= 2**64 - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def broken(random: Random, fields: list[Field]) -> bytes:
    """The bytes of a message after some changes to its tree, and perhaps to its bytes."""
    for _ in range(random.randrange(1, 4)):
        _change(random, fields)
    content = encoded(fields)
    return hostile.damaged(random, content) if random.random() < 0.2 else content


def _change(random: Random, fields: list[Field]) -> None:
    """Change a message somewhere in its tree."""
    inner = [one for one in fields if isinstance(one.value, list)]
    if inner and random.random() < 0.6:
        below = random.choice(inner).value
        assert isinstance(below, list)
        return _change(random, below)
    random.choice(_CHANGES)(random, fields)
    return None


def _value(random: Random, fields: list[Field]) -> None:
    """A hostile value of the field's own kind."""
    if fields:
        one = random.choice(fields)
        if one.kind == VARINT:
            one.value = hostile.integer(random)
        elif one.kind == BYTES and not isinstance(one.value, list):
            one.value = hostile.text(random).encode()


def _no_utf8(random: Random, fields: list[Field]) -> None:
    strings = [one for one in fields if one.kind == BYTES and not isinstance(one.value, list)]
    if strings:
        random.choice(strings).value = hostile.broken_utf8(random)


def _long(random: Random, fields: list[Field]) -> None:
    strings = [one for one in fields if one.kind == BYTES and not isinstance(one.value, list)]
    if strings and random.random() < 0.05:
        random.choice(strings).value = hostile.long_text(random).encode()


def _another_kind(random: Random, fields: list[Field]) -> None:
    """A known number with a foreign wire type."""
    if fields:
        one = random.choice(fields)
        fields[fields.index(one)] = _any(random, one.number)


def _unknown(random: Random, fields: list[Field]) -> None:
    number = random.choice((random.randrange(16, 100), 19_000, _MOST_NUMBER, random.randrange(1, 16)))
    fields.insert(random.randrange(len(fields) + 1), _any(random, number))


def _repeated(random: Random, fields: list[Field]) -> None:
    """A field again, now and then a thousand times: of messages the last wins, or they are merged."""
    if fields:
        fields += [random.choice(fields)] * random.choice(
            (1, 2, 3, 20) if random.random() < 0.99 else (1_500,)
        )


def _gone(random: Random, fields: list[Field]) -> None:
    if fields:
        del fields[random.randrange(len(fields))]


def _shuffled(random: Random, fields: list[Field]) -> None:
    random.shuffle(fields)


def _nested(random: Random, fields: list[Field]) -> None:
    """A field within itself, to some depth."""
    depth = random.choice((1, 5, 50, 99, 101, 500))
    number = random.choice((1, 2, 12, 99))
    content = b""
    for _ in range(depth):
        content = varint(number << 3 | BYTES) + varint(len(content)) + content
    fields.append(Field(number, BYTES, content))


def _any(random: Random, number: int) -> Field:
    """A field of any kind, also groups within groups."""
    kind = random.choice((VARINT, FIXED64, BYTES, GROUP, END, FIXED32, FIXED32, VARINT))
    if kind == VARINT:
        return Field(number, kind, hostile.integer(random))
    if kind in (FIXED64, FIXED32):
        return Field(number, kind, struct.pack("<d" if kind == FIXED64 else "<f", _small(random)))
    if kind == GROUP:
        depth = random.choice((1, 2, 60, 101))
        opened = varint(number << 3 | GROUP) * (depth - 1)
        return Field(number, kind, opened + varint(number << 3 | END) * (depth - (random.random() < 0.1)))
    return Field(number, kind, hostile.text(random).encode() if kind == BYTES else b"")


def _small(random: Random) -> float:
    value = random.choice(hostile.FLOATS)
    return value if abs(value) < 3.5e38 or value != value or abs(value) == float("inf") else 0.0


_CHANGES = (
    _value, _value, _value, _no_utf8, _long, _another_kind, _unknown, _repeated, _gone, _shuffled, _nested,
)  # fmt: skip
