"""A reader's process, `python -m ranker.server.worker`: the primary starts it, and tells it all by stdin."""

import json
import os
import signal
import sys
import threading
import time
from queue import SimpleQueue
from typing import Any

import structlog

from ranker import logs
from ranker.board import Board
from ranker.errors import FeedrankError
from ranker.server.run import Answering, wait
from ranker.service import Service
from ranker.settings import Settings

log = structlog.get_logger()

_ORPHANS_DRAIN_S = 0.5
_ORPHANS_END_S = 2.0
"""Shorter than the next server waits for them: nobody else would kill one that takes long."""


def main() -> None:
    """Answer until the primary says so, or is no more."""
    told = json.loads(sys.stdin.buffer.readline() or "null")
    if told is None:  # the primary died before it said anything
        return
    logs.set_up(**told["logs"], worker=told["worker"])
    try:
        _answer(told)
    except FeedrankError as error:
        log.error("worker_not_started", reason=str(error))
        sys.exit(1)


def _answer(told: dict[str, Any]) -> None:
    settings = Settings(**told["settings"])
    board = Board(told["workers"], told["worker"], told["board"])
    stop = SimpleQueue[float]()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's goes to all: the primary says what to do
    signal.signal(signal.SIGTERM, lambda *_: stop.put(settings.server.drain_s))
    answers = threading.Event()
    threading.Thread(target=_watch_primary, args=(stop, answers), name="primary", daemon=True).start()
    with Service(settings, board) as service, Answering(service) as answering:
        answers.set()
        answering.listen(told["address"])
        log.info("worker_serving", metrics=answering.metrics_address)
        answering.drain(wait(stop, service.follower, answering.health))


def _watch_primary(stop: "SimpleQueue[float]", answers: threading.Event) -> None:
    """End with the primary: at once while nobody was answered, else as a stop does, but soon."""
    os.read(sys.stdin.fileno(), 1)  # not through Python's buffer, which a thread must not hold at the end
    log.warning("primary_died")
    if not answers.is_set():
        os._exit(1)
    stop.put(_ORPHANS_DRAIN_S)
    time.sleep(_ORPHANS_END_S)
    os._exit(1)


if __name__ == "__main__":
    main()
