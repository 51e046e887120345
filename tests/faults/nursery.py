"""Where servers of a fault test are born: a process that has loaded the program forks a server when asked.

A forked server runs the same `serve` on the same files as the command does. What it is spared is the
interpreter's start and the loading of libraries, which is nearly all of a start: so a thousand of them fit
into half an hour.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ranker.logs import set_up

ROOT = Path(__file__).parents[2]
_LOGS: dict[str, str | bool] = {"level": "info", "as_json": True}


class Nursery:
    """Forks servers, which outlive it. Use it as a context manager."""

    def __enter__(self) -> "Nursery":
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        self._hear()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(20)
        assert self._process.stdout
        self._process.stdout.close()

    def bear(self, settings: dict[str, Any], log: Path) -> int:
        """The process id of a new server, whose log goes to a file."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"settings": settings, "log": str(log)}) + "\n")
        self._process.stdin.flush()
        return self._hear()

    def _hear(self) -> int:
        assert self._process.stdout
        return int(self._process.stdout.readline())


def main() -> None:
    """Fork a server for each line of stdin, and answer with its process id."""
    from ranker import warmup
    from ranker.server.run import serve
    from ranker.settings import Settings

    settings = Settings.model_validate({"embedder": {"dimension": 4}})
    warmup.touch_everything(settings.embedder.dimension, settings)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system takes their exit codes
    print(0, flush=True)  # noqa: T201
    for line in sys.stdin:
        told = json.loads(line)
        child = os.fork()
        if not child:
            _become(partial(serve, Settings(**told["settings"]), _LOGS), Path(told["log"]))
        print(child, flush=True)  # noqa: T201


def _become(server: Callable[[], None], log: Path) -> None:
    """Be a server until it ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    for number, path in ((0, os.devnull), (1, str(log)), (2, str(log))):
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(handle, number)
        os.close(handle)
    code = 1
    try:
        set_up("info", as_json=True)
        server()
        code = 0
    except BaseException as error:
        os.write(2, f"{error!r}\n".encode())
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
