"""Evaluation on public sets: the model and the simple baselines on what neither has learned from.

What the test is averaged over (rankings, viewers) is taken as independent; the gain over a baseline is that
of the units' differences, so its error is smaller than those of the two figures.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from embeddings.encoder import load_encoder
from training import importers
from training.histories import with_vectors
from training.public.comparison import SEEDS, Comparison, Tell
from training.public.polis import PROTOCOL as _POLIS
from training.public.polis import polis
from training.public.ranklens import PROTOCOL as _RANKLENS
from training.public.ranklens import ranklens
from training.rows import Row

EVALUATIONS: dict[str, Callable[[Sequence[Row], tuple[int, ...], Tell], Comparison]] = {
    "ranklens": ranklens,
    "polis": polis,
}
"""The evaluations, by the importer of their data."""

PROTOCOLS = {"ranklens": _RANKLENS, "polis": _POLIS}
"""What is known and what is ranked, by evaluation."""


def evaluate(kind: str, path: Path, seeds: Sequence[int] = SEEDS, tell: Tell = lambda _: None) -> Comparison:
    """Evaluate on a data set of a kind in EVALUATIONS; `tell` hears what is done next."""
    tell("reading and embedding")
    rows = with_vectors(importers.IMPORTERS[kind].read(path), load_encoder())
    return EVALUATIONS[kind](rows, tuple(seeds), tell)
