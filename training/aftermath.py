"""Aftermath: what the journal tells of served posts and of what viewers did after they were served."""

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
from feedrank.journal.v1 import journal_pb2
from feedrank.v1 import types_pb2
from numpy.typing import NDArray

from ranker.consent import ConsentSettings
from ranker.heads import HOUR_MS
from ranker.state import NONE
from ranker.state.ids import Ids
from ranker.state.recent_ids import RecentIds
from ranker.text import primary_language
from training.choices import on_screen
from training.consent import PURPOSES, Consents, Refusals, refused_in
from training.examples import NO_REQUEST, Integers, Outcomes, Posts
from training.served import Served, number_of

ELSEWHERE = -2
"""The number of an answer that the log does not hold."""

_LATE_MS = HOUR_MS
_CLOCK_MS = HOUR_MS
"""A client's clock may be so much behind the server's."""


class Aftermath:
    """Takes the journal's entries in order. Numbers are those of what was served.

    An event counts once, as in the fold; it is joined by when it happened, however late the journal has it.
    """

    def __init__(self, served: Served, defaults: ConsentSettings) -> None:
        self.consents = Consents(defaults)
        self.late = 0
        """Events on served posts that the journal had over an hour after they happened."""
        self._served = served
        self._from_ms = int(served.impressions.time_ms.min(initial=np.iinfo(np.int64).max)) - _CLOCK_MS
        self._event_ids = RecentIds()
        self._parts: list[Outcomes] = []
        self._authors, self._languages = Ids(), Ids()
        count = len(served.post_ids)
        self._author = np.full(count, NONE, np.int32)
        self._language = np.full(count, NONE, np.int32)
        self._created_ms = np.full(count, NONE, np.int64)
        self._vectors: dict[int, NDArray[np.float16]] = {}

    def take(self, entry: journal_pb2.Entry) -> None:
        """The next entry."""
        self.consents.take(entry)
        match entry.WhichOneof("change"):
            case "events":
                self._events(entry.events, entry.time_ms)
            case "posts":
                for post in entry.posts.posts:
                    self._post(post)
            case "vectors":
                self._vectors_made(entry.vectors)
            case "deleted_posts":
                for number in self._served.post_ids.slots(entry.deleted_posts.post_ids).tolist():
                    self._vectors.pop(number, None)

    def outcomes(self) -> Outcomes:
        """Events of served viewers since the first impression, those that tell what was seen among them."""
        parts = self._parts or [self._outcomes(journal_pb2.Events(), 0)]
        return Outcomes(
            **{
                field.name: np.concatenate([getattr(part, field.name) for part in parts])
                for field in fields(Outcomes)
            }
        )

    def refusals(self, sights: Outcomes) -> Refusals:
        """What may not be used; `sights` are the events that tell what was seen."""
        served = self._served
        of_authors = self.consents.of_people(self._authors.names)
        refusing = sights[sights.refuses != 0]
        row = np.zeros(len(served.impressions), np.uint8)
        for bit in PURPOSES.values():
            row[on_screen(served.impressions, refusing[refusing.refuses & bit != 0])] |= bit
        return Refusals(
            viewer=self.consents.of_people(served.viewer_ids.names),
            author=of_authors[np.append(self._author, NONE)],
            post=self.consents.of_posts(served.post_ids.names),
            row=row,
        )

    @property
    def author_of(self) -> Integers:
        """Each served post's author, a number into `author_names`; -1 where not known."""
        return self._author

    @property
    def author_names(self) -> Sequence[str]:
        """The ids of the authors."""
        return self._authors.names

    def posts(self) -> Posts:
        """What is known of the served posts."""
        width = next((len(vector) for vector in self._vectors.values()), 1)
        vector = np.full((len(self._author), width), np.nan, np.float16)
        for number, known in self._vectors.items():
            vector[number] = known
        return Posts(
            ids=np.array(self._served.post_ids.names, np.object_),
            author=self._author,
            language=self._language,
            created_ms=self._created_ms,
            vector=vector,
            languages=tuple(self._languages.names),
        )

    def _events(self, change: journal_pb2.Events, entry_ms: int) -> None:
        new = self._event_ids.admit(change.event_ids)
        outcomes = self._outcomes(change, entry_ms)
        kept = new & (outcomes.viewer != NONE) & (outcomes.time_ms >= self._from_ms)
        if kept.any():
            outcomes = outcomes[kept]
            self._parts.append(outcomes)
            on_served = (outcomes.post != NONE) & (outcomes.kind != types_pb2.EVENT_KIND_IMPRESSION)
            self.late += int((on_served & (entry_ms - outcomes.time_ms > _LATE_MS)).sum())

    def _outcomes(self, change: journal_pb2.Events, entry_ms: int) -> Outcomes:
        """A batch of events, none later than its entry, in the numbers of what was served."""
        served, named = self._served, np.array([bool(name) for name in change.request_ids], np.bool_)
        request = served.request_ids.slots(change.request_ids)
        request[named & (request == NO_REQUEST)] = ELSEWHERE
        return Outcomes(
            viewer=served.viewer_ids.slots(change.viewer_ids),
            post=served.post_ids.slots(change.post_ids),
            request=request,
            kind=np.array(change.kinds, np.int8),
            time_ms=np.minimum(np.array(change.time_ms, np.int64), entry_ms),
            dwell_ms=np.array(change.dwell_ms, np.int64),
            undo=np.array(change.undo, np.bool_),
            refuses=refused_in(change),
        )

    def _post(self, post: types_pb2.Post) -> None:
        number = self._served.post_ids.slot(post.id)
        if number == NONE:
            return
        self._author[number] = number_of(self._authors, post.author_id)
        self._language[number] = number_of(self._languages, primary_language(post.language))
        self._created_ms[number] = post.created_ms
        if post.vector:
            vector = np.array(post.vector, np.float64)
            self._vectors[number] = (vector / np.linalg.norm(vector)).astype(np.float16)

    def _vectors_made(self, change: journal_pb2.Vectors) -> None:
        numbers = self._served.post_ids.slots(change.post_ids)
        vectors = np.frombuffer(change.float16, "<f2").reshape(len(numbers), -1)
        for row in np.flatnonzero(numbers != NONE).tolist():
            self._vectors[int(numbers[row])] = vectors[row].copy()
