"""The join: rows as they were served, each with what followed and nothing else."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from feedrank.v1 import types_pb2 as t

from ranker import entries, features
from ranker.heads import DAY_MS, HOUR_MS, NAMES
from ranker.impression_files import OPEN, Segment, finish
from ranker.impressions import Answer, rows_of
from training.examples import Choices, ExampleSet
from training.exclusions import Exclusions
from training.histories import of_rows
from training.join import join
from training.rows import Row

T0 = 1_700_000_000_000
ALL = Choices(seen="no")


def answer(request: str = "r1", posts: Sequence[str] = ("p1", "p2"), at: int = 0, **other: Any) -> Answer:
    count = len(posts)
    random = np.random.default_rng([at, *request.encode()])
    columns: dict[str, Any] = {
        "request_id": request,
        "session_id": "s",
        "viewer_id": "ines",
        "surface": t.SURFACE_FOR_YOU,
        "time_ms": T0 + at,
        "entry_id": "1-0",
        "model_version": "prior",
        "experiment": "",
        "variant": "",
        "shadow": None,
        "first_place": 0,
        "post_ids": posts,
        "sources": ["in_network"] * count,
        "brought": np.ones(count, np.uint32),
        "score": random.standard_normal(count),
        "propensity": random.random(count),
        "features": random.standard_normal((count, len(features.NAMES)), np.float32),
        "probabilities": random.random((count, len(NAMES))),
        "factors": {},
    }
    return Answer(**columns | other)


def event(kind: str, post_id: str = "p1", at: int = 1, viewer: str = "ines", **fields: Any) -> t.Event:
    number = t.EventKind.Value(f"EVENT_KIND_{kind.upper()}")
    return t.Event(viewer_id=viewer, kind=number, post_id=post_id, time_ms=T0 + at, **fields)


def logged(folder: Path, answers: Sequence[Answer], name: str = "0") -> None:
    folder.mkdir(exist_ok=True)
    segment = Segment(folder / f"{name}{OPEN}")
    for one in answers:
        segment.append(rows_of([one]))
    segment.close()
    finish(segment.path)


def joined(
    folder: Path, answers: Sequence[Answer], rows: Sequence[Row], choices: Choices = ALL
) -> ExampleSet:
    logged(folder / "log", answers)
    return join(folder / "log", (entry for _, entry in of_rows(rows)), choices)


def label(found: ExampleSet, head: str) -> list[int]:
    return [int(one) for one in found.examples.labels[:, NAMES.index(head)]]


def test_a_row_is_as_it_was_served_bit_for_bit(tmp_path: Path) -> None:
    served = [answer("r2", at=5), answer("r1", first_place=20)]
    found = joined(tmp_path, served, []).examples
    first, last = served[::-1]
    for name in ("features", "score", "propensity"):
        expected = np.concatenate([getattr(first, name), getattr(last, name)])
        assert getattr(found, name).tobytes() == expected.tobytes(), name
    assert found.probabilities[:2].tobytes() == first.probabilities.astype(np.float32).tobytes()
    assert found.place.tolist() == [20, 21, 0, 1]
    assert found.group.tolist() == [0, 0, 1, 1]


def test_each_head_has_its_own_horizon(tmp_path: Path) -> None:
    later = [event(kind, at=HOUR_MS + 1) for kind in ("click", "like")]
    found = joined(tmp_path, [answer()], [*later, event("click", "p2", at=HOUR_MS)])
    assert label(found, "click") == [0, 1]
    assert label(found, "like") == [1, 0]


def test_a_post_in_two_answers_is_labelled_in_the_one_that_the_event_names(tmp_path: Path) -> None:
    answers = [answer("r1", ["p1"]), answer("r2", ["p1"], at=5)]
    named = [event("like", at=9, request_id="r2"), event("click", at=9)]
    found = joined(tmp_path, answers, named)
    assert label(found, "like") == [0, 1]
    assert label(found, "click") == [1, 1]


def test_an_event_of_an_answer_that_is_not_in_the_log_labels_nothing(tmp_path: Path) -> None:
    found = joined(tmp_path, [answer()], [event("like", request_id="lost")])
    assert not found.examples.labels.any()


def test_a_client_whose_clock_is_behind_keeps_its_labels_where_it_names_the_answer(tmp_path: Path) -> None:
    early = [event("click", at=-5_000, request_id="r1"), event("click", "p2", at=-5_000)]
    assert label(joined(tmp_path, [answer()], early), "click") == [1, 0]


def test_late_events_are_joined_by_when_they_happened(tmp_path: Path) -> None:
    logged(tmp_path / "log", [answer()])
    told = [event("like", "p2", at=9), event("click", at=HOUR_MS)]
    history = [entries.of_events([one], T0 + 20 * HOUR_MS) for one in told]
    found = join(tmp_path / "log", history, ALL)
    assert label(found, "click") == [1, 0]
    assert label(found, "like") == [0, 1]
    assert found.about.counts["late_events"] == 2


def test_what_was_taken_back_is_none_even_if_told_first(tmp_path: Path) -> None:
    logged(tmp_path / "log", [answer()])
    told = [event("like", at=9, undo=True), event("like", at=5), event("like", "p2", at=9)]
    found = join(tmp_path / "log", [entries.of_events([one], T0 + 99) for one in told], ALL)
    assert label(found, "like") == [0, 1]


def test_what_was_done_twice_and_lasts_is_taken_back_at_once(tmp_path: Path) -> None:
    rows = [event("like", at=5), event("like", at=6), event("like", at=7, undo=True)]
    clicks = [event("click", at=5), event("click", at=6), event("click", at=7, undo=True)]
    found = joined(tmp_path, [answer()], [*rows, *clicks])
    assert (label(found, "like"), label(found, "click")) == ([0, 0], [1, 0])


def test_an_event_that_comes_twice_counts_once(tmp_path: Path) -> None:
    twice = [
        event("like", at=5, event_id="e"),
        event("like", at=6, undo=True),
        event("like", at=7, event_id="e"),
    ]
    assert label(joined(tmp_path, [answer()], twice), "like") == [0, 0]


def test_served_is_not_seen_where_clients_tell_what_was_seen(tmp_path: Path) -> None:
    posts = ["p1", "p2", "p3"]
    rows = [event("impression", request_id="r1"), event("click", "p2", at=3)]
    found = joined(tmp_path, [answer(posts=posts)], rows, Choices())
    assert found.posts.ids[found.examples.post].tolist() == ["p1", "p2"]
    assert found.about.counts["not_seen"] == 1


def test_sights_of_a_callers_posts_do_not_say_that_other_surfaces_tell_what_was_seen(tmp_path: Path) -> None:
    answers = [answer(), answer("r2", ["p3", "p4"], at=9, sources=["caller", "caller"])]
    found = joined(tmp_path, answers, [event("impression", "p3", at=10, request_id="r2")], Choices())
    assert found.posts.ids[found.examples.post].tolist() == ["p1", "p2", "p3"]


def test_of_an_answer_whose_client_tells_no_sights_not_even_the_clicks_stay(tmp_path: Path) -> None:
    answers = [answer(), answer("r2", ["p3", "p4"], at=9, viewer_id="omar")]
    rows = [event("impression", request_id="r1"), event("click", "p3", at=99, viewer="omar")]
    found = joined(tmp_path, answers, rows, Choices())
    assert found.posts.ids[found.examples.post].tolist() == ["p1"]


def test_where_no_client_tells_what_was_seen_served_is_seen(tmp_path: Path) -> None:
    assert len(joined(tmp_path, [answer()], [event("click")], Choices()).examples) == 2


def test_what_a_caller_had_ranked_is_seen_when_an_event_says_so(tmp_path: Path) -> None:
    ranked = answer(sources=["caller", "caller"])
    rows = [event(kind, "p2", request_id="r1") for kind in ("impression", "like")]
    found = joined(tmp_path, [ranked], rows, Choices())
    assert found.posts.ids.tolist() == ["p2"]


@pytest.mark.parametrize(("heads", "kept"), [(NAMES, 0), (("click", "dwell"), 2)])
def test_an_example_is_made_when_the_longest_horizon_asked_for_has_passed(
    tmp_path: Path, heads: tuple[str, ...], kept: int
) -> None:
    choices = Choices(heads=heads, until_ms=T0 + HOUR_MS, seen="no")
    found = joined(tmp_path, [answer()], [event("click"), event("like")], choices)
    assert len(found.examples) == kept
    assert found.about.counts["horizon_not_passed"] == 2 - kept
    assert not found.examples.labels[:, NAMES.index("like")].any()


def test_a_wait_keeps_examples_back_for_late_events(tmp_path: Path) -> None:
    choices = Choices(until_ms=T0 + DAY_MS, seen="no", wait_s=1)
    assert len(joined(tmp_path, [answer()], [], choices).examples) == 0


def test_a_row_that_the_log_holds_twice_is_one_example(tmp_path: Path) -> None:
    logged(tmp_path / "log", [answer()], name="1")
    found = joined(tmp_path, [answer()], [])
    assert len(found.examples) == 2
    assert found.about.counts["repeated"] == 2


def test_posts_come_with_what_the_journal_knows(tmp_path: Path) -> None:
    rows = [
        t.Post(id="p2", author_id="ada", language="fi-FI", created_ms=T0 - 5, vector=[3.0, 4.0]),
        t.Post(id="never served", author_id="omar", created_ms=T0),
    ]
    posts = joined(tmp_path, [answer()], rows).posts
    assert posts.ids.tolist() == ["p1", "p2"]
    assert posts.created_ms.tolist() == [-1, T0 - 5]
    assert posts.languages[posts.language[1]] == "fi"
    assert np.allclose(posts.vector[1], [0.6, 0.8], atol=1e-3)
    assert np.isnan(posts.vector[0]).all()


def test_variants_and_models_are_told(tmp_path: Path) -> None:
    tried = answer("r2", at=1, experiment="bold", variant="b", model_version="m2")
    found = joined(tmp_path, [answer(), tried], [])
    assert found.about.variants == ("bold/b",)
    assert found.examples.variant.tolist() == [-1, -1, 0, 0]
    assert found.about.model_versions == ("m2", "prior")


def many(answers: int = 300) -> tuple[list[Answer], list[Row]]:
    posts = [f"p{number}" for number in range(20)]
    served = [answer(f"r{number}", posts, at=number) for number in range(answers)]
    return served, [event("like", f"p{n % 20}", at=n + 1, request_id=f"r{n}") for n in range(answers)]


def test_sampling_keeps_all_that_something_followed_and_weights_tell_the_number_of_the_rest(
    tmp_path: Path,
) -> None:
    found = joined(tmp_path, *many(), Choices(negatives=0.2, seen="no")).examples
    assert found.labels.any(axis=1).sum() == 300
    deviation = np.sqrt(5_700 * 0.8 / 0.2)
    assert abs(found.weight.sum() - 6_000) < 4 * deviation
    assert set(found.weight.tolist()) == {1.0, 5.0}


def test_the_sample_does_not_depend_on_the_order_of_the_log(tmp_path: Path) -> None:
    answers, rows = many(50)
    choices = Choices(negatives=0.2, seen="no")
    (tmp_path / "other").mkdir()
    one, other = (
        joined(tmp_path, answers, rows, choices),
        joined(tmp_path / "other", answers[::-1], rows, choices),
    )
    assert one.examples.features.tobytes() == other.examples.features.tobytes()
    reseeded = joined_again(tmp_path, rows, choices.model_copy(update={"seed": 1}))
    assert reseeded.examples.features.tobytes() != one.examples.features.tobytes()


def joined_again(folder: Path, rows: Sequence[Row], choices: Choices) -> ExampleSet:
    return join(folder / "log", (entry for _, entry in of_rows(rows)), choices)


def test_rows_of_bots_are_taken_out_and_counted_by_rule(tmp_path: Path) -> None:
    answers = [answer("r1"), answer("r2", viewer_id="test-7"), answer("r3", viewer_id="mad")]
    busy = [event("click", at=at, viewer="mad") for at in range(1, 12)]
    rules = Exclusions(viewers=("test-*",), actions_an_hour=10)
    found = joined(tmp_path, answers, busy, Choices(seen="no", exclude=rules))
    assert len(found.examples) == 2
    assert found.about.counts["excluded_by_viewers"] == 2
    assert found.about.counts["excluded_by_actions_an_hour"] == 2
    assert found.about.counts["viewers_excluded_by_actions_an_hour"] == 1
