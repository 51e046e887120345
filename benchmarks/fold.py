"""How many writes a second are folded, and acknowledged over the wire?

    python -m benchmarks.fold --posts 20000 --viewers 2000

A simulated network of a week is folded. Then journal entries of a thousand events, and of a thousand new
posts that bring their vectors, are folded from their bytes, with an index. Last, a real server starts on the
network, and one client sends batches of a thousand events, two calls at a time; an answer says that its entry
is on disk and folded. `cpu_us_an_event` is the time of all processes, client, server and Valkey; the others
are wall time.
"""

import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import grpc
import numpy as np
import psutil
import typer
from feedrank.v1 import ingest_pb2, ingest_pb2_grpc

from benchmarks import calls, network, timeline
from benchmarks.calls import Known
from benchmarks.report import emit
from benchmarks.server import Figures, Server, running
from benchmarks.week import Week
from ranker import entries, snapshot
from ranker.fold import Fold
from ranker.journal import Entry
from ranker.slice import SliceSettings
from ranker.slices import Slices
from ranker.state import State, StateSettings

ROWS = 1_000
_AT_ONCE = 2


def known(week: Week) -> Known:
    """What writes name."""
    users = week.user_ids
    ids = [week.post_id(number) for number in range(week.posts)]
    return Known(users[: week.viewers], ids, users[: week.authors])


def folding(data: Path, week: Week, batches: int, rng: np.random.Generator) -> Figures:
    """Rows a second of entries that are folded one after the other."""
    state = State(network.DIMENSION, StateSettings(max_posts=max(1_000_000, 2 * week.posts)))
    slices = Slices(network.DIMENSION, SliceSettings(), lambda: state.posts.vector)
    snapshot.restore(state, data / "snapshots", slices)
    fold, now = Fold(state, slices), state.time_ms + 1
    events = [
        entries.of_events(ingest_pb2.RecordEventsRequest.FromString(content).events, now)
        for content in calls.events(known(week), batches, ROWS, "folded", rng)
    ]
    posts = [
        entries.of_posts(ingest_pb2.PutPostsRequest.FromString(content).posts, now)
        for content in calls.posts(known(week), max(batches // 10, 2), ROWS, "folded", rng)
    ]
    return _figures("events", fold, events) | _figures("posts", fold, posts)


def _figures(name: str, fold: Fold, written: Sequence[Entry]) -> Figures:
    """The first entry is not counted: it may compile kernels."""
    contents = [one.SerializeToString() for one in written]
    wall, cpu, turns = 0.0, 0.0, []
    for number, content in enumerate(contents):
        began, used = time.perf_counter(), time.process_time()
        fold.apply(f"{1 << 50}-{number}", Entry.FromString(content))
        turns.append(time.perf_counter() - began)
        wall, cpu = wall + turns[-1], cpu + time.process_time() - used
        if not number:
            wall = cpu = 0.0
    rows = ROWS * (len(contents) - 1)
    return {
        f"{name}_per_second": rows / wall,
        f"{name}_folded_cpu_us": 1e6 * cpu / rows,
        f"{name}_entry_p50_ms": 1e3 * float(np.median(turns[1:])),
    }


def acknowledged(server: Server, contents: Iterator[bytes], warm: int) -> Figures:
    """Events a second whose answer came, and what each took of all processors."""
    stub = ingest_pb2_grpc.IngestStub(grpc.insecure_channel(server.address))
    with ThreadPoolExecutor(_AT_ONCE) as senders:
        requests = [ingest_pb2.RecordEventsRequest.FromString(one) for one in contents]
        list(senders.map(stub.RecordEvents, requests[:warm]))
        began, used = time.perf_counter(), _cpu_s(server)
        answers = list(senders.map(stub.RecordEvents, requests[warm:]))
        wall, cpu = time.perf_counter() - began, _cpu_s(server) - used
    rows = sum(answer.result.accepted for answer in answers)
    return {
        "events_per_second_acknowledged": rows / wall,
        "cpu_us_an_event": 1e6 * cpu / rows,
        "visible_share": sum(answer.result.visible for answer in answers) / len(answers),
    }


def _cpu_s(server: Server) -> float:
    """Processor time of this process, the server, and what it started."""
    root = psutil.Process(server.process.pid)
    times = [one.cpu_times() for one in (psutil.Process(), root, *root.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def main(
    posts: Annotated[int, typer.Option(help="Posts of the network.")] = 20_000,
    viewers: Annotated[int, typer.Option(help="Viewers of the network.")] = 2_000,
    batches: Annotated[int, typer.Option(help="Batches of a thousand events, folded and sent.")] = 100,
    data: Annotated[Path | None, typer.Option(help="Keep the network in this folder.")] = None,
    seed: Annotated[int, typer.Option(help="Of the network and the events.")] = 1,
    json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Measure writes, such as `python -m benchmarks.fold --batches 100`."""
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as temporary:
        folder = data or Path(temporary)
        timeline.prepare(posts, viewers, seed, folder)
        week = network.world(posts, viewers, seed)
        figures = folding(folder, week, batches, rng)
        sent = calls.events(known(week), batches + 5, ROWS, f"sent{time.time_ns()}", rng)
        with running(folder, posts) as server:
            figures |= acknowledged(server, sent, warm=5)
    emit({"posts": posts, "viewers": viewers, "seed": seed, **figures}, json)


if __name__ == "__main__":
    typer.run(main)
