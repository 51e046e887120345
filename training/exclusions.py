"""Exclusions: rules that take bots and test traffic out of the examples, each by name.

A rule that is not set takes nobody; what a viewer did is counted over all that the journal holds.

>>> Exclusions(viewers=("test-*",)).named(["test-1", "ines"]).tolist()
[True, False]
"""

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
from feedrank.v1 import types_pb2
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError

from ranker.errors import InvalidArgument
from ranker.heads import HOUR_MS

Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Behaviour:
    """What the rules look at: columns of events, and of answers. Viewers are numbers into `viewers`."""

    viewers: Sequence[str]
    viewer: NDArray[np.int32]
    kind: NDArray[np.int8]
    time_ms: NDArray[np.int64]
    """Events, impressions aside."""
    asker: NDArray[np.int32]
    asked_ms: NDArray[np.int64]
    """Answers."""


class Exclusions(BaseModel, frozen=True, extra="forbid"):
    """Who is left out."""

    viewers: tuple[str, ...] = Field((), description='Viewers whose id fits a pattern such as "test-*".')
    actions_an_hour: int | None = Field(
        None, ge=1, description="Viewers who once did more than this within an hour of the clock."
    )
    answers_a_day: int | None = Field(
        None, ge=1, description="Viewers who once had more answers than this on a day (UTC)."
    )
    clicks_without_dwell: int | None = Field(
        None, ge=1, description="Viewers with at least so many clicks who never stayed on any post."
    )

    def masks(self, behaviour: Behaviour) -> dict[str, Flags]:
        """Whom each rule takes, bool (viewers,), by the name of its field. Only rules that are set."""
        count = len(behaviour.viewers)
        masks = {}
        if self.viewers:
            masks["viewers"] = self.named(behaviour.viewers)
        if self.actions_an_hour is not None:
            busiest = _busiest(behaviour.viewer, behaviour.time_ms // HOUR_MS, count)
            masks["actions_an_hour"] = busiest > self.actions_an_hour
        if self.answers_a_day is not None:
            busiest = _busiest(behaviour.asker, behaviour.asked_ms // (24 * HOUR_MS), count)
            masks["answers_a_day"] = busiest > self.answers_a_day
        if self.clicks_without_dwell is not None:
            clicks = _count(behaviour, types_pb2.EVENT_KIND_CLICK)
            stays = _count(behaviour, types_pb2.EVENT_KIND_DWELL)
            masks["clicks_without_dwell"] = (clicks >= self.clicks_without_dwell) & (stays == 0)
        return masks

    def named(self, viewers: Sequence[str]) -> Flags:
        """Whose ids fit one of the patterns, bool (n,)."""
        fits = [any(fnmatchcase(name, pattern) for pattern in self.viewers) for name in viewers]
        return np.array(fits, np.bool_)

    @classmethod
    def of(cls, rules: Iterable[str]) -> "Exclusions":
        """From what the command line says: "rule=value", or a TOML file that holds rules.

        Raises InvalidArgument where that names no rule, or a value that none takes.

        >>> Exclusions.of(["viewers=test-*", "viewers=bot-*"]).viewers
        ('test-*', 'bot-*')
        >>> Exclusions.of(["answers_a_day=500"]).answers_a_day
        500
        """
        said: dict[str, Any] = {}
        for rule in rules:
            name, sign, value = rule.partition("=")
            if not sign:
                said |= _file(Path(rule))
            elif name == "viewers":
                said[name] = (*said.get(name, ()), value)
            else:
                said[name] = value
        try:
            return cls(**said)
        except ValidationError as error:
            raise _refused(error) from error


def _file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidArgument(
            "exclude", f"{path} is no file of rules ({error}): write rule=value, or name a TOML file of rules"
        ) from error


def _refused(error: ValidationError) -> InvalidArgument:
    first = error.errors()[0]
    name, known = ".".join(map(str, first["loc"])), ", ".join(Exclusions.model_fields)
    return InvalidArgument("exclude", f"{name}: {first['msg']}; the rules are {known}")


def _busiest(viewer: NDArray[np.int32], bucket: NDArray[np.int64], viewers: int) -> NDArray[np.int64]:
    """The most rows that each viewer has in one bucket of time, int64 (viewers,)."""
    most = np.zeros(viewers, np.int64)
    if len(bucket):
        key, rows = np.unique((viewer.astype(np.int64) << 32) | (bucket - bucket.min()), return_counts=True)
        np.maximum.at(most, key >> 32, rows)
    return most


def _count(behaviour: Behaviour, kind: int) -> NDArray[np.int64]:
    return np.bincount(behaviour.viewer[behaviour.kind == kind], minlength=len(behaviour.viewers))
