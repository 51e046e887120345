"""`feedrank serve` whose parts fail while a file in the folder `faults`, beside its data, says so.

`hang-trending` has the source of that name hang, as Python does that waits for what never comes;
`spin-trending` as C does that runs for ever; `raise-slices` and `raise-model` have the vector index and the
model raise.
"""

import ctypes
import time
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any

from ranker import cli, models, surfaces
from ranker.bundle import Bundle
from ranker.pipeline import Pipeline, Source
from ranker.slices import Slices

FAULTS = "faults"
_MICROSECONDS = 20_000


def main() -> None:
    """The command line, with the faults."""
    folder = Path.cwd() / FAULTS
    surfaces.SURFACES.update({kind: _faulty(one, folder) for kind, one in surfaces.SURFACES.items()})
    Slices.search = _raising(Slices.search, folder / "raise-slices")  # type: ignore[method-assign]
    Bundle.predict = _raising(Bundle.predict, folder / "raise-model")  # type: ignore[method-assign]
    models.RETRY_S = 1.0
    cli.main()


def _faulty(pipeline: Pipeline, folder: Path) -> Pipeline:
    sources = tuple(Source(_hanging(one.find, folder), one.limit) for one in pipeline.sources)
    return replace(pipeline, sources=sources)


def _hanging(find: Callable[..., Any], folder: Path) -> Callable[..., Any]:
    hangs, spins = (folder / f"{how}-{find.__name__}" for how in ("hang", "spin"))
    library = ctypes.CDLL(None)

    @wraps(find)
    def found(*arguments: Any) -> Any:
        while hangs.exists():
            time.sleep(_MICROSECONDS / 1e6)
        while spins.exists():
            library.usleep(_MICROSECONDS)
        return find(*arguments)

    return found


def _raising(method: Callable[..., Any], file: Path) -> Callable[..., Any]:
    @wraps(method)
    def called(*arguments: Any, **more: Any) -> Any:
        if file.exists():
            raise RuntimeError(f"there is a file {file}")
        return method(*arguments, **more)

    return called


if __name__ == "__main__":
    main()
