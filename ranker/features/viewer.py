"""Who is looking, and when."""

from collections.abc import Sequence
from datetime import UTC, datetime

from ranker.candidates import Candidates
from ranker.features.declaration import Feature, Group, Values, count, log, rate
from ranker.query import Query

_RATES = ("click", "like", "reply", "share", "negative")


def _values(query: Query, _posts: Candidates) -> Sequence[Values]:
    moment = datetime.fromtimestamp(query.now_ms / 1000, UTC)
    return (
        query.age_ms / 86_400_000,
        log(len(query.follows)),
        log(count(query.given, "impression")),
        log(count(query.given, "impression", "30min")),
        *(rate(query.given, name) for name in _RATES),
        moment.hour,
        moment.weekday(),
        query.ask.surface,
    )


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
    _values,
)
