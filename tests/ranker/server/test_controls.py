"""Preferences as a viewer sets and reads them."""

import feedrank
import pytest
from feedrank.v1.types_pb2 import AI_LEVEL_FEW

from tests.conftest import Network

ALL = feedrank.Preferences(
    muted_words=["Rain", "déjà vu"],
    languages=["en", "pt-BR"],
    ai_level=AI_LEVEL_FEW,
    hidden_safety_labels=["nsfw"],
    show_own_posts=True,
    topics_more=["cats"],
    topics_less=["cars"],
)


def test_preferences_come_back_as_they_were_set(network: Network) -> None:
    written = network.client.set_preferences("rosa", ALL)
    assert (written.accepted, written.visible) == (1, True)
    assert network.client.get_preferences("rosa") == ALL


def test_setting_replaces_all_of_them(network: Network) -> None:
    network.client.set_preferences("omar", ALL)
    network.client.set_preferences("omar", feedrank.Preferences(muted_words=["snow"]))
    assert network.client.get_preferences("omar") == feedrank.Preferences(muted_words=["snow"])


def test_an_empty_message_restores_the_defaults(network: Network) -> None:
    network.client.set_preferences("lena", ALL)
    network.client.set_preferences("lena", feedrank.Preferences())
    assert network.client.get_preferences("lena") == feedrank.Preferences()


def test_a_viewer_nobody_has_heard_of_has_the_defaults(network: Network) -> None:
    assert network.client.get_preferences("never-heard-of") == feedrank.Preferences()


@pytest.mark.parametrize(("more", "less"), [(["wood"], []), ([], ["wood"])])
def test_a_topic_that_is_wanted_rises_and_one_that_is_not_falls(
    network: Network, more: list[str], less: list[str]
) -> None:
    network.client.put_posts([feedrank.Post(id="carved", author_id="a", text="A spoon.", topics=["Wood"])])
    viewer = f"carver{len(more)}"
    before = network.client.rank_posts(viewer, ["carved"]).posts[0].score
    network.client.set_preferences(viewer, feedrank.Preferences(topics_more=more, topics_less=less))
    after = network.client.rank_posts(viewer, ["carved"]).posts[0].score
    assert (after > before) == bool(more)
    assert after != before
