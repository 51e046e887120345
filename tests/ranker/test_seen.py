"""Whose rows a model learned from: asked with the key alone, and marked once for each who was erased."""

from pathlib import Path

import pytest

from ranker.bundle import list_bundles, mark_late, mark_those_that_saw
from ranker.privacy.gone import Gone
from ranker.seen import PEOPLE, People, key_of, mark, mark_of
from ranker.state.departed import digest_of
from ranker.trees import Forest
from tests.ranker.test_bundle import facts, stump
from training.bundles import save_bundle

KEY = b"a key"
FACTS = facts("m1")


def saved(models: Path, people: People | None, version: str = "m1") -> Path:
    told = facts(version).model_copy(update={"people": people.facts if people else None})
    return save_bundle(models, Forest(heads=("like",), **stump(0.0, 1.0)), told, people)


def somebody(user_id: str, since_ms: int = FACTS.from_ms, at: int = FACTS.to_ms) -> Gone:
    return Gone(digest_of(user_id, KEY), since_ms, at, at + 1)


def erased(models: Path, user_id: str, since_ms: int = FACTS.from_ms, at: int = FACTS.to_ms) -> int:
    return mark_those_that_saw(models, somebody(user_id, since_ms, at))


def test_who_was_put_in_is_always_found_and_of_others_one_in_a_hundred() -> None:
    viewers, authors = [f"v{n}" for n in range(8_000)], [f"a{n}" for n in range(2_000)]
    people = People.of(viewers, authors, KEY)
    assert all(people.holds(digest_of(one, KEY)) for one in [*viewers, *authors])
    assert sum(people.holds(digest_of(f"x{n}", KEY)) for n in range(5_000)) < 75


def test_without_the_key_nobody_is_found() -> None:
    people = People.of([f"v{n}" for n in range(1_000)], [], KEY)
    assert sum(people.holds(digest_of(f"v{n}", b"another")) for n in range(1_000)) < 25


def test_a_filter_is_bounded_in_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ranker.seen._MOST", 256)
    people = People.of([f"v{n}" for n in range(5_000)], [], KEY)
    assert len(people.content) == 256
    assert people.holds(digest_of("v4999", KEY))


def test_a_data_folder_has_one_key_that_others_cannot_read(tmp_path: Path) -> None:
    key = key_of(tmp_path)
    assert key_of(tmp_path) == key
    assert len(key) == 32
    assert (tmp_path / "people.key").stat().st_mode & 0o777 == 0o600
    assert key_of(tmp_path.parent) != key


def test_a_bundle_that_saw_an_erased_person_is_marked_and_others_are_not(tmp_path: Path) -> None:
    saved(tmp_path, People.of(["ines"], ["lena"], KEY), "saw")
    saved(tmp_path, People.of(["omar"], ["lena"], KEY), "did-not")
    assert erased(tmp_path, "ines") == 1
    assert {one.version: one.saw_erased for one in list_bundles(tmp_path)} == {"saw": 1, "did-not": 0}


def test_an_author_was_seen_too(tmp_path: Path) -> None:
    saved(tmp_path, People.of(["ines"], ["lena"], KEY))
    assert erased(tmp_path, "lena") == 1


def test_a_mark_counts_each_person_once_and_names_nobody(tmp_path: Path) -> None:
    folder = saved(tmp_path, People.of(["ines", "omar"], [], KEY))
    for user_id, at in (("ines", 7), ("omar", 8), ("ines", 7)):
        erased(tmp_path, user_id, at=at)
    found = mark_of(folder)
    assert found is not None
    assert (found.count, found.times_ms) == (2, (7, 8))
    assert not any(b"ines" in path.read_bytes() for path in folder.iterdir())


@pytest.mark.parametrize(("since", "at", "count"), [(-9, -1, 0), (0, 9, 1), (10**15, 10**15, 0)])
def test_a_bundle_that_noted_nobody_is_judged_by_its_time(
    tmp_path: Path, since: int, at: int, count: int
) -> None:
    saved(tmp_path, None)
    assert erased(tmp_path, "ines", since_ms=FACTS.from_ms + since, at=FACTS.from_ms + at) == count


def test_a_damaged_filter_is_taken_to_hold_everybody_of_its_time(tmp_path: Path) -> None:
    folder = saved(tmp_path, People.of(["omar"], [], KEY))
    (folder / PEOPLE).write_bytes(bytes(64))
    assert erased(tmp_path, "ines") == 1


def test_a_mark_that_was_torn_is_written_anew(tmp_path: Path) -> None:
    (tmp_path / "saw_erased.json").write_text('{"count": 3')
    mark(tmp_path, 5)
    found = mark_of(tmp_path)
    assert found is not None
    assert found.count == 1


def test_a_bundle_that_came_after_an_erasure_is_marked_for_whom_it_saw_alone(tmp_path: Path) -> None:
    saved(tmp_path, People.of(["ines"], [], KEY))
    mark_late(tmp_path, [somebody("ines"), somebody("omar")])
    mark_late(tmp_path, [somebody("ines")])
    assert list_bundles(tmp_path)[0].saw_erased == 1


def test_a_bundle_of_what_was_read_after_an_erasure_saw_a_newcomer(tmp_path: Path) -> None:
    saved(tmp_path, People.of(["ines"], [], KEY))
    mark_late(tmp_path, [somebody("ines", at=FACTS.to_ms - 2)])
    assert list_bundles(tmp_path)[0].saw_erased == 0
