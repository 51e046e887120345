"""Examples: impressions with what followed, as columns. The shape that training and evaluation build on.

A label is 1 when the viewer did what the head predicts, on that post, within the head's horizon after the
impression, and did not take it back within the horizon. An event that names its answer (request_id) labels
the impressions of that answer only.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np
from feedrank.v1 import types_pb2
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError, field_validator

from ranker.consent import ConsentSettings
from ranker.errors import InvalidArgument
from ranker.events import LASTING, MIN_DWELL_MS
from ranker.heads import HEADS, NAMES, Head
from ranker.seen import People
from training.exclusions import Exclusions

Integers = NDArray[np.int32]
Times = NDArray[np.int64]
Labels = NDArray[np.uint8]
Rows = slice | NDArray[np.bool_] | NDArray[np.integer[Any]]

NO_REQUEST = -1
"""The number of no answer."""

_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False, kw_only=True)
class Impressions:
    """Posts that were on a screen: columns of length n, in the order of time or of the history.

    Viewers, posts and answers are numbers that mean nothing elsewhere; `group` numbers what was shown
    together, and never falls.
    """

    features: NDArray[np.float32]
    """(n, features), as they were at the impression; NaN where not known."""
    viewer: Integers
    post: Integers
    """Numbers into Posts."""
    request: Integers
    group: Integers
    time_ms: Times
    place: Integers
    """The place in the session that the answer belongs to, from 0; -1 where not known."""
    surface: NDArray[np.int8]
    """As the contract numbers it."""
    propensity: NDArray[np.float64]
    """The chance that this post came to this place: 1 where nothing was drawn, NaN where not known."""
    score: NDArray[np.float64]
    """As it was served; NaN where not logged."""
    probabilities: NDArray[np.float32]
    """(n, heads), as they were served; NaN where not logged."""
    source: NDArray[np.int8]
    """A number into About.sources; -1 where not logged."""
    variant: NDArray[np.int16]
    """A number into About.variants; -1 where no experiment ran."""

    def __len__(self) -> int:
        return len(self.time_ms)

    def __getitem__(self, rows: Rows) -> Self:
        """Some of them."""
        return replace(self, **{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def not_logged(count: int) -> dict[str, Any]:
    """The columns of Impressions that only the impressions log can tell, for `count` rows."""
    return {
        "propensity": np.full(count, np.nan),
        "score": np.full(count, np.nan),
        "probabilities": np.full((count, len(NAMES)), np.nan, np.float32),
        "source": np.full(count, -1, np.int8),
        "variant": np.full(count, -1, np.int16),
    }


@dataclass(frozen=True, eq=False, kw_only=True)
class Examples(Impressions):
    """Impressions with what followed."""

    labels: Labels
    """uint8 (n, heads) in the order of ranker.heads, 0 or 1; 0 for a head that About.heads does not name."""
    weight: NDArray[np.float32]
    """1 / the chance that sampling kept the row: the sum estimates the number of rows before sampling."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Posts:
    """What is known of the posts: columns by post number."""

    ids: NDArray[np.object_]
    """The callers' own, str."""
    author: Integers
    """A number; -1 where not known."""
    language: Integers
    """A number into `languages`; -1 where not known."""
    created_ms: Times
    """-1 where not known."""
    vector: NDArray[np.float16]
    """(p, d), unit rows; NaN where there is none."""
    languages: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, rows: Rows) -> "Posts":
        """Some of them, numbered anew."""
        names = ("ids", "author", "language", "created_ms", "vector")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})


class Choices(BaseModel, frozen=True, extra="forbid"):
    """What is asked for when examples are made."""

    heads: tuple[str, ...] = Field(
        NAMES, min_length=1, description="Heads to label; rows wait until the longest horizon has passed."
    )
    seen: Literal["auto", "yes", "no"] = Field(
        "auto",
        description="Whether a served post needs an event that says it was seen; auto: if clients send them.",
    )
    wait_s: float = Field(0, ge=0, description="Waited past the longest horizon, for events that come late.")
    until_ms: int | None = Field(
        None, description="The moment up to which events are known; empty: the data are complete."
    )
    negatives: float = Field(1, gt=0, le=1, description="Chance that a row without a label is kept.")
    seed: int = Field(0, description="Of the sampling.")
    exclude: Exclusions = Field(Exclusions(), description="Bots and test traffic.")
    leaves: bool = Field(
        False, description="Whether the rows leave the network: what refuses export is left out too."
    )
    consent: ConsentSettings | None = Field(
        None, description="What people allow who did not say; empty: as the data folder's server has it."
    )
    licence: str = Field("unknown", description="Of the data.")

    @classmethod
    def of(cls, **said: Any) -> Self:
        """What is said; None is "not said". Raises InvalidArgument where a value can't be.

        >>> Choices.of(negatives=0.2, heads=None).negatives
        0.2
        """
        try:
            return cls(**{name: value for name, value in said.items() if value is not None})
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(map(str, first["loc"]))
            reason = first["msg"].removeprefix("Value error, ")
            raise InvalidArgument(name, f"{name}: {reason}, not {first['input']!r}") from error

    @field_validator("heads")
    @classmethod
    def _are_heads(cls, heads: tuple[str, ...]) -> tuple[str, ...]:
        if not {*heads} <= {*NAMES}:
            raise ValueError(f"the heads are {', '.join(NAMES)}")
        return heads


class About(Choices, frozen=True, extra="forbid"):
    """What was asked for, and what is to be known of the examples beside their rows."""

    made_by: str = Field(description="How the rows came to be: the impressions log, or a replay.")
    model_versions: tuple[str, ...] = Field((), description="Models that served the rows; empty: not logged.")
    sources: tuple[str, ...] = Field((), description="What the numbers of the column `source` stand for.")
    variants: tuple[str, ...] = Field((), description="What the numbers of the column `variant` stand for.")
    counts: dict[str, int] = Field({}, description="Rows that were met, left out by reason, and kept.")


@dataclass(frozen=True, eq=False)
class ExampleSet:
    """Examples with their posts: all that training and evaluation need."""

    examples: Examples
    posts: Posts
    about: About
    people: People | None = None
    """Those whose rows are in it, or were when it was made; None where nobody noted it."""

    @property
    def window(self) -> tuple[int, int]:
        """The time of the first impression and the millisecond after the last; (0, 0) where there is none."""
        times = self.examples.time_ms
        return (int(times.min()), int(times.max()) + 1) if len(times) else (0, 0)

    def compact(self) -> "ExampleSet":
        """The same without posts that no example is about."""
        used, numbers = np.unique(self.examples.post, return_inverse=True)
        examples = replace(self.examples, post=numbers.astype(np.int32))
        return replace(self, examples=examples, posts=self.posts[used])

    @cached_property
    def sha256(self) -> str:
        """A hash of all columns of the examples and posts: the same before they are written and after."""
        digest = hashlib.sha256()
        for columns in (self.examples, self.posts):
            for field in fields(columns):
                values = getattr(columns, field.name)
                digest.update(f"{field.name} {np.shape(values)}\n".encode())
                digest.update(_content(values))
        return digest.hexdigest()


def _content(values: Any) -> Any:
    if isinstance(values, np.ndarray) and values.dtype != np.object_:
        return np.ascontiguousarray(values).data.cast("B") if values.size else b""
    return "\0".join(values).encode()


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What viewers did with posts: columns of length m, numbered as the impressions are."""

    viewer: Integers
    post: Integers
    request: Integers
    kind: NDArray[np.int8]
    time_ms: Times
    dwell_ms: Times
    undo: NDArray[np.bool_]
    refuses: NDArray[np.uint8]
    """What the event may not be used for, as bits of training.consent.PURPOSES."""

    def __getitem__(self, rows: Rows) -> "Outcomes":
        """Some of them."""
        return Outcomes(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def labelled(impressions: Impressions, outcomes: Outcomes, heads: Sequence[Head] = HEADS) -> Examples:
    """The examples that impressions and outcomes make, each of weight 1.

    The longest horizon should have passed for all.
    """
    labels = np.zeros((len(impressions), len(heads)), np.uint8)
    done = _done(outcomes)
    shown, deed = together(impressions, outcomes, np.flatnonzero(done.counts))
    since = _since(impressions, outcomes, shown, deed)
    until = done.undone_ms[deed] - impressions.time_ms[shown]
    for column, head in enumerate(heads):
        of_head = np.isin(outcomes.kind[deed], head.numbers)
        follows = of_head & (since >= 0) & (since <= head.horizon_ms) & (until > head.horizon_ms)
        labels[shown[follows], column] = 1
    columns = {field.name: getattr(impressions, field.name) for field in fields(impressions)}
    return Examples(**columns, labels=labels, weight=np.ones(len(labels), np.float32))


@dataclass(frozen=True)
class _Done:
    counts: NDArray[np.bool_]
    """What happened, and was no undoing or short stay."""
    undone_ms: Times
    """When it was taken back."""


def _done(outcomes: Outcomes) -> _Done:
    """An undoing takes back the last time, or all of them where a second one changes nothing."""
    short = (outcomes.kind == types_pb2.EVENT_KIND_DWELL) & (outcomes.dwell_ms < MIN_DWELL_MS)
    undone_ms = np.full(len(outcomes.time_ms), _NEVER)
    standing: dict[tuple[int, int, int], list[int]] = defaultdict(list)
    touched = np.flatnonzero(_same_as_undone(outcomes))
    for i in touched[np.argsort(outcomes.time_ms[touched], kind="stable")].tolist():
        kind = int(outcomes.kind[i])
        stands = standing[int(outcomes.viewer[i]), int(outcomes.post[i]), kind]
        if outcomes.undo[i]:
            taken_back = slice(None) if LASTING[kind] else slice(-1, None)
            undone_ms[stands[taken_back]] = outcomes.time_ms[i]
            del stands[taken_back]
        else:
            stands.append(i)
    return _Done(~outcomes.undo & ~short, undone_ms)


def _same_as_undone(outcomes: Outcomes) -> NDArray[np.bool_]:
    """Which outcomes are of a viewer and post with something undone; few are."""
    key = _key(outcomes.viewer, outcomes.post)
    return np.isin(key, key[outcomes.undo])


def _since(
    impressions: Impressions, outcomes: Outcomes, shown: NDArray[np.intp], deed: NDArray[np.intp]
) -> Times:
    """How long after the impression, ms. What names its answer came after it, whatever two clocks say."""
    since = outcomes.time_ms[deed] - impressions.time_ms[shown]
    named = impressions.request[shown] == outcomes.request[deed]
    return np.where(named & (outcomes.request[deed] != NO_REQUEST), np.maximum(since, 0), since)


def together(
    impressions: Impressions, outcomes: Outcomes, deeds: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows of impressions, and rows of outcomes, that go together: same viewer and post, and same answer."""
    key = _key(outcomes.viewer[deeds], outcomes.post[deeds])
    order = np.argsort(key, kind="stable")
    wanted = _key(impressions.viewer, impressions.post)
    first = np.searchsorted(key[order], wanted, "left")
    count = np.searchsorted(key[order], wanted, "right") - first
    shown = np.repeat(np.arange(len(wanted)), count)
    within = np.arange(len(shown)) - np.repeat(np.cumsum(count) - count, count)
    deed = deeds[order[np.repeat(first, count) + within]]
    asked, answered = impressions.request[shown], outcomes.request[deed]
    same = (asked == answered) | (asked == NO_REQUEST) | (answered == NO_REQUEST)
    return shown[same], deed[same]


def _key(viewer: Integers, post: Integers) -> Times:
    return (viewer.astype(np.int64) << 32) | post.astype(np.int64)
