"""Consent: what people let be done with what they do and write, by the last that the journal says.

It holds for all of a person's rows, those from before too; posts and events may refuse more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from feedrank.journal.v1 import journal_pb2
from feedrank.v1 import types_pb2
from numpy.typing import NDArray

from ranker.consent import ConsentSettings

Bits = NDArray[np.uint8]

TRAINING, EXPORT = 1, 2
PURPOSES = {"training": TRAINING, "export": EXPORT}
"""What may be refused, each a bit."""


@dataclass(frozen=True, eq=False)
class Refusals:
    """What is refused, as bits of PURPOSES. The last of viewers, posts and authors is for the number -1."""

    viewer: Bits
    """By viewer number: what the person refuses."""
    author: Bits
    """By post number: what its author refuses."""
    post: Bits
    """By post number: what the post itself refuses."""
    row: Bits
    """By row of the impressions: what the event refuses that says it was on a screen."""


class Consents:
    """Takes the journal's entries in order.

    >>> consents = Consents(ConsentSettings(export="refused"))
    >>> rosa = types_pb2.User(id="rosa", consent=types_pb2.Consent(training=types_pb2.PERMISSION_REFUSED))
    >>> consents.take(journal_pb2.Entry(users=journal_pb2.Users(users=[rosa])))
    >>> consents.of_people(["rosa", "omar"]).tolist()
    [3, 2, 2]
    """

    def __init__(self, defaults: ConsentSettings) -> None:
        self._default = sum(bit for name, bit in PURPOSES.items() if getattr(defaults, name) == "refused")
        self._people: dict[str, int] = {}
        """What people refuse who said something."""
        self._posts: dict[str, int] = {}

    def take(self, entry: journal_pb2.Entry) -> None:
        """The next entry."""
        match entry.WhichOneof("change"):
            case "users":
                for row in entry.users.users:
                    if row.HasField("consent"):
                        self._people[row.id] = self._refused(row.consent)
            case "posts":
                for post in entry.posts.posts:
                    if post.no_training or post.no_export:
                        self._posts[post.id] = refused_by(post)
                    elif self._posts:
                        self._posts.pop(post.id, None)
            case "erased_user":
                self._people.pop(entry.erased_user.user_id, None)

    def of_people(self, ids: Sequence[str]) -> Bits:
        """What people refuse, and after them what nobody in particular does: uint8 (n + 1,)."""
        return _looked_up(self._people, ids, self._default)

    def of_posts(self, ids: Sequence[str]) -> Bits:
        """What posts refuse, whoever wrote them: uint8 (n + 1,), the last 0."""
        return _looked_up(self._posts, ids, 0)

    def _refused(self, said: types_pb2.Consent) -> int:
        bits = 0
        for name, bit in PURPOSES.items():
            permission = getattr(said, name)
            by_default = permission == types_pb2.PERMISSION_UNSPECIFIED and self._default & bit
            bits |= bit if permission == types_pb2.PERMISSION_REFUSED or by_default else 0
        return bits


def refused_by(row: Any) -> int:
    """What a post, an event or a tuple of its fields refuses."""
    return int(row.no_training) * TRAINING | int(row.no_export) * EXPORT


def refused_in(change: journal_pb2.Events) -> Bits:
    """What each event of an entry refuses: uint8 (n,)."""
    bits = np.zeros(len(change.kinds), np.uint8)
    for values, bit in ((change.no_training, TRAINING), (change.no_export, EXPORT)):
        if len(values):
            bits |= np.array(values, np.uint8) * np.uint8(bit)
    return bits


def _looked_up(known: dict[str, int], ids: Sequence[str], default: int) -> Bits:
    bits = np.full(len(ids) + 1, default, np.uint8)
    if known:
        bits[:-1] = [known.get(name, default) for name in ids]
    return bits
