"""Manifests of bundles, read and compared without knowing their fields: what is added is shown too."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ranker.bundle import Listing, list_bundles
from ranker.errors import NotFound

Value = str | int | float | bool | None | list[Any]
Facts = dict[str, Value]
"""What a manifest says, by the path of the field, such as "heads.like.examples"."""


@dataclass(frozen=True)
class Difference:
    """What two manifests say differently, by the path of the field."""

    changed: dict[str, tuple[Value, Value]]
    only_first: Facts
    only_second: Facts


def find(models: Path, version: str) -> Listing:
    """A bundle of a models folder, its manifest readable. Raises NotFound with the reason where it is not."""
    listed = {one.version: one for one in list_bundles(models)}
    if version not in listed:
        there = ", ".join(listed) or "nothing"
        raise NotFound(f"there is no bundle {version!r} in {models}: there is {there}")
    if listed[version].manifest is None:
        raise NotFound(listed[version].problem)
    return listed[version]


def facts(listing: Listing) -> Facts:
    """What a bundle's manifest says."""
    assert listing.manifest is not None
    return flat(listing.manifest.model_dump(mode="json"))


def flat(document: Any, path: str = "") -> Facts:
    """A JSON document by path: objects by key, objects that have a name by that, other lists as they are.

    >>> flat({"heads": [{"name": "like", "trees": 3}], "features": ["age"], "knobs": {"leaves": 31}})
    {'heads.like.trees': 3, 'features': ['age'], 'knobs.leaves': 31}
    """
    if isinstance(document, list) and document and all(_is_named(one) for one in document):
        document = {one["name"]: {key: one[key] for key in one if key != "name"} for one in document}
    if not isinstance(document, dict):
        return {path: document}
    found: Facts = {}
    for key, value in document.items():
        found |= flat(value, f"{path}.{key}" if path else str(key))
    return found


def _is_named(one: Any) -> bool:
    return isinstance(one, dict) and isinstance(one.get("name"), str)


def difference(first: Facts, second: Facts) -> Difference:
    """What differs. Fields of both keep the order of the first.

    >>> difference({"seed": 1, "trees": 3}, {"seed": 2, "auc": 0.7})
    Difference(changed={'seed': (1, 2)}, only_first={'trees': 3}, only_second={'auc': 0.7})
    """
    both = [path for path in first if path in second]
    return Difference(
        changed={path: (first[path], second[path]) for path in both if first[path] != second[path]},
        only_first={path: value for path, value in first.items() if path not in second},
        only_second={path: value for path, value in second.items() if path not in first},
    )


def text(path: str, value: Value) -> str:
    """A value as a person reads it: times as dates, numbers in four digits, long lists of numbers by length.

    >>> text("created_ms", 1_795_305_600_000)
    '2026-11-22 00:00:00 UTC'
    >>> text("metrics.auc", 0.123456), text("features", ["age", "likes"]), text("x", [0.5] * 20)
    ('0.1235', 'age, likes', '20 numbers from 0.5 to 0.5')
    """
    if isinstance(value, list):
        return _list(value)
    if path.endswith("_ms") and isinstance(value, int):
        return f"{datetime.fromtimestamp(value / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
    if isinstance(value, bool | str) or value is None:
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _list(values: list[Any]) -> str:
    numbers = [one for one in values if isinstance(one, int | float)]
    if len(numbers) > 8 and len(numbers) == len(values):
        return f"{len(numbers)} numbers from {numbers[0]:.4g} to {numbers[-1]:.4g}"
    return ", ".join(map(str, values))


def change(path: str, first: Value, second: Value) -> tuple[str, str]:
    """Both values as a person reads them; of two lists of words only what each has alone.

    >>> change("features", ["age", "likes"], ["age", "taste"])
    ('likes', 'taste')
    >>> change("features", ["age", "likes"], ["likes", "age"])
    ('the same in this order: age, likes', 'likes, age')
    """
    if not (isinstance(first, list) and isinstance(second, list)):
        return text(path, first), text(path, second)
    alone = [one for one in first if one not in second], [one for one in second if one not in first]
    if not any(alone) and len(first) == len(second):
        return f"the same in this order: {_list(first)}", _list(second)
    return _list(alone[0]), _list(alone[1])
