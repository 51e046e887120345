from typing import Any

import pytest
from feedrank.v1 import controls_pb2, ingest_pb2, types_pb2
from feedrank.v1.types_pb2 import Event, Media, Post, Preferences, Relation, User

from ranker.checks import DAY_MS, problem_of, sift

NOW = 1_795_305_600_000
LONG = "x" * 257
LIKE, DWELL, FOLLOW = types_pb2.EVENT_KIND_LIKE, types_pb2.EVENT_KIND_DWELL, types_pb2.EVENT_KIND_FOLLOW


def post(**fields: Any) -> Post:
    return Post(**defaults(id="p", author_id="ana") | fields)


def user(**fields: Any) -> User:
    return User(**defaults(id="u") | fields)


def relation(**fields: Any) -> Relation:
    return Relation(**defaults(user_id="u", target_id="t", kind=types_pb2.RELATION_KIND_FOLLOW) | fields)


def event(**fields: Any) -> Event:
    return Event(**defaults(viewer_id="v", post_id="p", kind=LIKE) | fields)


def defaults(**fields: Any) -> dict[str, Any]:
    return fields


def chosen(**fields: Any) -> controls_pb2.SetPreferencesRequest:
    return controls_pb2.SetPreferencesRequest(viewer_id="v", preferences=Preferences(**fields))


GOOD = [
    post(),
    post(id="x" * 256, text="x" * 10_000, created_ms=NOW + DAY_MS, topics=["x" * 64] * 16),
    post(language="pt-BR"),
    post(language="zh-Hant-TW"),
    post(vector=[0, 0, 1e-6, 0]),
    post(media=[Media(alt_text="x" * 2_000, prompt="x" * 4_000, generator="x" * 128)] * 16),
    post(repost_of_id="q"),
    post(quote_of_id="q", text="so true"),
    user(),
    user(languages=["en"] * 16, community_ids=["c"] * 64),
    relation(remove=True),
    event(),
    event(kind=DWELL, dwell_ms=1),
    event(kind=DWELL, dwell_ms=3_600_000),
    event(kind=FOLLOW, post_id="", author_id="ana"),
    event(event_id="x" * 256, position=100_000),
    chosen(),
    chosen(muted_words=["x" * 100] * 200, topics_more=["a"], topics_less=["b"]),
    ingest_pb2.DeletePostsRequest(post_ids=["p"]),
]

BAD = [
    (Post(author_id="ana"), "missing", "id"),
    (Post(id="p"), "missing", "author_id"),
    (post(id=LONG), "too_long", "id"),
    (post(id="é" * 129), "too_long", "id"),
    (post(author_id=LONG), "too_long", "author_id"),
    (post(text="x" * 10_001), "too_long", "text"),
    (post(language="english!"), "malformed", "language"),
    (post(language="e"), "malformed", "language"),
    (post(language="en-"), "malformed", "language"),
    (post(language="dé"), "malformed", "language"),
    (post(created_ms=-1), "out_of_range", "created_ms"),
    (post(created_ms=NOW + DAY_MS + 1), "out_of_range", "created_ms"),
    (post(reply_to_id=LONG), "too_long", "reply_to_id"),
    (post(remix_of_id="p"), "contradiction", "remix_of_id"),
    (post(repost_of_id="q", text="words"), "contradiction", "text"),
    (post(community_id=LONG), "too_long", "community_id"),
    (post(topics=["t"] * 17), "too_many", "topics"),
    (post(topics=["t", ""]), "missing", "topics[1]"),
    (post(topics=["x" * 65]), "too_long", "topics[0]"),
    (post(safety_labels=["l"] * 17), "too_many", "safety_labels"),
    (post(media=[Media()] * 17), "too_many", "media"),
    (post(media=[Media(), Media(kind=99)]), "malformed", "media[1].kind"),  # type: ignore[arg-type]
    (post(media=[Media(alt_text="x" * 2_001)]), "too_long", "media[0].alt_text"),
    (post(media=[Media(prompt="x" * 4_001)]), "too_long", "media[0].prompt"),
    (post(media=[Media(generator="x" * 129)]), "too_long", "media[0].generator"),
    (post(provenance=9), "malformed", "provenance"),
    (post(vector=[1, 0, 0]), "out_of_range", "vector"),
    (post(vector=[0, 0, 0, 0]), "malformed", "vector"),
    (post(vector=[float("nan"), 0, 0, 1]), "malformed", "vector"),
    (post(vector=[float("inf"), 0, 0, 1]), "malformed", "vector"),
    (User(), "missing", "id"),
    (user(created_ms=-5), "out_of_range", "created_ms"),
    (user(languages=["en"] * 17), "too_many", "languages"),
    (user(languages=[""]), "missing", "languages[0]"),
    (user(community_ids=["c"] * 65), "too_many", "community_ids"),
    (user(community_ids=[""]), "missing", "community_ids[0]"),
    (relation(user_id=""), "missing", "user_id"),
    (relation(target_id=""), "missing", "target_id"),
    (relation(target_id="u"), "contradiction", "target_id"),
    (relation(kind=0), "missing", "kind"),
    (relation(kind=7), "malformed", "kind"),
    (event(event_id=LONG), "too_long", "event_id"),
    (event(viewer_id=""), "missing", "viewer_id"),
    (event(kind=0), "missing", "kind"),
    (event(kind=77), "malformed", "kind"),
    (event(post_id=""), "missing", "post_id"),
    (event(kind=FOLLOW, post_id=""), "missing", "author_id"),
    (event(time_ms=NOW + DAY_MS + 1), "out_of_range", "time_ms"),
    (event(kind=DWELL), "out_of_range", "dwell_ms"),
    (event(kind=DWELL, dwell_ms=3_600_001), "out_of_range", "dwell_ms"),
    (event(dwell_ms=5), "contradiction", "dwell_ms"),
    (event(position=-1), "out_of_range", "position"),
    (event(position=100_001), "out_of_range", "position"),
    (event(surface=9), "malformed", "surface"),
    (event(request_id=LONG), "too_long", "request_id"),
    (controls_pb2.SetPreferencesRequest(preferences=Preferences()), "missing", "viewer_id"),
    (controls_pb2.SetPreferencesRequest(viewer_id="v"), "missing", "preferences"),
    (chosen(muted_words=["w"] * 201), "too_many", "preferences.muted_words"),
    (chosen(muted_words=["x" * 101]), "too_long", "preferences.muted_words[0]"),
    (chosen(muted_words=[" "]), "missing", "preferences.muted_words[0]"),
    (chosen(languages=["?"]), "malformed", "preferences.languages[0]"),
    (chosen(ai_level=9), "malformed", "preferences.ai_level"),
    (chosen(hidden_safety_labels=["l"] * 65), "too_many", "preferences.hidden_safety_labels"),
    (chosen(topics_more=["t"] * 65), "too_many", "preferences.topics_more"),
    (chosen(topics_more=["Moss"], topics_less=["moss"]), "contradiction", "preferences.topics_less"),
    (ingest_pb2.DeletePostsRequest(post_ids=["p", ""]), "missing", "post_ids[1]"),
]


@pytest.mark.parametrize("row", GOOD)
def test_a_row_within_the_limits_is_taken(row: Any) -> None:
    assert problem_of(row, now_ms=NOW, dimension=4) is None


@pytest.mark.parametrize(("row", "code", "field"), BAD)
def test_a_row_past_a_limit_is_refused_by_field(row: Any, code: str, field: str) -> None:
    problem = problem_of(row, now_ms=NOW, dimension=4)
    assert problem is not None
    assert (problem.code, problem.field) == (code, field)
    assert field in problem.message or field.split(".")[-1] in problem.message


def test_a_vector_of_any_length_is_taken_where_the_length_is_open() -> None:
    assert problem_of(post(vector=[1, 2, 3]), now_ms=NOW, dimension=None) is None


def test_sifting_keeps_good_rows_in_order_and_names_the_bad_by_index() -> None:
    rows = [post(id="a"), post(id=""), post(id="b"), post(language="?")]
    good, bad = sift(rows, now_ms=NOW, dimension=4)
    assert [row.id for row in good] == ["a", "b"]
    assert [(index, problem.field) for index, problem in bad] == [(1, "id"), (3, "language")]
