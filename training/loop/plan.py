"""What is simulated: how many live there, for how long, what changes on the way."""

from functools import cached_property

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field

from training.playground import World
from training.playground.audience import TasteChange
from training.playground.posts import DAY_MS, moments

Integers = npt.NDArray[np.int64]


class Plan(BaseModel, frozen=True, extra="forbid"):
    """A small network and some weeks of its life; equal plans give equal lives.

    Day 0 begins when the first page is opened; the posts of `days_before` are there by then, unseen.
    """

    seed: int = 1
    viewers: int = Field(120, ge=3, description="Who read.")
    authors: int = Field(200, ge=3, description="Who write.")
    posts_a_day: float = Field(240, gt=0, description="On average.")
    pages_a_day: float = Field(2, gt=0, description="That a viewer opens, on average.")
    page_size: int = Field(20, ge=1, description="Posts on a page.")
    days_before: float = Field(3, ge=0, description="Days of posts that are there when the first page opens.")
    days: int = Field(28, ge=1, description="Days of reading.")
    change_day: int | None = Field(21, description="On this day viewers' tastes are drawn anew.")
    changed: float = Field(1, ge=0, le=1, description="Share of the viewers whose tastes are.")
    dimension: int = Field(32, ge=1, description="Numbers in a post's vector.")

    @cached_property
    def world(self) -> World:
        """The network."""
        days = self.days_before + self.days
        return World(
            seed=self.seed,
            authors=self.authors,
            viewers=self.viewers,
            post_count=round(self.posts_a_day * days),
            days=days,
            page_size=self.page_size,
            vector_dimension=self.dimension,
        )

    @property
    def begin_ms(self) -> int:
        """When day 0 begins."""
        return self.world.end_ms - self.days * DAY_MS

    def day(self, t_ms: int) -> int:
        """The day of a moment."""
        return (t_ms - self.begin_ms) // DAY_MS

    @property
    def change(self) -> TasteChange | None:
        """The change of tastes."""
        if self.change_day is None:
            return None
        return TasteChange(self.begin_ms + self.change_day * DAY_MS, self.changed)

    @cached_property
    def visits(self) -> tuple[Integers, Integers]:
        """Who opens a page and when, in time order: viewer and t_ms, (n,) each.

        Who is more active comes more often (half way between equal shares and those of People.activity).
        """
        rng = np.random.default_rng([self.seed, *b"visits"])
        count = round(self.viewers * self.days * self.pages_a_day)
        weight = 0.5 + 0.5 * np.minimum(self.world.people.activity[: self.viewers].astype(np.float64), 4)
        who = rng.choice(self.viewers, count, p=weight / weight.sum())
        return who, moments(count, self.begin_ms, self.world.end_ms, rng)
