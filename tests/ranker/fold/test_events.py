from collections.abc import Iterator

from feedrank.v1 import types_pb2

from ranker import entries
from ranker.fold import events
from ranker.state import State
from ranker.state.columns import Array
from tests.ranker.network import NOW, Town, toward


def pools(state: State) -> Iterator[Array]:
    for table, _ in state.tables.values():
        for rows in table.growing.values():
            yield from rows.pools.values()


def batch(viewers: int) -> entries.Entry:
    """Each viewer likes 40 posts: many rows of the state grow."""
    like = types_pb2.EVENT_KIND_LIKE
    pairs = [(f"v{viewer}", f"p{post}") for viewer in range(viewers) for post in range(40)]
    rows = [types_pb2.Event(viewer_id=viewer, post_id=post, kind=like) for viewer, post in pairs]
    return entries.of_events(rows, NOW)


def test_no_pool_is_copied_in_the_turn_of_events() -> None:
    town = Town()
    for number in range(40):
        town.post(f"p{number}", "ana", topics=["tea", f"pot {number}"], vector=toward(0))
    before = list(pools(town.state))
    arrived = events.read(town.state, batch(20).events)
    ready = list(pools(town.state))
    events.record(town.state, arrived)
    assert any(one is not other for one, other in zip(before, ready, strict=True))
    assert all(one is other for one, other in zip(ready, pools(town.state), strict=True))
