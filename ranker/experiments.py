"""What is in service: the active model and those before it, the shadow model, and the experiment.

All of it comes from the journal. Values here never change; a new one takes the place of the old.
"""

import hashlib
from itertools import accumulate
from typing import Annotated

from pydantic import BaseModel, Field, model_validator

PRIOR = "prior"
"""The version of the ranker that needs no bundle."""

BUCKETS = 10_000
"""Viewers are dealt into so many buckets: a share is a number of them, in basis points."""

REMEMBERED = 16
"""Activated versions that a rollback can go back through."""

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
MIN_VARIANTS = 2
MAX_VARIANTS = 10

Share = Annotated[int, Field(ge=1, lt=BUCKETS)]


class Variant(BaseModel, frozen=True, extra="forbid"):
    """What some of the viewers get."""

    name: str
    model_version: str
    """A bundle's version, or "prior"."""
    share: Share
    """Buckets of all BUCKETS."""


class Experiment(BaseModel, frozen=True, extra="forbid"):
    """Models side by side, each for its share of the viewers."""

    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    variants: tuple[Variant, ...]
    """In the order of the start; differences are told from the first."""
    started_ms: int

    @model_validator(mode="after")
    def _every_viewer_has_a_variant(self) -> "Experiment":
        if sum(variant.share for variant in self.variants) != BUCKETS:
            raise ValueError(
                f"the shares of {self.name} do not add up to {BUCKETS}: give every viewer a variant"
            )
        return self

    def variant_of(self, viewer_id: str) -> Variant:
        """The viewer's variant: always the same one in an experiment, and independent of any other's.

        A keyed hash deals viewers into buckets, and variants take buckets by their cumulative share (Kohavi,
        Tang, Xu, "Trustworthy Online Controlled Experiments", 2020, chapter 14).
        """
        bucket = bucket_of(self.name, viewer_id)
        bounds = accumulate(variant.share for variant in self.variants)
        return next(one for one, bound in zip(self.variants, bounds, strict=True) if bucket < bound)


def bucket_of(salt: str, viewer_id: str) -> int:
    """A viewer's bucket, 0 to BUCKETS - 1: BLAKE2b of the id, keyed with a salt of at most 64 bytes.

    >>> bucket_of("first", "ana") == bucket_of("first", "ana")
    True
    >>> bucket_of("first", "ana") == bucket_of("second", "ana")
    False
    """
    digest = hashlib.blake2b(viewer_id.encode(), digest_size=8, key=salt.encode()).digest()
    return int.from_bytes(digest, "big") % BUCKETS


class InService(BaseModel, frozen=True, extra="forbid"):
    """The models that the journal says to use, by version."""

    activated: tuple[str, ...] = (PRIOR,)
    """What was put into service, the active one last; at most REMEMBERED."""
    shadow: str = ""
    """The shadow model; empty for none."""
    experiment: Experiment | None = None

    @property
    def active(self) -> str:
        """The active model's version."""
        return self.activated[-1]

    @property
    def before(self) -> str | None:
        """What a rollback puts back; None when nothing is remembered."""
        return self.activated[-2] if len(self.activated) > 1 else None

    @property
    def versions(self) -> frozenset[str]:
        """All models that are used."""
        variants = self.experiment.variants if self.experiment else ()
        used = {self.active, self.shadow, *(variant.model_version for variant in variants)}
        return frozenset(used - {""})

    def activate(self, version: str) -> "InService":
        """With another active model. What is active already is not activated twice."""
        if version == self.activated[-1]:
            return self
        return self._with(activated=(*self.activated, version)[-REMEMBERED:])

    def roll_back(self, version: str) -> "InService":
        """Back to a version that was in service before; what was activated since is forgotten.

        So a second rollback goes further back. Two that were asked for at once for one version are one.
        A version that is no longer remembered becomes all that is.
        """
        if version not in self.activated:
            return self._with(activated=(version,))
        last = len(self.activated) - self.activated[::-1].index(version)
        return self._with(activated=self.activated[:last])

    def with_shadow(self, version: str) -> "InService":
        """With another shadow model, or none."""
        return self._with(shadow=version)

    def start(self, experiment: Experiment) -> "InService":
        """With an experiment; one that runs goes on instead."""
        return self if self.experiment else self._with(experiment=experiment)

    def stop(self, name: str) -> "InService":
        """Without the experiment of this name."""
        runs = self.experiment is not None and self.experiment.name == name
        return self._with(experiment=None) if runs else self

    def _with(self, **changes: object) -> "InService":
        return self.model_copy(update=changes)
