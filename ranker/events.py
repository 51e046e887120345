"""The event kinds: what each counts as, teaches and means. Declared here, once.

>>> KINDS[types_pb2.EVENT_KIND_LIKE].name
'like'
"""

from dataclasses import dataclass

import numpy as np
from feedrank.v1 import types_pb2

COUNTERS = ("impression", "click", "dwell", "like", "reply", "share", "profile_click", "follow", "negative")
"""The counters of a post, an author and a viewer, in column order."""

MIN_DWELL_MS = 10_000
"""A stay shorter than this counts as none: people pause on what they then skip."""


@dataclass(frozen=True)
class EventKind:
    """One kind of event.

    counter:  the counter it adds to
    strength: what it teaches about taste: the sign says toward or away, the size how surely
    did:      what somebody did to a post, in a sentence; empty where a reason never says it
    lasting:  true when it holds until undone, so that a second one changes nothing
    hides:    true when the viewer must never see the post again
    """

    number: int
    counter: str
    strength: float
    did: str = ""
    lasting: bool = False
    hides: bool = False

    @property
    def name(self) -> str:
        """The kind in lower case, as in the contract without its prefix."""
        return types_pb2.EventKind.Name(self.number).removeprefix("EVENT_KIND_").lower()  # type: ignore[arg-type]


_DECLARED = (
    EventKind(types_pb2.EVENT_KIND_IMPRESSION, "impression", 0.0),
    EventKind(types_pb2.EVENT_KIND_CLICK, "click", 0.3, "opened"),
    EventKind(types_pb2.EVENT_KIND_DWELL, "dwell", 0.3, "read"),
    EventKind(types_pb2.EVENT_KIND_LIKE, "like", 1.0, "liked", lasting=True),
    EventKind(types_pb2.EVENT_KIND_REPLY, "reply", 1.0, "answered"),
    EventKind(types_pb2.EVENT_KIND_REPOST, "share", 1.0, "shared", lasting=True),
    EventKind(types_pb2.EVENT_KIND_QUOTE, "share", 1.0, "quoted"),
    EventKind(types_pb2.EVENT_KIND_SHARE, "share", 1.0, "shared"),
    EventKind(types_pb2.EVENT_KIND_BOOKMARK, "like", 1.0, "saved", lasting=True),
    EventKind(types_pb2.EVENT_KIND_REMIX, "share", 1.2, "remixed"),
    EventKind(types_pb2.EVENT_KIND_PROFILE_CLICK, "profile_click", 0.3, "opened"),
    EventKind(types_pb2.EVENT_KIND_FOLLOW, "follow", 0.8, "liked", lasting=True),
    EventKind(types_pb2.EVENT_KIND_HIDE, "negative", -0.7, lasting=True, hides=True),
    EventKind(types_pb2.EVENT_KIND_REQUEST_LESS, "negative", -1.0, lasting=True),
    EventKind(types_pb2.EVENT_KIND_REQUEST_MORE, "like", 1.0, "liked", lasting=True),
    EventKind(types_pb2.EVENT_KIND_MUTE, "negative", -1.0, lasting=True),
    EventKind(types_pb2.EVENT_KIND_BLOCK, "negative", -1.5, lasting=True),
    EventKind(types_pb2.EVENT_KIND_REPORT, "negative", -1.5, lasting=True, hides=True),
)

KINDS = {kind.number: kind for kind in _DECLARED}
NUMBERS = {kind.name: kind.number for kind in _DECLARED}

_SIZE = max(KINDS) + 1
COUNTER_OF = np.zeros(_SIZE, np.int8)
STRENGTH_OF = np.zeros(_SIZE, np.float32)
LASTING = np.zeros(_SIZE, np.bool_)
HIDES = np.zeros(_SIZE, np.bool_)
for _kind in _DECLARED:
    COUNTER_OF[_kind.number] = COUNTERS.index(_kind.counter)
    STRENGTH_OF[_kind.number] = _kind.strength
    LASTING[_kind.number] = _kind.lasting
    HIDES[_kind.number] = _kind.hides
