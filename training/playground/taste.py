"""The hidden truth: how much a viewer would like a post."""

from typing import Any

import numpy as np
import numpy.typing as npt

from training.playground.behaviour import Page
from training.playground.graph import FOLLOWS
from training.playground.people import Floats, People
from training.playground.posts import Posts

Indices = npt.NDArray[np.integer[Any]]


def utility(
    people: People, posts: Posts, viewer: int, of: Indices, followed: npt.NDArray[np.bool_]
) -> Floats:
    """The utility of posts `of` (m,) for a viewer: (m,), about -4 to 4; nothing but actions shows it.

    It grows with the viewer's taste for the topic, the author's and the post's quality and the follow, falls
    where the language can't be read, and for generated pictures has the sign of the viewer's attitude.
    """
    author = posts.author[of]
    felt: Floats = 2.4 * people.taste[viewer, posts.topic[of]] - np.float32(1)
    felt += 0.4 * people.quality[author] + 0.6 * posts.quality[of] + 0.5 * followed
    felt += 0.3 * (posts.language[of] == people.language[viewer])
    felt -= 2.5 * ~people.reads[viewer, posts.language[of]]
    felt += 0.9 * people.ai_attitude[viewer] * posts.generated[of]
    return felt


def page(people: People, posts: Posts, stands: npt.NDArray[np.int8], viewer: int, of: Indices) -> Page:
    """The posts `of` (m,) as the viewer meets them; `stands` (authors,) is the viewer's row of the graph."""
    followed = stands[posts.author[of]] == FOLLOWS
    return Page(
        utility=utility(people, posts, viewer, of, followed),
        followed=followed,
        generated=posts.generated[of],
        labelled=posts.labelled[of],
    )
