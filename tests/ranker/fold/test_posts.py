from feedrank.v1 import types_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from ranker import entries
from ranker.fold import Fold
from ranker.state import State

NOW = 1_700_000_000_000
ID = st.sampled_from(["a", "b", "c", "d", "e"])
FEW = st.lists(st.sampled_from(["x", "X", "y", "z"]), max_size=3)
POSTS = st.lists(
    st.builds(
        types_pb2.Post,
        id=ID,
        author_id=st.sampled_from(["ana", "bea"]),
        text=st.sampled_from(["", "Moss grows.", "Rain", "Ünder the old oak"]),
        created_ms=st.integers(1, NOW),
        language=st.sampled_from(["", "en", "de-AT"]),
        community_id=st.sampled_from(["", "garden", "forest"]),
        topics=FEW,
        safety_labels=FEW,
        reply_to_id=ID | st.just(""),
        vector=st.sampled_from([[], [1.0, 2.0, 0.0, -1.0], [0.0, 0.0, 3.0, 0.0]]),
    ),
    min_size=1,
    max_size=9,
)


def folded(batches: list[list[types_pb2.Post]]) -> dict[str, bytes]:
    state = State(4)
    for number, posts in enumerate(batches):
        Fold(state).apply(f"{number + 1}-0", entries.of_posts(posts, NOW))
    return {name: array.tobytes() for name, array in state.arrays()}


@settings(deadline=None, max_examples=150)
@given(POSTS)
def test_posts_of_one_entry_come_to_what_they_come_to_one_by_one(posts: list[types_pb2.Post]) -> None:
    assert folded([posts]) == folded([[post] for post in posts])
