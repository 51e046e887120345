"""Messages made from the contract's descriptors: what each field may hold follows from its name and type.

Nothing here names a service or a message, so what the contract grows by is drawn too.
"""

import struct
from random import Random
from typing import cast

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from ranker.journal import now_ms
from tests.fuzz import hostile
from tests.fuzz.wire import BYTES, FIXED32, FIXED64, VARINT, Field, varint

DIMENSION = 8
PEOPLE = [f"u{i}" for i in range(60)]
POSTS = [f"p{i}" for i in range(120)]
_WORDS = (
    "moss", "cat", "robot", "猫", "café", "MÜTED", "new", "york", "⚽", "naïve", "Σίσυφος", "İstanbul",
    "ışık", "كتــاب", "snake_case", "3.5", "ﬁne",
)  # fmt: skip
_TAGS = ("en", "pt-BR", "de", "ja", "zh-Hant-TW", "und", "")
_NAMES = ("art", "cats", "nsfw", "robots", "violence", "Ärger", "c1", "c2")
_INTS = {
    FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_UINT32,
    FieldDescriptor.TYPE_UINT64, FieldDescriptor.TYPE_BOOL, FieldDescriptor.TYPE_ENUM,
}  # fmt: skip
_WIDE = {
    FieldDescriptor.TYPE_FIXED64: "<Q", FieldDescriptor.TYPE_SFIXED64: "<q",
    FieldDescriptor.TYPE_DOUBLE: "<d",
    FieldDescriptor.TYPE_FIXED32: "<I", FieldDescriptor.TYPE_SFIXED32: "<i", FieldDescriptor.TYPE_FLOAT: "<f",
}  # fmt: skip


def message(random: Random, of: Descriptor, hostility: float = 0.03, depth: int = 0) -> list[Field]:
    """The fields of a message. `hostility`: the share of fields that are not as the contract wants them."""
    fields: list[Field] = []
    chosen = {one.name: random.choice(one.fields).name for one in of.oneofs}
    for field in of.fields:
        oneof = field.containing_oneof
        wanted = chosen[oneof.name] == field.name if oneof else random.random() < _share(field)
        if wanted and depth < 6:
            fields += _filled(random, field, hostility, depth)
    return fields


def _share(field: FieldDescriptor) -> float:
    """How often a field is given."""
    name = field.name
    if name in ("id", "author_id", "viewer_id", "user_id", "target_id", "post_id", "kind", "preferences"):
        return 0.97
    if name.endswith("_of_id") or name in ("reply_to_id", "vector", "media", "cursor", "at_ms", "dwell_ms"):
        return 0.15
    return 0.9 if field.is_repeated and field.type == FieldDescriptor.TYPE_MESSAGE else 0.4


def _filled(random: Random, field: FieldDescriptor, hostility: float, depth: int) -> list[Field]:
    count = _count(random, field) if field.is_repeated else 1
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        inner = cast(Descriptor, field.message_type)
        return [
            Field(field.number, BYTES, message(random, inner, hostility, depth + 1)) for _ in range(count)
        ]
    if field.is_repeated and field.type not in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
        packed = b"".join(_raw(random, field, hostility) for _ in range(count))
        return [Field(field.number, BYTES, packed)]
    return [_scalar(random, field, hostility) for _ in range(count)]


def _count(random: Random, field: FieldDescriptor) -> int:
    if field.name in ("vector", "query_vector"):
        return DIMENSION if random.random() < 0.95 else random.choice((1, DIMENSION + 1, 5_000))
    if random.random() < 0.001:
        return random.choice((17, 65, 201, 1_000, 1_001, 3_000))
    return random.choice((0, 1, 1, 2, 3, 5))


def _scalar(random: Random, field: FieldDescriptor, hostility: float) -> Field:
    if field.type in _INTS:
        return Field(field.number, VARINT, _number(random, field, hostility))
    if field.type in _WIDE:
        raw = _raw(random, field, hostility)
        return Field(field.number, FIXED64 if len(raw) == 8 else FIXED32, raw)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return Field(field.number, BYTES, random.randbytes(random.choice((0, 2, 16, 32))))
    word = hostile.text(random) if random.random() < hostility else _string(random, field.name)
    return Field(field.number, BYTES, word.encode())


def _raw(random: Random, field: FieldDescriptor, hostility: float) -> bytes:
    form = _WIDE.get(field.type)
    if form is None:
        return varint(_number(random, field, hostility))
    if form in ("<d", "<f"):
        return struct.pack(
            form, _float(random, form) if random.random() < hostility / 4 else random.gauss(0, 1)
        )
    bits = 8 * struct.calcsize(form.upper())
    return struct.pack(form.upper(), random.getrandbits(bits))


def _float(random: Random, form: str) -> float:
    value = random.choice(hostile.FLOATS)
    return value if form == "<d" or not 3.5e38 < abs(value) < float("inf") else 0.0


def _number(random: Random, field: FieldDescriptor, hostility: float) -> int:
    if random.random() < hostility:
        return hostile.integer(random)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return random.randrange(2)
    if field.type == FieldDescriptor.TYPE_ENUM:
        return random.choice([one.number for one in cast(EnumDescriptor, field.enum_type).values])
    if field.name.endswith("_ms") and field.name != "dwell_ms":
        return now_ms() - random.randrange(5 * 86_400_000) if random.random() < 0.7 else 0
    return random.randrange(1, 100)


def _string(random: Random, name: str) -> str:
    """What the contract wants in a field of this name."""
    if "post_id" in name or name.endswith("_of_id") or name in ("id", "reply_to_id", "near_id"):
        return random.choice(POSTS)
    if name.endswith("event_id") or "event_ids" in name:
        return f"e{random.randrange(100_000)}"
    if name.endswith(("_id", "_ids")) and "community" not in name and "request" not in name:
        return random.choice(PEOPLE)
    if "lang" in name:
        return random.choice(_TAGS)
    if name in ("text", "alt_text", "prompt", "query", "muted_words"):
        return " ".join(random.choices(_WORDS, k=random.randrange(1, 12 if name == "text" else 3)))
    if name in ("version", "model_version", "model"):
        return random.choice(("prior", "m1", "../m1"))
    return random.choice(_NAMES)
