import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranker.candidates import NOTHING, Candidates, Found, among, any_among
from ranker.state import NONE, State
from tests.ranker.network import Town, playground

slots = st.lists(st.integers(0, 30), unique=True, max_size=15)


def found(*slots: int) -> Found:
    return Found(np.array(slots, np.int32), np.arange(len(slots), dtype=np.float32))


@settings(deadline=None)
@given(st.lists(slots, min_size=1, max_size=6))
def test_merging_keeps_each_post_once_with_all_that_brought_it(lists: list[list[int]]) -> None:
    merged = Candidates.merged(State(8), [found(*one) for one in lists])
    assert merged.slot.tolist() == list(dict.fromkeys(slot for one in lists for slot in one))
    for slot, brought in zip(merged.slot.tolist(), merged.brought.tolist(), strict=True):
        assert brought == sum(1 << i for i, one in enumerate(lists) if slot in one)


def test_a_merged_post_has_the_score_of_the_first_source() -> None:
    merged = Candidates.merged(State(8), [NOTHING, found(7, 5), found(9, 5)])
    assert dict(zip(merged.slot.tolist(), merged.score.tolist(), strict=True)) == {7: 0, 5: 1, 9: 0}
    assert merged.first_source.tolist() == [1, 1, 2]


def test_of_nothing_nothing_is_merged() -> None:
    assert len(Candidates.merged(State(8), [])) == 0


def test_one_more_post_comes_last_and_from_no_source() -> None:
    more = Candidates.merged(State(8), [found(4, 2)]).including(9)
    assert more.slot.tolist() == [4, 2, 9]
    assert more.first_source.tolist() == [0, 0, NONE]
    assert len(more.including(4)) == 3


def test_columns_are_those_of_the_posts() -> None:
    town = Town()
    town.post("a", "ana", language="de", community_id="chess", topics=["tea"])
    town.post("b", "ben", language="en")
    posts = town.candidates("b", "a")
    assert [town.state.user_ids.names[slot] for slot in posts.author] == ["ben", "ana"]
    assert posts.community.tolist() == [NONE, 0]
    assert posts[np.array([1])].topics[0, 0] == town.state.topic_ids.slot("tea")


@pytest.mark.parametrize("name", ["author", "created_ms", "form", "parent", "deleted"])
@pytest.mark.parametrize("size", [0, 1, 31, 200])
def test_what_is_read_together_is_what_each_column_holds(name: str, size: int) -> None:
    state, rng = playground().state, np.random.default_rng(size)
    posts = Candidates.of(state, rng.integers(0, state.posts.size, size, dtype=np.int32))
    column, some = getattr(state.posts, name), rng.permutation(size)[: size // 2]
    before = posts[some]
    for read in (posts, before, posts[some]):
        values = getattr(read, name)
        assert values.dtype == column.dtype
        assert values.tolist() == column[read.slot].tolist()


@settings(deadline=None)
@given(st.lists(st.integers(-1, 9)), st.sets(st.integers(0, 9)))
def test_among_is_membership_and_none_is_never_a_member(values: list[int], keys: set[int]) -> None:
    mask = among(np.array(values, np.int32), np.array(sorted(keys), np.int32))
    assert mask.tolist() == [value in keys for value in values]


@pytest.mark.parametrize(("keys", "expected"), [([3], [True, False]), ([], [False, False])])
def test_a_row_counts_when_it_holds_one_of_the_keys(keys: list[int], expected: list[bool]) -> None:
    rows = np.array([[1, 3, NONE], [2, NONE, NONE]], np.int32)
    assert any_among(rows, np.array(keys, np.int32)).tolist() == expected
