from math import isnan, log

import numpy as np
import pytest

from ranker.features import affinity
from tests.ranker.features.columns import columns
from tests.ranker.network import VIEWERS, Town, playground


@pytest.fixture
def town() -> Town:
    """30 days ago Vera saw five posts of Ana's about tea, liked three and wanted less of one; Tess did so 5
    days ago."""
    town = Town()
    names = [f"t{i}" for i in range(5)]
    town.posts(*names, topics=["tea"], age_h=721)
    town.post("new", topics=["tea", "pots"])
    town.post("other", "ben", topics=["chess"])
    for viewer, age_h in (("vera", 720), ("tess", 120)):
        town.did(viewer, "impression", *names, age_h=age_h)
        town.did(viewer, "like", *names[:3], age_h=age_h)
        town.did(viewer, "request_less", names[4], age_h=age_h)
    return town


def test_sums_for_an_author_halve_in_30_days(town: Town) -> None:
    row = town.features("new")
    assert row["author_seen"] == pytest.approx(log(1 + 2.5))
    assert row["author_positive"] == pytest.approx(log(1 + 1.5))
    assert row["author_negative"] == pytest.approx(log(1 + 0.5))


def test_liking_is_for_minus_against_an_impression_drawn_to_zero_by_five(town: Town) -> None:
    assert town.features("new")["author_liking"] == pytest.approx((1.5 - 0.5) / (2.5 + 5))


def test_topics_that_the_viewer_met_are_known_and_others_do_not_count(town: Town) -> None:
    assert town.features("new")["topics_known"] == 1


def test_sums_for_a_topic_halve_in_5_days(town: Town) -> None:
    row = town.features("new", viewer="tess")
    assert row["topic_liking_mean"] == pytest.approx((1.5 - 0.5) / (2.5 + 5))
    assert row["topic_positive"] == pytest.approx(log(1 + 1.5))


def test_of_several_topics_the_most_and_the_least_liked_are_told(town: Town) -> None:
    town.post("match", "ben", topics=["chess"])
    town.did("tess", "hide", "match", age_h=0)
    town.post("both", topics=["tea", "chess"])
    row = town.features("both", viewer="tess")
    assert row["topic_liking_most"] == pytest.approx(1 / 7.5)
    assert row["topic_liking_least"] == pytest.approx(-0.7 / 5)
    assert row["topic_liking_mean"] == pytest.approx((1 / 7.5 - 0.7 / 5) / 2)


def test_of_an_author_whom_the_viewer_never_met_liking_is_not_known(town: Town) -> None:
    row = town.features("other")
    assert isnan(row["author_liking"])
    assert isnan(row["topic_liking_mean"])
    assert row["topics_known"] == 0


def test_follows_are_told_in_both_directions(town: Town) -> None:
    town.relate("vera", "follow", "ana")
    town.relate("ben", "follow", "vera")
    ana, ben = town.features("new"), town.features("other")
    assert (ana["follows_author"], ana["author_follows_viewer"]) == (1, 0)
    assert (ben["follows_author"], ben["author_follows_viewer"]) == (0, 1)


def test_nobody_is_followed_back_by_an_unknown_viewer(town: Town) -> None:
    town.relate("ben", "follow", "vera")
    assert town.features("other", viewer="nobody")["author_follows_viewer"] == 0


def test_sums_are_found_as_in_a_dictionary() -> None:
    town = playground()
    query, posts = town.query(VIEWERS[0]), town.candidates()
    found = columns(affinity.GROUP, query, posts)
    authors, topics = (
        dict(zip(keys.tolist(), sums, strict=True)) for keys, sums in (query.authors, query.topics)
    )
    for i in range(0, len(posts), 5):
        sums = authors.get(int(posts.author[i]), np.zeros(3))
        names = ("author_seen", "author_positive", "author_negative")
        assert [found[name][i] for name in names] == sums.tolist()
        met = np.array([topics[topic] for topic in posts.topics[i].tolist() if topic in topics])
        assert found["topics_known"][i] == len(met)
        if len(met):
            liking = (met[:, 1] - met[:, 2]) / (met[:, 0] + 5)
            told = [found[f"topic_liking_{word}"][i] for word in ("most", "least", "mean")]
            np.testing.assert_allclose(told, [liking.max(), liking.min(), liking.mean()], 1e-5)
