"""Who is looking, and when."""

from datetime import UTC, datetime

import numpy as np

from ranker.candidates import Candidates
from ranker.features import counts
from ranker.features.counts import cells
from ranker.features.declaration import Feature, Group, Rows
from ranker.query import Query

_RATES = ("click", "like", "reply", "share", "negative")


_COUNTED = cells(("impression", "ever"), ("impression", "30min"))
_RATED = cells(*((name, "ever") for name in _RATES))
_ITSELF, _NOW_MS = np.zeros(1, np.int32), np.zeros(1, np.int64)


def _fill(query: Query, _posts: Candidates, rows: Rows) -> None:
    moment = datetime.fromtimestamp(query.now_ms / 1000, UTC)
    row = np.empty((1, rows.shape[1]), np.float32)
    row[0, :2] = query.age_ms / 86_400_000, len(query.follows)
    # What the viewer did is faded already.
    counts.fill(query.given[None], _NOW_MS, _ITSELF, 0, _COUNTED, _RATED, row[:, 2:4], row[:, 4:9])
    row[0, 9:] = moment.hour, moment.weekday(), query.ask.surface
    rows[:] = row


GROUP = Group(
    (
        Feature("viewer_age", "time since the viewer became known", "d"),
        Feature("viewer_follows", "authors whom the viewer follows", "log"),
        Feature("viewer_impressions", "posts that the viewer saw, ever", "log"),
        Feature("viewer_impressions_30min", "posts that the viewer saw, half-life 30 min", "log"),
        *(
            Feature(f"viewer_{name}_rate", f"{name}s an impression of the viewer, ever", "1")
            for name in _RATES
        ),
        Feature("hour", "hour of the day, UTC", "h"),
        Feature("weekday", "day of the week, Monday is 0", "d"),
        Feature("surface", "the surface, as the contract numbers it", "1"),
    ),
    _fill,
)
