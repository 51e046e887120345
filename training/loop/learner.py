"""The learner: what runs unattended every night. Log, examples, drift check, training, activation.

Whatever goes wrong in a night, the model that serves goes on serving, and the next night tries again.
"""

import time
from dataclasses import dataclass, replace
from pathlib import Path

import structlog
from feedrank.journal.v1 import journal_pb2
from pydantic import BaseModel, Field

from ranker import entries
from ranker.heads import HEADS, HOUR_MS
from training.drift import Report, watch
from training.examples import Choices, ExampleSet
from training.histories import example_set
from training.playground.posts import DAY_MS
from training.train import Knobs, train

log = structlog.get_logger()


class LearningSettings(BaseModel, frozen=True, extra="forbid"):
    """How the nights go. After drift the window stays as long: what is older still teaches."""

    window_days: float = Field(14, gt=0, description="Days of impressions that a model learns from.")
    knobs: Knobs = Knobs(trees=40, leaves=15, learning_rate=0.15, patience=6, position="ignored", threads=1)


@dataclass(frozen=True)
class Night:
    """What became of one night."""

    now_ms: int
    drift: Report | None = None
    examples: int = 0
    version: str = ""
    """Of the model that was activated; empty when none was."""
    figures: dict[str, float] | None = None
    failure: str = ""
    seconds: float = 0.0


class Learner:
    """Learns from a server's data folder alone, as somebody with the command line would."""

    def __init__(self, data: Path, settings: LearningSettings | None = None) -> None:
        self.data = data
        self.settings = settings or LearningSettings()
        self.nights: list[Night] = []

    def learn(self, now_ms: int) -> journal_pb2.Entry | None:
        """One night: the entry that activates a new model, or None when there is none."""
        began, night = time.perf_counter(), Night(now_ms)
        try:
            night = self._checked(night)
            night = self._trained(night)
        except Exception as error:
            log.warning("night_failed", reason=str(error))
            night = replace(night, failure=str(error) or repr(error))
        self.nights.append(replace(night, seconds=time.perf_counter() - began))
        return entries.of_active_model(night.version, now_ms) if night.version else None

    def _checked(self, night: Night) -> Night:
        quick = tuple(head.name for head in HEADS if head.horizon_ms <= HOUR_MS)
        return replace(night, drift=watch(self._examples(night.now_ms, quick)))

    def _trained(self, night: Night) -> Night:
        found = self._examples(night.now_ms, Choices().heads)
        recent = found.examples.time_ms >= night.now_ms - int(self.settings.window_days * DAY_MS)
        chosen = replace(found, examples=found.examples[recent])
        night = replace(night, examples=len(chosen.examples))
        if not night.examples:
            return replace(night, failure="no horizon has passed yet")
        path, trained = train(chosen, self.data / "models", "simulated", self.settings.knobs)
        figures = {name: head.metrics["auc"] for name, head in trained.heads.items()}
        return replace(night, version=path.name, figures=figures)

    def _examples(self, now_ms: int, heads: tuple[str, ...]) -> ExampleSet:
        return example_set(data=self.data, choices=Choices(until_ms=now_ms, heads=heads))
