import time
from collections import Counter
from itertools import islice

import numpy as np
import pytest
from feedrank.v1.types_pb2 import (
    EVENT_KIND_DWELL,
    EVENT_KIND_FOLLOW,
    EVENT_KIND_IMPRESSION,
    EVENT_KIND_LIKE,
    PROVENANCE_AI_GENERATED,
    Event,
    Post,
    Relation,
)
from sklearn.metrics import roc_auc_score

from ranker.checks import problem_of
from ranker.errors import InvalidArgument
from training.playground import World
from training.playground.audience import Audience, TasteChange
from training.playground.graph import FOLLOWS
from training.playground.words import LANGUAGES, TOPICS
from training.rows import Row, timed

SMALL = World(authors=60, viewers=80, post_count=400, days=2, pages_a_day=2, vector_dimension=8)


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def rows(world: World) -> list[Row]:
    return list(world.rows())


@pytest.fixture(scope="module")
def posts(rows: list[Row]) -> dict[str, Post]:
    return {row.id: row for row in rows if isinstance(row, Post)}


@pytest.fixture(scope="module")
def events(rows: list[Row]) -> list[Event]:
    return [row for row in rows if isinstance(row, Event)]


def test_equal_settings_give_equal_rows():
    again = World(authors=60, viewers=80, post_count=400, days=2, pages_a_day=2, vector_dimension=8)
    assert list(again.rows()) == list(SMALL.rows())


def test_another_seed_gives_another_network(world):
    assert list(islice(World(seed=8).rows(), 50)) != list(islice(world.rows(), 50))


def test_every_row_holds_to_the_contract(rows):
    now_ms = max(int(time.time() * 1000), World().end_ms)
    assert not [p for row in rows if (p := problem_of(row, now_ms=now_ms, dimension=None))]


def test_rows_come_in_the_order_they_happened(rows):
    times = [time_ms for time_ms, _ in timed(rows)]
    assert times == sorted(times)


def test_nothing_is_done_to_a_post_before_it_is_there(events, posts):
    assert all(event.time_ms >= posts[event.post_id].created_ms for event in events)


def test_every_post_is_in_the_rows_once(world, rows):
    assert Counter(type(row) for row in rows)[Post] == world.post_count


def test_followed_authors_share_topics_more_than_chance(world):
    taste = world.people.taste
    shared = taste @ taste[: world.authors].T
    follows = world.standing == FOLLOWS
    assert shared[follows].mean() > 1.5 * shared[~follows].mean()


def test_a_few_authors_have_many_followers(world):
    followers = np.sort((world.standing == FOLLOWS).sum(axis=0))
    assert followers[-3:].mean() > 5 * np.median(followers)


def test_likes_follow_the_hidden_utility(world, events):
    liked = {(e.viewer_id, e.post_id) for e in events if e.kind == EVENT_KIND_LIKE}
    shown = [(e.viewer_id, e.post_id) for e in events if e.kind == EVENT_KIND_IMPRESSION][::10]
    utility = [world.utility(viewer, post) for viewer, post in shown]
    assert roc_auc_score([pair in liked for pair in shown], utility) > 0.65


def test_what_stands_higher_is_liked_more_often(events):
    positions = Counter(e.position for e in events if e.kind == EVENT_KIND_IMPRESSION)
    likes = Counter(e.position for e in events if e.kind == EVENT_KIND_LIKE)
    assert likes[0] / positions[0] > 1.5 * likes[15] / positions[15]


def test_no_viewer_is_shown_an_own_post_or_the_same_post_twice(events, posts):
    shown = [e for e in events if e.kind == EVENT_KIND_IMPRESSION]
    assert all(posts[e.post_id].author_id != e.viewer_id for e in shown)
    assert len({(e.viewer_id, e.post_id) for e in shown}) == len(shown)


def test_all_languages_and_topics_are_written_and_english_is_about_three_in_five(posts):
    languages = Counter(post.language for post in posts.values())
    assert set(languages) == set(LANGUAGES)
    assert 0.5 < languages["en"] / len(posts) < 0.7
    assert {topic for post in posts.values() for topic in post.topics} == set(TOPICS)


def test_every_language_has_words_for_every_topic_and_occasion():
    for words in LANGUAGES.values():
        assert set(words.TOPICS) == set(TOPICS)
        assert set(words.SENSITIVE) == {"nsfw", "graphic"}
        assert all(words.__dict__[name].strip() for name in ("ENDINGS", "REPLIES", "QUOTES", "REMIXES"))


def test_no_template_shows_through(posts):
    texts = [post.text + "".join(m.prompt + m.alt_text for m in post.media) for post in posts.values()]
    assert not [text for text in texts if set(text) & set("{}|")]


def test_generated_pictures_say_so_with_prompt_and_generator(posts):
    generated = [post for post in posts.values() if post.provenance == PROVENANCE_AI_GENERATED]
    assert len(generated) > 100
    assert all(post.media[0].prompt and post.media[0].generator for post in generated)


@pytest.mark.parametrize("field", ["reply_to_id", "repost_of_id", "quote_of_id", "remix_of_id"])
def test_answers_name_an_earlier_post_of_somebody_else(posts, field):
    answers = [post for post in posts.values() if getattr(post, field)]
    targets = [posts[getattr(post, field)] for post in answers]
    assert answers
    assert all(t.created_ms <= a.created_ms for a, t in zip(answers, targets, strict=True))
    assert all(t.author_id != a.author_id for a, t in zip(answers, targets, strict=True))


def test_relations_are_between_users_of_the_world(world, rows):
    users = set(world.user_ids)
    assert all({r.user_id, r.target_id} <= users for r in rows if isinstance(r, Relation))


def test_user_ids_are_unique_at_scale():
    ids = World(authors=100, viewers=10_000).user_ids
    assert len(set(ids)) == 10_000


def test_vectors_lie_by_topic():
    made = [SMALL.post(f"p{i:06d}") for i in range(400)]
    vectors = np.array([post.vector for post in made if post.vector])
    topic = SMALL.posts.topic[[bool(post.vector) for post in made]]
    alike, same = vectors @ vectors.T, topic[:, None] == topic
    assert vectors.shape[1] == 8
    assert alike[same].mean() > alike[~same].mean() + 0.3


def test_a_viewer_answers_a_served_page_in_time_order(world):
    page = [f"p{i:06d}" for i in range(40, 70)]
    events = world.act(world.user_ids[0], page, 1_000, "r1", np.random.default_rng(1))
    assert [e.time_ms for e in events] == sorted(e.time_ms for e in events)
    assert (events[0].kind, events[0].post_id, events[0].time_ms) == (EVENT_KIND_IMPRESSION, page[0], 1_000)
    assert all(page[e.position] == e.post_id and e.request_id == "r1" for e in events)


def test_the_same_generator_state_gives_the_same_answer(world):
    page = [f"p{i:06d}" for i in range(20)]
    first, second = (world.act(world.user_ids[3], page, 5, "r", np.random.default_rng(3)) for _ in range(2))
    assert first == second


def test_posts_from_elsewhere_are_passed_over_and_positions_kept(world):
    page = ["elsewhere", "p000001"]
    events = world.act(world.user_ids[0], page, 5, "r", np.random.default_rng(1))
    assert {(e.post_id, e.position) for e in events} == {("p000001", 1)}


def test_a_page_of_the_best_posts_is_liked_more_than_one_of_the_worst(world):
    ids = [f"p{i:06d}" for i in range(world.post_count)]
    rng = np.random.default_rng(1)
    likes = {}
    for name, sign in (("best", -1), ("worst", 1)):
        pages = {v: np.argsort(sign * world.utilities(v, ids))[:20] for v in world.user_ids[:30]}
        done = [e for v, page in pages.items() for e in world.act(v, [ids[i] for i in page], 5, "r", rng)]
        likes[name] = sum(e.kind == EVENT_KIND_LIKE for e in done)
    assert likes["best"] > 10 * max(1, likes["worst"])


def test_dwells_are_within_the_contract(events):
    stays = [e.dwell_ms for e in events if e.kind == EVENT_KIND_DWELL]
    assert 1_000 <= min(stays) <= max(stays) <= 3_600_000


def test_a_world_too_small_is_refused_by_name():
    with pytest.raises(InvalidArgument, match="authors must be at least 3"):
        World(authors=1)


def test_a_follow_on_a_page_holds_from_then_on():
    audience, rng = Audience(SMALL), np.random.default_rng(2)
    before = audience.stands.copy()
    done = [e for v in range(80) for e in audience.act(v, range(v, v + 60), SMALL.end_ms, "r", rng)]
    follows = [e for e in done if e.kind == EVENT_KIND_FOLLOW]
    assert follows
    assert ((audience.stands == FOLLOWS) & (before != FOLLOWS)).sum() == len(
        {(e.viewer_id, SMALL.post(e.post_id).author_id) for e in follows}
    )


def test_what_was_on_the_screen_is_passed_over_the_second_time():
    audience, rng = Audience(SMALL), np.random.default_rng(2)
    twice = [audience.act(3, range(20), SMALL.end_ms, "r", rng) for _ in range(2)]
    assert {e.kind for e in twice[1] if e.position < twice[0][-1].position} == {EVENT_KIND_IMPRESSION}


def test_tastes_change_at_their_moment_for_their_share_of_the_viewers():
    audience = Audience(SMALL, TasteChange(SMALL.end_ms, 0.5))
    same = (audience.people(SMALL.end_ms).taste == SMALL.people.taste).all(axis=1)
    assert audience.people(SMALL.end_ms - 1) is SMALL.people
    assert 0.3 < same.mean() < 0.7
