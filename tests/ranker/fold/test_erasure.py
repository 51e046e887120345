"""An erased person leaves no trace in the state."""

from collections.abc import Iterator

import numpy as np
import pytest
from feedrank.journal.v1 import journal_pb2
from feedrank.v1 import controls_pb2, types_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from ranker import entries
from ranker.entries import Entry
from ranker.fold import erasure
from ranker.journal import Record
from ranker.state import NONE
from ranker.state.table import Table
from tests.ranker.histories import NOW, Ear, records

SEED = st.integers(0, 2**32)
PERSON = st.sampled_from([f"u{i}" for i in range(8)])


def numbered(some: list[Entry], first: int = 1) -> list[Record]:
    return [(f"{first + number}-0", entry.SerializeToString()) for number, entry in enumerate(some)]


def erased(name: str, ear: Ear, position: int = 1_000) -> Ear:
    entry = Entry(time_ms=NOW, erased_user=journal_pb2.ErasedUser(user_id=name, key=b"k"))
    return ear.hear([(f"{position}-0", entry.SerializeToString())])


def named(table: Table, of: str) -> Iterator[tuple[str, set[int]]]:
    """All slots of a table that the columns of another hold, by declaration."""
    for name, spec in table.columns.items():
        if spec.of == of:
            yield name, set(getattr(table, name)[: table.size].ravel().tolist())
    for name, ragged in table.raggeds.items():
        if ragged.of == of:
            yield name, set(getattr(table, name).gathered(np.arange(table.size))[1].tolist())
    for name, rows in table.growing.items():
        arrays = rows.arrays(np.arange(table.size))
        for part, field in rows.spec.fields.items():
            if field.of == of:
                yield f"{name}.{part}", set(arrays[part or "slots"].tolist())


@settings(max_examples=60, deadline=None)
@given(SEED, PERSON)
def test_no_column_of_any_table_holds_a_slot_of_the_person_or_the_posts(seed: int, name: str) -> None:
    ear = Ear().hear(records(seed, 60))
    state = ear.state
    user = state.user_ids.slot(name)
    posts = set(np.flatnonzero((state.posts.author[: state.posts.size] == user) & (user != NONE)).tolist())
    erased(name, ear)
    for word, (table, _) in state.tables.items():
        for column, slots in named(table, "user"):
            assert user == NONE or user not in slots, f"{word}.{column}"
        for column, slots in named(table, "post"):
            assert not posts & slots, f"{word}.{column}"


@settings(max_examples=60, deadline=None)
@given(SEED, PERSON)
def test_the_rows_of_the_person_and_the_posts_are_as_blank_as_a_new_one(seed: int, name: str) -> None:
    ear = Ear().hear(records(seed, 60))
    state = ear.state
    user = state.user_ids.slot(name)
    if user == NONE:
        return
    posts = np.flatnonzero(state.posts.author[: state.posts.size] == user)
    erased(name, ear)
    for table, rows in ((state.users, np.array([user])), (state.posts, posts)):
        fresh = type(table)(vector=4)
        fresh.append(1)
        for column, spec in table.columns.items():
            if column != "deleted":
                held = getattr(table, column)[rows]
                assert (held == getattr(fresh, column)[0]).all(), (column, spec)
        assert not any(len(getattr(table, column)[row]) for column in table.raggeds for row in rows.tolist())
        assert not any(growing.room[rows].any() for growing in table.growing.values())


@settings(max_examples=40, deadline=None)
@given(SEED)
def test_no_array_of_the_state_holds_the_persons_id_or_words(seed: int) -> None:
    ear = Ear().hear(records(seed, 60))
    mine = types_pb2.Post(id="post-of-zoe", author_id="zoe", text="zoephone", topics=["zoetopic"],
                          safety_labels=["zoelabel"], created_ms=NOW)  # fmt: skip
    wishes = types_pb2.Preferences(topics_less=["zoewish"], muted_words=["zoeword"])
    request = controls_pb2.SetPreferencesRequest(viewer_id="zoe", preferences=wishes)
    some = [entries.of_posts([mine], NOW), entries.of_preferences(request, NOW)]
    ear.hear(numbered(some, 500))
    assert any(b"zoe" in array.tobytes() for _, array in ear.state.arrays())
    erased("zoe", ear)
    assert [key for key, array in ear.state.arrays() if b"zoe" in array.tobytes()] == []


@settings(max_examples=40, deadline=None)
@given(SEED, st.integers(0, 40), PERSON)
def test_a_state_that_forgot_somebody_is_whole_after_a_restart(seed: int, after: int, name: str) -> None:
    ear, restored = Ear().hear(records(seed, 40)), Ear()
    erased(name, ear)
    restored.state.load(dict(ear.state.arrays()), ear.state.facts)
    assert restored.state.fingerprint() == ear.state.fingerprint()
    since = [(f"{2_000 + i}-0", payload) for i, (_, payload) in enumerate(records(seed + 1, after))]
    assert restored.hear(since).state.fingerprint() == ear.hear(since).state.fingerprint()


def test_an_erased_id_comes_back_as_a_newcomer() -> None:
    ear = Ear().hear(numbered([follow("rosa", "lena")]))
    erased("rosa", ear).hear(numbered([follow("rosa", "omar")], 2_000))
    users, ids = ear.state.users, ear.state.user_ids
    assert ids.texts(users.follows[ids.slot("rosa")]) == ["omar"]
    assert users.followers[ids.slot("lena")] == 0


def test_what_was_served_before_the_erasure_brings_nobody_back() -> None:
    page = journal_pb2.ServedPage(viewer_id="rosa", post_ids=["p"], time_ms=NOW - 1)
    late = Entry(time_ms=NOW + 5, served=journal_pb2.Served(pages=[page]))
    ear = erased("rosa", Ear().hear(numbered([follow("rosa", "lena")])))
    ear.hear(numbered([late], 2_000))
    assert ear.state.user_ids.slot("rosa") == NONE


def test_a_newcomers_page_under_an_erased_id_is_remembered() -> None:
    page = journal_pb2.ServedPage(viewer_id="rosa", post_ids=["p"], time_ms=NOW + 5_000)
    late = Entry(time_ms=NOW + 5, served=journal_pb2.Served(pages=[page]))
    ear = erased("rosa", Ear().hear(numbered([follow("rosa", "lena")])))
    ear.hear(numbered([late], 2_000))
    assert ear.state.user_ids.slot("rosa") != NONE


def test_a_topic_that_others_use_stays() -> None:
    posts = [types_pb2.Post(id=f"p{who}", author_id=who, topics=["moss"], created_ms=NOW) for who in "ab"]
    ear = erased("a", Ear().hear(numbered([entries.of_posts(posts, NOW)])))
    assert ear.state.topic_ids.names[:] == ["moss"]


def test_counts_are_of_what_is_there() -> None:
    post = types_pb2.Post(id="p", author_id="rosa", text="Moss", language="en", created_ms=NOW)
    liked = types_pb2.Event(viewer_id="lena", kind=types_pb2.EVENT_KIND_LIKE, post_id="p")
    some = [entries.of_posts([post], NOW), entries.of_events([liked], NOW), follow("lena", "rosa"),
            follow("rosa", "omar")]  # fmt: skip
    ear = Ear().hear(numbered(some))
    found = erasure.find(ear.state, journal_pb2.ErasedUser(user_id="rosa")).counts
    own = {"profile": 1, "posts": 1, "follows": 1}
    of_others = ("follows", "event", "liked", "author")
    assert found == own | {f"user.{name}": 1 for name in of_others} | {
        "language.hot": 1,
        "language.recent": 1,
    }


@pytest.mark.parametrize("change", [journal_pb2.ErasedUser(), journal_pb2.ErasedUser(digest=b"redacted")])
def test_a_redacted_erasure_changes_nothing(change: journal_pb2.ErasedUser) -> None:
    ear = Ear().hear(numbered([follow("rosa", "lena")]))
    before = {name: array.tobytes() for name, array in ear.state.arrays()}
    ear.hear(numbered([Entry(time_ms=NOW, erased_user=change)], 50))
    assert {name: array.tobytes() for name, array in ear.state.arrays()} == before
    assert ear.poison == 0


def follow(viewer: str, author: str) -> Entry:
    kind = types_pb2.RELATION_KIND_FOLLOW
    return entries.of_relations([types_pb2.Relation(user_id=viewer, target_id=author, kind=kind)], NOW)
