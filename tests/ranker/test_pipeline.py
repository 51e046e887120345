import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from structlog.testing import capture_logs

from ranker import factors, filters, heads, selection, sources
from ranker.aside import Aside
from ranker.candidates import NOTHING, Candidates, Found, Mask, View
from ranker.pipeline import Pipeline, Ranking, ScorerFailed, Source, Trace
from ranker.prior import Prior
from ranker.query import Ask, Query
from ranker.surfaces import FOLLOWING_NEWEST, FOR_YOU, SURFACES, pipeline_of
from tests.live import within
from tests.ranker.network import NOW, VIEWERS, Town, playground

SMALL = Pipeline(
    sources=(Source(sources.in_network, 50), Source(sources.fresh, 50)),
    filters=(filters.deleted, filters.own_posts),
    once=(filters.seen, filters.served),
    factors=(factors.seen_before,),
)


def broken(_query: Query, _view: View, _limit: int) -> Found:
    raise RuntimeError("the index is away")


class Ages:
    """Scores a post by its slot; every third one not at all."""

    version = "ages"

    def predict(self, rows: NDArray[np.float32]) -> heads.Prediction:
        found = np.tile(np.arange(len(rows), dtype=np.float64)[:, None], len(heads.HEADS))
        found[::3] = np.nan
        return heads.predicted(found)


@pytest.fixture
def town() -> Town:
    town = Town()
    for i in range(8):
        town.post(f"p{i}", f"author{i}", age_h=i + 1, vector=np.eye(8)[i])
    town.relate("vera", "follow", *(f"author{i}" for i in range(6)))
    return town


def rank(town: Town, pipeline: Pipeline, trace: Trace | None = None, **ask: object) -> Ranking:
    return pipeline.rank(town.query(**ask), town.view, Prior(), 20, trace or Trace())


def names(town: Town, ranking: Ranking) -> set[str]:
    return set(town.names(ranking.scored.posts.slot))


def test_a_ranking_has_each_post_once_best_first(town: Town) -> None:
    ranking = rank(town, replace(SMALL, order=selection.best_first))
    assert len(names(town, ranking)) == len(ranking.propensity) == 8
    assert ranking.scored.score.tolist() == sorted(ranking.scored.score.tolist(), reverse=True)


def test_a_source_that_fails_costs_its_candidates_only(town: Town) -> None:
    trace = Trace()
    ranking = rank(town, replace(SMALL, sources=(Source(broken, 9), *SMALL.sources)), trace)
    assert len(names(town, ranking)) == 8
    assert trace.degraded == [("broken", "failed")]
    assert "broken" not in trace.found


def test_the_order_of_the_bits_holds_when_a_source_fails(town: Town) -> None:
    pipeline = replace(SMALL, sources=(Source(broken, 9), *SMALL.sources))
    ranking = rank(town, pipeline)
    sources_ = {pipeline.names[bit] for bit in ranking.scored.posts.first_source}
    assert sources_ == {"in_network", "fresh"}


def test_a_fault_in_a_source_is_in_the_log(town: Town) -> None:
    with capture_logs() as told:
        rank(town, replace(SMALL, sources=(Source(broken, 9),)))
    assert [(one["event"], one["source"], one["log_level"]) for one in told] == [
        ("source_failed", "broken", "error")
    ]


def test_without_time_left_sources_are_asked_only_until_one_brings_something(town: Town) -> None:
    trace = Trace(deadline=time.monotonic() - 1)
    assert len(names(town, rank(town, SMALL, trace))) == 6
    assert trace.degraded == [("fresh", "late")]


def test_what_was_met_before_is_left_out_while_the_page_fills(town: Town) -> None:
    town.did("vera", "impression", "p0")
    town.served("vera", "p1")
    assert names(town, rank(town, SMALL, size=6)) == {f"p{i}" for i in range(2, 8)}


def test_what_was_met_before_comes_back_behind_the_new_when_the_page_would_not_fill(town: Town) -> None:
    town.did("vera", "impression", "p0")
    ranking = rank(town, SMALL, size=8)
    assert len(names(town, ranking)) == 8
    assert town.names(ranking.scored.posts.slot)[-1] == "p0"
    assert ranking.scored.multipliers["seen_before"][-1] < 1


def test_a_filter_is_never_given_up_to_fill_the_page(town: Town) -> None:
    town.delete("p0", "p1")
    assert names(town, rank(town, SMALL, size=20)) == {f"p{i}" for i in range(2, 8)}


def test_a_post_without_a_score_is_not_ranked(town: Town) -> None:
    ranking = replace(SMALL, factors=()).rank(town.query(), town.view, Ages(), 20, Trace())
    assert len(names(town, ranking)) == 5
    assert np.isfinite(ranking.scored.score).all()


def test_the_score_is_the_weighted_sum_times_the_factors(town: Town) -> None:
    town.did("vera", "impression", "p0")
    scored = SMALL.score(town.query(), town.candidates(), Prior(), Trace())
    expected = scored.probabilities @ heads.WEIGHTS * scored.multipliers["seen_before"]
    assert scored.score == pytest.approx(expected)


def test_the_trace_tells_what_happened(town: Town) -> None:
    trace = Trace()
    town.delete("p7")
    rank(town, SMALL, trace)
    assert trace.found == {"in_network": 6, "fresh": 8}
    assert trace.removed["deleted"] == 1
    assert trace.scored == 7
    stages = {"in_network", "fresh", "filters", "features", "heads", "factors", "selection"}
    assert stages <= set(trace.seconds)
    assert trace.degraded == []


def test_removers_name_the_filters_that_take_a_post_out(town: Town) -> None:
    town.delete("p3")
    town.did("vera", "impression", "p3")
    removers = SMALL.removers(town.query(), town.candidates(), town.state.post_ids.slot("p3"))
    assert [name for name, _ in removers] == ["deleted", "seen"]
    assert all(what.endswith(".") for _, what in removers)


def test_no_duplicate_of_a_post_that_is_removed_itself_is_named(town: Town) -> None:
    town.post("again", "author8", repost_of_id="p3")
    pipeline = replace(SMALL, filters=(filters.deleted, filters.duplicate))
    slot = town.state.post_ids.slot("again")
    assert [name for name, _ in pipeline.removers(town.query(), town.candidates(), slot)] == ["duplicate"]
    hiding = replace(pipeline, filters=(filters.hidden, filters.duplicate))
    town.did("vera", "hide", "p3")
    assert hiding.removers(town.query(), town.candidates(), slot) == []


def test_an_empty_network_has_an_empty_timeline() -> None:
    assert len(rank(Town(), FOR_YOU).propensity) == 0


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("viewer", VIEWERS)
def test_every_surface_answers_everybody_and_changes_nothing(surface: int, viewer: str) -> None:
    town = playground()
    before = town.state.fingerprint()
    ask = {"surface": surface, "community_id": town.state.community_ids.names[0], "near_id": "p000001"}
    trace = Trace()
    ranking = SURFACES[surface].rank(town.query(viewer, **ask), town.view, Prior(), 20, trace)
    assert len(ranking.propensity) <= 20
    assert trace.degraded == []
    assert not town.state.posts.deleted[ranking.scored.posts.slot].any()
    assert town.state.fingerprint() == before


@pytest.mark.parametrize("viewer", VIEWERS)
def test_for_you_has_a_full_page_for_everybody(viewer: str) -> None:
    town = playground()
    assert len(FOR_YOU.rank(town.query(viewer), town.view, Prior(), 20, Trace()).propensity) == 20


def test_a_chronological_timeline_is_newest_first() -> None:
    town = playground()
    pipeline = pipeline_of(Ask(VIEWERS[0], NOW, chronological=True))
    assert pipeline is FOLLOWING_NEWEST
    ranking = pipeline.rank(town.query(VIEWERS[0]), town.view, Prior(), 20, Trace())
    made = ranking.scored.posts.created_ms.tolist()
    assert made == sorted(made, reverse=True)


def test_a_source_brings_no_more_than_its_surface_allows() -> None:
    town = playground()
    trace = Trace()
    FOR_YOU.rank(town.query(VIEWERS[0]), town.view, Prior(), 20, trace)
    limits = {source.name: source.limit for source in FOR_YOU.sources}
    assert all(count <= limits[name] for name, count in trace.found.items())


def test_masks_are_as_long_as_the_candidates_they_are_given() -> None:
    lengths: list[int] = []

    def measured(_query: Query, posts: Candidates) -> Mask:
        lengths.append(len(posts))
        return np.arange(len(posts)) % 2 == 0

    town = playground()
    query = town.query(VIEWERS[0])
    left = replace(SMALL, filters=(measured, measured), once=()).allowed(query, town.candidates(), Trace())
    assert lengths == [town.state.posts.size, town.state.posts.size // 2]
    assert len(left) == town.state.posts.size // 4


def test_a_source_that_hangs_costs_its_candidates_only(town: Town) -> None:
    gate, trace = threading.Event(), Trace(aside=Aside(), deadline=time.monotonic() + 0.6)

    def hanging(_query: Query, _view: View, _limit: int) -> Found:
        gate.wait()
        return NOTHING

    pipeline = replace(SMALL, sources=(SMALL.sources[0], Source(hanging, 9), SMALL.sources[1]))
    ranking = rank(town, pipeline, trace)
    gate.set()
    assert len(names(town, ranking)) == 8
    assert trace.degraded == [("hanging", "late")]
    assert set(trace.found) == {"in_network", "fresh"}


def test_a_source_that_hangs_is_passed_over_until_it_returns(town: Town) -> None:
    gate, aside = threading.Event(), Aside()

    def hanging(_query: Query, _view: View, _limit: int) -> Found:
        gate.wait()
        return NOTHING

    pipeline = replace(SMALL, sources=(Source(hanging, 9), *SMALL.sources))
    rank(town, pipeline, Trace(aside=aside, deadline=time.monotonic() + 0.6))
    began = time.monotonic()
    trace = Trace(aside=aside, deadline=began + 60)
    rank(town, pipeline, trace)
    assert time.monotonic() - began < 20
    assert trace.degraded == [("hanging", "late")]
    gate.set()
    assert within(5, lambda: not aside.stuck("hanging"))
    healed = Trace(aside=aside)
    rank(town, pipeline, healed)
    assert healed.degraded == []


def test_sources_beside_bring_what_they_bring_here(town: Town) -> None:
    here, beside = rank(town, FOR_YOU), rank(town, FOR_YOU, Trace(aside=Aside()))
    assert here.scored.posts.slot.tolist() == beside.scored.posts.slot.tolist()


def test_with_less_quality_fewer_posts_are_scored_and_the_answer_says_so(town: Town) -> None:
    for i in range(200):
        town.post(f"more{i}", f"author{i % 8}", age_h=9 + i)
    whole, trace = Trace(), Trace(quality=0.8)
    rank(town, SMALL, whole, size=5)
    rank(town, SMALL, trace, size=5)
    assert whole.degraded == []
    assert trace.degraded == [("load", "fewer_candidates")]
    assert trace.scored == round(0.8 * whole.scored)


def test_without_time_left_no_more_posts_are_scored_than_two_pages(town: Town) -> None:
    for i in range(200):
        town.post(f"more{i}", f"author{i % 8}", age_h=9 + i)
    trace = Trace(deadline=time.monotonic() - 1)
    rank(town, SMALL, trace, size=20)
    assert trace.scored == 40
    assert ("scoring", "late") in trace.degraded


def test_a_scorer_that_raises_is_told_from_other_faults(town: Town) -> None:
    class Broken:
        version = "broken"

        def predict(self, rows: NDArray[np.float32]) -> heads.Prediction:
            raise MemoryError(rows.shape)

    with pytest.raises(ScorerFailed):
        SMALL.rank(town.query(), town.view, Broken(), 20, Trace())
