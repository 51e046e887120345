"""What does the memory of a server go to?

    python -m benchmarks.memory --posts 1000000 --viewers 100000

A real server starts on a simulated network, is asked for timelines, and tells its structures with their
bytes (`feedrank status`). `accounted_share` is what they add up to, of the memory that the process has (its
resident set; the embedded Valkey is another process). `bytes_per_post` is that of posts, their ids and the
index; `bytes_per_viewer` that of users and their ids.
"""

import tempfile
from pathlib import Path
from typing import Annotated

import feedrank
import numpy as np
import typer
from feedrank.v1 import admin_pb2

from benchmarks import timeline
from benchmarks.report import emit
from benchmarks.server import Figures, running

ASKED = 300


def compare(data: Path, posts: int, viewer_ids: list[str], seed: int) -> Figures:
    """The memory of a server after so many timelines, and when slices are compressed."""
    rng = np.random.default_rng(seed)
    with running(data, posts) as server, feedrank.Client(server.address) as client:
        server.wait_for_compaction()
        for viewer in rng.integers(0, len(viewer_ids), ASKED).tolist():
            client.timeline(viewer_ids[viewer], size=20)
        return figures(client.status(), server.resident_mb, posts, len(viewer_ids))


def figures(status: admin_pb2.StatusResponse, resident_mb: float, posts: int, viewers: int) -> Figures:
    """Megabytes (2^20 bytes) of the process and of each structure."""
    held = {row.structure: row.bytes / 2**20 for row in status.memory}
    accounted = sum(held.values())
    of_posts = sum(mb for name, mb in held.items() if name.startswith(("post.", "post_ids", "slices")))
    of_users = sum(mb for name, mb in held.items() if name.startswith("user"))
    return {
        "resident_mb": resident_mb,
        "accounted_mb": accounted,
        "accounted_share": accounted / resident_mb,
        "bytes_per_post": of_posts * 2**20 / posts,
        "bytes_per_viewer": of_users * 2**20 / viewers,
        **{f"{name}_mb": mb for name, mb in held.items()},
    }


def main(
    posts: Annotated[int, typer.Option(help="Posts of the network.")] = 100_000,
    viewers: Annotated[int, typer.Option(help="Viewers of the network.")] = 10_000,
    data: Annotated[Path | None, typer.Option(help="Keep the network in this folder.")] = None,
    seed: Annotated[int, typer.Option(help="Of the network.")] = 1,
    json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Measure memory, such as `python -m benchmarks.memory --posts 1000000 --viewers 100000`."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = data or Path(temporary)
        viewer_ids = timeline.prepare(posts, viewers, seed, folder)
        result = compare(folder, posts, viewer_ids, seed)
    emit({"posts": posts, "viewers": viewers, "seed": seed, **result}, json)


if __name__ == "__main__":
    typer.run(main)
