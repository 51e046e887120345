"""Journal entries: bytes to the follower, which sets aside what it can't fold and goes on."""

from pathlib import Path
from random import Random
from typing import Self

import numpy as np
from feedrank.journal.v1 import journal_pb2
from feedrank.v1 import types_pb2

from ranker.candidates import View
from ranker.fold import Fold
from ranker.follower import Follower
from ranker.journal import Journal
from ranker.pipeline import Trace
from ranker.prior import Prior
from ranker.query import Ask, build
from ranker.slice import SliceSettings
from ranker.slices import Slices
from ranker.state import State, StateSettings
from ranker.surfaces import pipeline_of
from tests.fuzz import hostile, messages, wire
from tests.fuzz.surface import Broken, Input, Step

_CAPS = StateSettings(max_posts=400, max_users=400, max_terms=1_000, max_places=32)
_SURFACES = (types_pb2.SURFACE_FOR_YOU, types_pb2.SURFACE_FOLLOWING, types_pb2.SURFACE_DISCOVER)
_READ_EVERY, _COMPARED_EVERY = 20, 200
_NOWHERE = Path("/nowhere")


class _Replica:
    """A state with its index, and the follower that folds into it; entries come by hand."""

    def __init__(self) -> None:
        self.state = State(messages.DIMENSION, _CAPS)
        self.slices = Slices(messages.DIMENSION, SliceSettings(), lambda: self.state.posts.vector)
        self.follower = Follower(Journal.at_socket(_NOWHERE), Fold(self.state, self.slices))


class Entries:
    """Two replicas that fold the same entries: they must come to the same state."""

    def __enter__(self) -> Self:
        self.one, self.other = _Replica(), _Replica()
        self._number = 0
        return self

    def __exit__(self, *_: object) -> None: ...

    def draw(self, random: Random) -> Input:
        """An entry, most of them broken somewhere."""
        if random.random() < 0.01:
            return (Step("entry", random.randbytes(random.randrange(200))),)
        fields = messages.message(random, journal_pb2.Entry.DESCRIPTOR, random.choice((0.0, 0.05)))
        _make_even(random, fields)
        content = wire.encoded(fields) if random.random() < 0.5 else wire.broken(random, fields)
        return (Step("entry", content),)

    def run(self, given: Input) -> str:
        """Whether the entry was folded or set aside. An entry that is set aside changes nothing."""
        word = ""
        for step in given:
            self._number += 1
            position = f"{self._number}-0"
            before = self._print() if self._number % _COMPARED_EVERY == 0 else ""
            poison = self.one.follower.poison_count
            for each in (self.one, self.other):
                each.follower.apply((position, step.content))
            word = "folded" if self.one.follower.poison_count == poison else "set aside"
            self._judge(position, word, before)
        return word

    def settle(self) -> None:
        """Both replicas are equal, and within their caps."""
        if self.one.state.fingerprint() != self.other.state.fingerprint():
            raise Broken("two replicas folded the same entries and differ")
        state = self.one.state
        sizes = state.posts.size, state.users.size, len(state.topic_ids), len(state.community_ids)
        caps = _CAPS.max_posts, _CAPS.max_users, _CAPS.max_terms, _CAPS.max_places
        if any(size > cap for size, cap in zip(sizes, caps, strict=True)):
            raise Broken(f"past their caps: {sizes}, {caps}")
        for name, array in state.arrays():
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise Broken(f"{name} holds numbers that are not finite")

    def _judge(self, position: str, word: str, before: str) -> None:
        if self.one.state.position != position:
            raise Broken("the fold did not go on")
        if self.one.follower.poison_count != self.other.follower.poison_count:
            raise Broken("one replica set the entry aside, the other did not")
        if word == "set aside" and before and self._print() != before:
            raise Broken(f"set aside, and yet it changed the state: {self.one.follower.poison[-1]}")
        if self._number % _READ_EVERY == 0:
            self._read()

    def _print(self) -> str:
        """The state's fingerprint, without what an entry that is set aside moves: its clock and place."""
        state = self.one.state
        kept = state.position, state.time_ms, state.passed_over
        state.position, state.time_ms, state.passed_over = "", 0, ""
        found = state.fingerprint()
        state.position, state.time_ms, state.passed_over = kept
        return found

    def _read(self) -> None:
        """A timeline of the state as it is now: it has places, and numbers."""
        state, random = self.one.state, Random(self._number)
        ask = Ask(random.choice(messages.PEOPLE), 1_795_305_600_000, surface=random.choice(_SURFACES))
        trace = Trace(deadline=float("inf"), gone=lambda: False)
        ranking = pipeline_of(ask).rank(build(state, ask), View(state, self.one.slices), Prior(), 20, trace)
        if not np.isfinite(ranking.scored.score).all():
            raise Broken("a timeline has scores that are not finite")
        if trace.degraded:
            raise Broken(f"a timeline is degraded: {trace.degraded}")


def _make_even(random: Random, fields: list[wire.Field]) -> None:
    """Give the columns of events one length, mostly: else hardly any would be folded."""
    for one in fields:
        if one.number == journal_pb2.Entry.EVENTS_FIELD_NUMBER and isinstance(one.value, list):
            one.value = _events(random)
        if one.number == journal_pb2.Entry.VECTORS_FIELD_NUMBER and random.random() < 0.9:
            one.value = _vectors(random)


def _events(random: Random) -> list[wire.Field]:
    count = random.choice((0, 1, 1, 2, 8, 40))
    change = journal_pb2.Events()
    for field in change.DESCRIPTOR.fields:
        column = getattr(change, field.name)
        for _ in range(count if random.random() < 0.998 else count + 1):
            column.append(_value(random, field.name))
    raw = change.SerializeToString()
    return [wire.Field(1, wire.BYTES, b"")] if not raw else _split(raw)


def _value(random: Random, name: str) -> str | int | bool:
    if name.endswith("_ids"):
        strange = random.random() < 0.01
        known = messages.POSTS if name.startswith("post") else messages.PEOPLE
        return hostile.text(random) if strange else "" if random.random() < 0.2 else random.choice(known)
    if name in ("undo", "no_training", "no_export"):
        return random.random() < 0.3
    if name in ("time_ms", "dwell_ms"):
        wide = hostile.integer(random) if random.random() < 0.02 else 1_795_000_000_000
        return max(min(wide, 2**63 - 1), -(2**63))
    return random.randrange(19) if random.random() < 0.998 else random.randrange(-5, 300)


def _vectors(random: Random) -> list[wire.Field]:
    from ranker.state.recent_ids import hash_of

    posts = random.sample(messages.POSTS, random.choice((1, 3)))
    rows = np.array([[random.gauss(0, 1) for _ in range(messages.DIMENSION)] for _ in posts])
    if random.random() < 0.05:
        rows[0, 0] = random.choice(hostile.FLOATS)
    with np.errstate(all="ignore"):
        made = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype("<f2")
    hashes = [hash_of(random.choice(("moss", "cat", ""))) for _ in posts]
    change = journal_pb2.Vectors(post_ids=posts, float16=made.tobytes(), text_hashes=hashes)
    return _split(change.SerializeToString())


def _split(raw: bytes) -> list[wire.Field]:
    """A message's fields, each with its bytes: all of ours are of bytes."""
    fields, at = [], 0
    while at < len(raw):
        tag, at = _varint(raw, at)
        size, at = _varint(raw, at)
        fields.append(wire.Field(tag >> 3, wire.BYTES, raw[at : at + size]))
        at += size
    return fields


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while raw[at] > 127:
        value |= (raw[at] & 127) << shift
        shift, at = shift + 7, at + 1
    return value | raw[at] << shift, at + 1
