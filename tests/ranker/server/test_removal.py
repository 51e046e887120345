"""What must not be shown is gone from the very next answer, on every surface."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import feedrank
import numpy as np
import pytest
from feedrank.v1.types_pb2 import PROVENANCE_AI_GENERATED

from tests.live import Server

Remove = Callable[[feedrank.Client, str], Any]
"""Takes the post of a scene out; the scene's people are named after it."""

number = count()
_DIMENSION = 64


def muting(words: str) -> Remove:
    return lambda client, name: client.set_preferences(
        f"viewer-{name}", feedrank.Preferences(muted_words=["something else", words])
    )


def preferring(**chosen: Any) -> Remove:
    return lambda client, name: client.set_preferences(f"viewer-{name}", feedrank.Preferences(**chosen))


def relating(kind: str, who: str = "viewer", whom: str = "author") -> Remove:
    return lambda client, name: client.put_relations(
        [feedrank.relation(f"{who}-{name}", kind, f"{whom}-{name}")]
    )


def doing(kind: str) -> Remove:
    return lambda client, name: client.record_events([feedrank.event(f"viewer-{name}", kind, f"post-{name}")])


REMOVALS: dict[str, tuple[Remove, str]] = {
    "deleted": (lambda client, name: client.delete_posts([f"post-{name}"]), "deleted"),
    "blocked": (relating("block"), "blocked_author"),
    "blocked by the author": (relating("block", "author", "viewer"), "blocked_author"),
    "blocked by an event": (doing("block"), "blocked_author"),
    "muted": (relating("mute"), "muted_author"),
    "muted by an event": (doing("mute"), "muted_author"),
    "hidden": (doing("hide"), "hidden"),
    "reported": (doing("report"), "hidden"),
    "a word": (muting("glazed"), "muted_words"),
    "a word in another case": (muting("GLAZED"), "muted_words"),
    "a phrase over punctuation": (muting("glazed bowl"), "muted_words"),
    "a word without its accents": (muting("deja vu"), "muted_words"),
    "a word with more accents": (muting("bówl"), "muted_words"),
    "a word in another script": (muting("猫"), "muted_words"),
    "a word of the alt text": (muting("STRASSE"), "muted_words"),
    "a word of the prompt": (muting("dragon"), "muted_words"),
    "a safety label": (preferring(hidden_safety_labels=["VIOLENCE"]), "safety_label"),
    "no AI": (preferring(ai_level="AI_LEVEL_NONE"), "ai_content"),
}

Show = Callable[[feedrank.Client, str], list[str]]


def on(**asked: Any) -> Show:
    def show(client: feedrank.Client, name: str) -> list[str]:
        page = client.timeline(f"viewer-{name}", size=200, include_seen=True, **asked)
        return [post.post_id for post in page.posts]

    return show


def in_community(client: feedrank.Client, name: str) -> list[str]:
    return on(surface="community", community_id=f"town-{name}")(client, name)


def similar(client: feedrank.Client, name: str) -> list[str]:
    found = client.similar_posts(f"near-{name}", viewer_id=f"viewer-{name}", size=200)
    return [post.post_id for post in found.posts]


def ranked(client: feedrank.Client, name: str) -> list[str]:
    answer = client.rank_posts(f"viewer-{name}", [f"post-{name}", f"near-{name}"], apply_filters=True)
    return [post.post_id for post in answer.posts]


SURFACES: dict[str, Show] = {
    "for_you": on(surface="for_you"),
    "following": on(surface="following"),
    "following, newest first": on(surface="following", ordering="chronological"),
    "discover": on(surface="discover"),
    "community": in_community,
    "similar": similar,
    "rank_posts": ranked,
}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[feedrank.Client]:
    """A server of its own, so that nothing here crowds others out."""
    server = Server(tmp_path_factory.mktemp("removal") / "data", EMBEDDER__DIMENSION=str(_DIMENSION)).start()
    yield server.client
    assert server.stop() == 0


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("removal", REMOVALS)
def test_it_is_gone_from_the_next_answer(client: feedrank.Client, removal: str, surface: str) -> None:
    remove, show = REMOVALS[removal][0], SURFACES[surface]
    name = scene(client, follows=surface != "discover")
    assert f"post-{name}" in show(client, name)
    remove(client, name)
    assert f"post-{name}" not in show(client, name)


@pytest.mark.parametrize("removal", REMOVALS)
def test_rank_posts_names_the_filter(client: feedrank.Client, removal: str) -> None:
    remove, named = REMOVALS[removal]
    name = scene(client)
    remove(client, name)
    answer = client.rank_posts(f"viewer-{name}", [f"post-{name}"], apply_filters=True)
    assert [(one.post_id, one.filter) for one in answer.removed] == [(f"post-{name}", named)]


@pytest.mark.parametrize("removal", REMOVALS)
def test_explain_post_names_the_filter(client: feedrank.Client, removal: str) -> None:
    remove, named = REMOVALS[removal]
    name = scene(client)
    remove(client, name)
    told = client.explain_post(f"viewer-{name}", f"post-{name}", include_seen=True)
    assert feedrank.Standing.Name(told.standing) == "STANDING_REMOVED"
    assert list(told.filters) == [named]


@pytest.mark.parametrize("removal", REMOVALS)
def test_others_still_see_it(client: feedrank.Client, removal: str) -> None:
    name = scene(client)
    REMOVALS[removal][0](client, name)
    ids = [post.post_id for post in client.timeline("stranger", size=200, include_seen=True).posts]
    assert (f"post-{name}" in ids) == (removal != "deleted")


@pytest.mark.parametrize("form", ["repost_of_id", "quote_of_id"])
@pytest.mark.parametrize("removal", ["deleted", "a word", "a word of the prompt"])
def test_what_shows_it_again_is_gone_too(client: feedrank.Client, removal: str, form: str) -> None:
    name = again(client, form)
    assert f"again-{name}" in shown_again(client, name)
    REMOVALS[removal][0](client, name)
    assert f"again-{name}" not in shown_again(client, name)


@pytest.mark.parametrize("removal", ["blocked", "blocked by the author", "muted"])
def test_a_friends_repost_of_a_shut_out_author_is_gone(client: feedrank.Client, removal: str) -> None:
    name = again(client, "repost_of_id")
    assert f"again-{name}" in shown_again(client, name)
    REMOVALS[removal][0](client, name)
    assert f"again-{name}" not in shown_again(client, name)


@pytest.mark.parametrize("kind", ["block", "mute"])
def test_what_is_taken_back_is_shown_again(client: feedrank.Client, kind: str) -> None:
    name = scene(client)
    for remove in (False, True):
        client.put_relations([feedrank.relation(f"viewer-{name}", kind, f"author-{name}", remove=remove)])
        assert (f"post-{name}" in SURFACES["for_you"](client, name)) == remove


@pytest.mark.parametrize("kind", ["hide", "report", "block", "mute"])
def test_an_event_that_is_undone_shows_it_again(client: feedrank.Client, kind: str) -> None:
    name = scene(client)
    for undo in (False, True):
        client.record_events([feedrank.event(f"viewer-{name}", kind, f"post-{name}", undo=undo)])
        assert (f"post-{name}" in SURFACES["for_you"](client, name)) == undo


def scene(client: feedrank.Client, *, follows: bool = True) -> str:
    """A viewer, an author and a post with something to mute in every part, and a post near it."""
    name = str(next(number))
    vector, other = np.random.default_rng(int(name)).standard_normal((2, _DIMENSION))
    post = feedrank.Post(
        id=f"post-{name}",
        author_id=f"author-{name}",
        text="Déjà vu: the glazed, bowl of a 猫.",
        community_id=f"town-{name}",
        provenance=PROVENANCE_AI_GENERATED,
        safety_labels=["Violence"],
        media=[
            feedrank.Media(alt_text="On the Straße"),
            feedrank.Media(prompt="neon Dragon, 8k", generator="m"),
        ],
        vector=vector,
    )
    near = feedrank.Post(id=f"near-{name}", author_id=f"other-{name}", text="Nothing.", vector=vector + other)
    client.put_posts([post, near]).raise_if_rejected()
    if follows:
        client.put_relations([feedrank.relation(f"viewer-{name}", "follow", f"author-{name}")])
    return name


def again(client: feedrank.Client, form: str) -> str:
    """A scene in which a friend of the viewer shows the post again."""
    name = scene(client, follows=False)
    client.put_relations([feedrank.relation(f"viewer-{name}", "follow", f"friend-{name}")])
    post = feedrank.Post(id=f"again-{name}", author_id=f"friend-{name}", **{form: f"post-{name}"})
    client.put_posts([post]).raise_if_rejected()
    return name


def shown_again(client: feedrank.Client, name: str) -> list[str]:
    return on(surface="following")(client, name)
