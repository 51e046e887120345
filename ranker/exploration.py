"""Exploration: the places of a first page that chance has a say in, with their propensities.

A ranker that always shows what it thinks best learns nothing about the rest. Two small draws show it:

- **A new post** out of the n that the fresh source brought, all with one chance, gets a place of its own on a
  share `f` of first pages. Its propensity is that of the draw, f/n. Where it says the same as a post of the
  page, the page does without.
- **A swap**: on a share `s` of first pages two of the first `m` ranked posts change places, each pair with
  one chance. So a post stays where the ranker put it with the propensity 1 - 2s/m, and comes to any one other
  of the places with 2s/(m(m-1)). The new post's own place takes no part and is not counted.

A propensity is the chance that this post came to this place: exact, and conditional on which new post was
drawn, if any, since the order of the others is made without that one. Such swaps tell the pull of a place
from that of a post (Craswell et al., WSDM 2008; Joachims, Swaminathan and Schnabel, WSDM 2017).
"""

from random import Random
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field


class ExplorationSettings(BaseModel, frozen=True, extra="forbid"):
    """What chance may change on the first page of a session, for_you and discover only."""

    fresh_share: float = Field(
        0.25, ge=0, le=1, description="Share of first pages whose seventh place has a drawn new post."
    )
    swap_share: float = Field(
        0.05, ge=0, le=1, description="Share of first pages on which two posts change places."
    )
    swap_places: int = Field(10, ge=2, description="The two are among the first so many ranked posts.")


class Swap(NamedTuple):
    """What a swap comes to, for n ranked posts: which one each place gets, int64 (n,), and its propensity."""

    order: NDArray[np.int64]
    propensity: NDArray[np.float64]


def swap(chance: Random, settings: ExplorationSettings, ranked: int, first: int) -> Swap:
    """Draw whether two of the first posts of so many `ranked` ones change places, and which.

    `first`: how many of them are on the page.
    """
    order, propensity = np.arange(ranked), np.ones(ranked)
    places = min(settings.swap_places, ranked, first)
    if places < 2 or not settings.swap_share:
        return Swap(order, propensity)
    propensity[:places] = 1 - 2 * settings.swap_share / places
    if chance.random() < settings.swap_share:
        pair = chance.sample(range(places), 2)
        order[pair] = pair[::-1]
        propensity[pair] = 2 * settings.swap_share / (places * (places - 1))
    return Swap(order, propensity)
