"""A server in this process, asked everything: what Numba compiled since it began to serve, as JSON.

python -m tests.ranker.compiled DATA MODEL
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import feedrank
from numba.core.dispatcher import Dispatcher

from ranker import logs
from ranker.server.run import Answering
from ranker.service import Service
from ranker.settings import Settings
from tests.conftest import DIMENSION
from tests.live import put, within
from training.playground import World

_SETTINGS: dict[str, Any] = {
    "embedder": {"enabled": False, "dimension": DIMENSION},
    "slices": {"slice_posts": 256, "exact_posts": 1024},
}


def main() -> None:
    """A server's life."""
    data, model = Path(sys.argv[1]), sys.argv[2]
    logs.set_up("error", as_json=True)
    now_ms = time.time_ns() // 1_000_000
    world = World(authors=60, viewers=30, post_count=1_600, days=3, end_ms=now_ms, vector_dimension=DIMENSION)
    sys.stdout.write(json.dumps(life(data, world, model)))


def life(data: Path, world: World, model: str) -> dict[str, list[str]]:
    """The signatures by kernel that were compiled after the start."""
    with Service(Settings(data=data, **_SETTINGS)) as service, Answering(service) as answering:
        address = answering.listen("127.0.0.1:0")
        before = compiled()
        with feedrank.Client(address) as client:
            write(client, world)
            assert within(60, lambda: not service.slices.compact_pending())
            for version in ("prior", model):
                client.activate_model(version)
                read(client, world)
        after = compiled()
    new = {name: sorted(after[name] - before.get(name, set())) for name in after}
    return {name: signatures for name, signatures in new.items() if signatures}


def compiled() -> dict[str, set[str]]:
    """The signatures of all kernels that Python itself calls, or called."""
    modules = [one for name, one in list(sys.modules.items()) if name.startswith(("ranker", "embeddings"))]
    kernels = {one for module in modules for one in vars(module).values() if isinstance(one, Dispatcher)}
    return {
        f"{one.py_func.__module__}.{one.py_func.__qualname__}": set(map(str, one.signatures))
        for one in kernels
    }


def write(client: feedrank.Client, world: World) -> None:
    """All kinds of rows, and what takes them back."""
    rows = list(world.rows())
    put(
        client,
        sorted(rows, key=lambda row: isinstance(row, feedrank.Post) + 2 * isinstance(row, feedrank.Event)),
    )
    viewer, posts = "wren", [row for row in rows if isinstance(row, feedrank.Post)]
    authors = sorted({post.author_id for post in posts})
    client.put_relations([feedrank.relation(viewer, "follow", author) for author in authors])
    client.put_relations([feedrank.relation(viewer, kind, authors[0]) for kind in ("block", "mute")])
    for kind in ("impression", "dwell", "like", "hide", "request_less"):
        events = [feedrank.event(viewer, kind, post.id) for post in posts[:9]]
        client.record_events(events)
        client.stream_events([feedrank.event(viewer, kind, post.id, undo=True) for post in posts[:9]])
    client.set_preferences(viewer, feedrank.Preferences(topics_more=["moss"], muted_words=["rain"]))
    client.put_posts([feedrank.Post(id="words", author_id=authors[1], text="Words without a vector.")])
    client.delete_posts([posts[-1].id])
    client.take_snapshot()


def read(client: feedrank.Client, world: World) -> None:
    """Every kind of question, of somebody known and of somebody new."""
    for viewer in (world.user_ids[-1], "wren", "new"):
        for surface in ("for_you", "following", "discover"):
            page = client.timeline(viewer, surface=surface, size=5, include_seen=True)
            if page.cursor:
                client.timeline(viewer, surface=surface, size=5, include_seen=True, cursor=page.cursor)
        ids = [post.post_id for post in client.timeline(viewer, size=50).posts]
        assert len(ids) >= 20
        client.rank_posts(viewer, [*ids, "unknown"], apply_filters=True)
        client.explain_post(viewer, ids[0])
        client.similar_posts(ids[0])
    client.status()


if __name__ == "__main__":
    main()
