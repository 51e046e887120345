"""Evaluation on public sets: the model and the simple baselines on what neither has learned from.

What the test is averaged over (rankings, viewers) is taken as independent; the gain over a baseline is that
of the units' differences, so its error is smaller than those of the two figures.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from embeddings.encoder import load_encoder
from training import Tell, importers
from training.histories import with_vectors
from training.public import lambdarank as _lambdarank
from training.public import obd as _obd
from training.public.comparison import SEEDS, Comparison
from training.public.polis import PROTOCOL as _POLIS
from training.public.polis import polis
from training.public.ranklens import PROTOCOL as _RANKLENS
from training.public.ranklens import ranklens
from training.rows import Row
from training.sheets import Sheet


class Result(Protocol):
    """What an evaluation comes to."""

    def document(self) -> dict[str, Any]:
        """For machines: figures by name."""

    def sheets(self) -> list[Sheet]:
        """For people."""


@dataclass(frozen=True)
class Evaluation:
    """An evaluation on a public set."""

    protocol: str
    """What is known and what is judged."""
    recognises: Callable[[Path], bool]
    """Whether a folder holds the set."""
    run: Callable[[Path, tuple[int, ...], Tell], Result]


def _of_rows(kind: str, protocol: str, compare: Callable[..., Comparison]) -> Evaluation:
    """An evaluation of a set with posts and events, which an importer reads."""

    def run(path: Path, seeds: tuple[int, ...], tell: Tell) -> Result:
        tell("reading and embedding")
        rows: Sequence[Row] = with_vectors(importers.IMPORTERS[kind].read(path), load_encoder())
        return compare(rows, seeds, tell)

    return Evaluation(protocol, importers.IMPORTERS[kind].recognises, run)


EVALUATIONS = {
    "ranklens": _of_rows("ranklens", _RANKLENS, ranklens),
    "polis": _of_rows("polis", _POLIS, polis),
    "lambdarank": Evaluation(_lambdarank.PROTOCOL, _lambdarank.recognises, _lambdarank.lambdarank),
    "obd": Evaluation(_obd.PROTOCOL, _obd.recognises, _obd.obd),
}
"""The evaluations by name."""


def evaluate(kind: str, path: Path, seeds: Sequence[int] = SEEDS, tell: Tell = lambda _: None) -> Result:
    """Run an evaluation of EVALUATIONS on a folder that it recognises; `tell` hears what is done next."""
    return EVALUATIONS[kind].run(path, tuple(seeds), tell)
