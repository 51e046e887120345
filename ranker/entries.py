"""Checked rows of the contract as journal entries, one entry a call."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from feedrank.journal.v1 import journal_pb2
from feedrank.v1 import admin_pb2, controls_pb2, ingest_pb2, types_pb2

from ranker.event_columns import EventColumns
from ranker.experiments import PRIOR
from ranker.state.departed import digest_of

Entry = journal_pb2.Entry


def of_posts(rows: Sequence[types_pb2.Post], time_ms: int) -> Entry:
    """Posts; a post without a time was made now."""
    entry = Entry(time_ms=time_ms)
    for row in rows:
        entry.posts.posts.add().CopyFrom(row)
        entry.posts.posts[-1].created_ms = row.created_ms or time_ms
    return entry


def of_deletions(post_ids: Sequence[str], time_ms: int) -> Entry:
    """Posts to delete."""
    return Entry(time_ms=time_ms, deleted_posts=journal_pb2.DeletedPosts(post_ids=post_ids))


def of_users(rows: Sequence[types_pb2.User], time_ms: int) -> Entry:
    """Users."""
    return Entry(time_ms=time_ms, users=journal_pb2.Users(users=rows))


def of_relations(rows: Sequence[types_pb2.Relation], time_ms: int) -> Entry:
    """Relations."""
    return Entry(time_ms=time_ms, relations=journal_pb2.Relations(relations=rows))


def of_preferences(row: controls_pb2.SetPreferencesRequest, time_ms: int) -> Entry:
    """One viewer's preferences."""
    chosen = journal_pb2.ViewerPreferences(viewer_id=row.viewer_id, preferences=row.preferences)
    return Entry(time_ms=time_ms, preferences=chosen)


def of_events(rows: Sequence[types_pb2.Event], time_ms: int) -> Entry:
    """Events as columns; an event without a time happened now."""
    columns = EventColumns.of_request(ingest_pb2.RecordEventsRequest(events=rows))
    return Entry.FromString(of_event_columns(columns, time_ms))


def of_event_columns(events: EventColumns, time_ms: int) -> bytes:
    """Events, as a serialised entry; one without a time happened now."""
    timed = replace(events, time_ms=np.where(events.time_ms == 0, time_ms, events.time_ms))
    return timed.entry(time_ms)


def of_erasure(user_id: str, time_ms: int) -> Entry:
    """A person to forget, with a fresh key for the digest that stays."""
    key = secrets.token_bytes(32)
    erased = journal_pb2.ErasedUser(user_id=user_id, key=key, digest=digest_of(user_id, key))
    return Entry(time_ms=time_ms, erased_user=erased)


def of_active_model(version: str, time_ms: int) -> Entry:
    """The model to serve."""
    return Entry(time_ms=time_ms, active_model=journal_pb2.ActiveModel(version=_stored(version)))


def of_rollback(version: str, time_ms: int) -> Entry:
    """The model that served before, to serve again."""
    back = journal_pb2.ActiveModel(version=_stored(version), rollback=True)
    return Entry(time_ms=time_ms, active_model=back)


def of_shadow_model(version: str, time_ms: int) -> Entry:
    """The model that scores for the log only; empty for none."""
    return Entry(time_ms=time_ms, shadow_model=journal_pb2.ShadowModel(version=version))


def of_experiment(name: str, variants: Sequence[admin_pb2.ExperimentVariant], time_ms: int) -> Entry:
    """An experiment that starts."""
    started = journal_pb2.StartedExperiment(name=name, variants=variants)
    return Entry(time_ms=time_ms, started_experiment=started)


def of_experiments_end(name: str, time_ms: int) -> Entry:
    """An experiment that stops."""
    return Entry(time_ms=time_ms, stopped_experiment=journal_pb2.StoppedExperiment(name=name))


def _stored(version: str) -> str:
    """The journal writes the prior as an empty version."""
    return "" if version == PRIOR else version


OF: dict[str, Callable[[Any, int], Entry]] = {
    types_pb2.Post.DESCRIPTOR.name: of_posts,
    types_pb2.User.DESCRIPTOR.name: of_users,
    types_pb2.Relation.DESCRIPTOR.name: of_relations,
    types_pb2.Event.DESCRIPTOR.name: of_events,
}
"""How a batch of rows of one message becomes an entry, by the message's name."""
