"""Kill a server with -9 at any moment, again and again, and count what was lost and what counted twice.

    python -m tests.faults.kill --cycles 1000 --seed 1
    python -m tests.faults.kill --cycles 200 --of valkey --json

Real servers with the embedded Valkey take writes without a pause: posts, events with and without ids,
relations, deletes. One is killed at a random moment, often while it writes a snapshot or starts; then it is
started again, and asked for a snapshot. A witness folds the journal itself. A cycle is good when every
acknowledged entry is in the journal, posts, viewers and relations are as acknowledged, no count is more than
was sent, and the server's state is the witness's, bit for bit. Exit 1 when one is not.

--of server   the server's process alone: its Valkey stays, and the next start takes it over
--of valkey   the Valkey alone: the server starts it again, and goes on
--of both     both at once
--of reader   one of the readers of a server of several workers: the primary starts it again
"""

import argparse
import json
import os
import random
import select
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import feedrank
import psutil

from ranker.journal import Journal, order
from ranker.valkey import EmbeddedValkey
from tests.faults.ledger import (
    IMPRESSIONS_BOUND_S,
    Reader,
    Witness,
    Writer,
    broken,
    differs,
    lost_impressions,
    restored,
)
from tests.faults.nursery import Nursery
from tests.live import within
from tests.ranker.processes import kill_valkey

DIMENSION = 4
OF = ("server", "valkey", "both", "reader")
_START_S = 60.0
_LIFE = 50
"""Cycles on one data folder: the next begins with an empty one, so that a cycle stays short."""
_WRITERS = 3


def settings_of(data: Path, workers: int) -> dict[str, Any]:
    """A server that snapshots, archives, trims and flushes nearly all the time."""
    return {
        "data": str(data),
        "server": {"address": "127.0.0.1:0", "workers": workers, "drain_s": 0.2},
        "embedder": {"enabled": False, "dimension": DIMENSION},
        "exploration": {"swap_share": 0.0},
        "upkeep": {"snapshot_every_s": 0.15},
        "impressions": {"flush_s": 0.1, "journal_interval_s": 0.05, "file_age_s": 0.7},
    }


@dataclass
class Tally:
    """What came of the cycles."""

    of: str
    seed: int
    cycles: int = 0
    acknowledged: int = 0
    sent_again: int = 0
    in_a_snapshot: int = 0
    """Kills that left a torn snapshot."""
    in_a_start: int = 0
    timelines: int = 0
    impressions_lost: int = 0
    oldest_lost_s: float = 0.0
    seconds: float = 0.0
    violations: list[str] = field(default_factory=list)
    shown: int = field(default=0, repr=False)


class Server:
    """A server that may be killed at any moment, on one data folder."""

    def __init__(self, nursery: Nursery, data: Path, workers: int) -> None:
        self.data = data
        self.workers = workers
        self.address = ""
        self.pid = 0
        self._nursery = nursery
        self._starts = 0

    def begin(self) -> None:
        """Start it; it need not answer yet."""
        self._starts += 1
        self.log = self.data.with_name(f"{self.data.name}.{self._starts}.log")
        self.log.touch()
        self.pid = self._nursery.bear(settings_of(self.data, self.workers), self.log)
        self._handle = os.pidfd_open(self.pid)

    def wait(self) -> None:
        """Wait until it serves."""
        if not within(_START_S, self._serves):
            raise RuntimeError(f"the server did not start:\n{self.log.read_text()[-4000:]}")

    def _serves(self) -> bool:
        if self._ended(0):
            raise RuntimeError(f"the server ended:\n{self.log.read_text()[-4000:]}")
        for line in self.log.read_text().splitlines():
            if '"event": "serving"' in line:
                self.address = json.loads(line)["address"]
                return True
        return False

    def kill(self) -> None:
        """End it as a crash would."""
        signal.pidfd_send_signal(self._handle, signal.SIGKILL)
        self._gone(10)

    def stop(self) -> None:
        """End it as an operator would."""
        signal.pidfd_send_signal(self._handle, signal.SIGTERM)
        self._gone(30)

    def readers(self) -> list[psutil.Process]:
        """Its other workers."""
        found = []
        for one in psutil.Process(self.pid).children():
            with suppress(psutil.NoSuchProcess):  # a zombie is none
                found += [one] if "ranker.server.worker" in one.cmdline() else []
        return found

    def _gone(self, seconds: float) -> None:
        if not self._ended(seconds):
            raise RuntimeError(f"the server {self.pid} does not end")
        os.close(self._handle)
        self.pid = 0

    def _ended(self, seconds: float) -> bool:
        return bool(select.select([self._handle], [], [], seconds)[0])


class Life:
    """One data folder with its server, those who write to it, and the witness."""

    def __init__(self, nursery: Nursery, data: Path, tally: Tally, workers: int, seed: int) -> None:
        self.data = data
        self.tally = tally
        self.random = random.Random(seed)
        self.server = Server(nursery, data, workers)
        self.writers = [Writer(f"w{i}", seed, lambda: self.server.address) for i in range(_WRITERS)]
        self.reader = Reader(lambda: self.server.address, "vic")
        self.callers: tuple[Writer | Reader, ...] = (*self.writers, self.reader)

    @contextmanager
    def lived(self) -> Iterator["Life"]:
        """From the first start to the last stop."""
        self.data.mkdir(parents=True)
        self.server.begin()
        try:
            self.server.wait()
            journal = Journal.at_socket(EmbeddedValkey(self.data / "journal").socket)
            self.witness = Witness(self.data, DIMENSION, journal)
            for one in self.callers:
                one.start()
            yield self
            self.server.stop()
            journal.close()
        finally:
            for one in self.callers:
                one.enough.set()
            for one in self.callers:
                if one.is_alive():
                    one.join(10)
            if self.server.pid:
                self.server.kill()
            kill_valkey(self.data / "journal")

    def cycle(self, of: str) -> list[str]:
        """Write, kill, start, verify; what is wrong."""
        self._open(True)
        time.sleep(self.random.uniform(0.0, 0.4))
        if self.random.random() < 0.3:
            self._when_a_snapshot_is_written()
        {"server": self._kill_server, "both": self._kill_both, "valkey": self._kill_valkey}.get(
            of, self._kill_reader
        )()
        self._write_on()
        self._open(False)
        return self._verified()

    def _open(self, on: bool) -> None:
        for one in self.callers:
            one.gate.set() if on else one.gate.clear()

    def _when_a_snapshot_is_written(self) -> None:
        until = time.monotonic() + 0.5
        while time.monotonic() < until and not list(self.data.glob("snapshots/*.tmp")):
            time.sleep(0.001)
        time.sleep(self.random.uniform(0.0, 0.02))

    def _kill_server(self) -> None:
        self.server.kill()
        killed = time.monotonic()
        self.tally.in_a_snapshot += bool(list(self.data.glob("snapshots/*.tmp")))
        self._judge_impressions(killed)
        self.server.begin()
        while self.random.random() < 0.15:
            time.sleep(self.random.uniform(0.0, 0.5))
            self.server.kill()
            self.tally.in_a_start += 1
            self.server.begin()
        self.server.wait()

    def _kill_both(self) -> None:
        kill_valkey(self.data / "journal")
        self._kill_server()

    def _kill_valkey(self) -> None:
        kill_valkey(self.data / "journal")

    def _kill_reader(self) -> None:
        readers = self.server.readers()
        before = self._times_served()
        self.random.choice(readers).kill()

        def back() -> bool:
            return self._times_served() > before and len(self.server.readers()) == len(readers)

        if not within(_START_S, back):
            raise RuntimeError("the reader was not started again")

    def _times_served(self) -> int:
        return self.server.log.read_text().count('"event": "worker_serving"')

    def _write_on(self) -> None:
        """Let each writer end a call after the fault: it can only when the server is back."""
        before = [one.calls for one in self.writers]
        if not within(
            _START_S, lambda: all(w.calls > b + 1 for w, b in zip(self.writers, before, strict=True))
        ):
            raise RuntimeError(f"writes are not taken again:\n{self.server.log.read_text()[-4000:]}")

    def _judge_impressions(self, killed: float) -> None:
        answers, self.reader.answers = self.reader.answers, {}
        lost, oldest = lost_impressions(answers, self.data / "impressions", killed)
        self.tally.timelines += len(answers)
        self.tally.impressions_lost += lost
        self.tally.oldest_lost_s = max(self.tally.oldest_lost_s, oldest)
        if oldest > IMPRESSIONS_BOUND_S:
            self.tally.violations.append(f"what was served {oldest:.2f} s before the kill is not in the log")

    def _verified(self) -> list[str]:
        for one in self.writers:
            if not one.idle.wait(30):
                raise RuntimeError(f"{one.name} does not come to rest")
        self.tally.acknowledged += sum(len(one.told.positions) for one in self.writers)
        with feedrank.Client(self.server.address) as client:
            taken = client.take_snapshot()
            told = client.status()
        state = restored(DIMENSION, self.data / "snapshots")  # the one taken, or by now a newer one
        self.witness.hear(state.position)
        found = [*chain(*(broken(one.told, self.witness) for one in self.writers))]
        found += differs(self.witness, state)
        if order(state.position) < order(taken.entry_id):
            found.append(f"the snapshot at {taken.entry_id} can't be read")
        if told.poison_entries or self.witness.poison:
            found.append(f"{told.poison_entries} entries could not be folded")
        return found


def run(
    cycles: int, of: str, workers: int, seed: int, scratch: Path, say: Callable[[Tally], object]
) -> Tally:
    """So many cycles; `say` hears of each."""
    tally, began = Tally(of, seed), time.monotonic()
    with Nursery() as nursery:
        while tally.cycles < cycles:
            data = scratch / f"data{tally.cycles}"
            life = Life(nursery, data, tally, workers, seed + tally.cycles)
            with life.lived():
                for _ in range(min(_LIFE, cycles - tally.cycles)):
                    found = life.cycle(of)
                    tally.violations += [f"cycle {tally.cycles}: {one}" for one in found]
                    tally.cycles += 1
                    tally.seconds = time.monotonic() - began
                    say(tally)
                    if found:
                        break  # and its folder is left as it is
            tally.sent_again += sum(one.told.repeated for one in life.writers)
            if not found:
                _remove(data)
    return tally


def _remove(data: Path) -> None:
    shutil.rmtree(data, ignore_errors=True)
    for log in data.parent.glob(f"{data.name}.*.log"):
        log.unlink()


def _told(tally: Tally) -> str:
    return (
        f"{tally.cycles} kills -9 of {tally.of} in {tally.seconds:.0f} s: {tally.acknowledged} writes "
        f"acknowledged, {tally.sent_again} sent again, {len(tally.violations)} violations; "
        f"{tally.in_a_snapshot} kills in a snapshot, {tally.in_a_start} in a start; "
        f"{tally.impressions_lost} of {tally.timelines} answers not in the log, "
        f"the oldest {tally.oldest_lost_s:.2f} s before the kill"
    )


def _show(tally: Tally) -> None:
    end = "\n" if tally.cycles % _LIFE == 0 or not sys.stderr.isatty() else "\r"
    for one in tally.violations[tally.shown :]:
        print(one, file=sys.stderr)  # noqa: T201
    tally.shown = len(tally.violations)
    if sys.stderr.isatty() or tally.cycles % 10 == 0:
        print(_told(tally), end=end, file=sys.stderr, flush=True)  # noqa: T201


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.kill",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--cycles", type=int, default=1000)
    parser.add_argument("--of", choices=OF, default="server", help="what is killed")
    parser.add_argument("--workers", type=int, default=0, help="processes of the server; of reader: 2")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where data folders go; those of a violation are left")
    parser.add_argument("--json", action="store_true", help="print one line for machines at the end")
    asked = parser.parse_args()
    workers = asked.workers or (2 if asked.of == "reader" else 1)
    with ExitStack() as opening:
        folder = asked.folder or Path(opening.enter_context(tempfile.TemporaryDirectory()))
        folder = folder.resolve()
        tally = run(asked.cycles, asked.of, workers, asked.seed, folder, _show)
    print(json.dumps(asdict(tally)) if asked.json else _told(tally))  # noqa: T201
    sys.exit(bool(tally.violations))


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
