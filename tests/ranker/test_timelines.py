import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from feedrank.v1 import types_pb2
from feedrank.v1.admin_pb2 import ExperimentVariant

from ranker import entries, features
from ranker.errors import CallerGone
from ranker.exploration import ExplorationSettings
from ranker.impressions import ImpressionLog, ImpressionSettings
from ranker.journal import Journal
from ranker.models import Models
from ranker.pipeline import Trace
from ranker.query import Ask
from ranker.sessions import Sessions, SessionSettings
from ranker.timelines import Page, Timelines, deadline_in
from tests.ranker.network import NOW, VIEWERS, Town, playground


@pytest.fixture
def timelines(tmp_path: Path) -> Timelines:
    """Of the playground; what is served waits in the log's queue."""
    return of(playground(), tmp_path)


def of(town: Town, folder: Path, swap_share: float = 0) -> Timelines:
    log = ImpressionLog(folder, Journal.at_socket(folder / "no.sock"), ImpressionSettings())
    drawn = ExplorationSettings(fresh_share=1, swap_share=swap_share)
    return Timelines(town.view, Models(folder), Sessions(SessionSettings(places=60)), log, drawn)


ASK = Ask(VIEWERS[0], NOW)


def ids(page: Page) -> list[str]:
    return [one.post_id for one in page.placed]


def whole_session(timelines: Timelines, ask: Ask) -> list[Page]:
    pages = [timelines.page(ask, "", Trace())]
    while pages[-1].cursor:
        pages.append(timelines.page(ask, pages[-1].cursor, Trace()))
    return pages


def test_a_page_has_as_many_posts_as_asked_for(timelines: Timelines) -> None:
    page = timelines.page(replace(ASK, size=7), "", Trace())
    assert len(page.placed) == 7
    assert page.first_place == 0
    assert page.model_version == "prior"


def test_pages_go_on_to_the_end_and_repeat_nothing(timelines: Timelines) -> None:
    pages = whole_session(timelines, ASK)
    everything = [post for page in pages for post in ids(page)]
    assert len(pages) > 3
    assert len(set(everything)) == len(everything)
    assert [page.first_place for page in pages] == sorted(page.first_place for page in pages)


def test_a_cursor_gives_the_same_page_again(timelines: Timelines) -> None:
    first = timelines.page(ASK, "", Trace())
    second, again = (timelines.page(ASK, first.cursor, Trace()) for _ in range(2))
    assert ids(second) == ids(again)
    assert second.ranking.scored.score.tolist() == again.ranking.scored.score.tolist()
    assert second.request_id != again.request_id


def test_what_is_deleted_meanwhile_is_passed_over(tmp_path: Path) -> None:
    town = Town()
    for i in range(30):
        town.post(f"p{i}", f"author{i}", age_h=i + 1)
    timelines = of(town, tmp_path)
    first = timelines.page(replace(ASK, viewer_id="vera", size=5), "", Trace())
    rest = [f"p{i}" for i in range(30) if f"p{i}" not in ids(first)]
    town.delete(*rest[:10])
    second = timelines.page(replace(ASK, viewer_id="vera", size=50), first.cursor, Trace())
    assert set(ids(second)) == set(rest[10:])


def test_every_page_but_the_last_is_full_and_the_last_has_no_cursor(timelines: Timelines) -> None:
    *full, last = whole_session(timelines, replace(ASK, size=35))
    assert {len(page.placed) for page in full} == {35}
    assert 0 < len(last.placed) <= 35


def test_what_was_seen_comes_back_behind_all_that_is_new(tmp_path: Path) -> None:
    town = Town()
    for i in range(40):
        town.post(f"p{i}", f"author{i}", age_h=i + 1)
    town.served("vera", *(f"p{i}" for i in range(15)))
    pages = whole_session(of(town, tmp_path), replace(ASK, viewer_id="vera", size=20))
    everything = [post for page in pages for post in ids(page)]
    assert len(everything) == 40
    assert set(everything[25:]) == {f"p{i}" for i in range(15)}


def test_a_page_whose_posts_went_meanwhile_is_filled_with_others(tmp_path: Path) -> None:
    town = Town()
    for i in range(150):
        town.post(f"p{i}", f"author{i}", age_h=i / 10)
    timelines = of(town, tmp_path)
    first = timelines.page(replace(ASK, viewer_id="vera", size=5), "", Trace())
    session, _ = timelines.sessions.resume(first.cursor, replace(ASK, viewer_id="vera", size=5))
    order = session.ids.texts()
    town.delete(*order[5:])
    second = timelines.page(replace(ASK, viewer_id="vera", size=5), first.cursor, Trace())
    assert len(second.placed) == 5
    assert not set(ids(second)) & set(order[:60])


def test_no_page_of_a_session_shows_what_says_the_same_as_an_earlier_one(tmp_path: Path) -> None:
    town = Town()
    vector = np.eye(town.state.dimension)[0].tolist()
    for i in range(30):
        town.post(f"p{i}", f"author{i}", age_h=i + 1, vector=vector if i in (3, 20) else [])
    pages = whole_session(of(town, tmp_path), replace(ASK, viewer_id="vera", size=10))
    everything = [post for page in pages for post in ids(page)]
    assert len({"p3", "p20"} & set(everything)) == 1
    assert len(everything) == 29


def test_an_answer_that_nobody_waits_for_is_not_logged(timelines: Timelines) -> None:
    timelines.page(ASK, "", Trace(gone=iter((False, True)).__next__))
    assert timelines.impressions._queue.empty()


def test_nothing_is_ranked_for_who_is_gone_before_the_turn_came(timelines: Timelines) -> None:
    trace = Trace(gone=lambda: True)
    with pytest.raises(CallerGone):
        timelines.page(ASK, "", trace)
    assert not trace.found


def test_an_answer_is_logged_as_it_was_served(timelines: Timelines) -> None:
    page = timelines.page(ASK, "", Trace())
    answer = timelines.impressions._queue.get_nowait()
    assert answer.request_id == page.request_id
    assert list(answer.post_ids) == ids(page)
    assert answer.entry_id == timelines.state.position
    viewer = timelines._query(ASK)
    expected = features.compute(viewer, page.ranking.scored.posts)
    assert answer.features.tobytes() == expected.tobytes()


def test_a_session_that_began_before_an_experiment_counts_for_no_variant(tmp_path: Path) -> None:
    town = Town()
    town.posts(*(f"p{i}" for i in range(9)))
    timelines = of(town, tmp_path)
    first = timelines.page(replace(ASK, size=2), "", Trace())
    halves = [ExperimentVariant(name=n, model_version="prior", share_basis_points=5_000) for n in ("a", "b")]
    town.fold(entries.of_experiment("halves", halves, NOW))
    second = timelines.page(replace(ASK, size=2), first.cursor, Trace())
    assert (second.serving.experiment, second.serving.variant) == ("", "")
    anew = timelines.page(replace(ASK, size=2), "", Trace())
    assert (anew.serving.experiment, anew.serving.variant in ("a", "b")) == ("halves", True)
    third = timelines.page(replace(ASK, size=2), anew.cursor, Trace())
    assert third.serving.variant == anew.serving.variant


def test_a_missing_model_is_told_and_the_timeline_comes(tmp_path: Path) -> None:
    town = Town()
    town.posts("a", "b")
    town.fold(entries.of_active_model("nowhere", NOW))
    trace = Trace()
    assert len(of(town, tmp_path).page(ASK, "", trace).placed) == 2
    assert ("model", "unavailable") in trace.degraded


def test_ranked_posts_are_the_callers_in_the_rankers_order(timelines: Timelines) -> None:
    asked = ["p000011", "p000012", "p000013", "unknown"]
    answer = timelines.rank_posts(ASK, asked, apply_filters=False, trace=Trace())
    assert sorted(ids(answer.page)) == asked[:3]
    assert answer.unknown == ["unknown"]
    scores = answer.page.ranking.scored.score.tolist()
    assert scores == sorted(scores, reverse=True)


def test_of_ranked_posts_each_removed_one_is_named_with_its_filter(timelines: Timelines) -> None:
    answer = timelines.rank_posts(ASK, ["p000010", "p000011"], apply_filters=True, trace=Trace())
    assert ("p000010", "deleted") in answer.removed
    left = {name for name, _ in answer.removed} | set(ids(answer.page))
    assert left == {"p000010", "p000011"}


def test_similar_posts_are_near_and_not_the_post_itself(timelines: Timelines) -> None:
    page = timelines.similar(Ask("", NOW, surface=types_pb2.SURFACE_SIMILAR, near_id="p000001"), Trace())
    assert "p000001" not in ids(page)
    scores = page.ranking.scored.score.tolist()
    assert scores == sorted(scores, reverse=True)


def test_a_post_without_a_vector_yet_has_no_similar_posts_and_the_answer_says_so(tmp_path: Path) -> None:
    town = Town()
    town.post("p", "ana")
    page = of(town, tmp_path).similar(Ask("", NOW, types_pb2.SURFACE_SIMILAR, near_id="p"), Trace())
    assert (page.placed, page.trace.degraded) == ([], [("similar", "unavailable")])


def test_an_explanation_has_every_feature_of_the_post(timelines: Timelines) -> None:
    told = timelines.explain(ASK, "p000011", Trace())
    assert told.known
    assert len(told.values) == len(features.FEATURES)
    assert told.page is not None
    row = dict(zip(features.NAMES, told.values, strict=True))
    assert row["post_age"] == pytest.approx((NOW - _created("p000011")) / 3_600_000)


def test_an_explanation_names_the_filter_of_a_removed_post(timelines: Timelines) -> None:
    told = timelines.explain(ASK, "p000010", Trace())
    assert "deleted" in [name for name, _ in told.filters]
    assert told.page is None


def test_an_explanation_says_that_the_light_ranker_left_a_post_out(tmp_path: Path) -> None:
    town = Town()
    for i in range(260):
        town.post(f"p{i}", f"author{i}", age_h=1 + i / 10)
    town.relate("vera", "follow", *(f"author{i}" for i in range(260)))
    timelines = of(town, tmp_path)
    timelines.sessions.settings = SessionSettings(candidates=200)
    oldest, newest = (timelines.explain(replace(ASK, viewer_id="vera"), p, Trace()) for p in ("p259", "p0"))
    assert (oldest.cut, newest.cut) == (True, False)
    assert oldest.page is not None
    assert oldest.filters == []
    later = whole_session(timelines, replace(ASK, viewer_id="vera", size=100))
    assert "p259" in [post for page in later for post in ids(page)]


def test_of_an_unknown_post_nothing_is_known(timelines: Timelines) -> None:
    told = timelines.explain(ASK, "unknown", Trace())
    assert (told.known, told.values, told.page) == (False, [], None)


def test_a_seed_differs_from_answer_to_answer(timelines: Timelines) -> None:
    drawn = [timelines.page(replace(ASK, viewer_id="newcomer"), "", Trace()) for _ in range(8)]
    assert len({ids(page)[6] for page in drawn}) > 1


def test_the_last_tenth_of_a_deadline_is_for_the_way_back() -> None:
    assert deadline_in(None) == math.inf
    assert deadline_in(10.0) - deadline_in(0.0) == pytest.approx(9, abs=0.1)


def _created(post_id: str) -> int:
    state = playground().state
    return int(state.posts.created_ms[state.post_ids.slot(post_id)])


def test_propensities_are_one_but_for_the_drawn_post(timelines: Timelines) -> None:
    page = timelines.page(ASK, "", Trace())
    drawn = np.flatnonzero(page.ranking.propensity < 1)
    assert drawn.tolist() in ([], [6])
