"""Wrong input, field by field: each is refused by name, and nothing of a refused call is kept."""

import math
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import feedrank
import grpc
import pytest
from feedrank.channel import RPCS
from feedrank.v1 import admin_pb2 as admin
from feedrank.v1 import controls_pb2 as controls
from feedrank.v1 import feed_pb2 as feed
from feedrank.v1 import ingest_pb2 as ingest
from feedrank.v1 import privacy_pb2 as privacy
from feedrank.v1 import types_pb2 as t
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from ranker.server import decode
from tests.conftest import DIMENSION
from tests.live import Server

LONG = "ä" * 129  # 258 bytes
TOMORROW_MS = time.time_ns() // 1_000_000 + 2 * 86_400_000
UNIT = [1.0] + [0.0] * (DIMENSION - 1)


def post(**fields: Any) -> t.Post:
    return t.Post(**{"id": "p", "author_id": "a"} | fields)


def event(**fields: Any) -> t.Event:
    return t.Event(**{"viewer_id": "v", "kind": t.EVENT_KIND_LIKE, "post_id": "p"} | fields)


def relation(**fields: Any) -> t.Relation:
    return t.Relation(**{"user_id": "u", "target_id": "t", "kind": t.RELATION_KIND_FOLLOW} | fields)


ROWS: list[tuple[Any, str, str]] = [
    (post(id=""), "id", "missing"),
    (post(id=LONG), "id", "too_long"),
    (post(author_id=""), "author_id", "missing"),
    (post(author_id=LONG), "author_id", "too_long"),
    (post(text="x" * 10_001), "text", "too_long"),
    (post(text="words", repost_of_id="q"), "text", "contradiction"),
    (post(language="e"), "language", "malformed"),
    (post(language="english (british)"), "language", "malformed"),
    (post(language="en_GB"), "language", "malformed"),
    (post(created_ms=-1), "created_ms", "out_of_range"),
    (post(created_ms=TOMORROW_MS), "created_ms", "out_of_range"),
    (post(created_ms=2**63 - 1), "created_ms", "out_of_range"),
    (post(reply_to_id=LONG), "reply_to_id", "too_long"),
    (post(reply_to_id="p"), "reply_to_id", "contradiction"),
    (post(repost_of_id=LONG), "repost_of_id", "too_long"),
    (post(repost_of_id="p"), "repost_of_id", "contradiction"),
    (post(quote_of_id=LONG), "quote_of_id", "too_long"),
    (post(quote_of_id="p"), "quote_of_id", "contradiction"),
    (post(remix_of_id=LONG), "remix_of_id", "too_long"),
    (post(remix_of_id="p"), "remix_of_id", "contradiction"),
    (post(community_id=LONG), "community_id", "too_long"),
    (post(topics=["x"] * 17), "topics", "too_many"),
    (post(topics=["x", " "]), "topics[1]", "missing"),
    (post(topics=["x" * 65]), "topics[0]", "too_long"),
    (post(media=[t.Media()] * 17), "media", "too_many"),
    (post(media=[t.Media(), t.Media(kind=77)]), "media[1].kind", "malformed"),  # type: ignore[arg-type]
    (post(media=[t.Media(alt_text="x" * 2_001)]), "media[0].alt_text", "too_long"),
    (post(media=[t.Media(prompt="x" * 4_001)]), "media[0].prompt", "too_long"),
    (post(media=[t.Media(generator="x" * 129)]), "media[0].generator", "too_long"),
    (post(provenance=77), "provenance", "malformed"),
    (post(safety_labels=["x"] * 17), "safety_labels", "too_many"),
    (post(safety_labels=[""]), "safety_labels[0]", "missing"),
    (post(safety_labels=["x" * 65]), "safety_labels[0]", "too_long"),
    (post(vector=UNIT[1:]), "vector", "out_of_range"),
    (post(vector=[*UNIT, 0.0]), "vector", "out_of_range"),
    (post(vector=[math.nan, *UNIT[1:]]), "vector", "malformed"),
    (post(vector=[math.inf, *UNIT[1:]]), "vector", "malformed"),
    (post(vector=[0.0] * DIMENSION), "vector", "malformed"),
    (t.User(), "id", "missing"),
    (t.User(id=LONG), "id", "too_long"),
    (t.User(id="u", created_ms=-1), "created_ms", "out_of_range"),
    (t.User(id="u", created_ms=TOMORROW_MS), "created_ms", "out_of_range"),
    (t.User(id="u", consent=t.Consent(training=77)), "consent.training", "malformed"),
    (t.User(id="u", consent=t.Consent(export=77)), "consent.export", "malformed"),
    (t.User(id="u", languages=["en"] * 17), "languages", "too_many"),
    (t.User(id="u", languages=["en", "?"]), "languages[1]", "malformed"),
    (t.User(id="u", languages=[""]), "languages[0]", "missing"),
    (t.User(id="u", community_ids=["c"] * 65), "community_ids", "too_many"),
    (t.User(id="u", community_ids=["c", ""]), "community_ids[1]", "missing"),
    (t.User(id="u", community_ids=[LONG]), "community_ids[0]", "too_long"),
    (relation(user_id=""), "user_id", "missing"),
    (relation(user_id=LONG), "user_id", "too_long"),
    (relation(target_id=""), "target_id", "missing"),
    (relation(target_id=LONG), "target_id", "too_long"),
    (relation(target_id="u"), "target_id", "contradiction"),
    (relation(kind=0), "kind", "missing"),
    (relation(kind=77), "kind", "malformed"),
    (event(event_id=LONG), "event_id", "too_long"),
    (event(viewer_id=""), "viewer_id", "missing"),
    (event(viewer_id=LONG), "viewer_id", "too_long"),
    (event(kind=0), "kind", "missing"),
    (event(kind=77), "kind", "malformed"),
    (event(post_id=""), "post_id", "missing"),
    (event(post_id=LONG), "post_id", "too_long"),
    (event(kind=t.EVENT_KIND_FOLLOW, post_id=""), "author_id", "missing"),
    (event(author_id=LONG), "author_id", "too_long"),
    (event(kind=t.EVENT_KIND_FOLLOW, post_id="", author_id="v"), "author_id", "contradiction"),
    (event(kind=t.EVENT_KIND_MUTE, post_id="", author_id="v"), "author_id", "contradiction"),
    (event(kind=t.EVENT_KIND_BLOCK, post_id="", author_id="v"), "author_id", "contradiction"),
    (event(time_ms=-1), "time_ms", "out_of_range"),
    (event(time_ms=TOMORROW_MS), "time_ms", "out_of_range"),
    (event(kind=t.EVENT_KIND_DWELL), "dwell_ms", "out_of_range"),
    (event(kind=t.EVENT_KIND_DWELL, dwell_ms=3_600_001), "dwell_ms", "out_of_range"),
    (event(kind=t.EVENT_KIND_DWELL, dwell_ms=-5), "dwell_ms", "out_of_range"),
    (event(dwell_ms=5), "dwell_ms", "contradiction"),
    (event(request_id=LONG), "request_id", "too_long"),
    (event(position=-1), "position", "out_of_range"),
    (event(position=100_001), "position", "out_of_range"),
    (event(surface=77), "surface", "malformed"),
]
"""A row, the field that is wrong in it, and how."""


def chosen(**preferences: Any) -> controls.SetPreferencesRequest:
    return controls.SetPreferencesRequest(viewer_id="v", preferences=t.Preferences(**preferences))


def timeline(**fields: Any) -> feed.GetTimelineRequest:
    return feed.GetTimelineRequest(**{"viewer_id": "v"} | fields)


def ranked(**fields: Any) -> feed.RankPostsRequest:
    return feed.RankPostsRequest(**{"viewer_id": "v", "post_ids": ["p"]} | fields)


def explained(**fields: Any) -> feed.ExplainPostRequest:
    return feed.ExplainPostRequest(**{"viewer_id": "v", "post_id": "p"} | fields)


def variant(name: str = "a", model_version: str = "prior", share: int = 5_000) -> admin.ExperimentVariant:
    return admin.ExperimentVariant(name=name, model_version=model_version, share_basis_points=share)


def started(*variants: admin.ExperimentVariant, name: str = "e") -> admin.StartExperimentRequest:
    return admin.StartExperimentRequest(name=name, variants=variants or (variant("a"), variant("b")))


CALLS: list[tuple[Message, str]] = [
    (timeline(viewer_id=""), "viewer_id"),
    (timeline(viewer_id=LONG), "viewer_id"),
    (timeline(surface=77), "surface"),
    (timeline(surface=t.SURFACE_SIMILAR), "surface"),
    (timeline(size=-1), "size"),
    (timeline(size=201), "size"),
    (timeline(cursor="not ours"), "cursor"),
    (timeline(community_id="c"), "community_id"),
    (timeline(surface=t.SURFACE_COMMUNITY), "community_id"),
    (timeline(surface=t.SURFACE_COMMUNITY, community_id=LONG), "community_id"),
    (timeline(ordering=77), "ordering"),
    (timeline(ordering=feed.ORDERING_CHRONOLOGICAL), "ordering"),
    (timeline(at_ms=-1), "at_ms"),
    (timeline(at_ms=TOMORROW_MS), "at_ms"),
    (ranked(viewer_id=""), "viewer_id"),
    (ranked(viewer_id=LONG), "viewer_id"),
    (ranked(post_ids=[]), "post_ids"),
    (ranked(post_ids=[str(i) for i in range(1_001)]), "post_ids"),
    (ranked(post_ids=["p", "p"]), "post_ids"),
    (ranked(post_ids=["p", ""]), "post_ids[1]"),
    (ranked(post_ids=["p", LONG]), "post_ids[1]"),
    (ranked(at_ms=-1), "at_ms"),
    (ranked(at_ms=TOMORROW_MS), "at_ms"),
    (feed.SimilarPostsRequest(), "post_id"),
    (feed.SimilarPostsRequest(post_id=LONG), "post_id"),
    (feed.SimilarPostsRequest(post_id="p", viewer_id=LONG), "viewer_id"),
    (feed.SimilarPostsRequest(post_id="p", size=-1), "size"),
    (feed.SimilarPostsRequest(post_id="p", size=201), "size"),
    (explained(viewer_id=""), "viewer_id"),
    (explained(viewer_id=LONG), "viewer_id"),
    (explained(post_id=""), "post_id"),
    (explained(ordering=77), "ordering"),
    (explained(ordering=feed.ORDERING_CHRONOLOGICAL), "ordering"),
    (explained(post_id=LONG), "post_id"),
    (explained(surface=77), "surface"),
    (explained(surface=t.SURFACE_SIMILAR), "surface"),
    (explained(size=-1), "size"),
    (explained(size=201), "size"),
    (explained(community_id="c"), "community_id"),
    (explained(surface=t.SURFACE_COMMUNITY), "community_id"),
    (explained(at_ms=-1), "at_ms"),
    (explained(at_ms=TOMORROW_MS), "at_ms"),
    (ingest.PutPostsRequest(), "posts"),
    (ingest.PutPostsRequest(posts=[post()] * 1_001), "posts"),
    (ingest.DeletePostsRequest(), "post_ids"),
    (ingest.DeletePostsRequest(post_ids=["p"] * 1_001), "post_ids"),
    (ingest.PutUsersRequest(), "users"),
    (ingest.PutUsersRequest(users=[t.User(id="u")] * 1_001), "users"),
    (ingest.PutRelationsRequest(), "relations"),
    (ingest.PutRelationsRequest(relations=[relation()] * 1_001), "relations"),
    (ingest.RecordEventsRequest(), "events"),
    (ingest.RecordEventsRequest(events=[event()] * 1_001), "events"),
    (ingest.StreamEventsRequest(), "events"),
    (ingest.StreamEventsRequest(events=[event()] * 1_001), "events"),
    (controls.SetPreferencesRequest(preferences=t.Preferences()), "viewer_id"),
    (controls.SetPreferencesRequest(viewer_id=LONG, preferences=t.Preferences()), "viewer_id"),
    (controls.SetPreferencesRequest(viewer_id="v"), "preferences"),
    (chosen(muted_words=["x"] * 201), "preferences.muted_words"),
    (chosen(muted_words=["x", " "]), "preferences.muted_words[1]"),
    (chosen(muted_words=["x" * 101]), "preferences.muted_words[0]"),
    (chosen(muted_words=["x", "?!"]), "preferences.muted_words[1]"),
    (chosen(languages=["en"] * 17), "preferences.languages"),
    (chosen(languages=["en", "x"]), "preferences.languages[1]"),
    (chosen(languages=[""]), "preferences.languages[0]"),
    (chosen(ai_level=77), "preferences.ai_level"),
    (chosen(hidden_safety_labels=["x"] * 65), "preferences.hidden_safety_labels"),
    (chosen(hidden_safety_labels=[""]), "preferences.hidden_safety_labels[0]"),
    (chosen(hidden_safety_labels=["x" * 65]), "preferences.hidden_safety_labels[0]"),
    (chosen(topics_more=["x"] * 65), "preferences.topics_more"),
    (chosen(topics_more=[" "]), "preferences.topics_more[0]"),
    (chosen(topics_less=["x"] * 65), "preferences.topics_less"),
    (chosen(topics_less=["x" * 65]), "preferences.topics_less[0]"),
    (chosen(topics_more=["Cats"], topics_less=["cats"]), "preferences.topics_less"),
    (controls.GetPreferencesRequest(), "viewer_id"),
    (controls.GetPreferencesRequest(viewer_id=LONG), "viewer_id"),
    (privacy.EraseUserRequest(), "user_id"),
    (privacy.EraseUserRequest(user_id=LONG), "user_id"),
    (privacy.ExportUserRequest(), "user_id"),
    (privacy.ExportUserRequest(user_id=LONG), "user_id"),
    (privacy.ExportUserRequest(user_id="u", page_token="?"), "page_token"),
    (admin.ActivateModelRequest(), "version"),
    (admin.ActivateModelRequest(version=LONG), "version"),
    (admin.SetShadowModelRequest(version=LONG), "version"),
    (started(name=""), "name"),
    (started(name=LONG), "name"),
    (started(name="two words"), "name"),
    (started(variant()), "variants"),
    (started(*(variant(f"v{i}", share=909 + i // 10) for i in range(11))), "variants"),
    (started(variant("a"), variant("a")), "variants"),
    (started(variant("a"), variant("b", share=4_999)), "variants"),
    (started(variant("a"), variant("")), "variants[1].name"),
    (started(variant("a"), variant("b" * 65)), "variants[1].name"),
    (started(variant("a", ""), variant("b")), "variants[0].model_version"),
    (started(variant("a"), variant("b", LONG)), "variants[1].model_version"),
    (started(variant("a"), variant("b", share=0)), "variants[1].share_basis_points"),
    (started(variant("a", share=-1), variant("b")), "variants[0].share_basis_points"),
    (started(variant("a", share=10_000), variant("b")), "variants[0].share_basis_points"),
    (admin.StopExperimentRequest(), "name"),
    (admin.StopExperimentRequest(name=LONG), "name"),
]
"""A request, and the field that is wrong in it."""

NEVER_WRONG = {
    "GetTimelineRequest.include_seen": "both values have a meaning",
    "GetTimelineRequest.with_probabilities": "both values have a meaning",
    "RankPostsRequest.apply_filters": "both values have a meaning",
    "RankPostsRequest.with_probabilities": "both values have a meaning",
    "ExplainPostRequest.include_seen": "both values have a meaning",
    "Relation.remove": "both values have a meaning",
    "Event.undo": "both values have a meaning",
    "Preferences.show_own_posts": "both values have a meaning",
    "Post.no_training": "both values have a meaning",
    "Post.no_export": "both values have a meaning",
    "Event.no_training": "both values have a meaning",
    "Event.no_export": "both values have a meaning",
    "EraseUserRequest.now": "both values have a meaning",
}
UNBUILT = {
    feed.SearchPostsRequest,
    controls.ResetProfileRequest,
}
"""These answer UNIMPLEMENTED, whatever they hold."""

BATCHES: dict[type[Message], list[type[Message]]] = {
    t.Post: [ingest.PutPostsRequest],
    t.User: [ingest.PutUsersRequest],
    t.Relation: [ingest.PutRelationsRequest],
    t.Event: [ingest.RecordEventsRequest, ingest.StreamEventsRequest],
}
GOOD: dict[type[Message], Message] = {
    t.Post: post(id="good"),
    t.User: t.User(id="good"),
    t.Relation: relation(user_id="good"),
    t.Event: event(viewer_id="good"),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server where nothing happens but what a test does."""
    server = Server(tmp_path_factory.mktemp("quiet") / "data", EMBEDDER__DIMENSION=str(DIMENSION)).start()
    server.client.put_posts([feedrank.Post(id="p", author_id="a", text="A walk.")])
    yield server
    assert server.stop() == 0


def call(server: Server, request: Message) -> Any:
    """The answer to a request, as it stands."""
    rpc = RPCS[type(request)]
    make = server.channel.stream_unary if rpc.streams else server.channel.unary_unary
    method = make(rpc.path, type(request).SerializeToString, rpc.answer.FromString)
    return method(iter([request]) if rpc.streams else request, timeout=10)


def kept(server: Server) -> tuple[Any, ...]:
    """What a write would change."""
    status = server.client.status()
    return status.entry_id, status.posts, status.users, status.poison_entries, status.model_version


def name(value: object) -> str:
    return type(value).__name__ if isinstance(value, Message) else str(value)


@pytest.mark.parametrize(("request_", "field"), CALLS, ids=name)
def test_a_wrong_call_is_refused_by_the_fields_name(server: Server, request_: Message, field: str) -> None:
    before = kept(server)
    with pytest.raises(grpc.RpcError) as refused:
        call(server, request_)
    trailers = dict(refused.value.trailing_metadata())
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert trailers["feedrank-field"] == field
    assert field.rpartition(".")[2].partition("[")[0] in refused.value.details()
    assert kept(server) == before


@pytest.mark.parametrize(("row", "field", "code"), ROWS, ids=name)
def test_a_wrong_row_is_named_and_nothing_of_it_is_kept(
    server: Server, row: Message, field: str, code: str
) -> None:
    for batch in BATCHES[type(row)]:
        before = kept(server)
        result = call(server, batch(**{rows_field(batch): [row]})).result
        assert [(one.index, one.field, one.code) for one in result.rejected] == [(0, field, code)]
        assert (result.accepted, result.entry_id) == (0, "")
        assert kept(server) == before


@pytest.mark.parametrize("kind", BATCHES, ids=lambda kind: kind.__name__)
def test_the_good_rows_of_a_mixed_batch_are_in(server: Server, kind: type[Message]) -> None:
    bad = [(row, field, code) for row, field, code in ROWS if isinstance(row, kind)]
    for batch in BATCHES[kind]:
        rows = [GOOD[kind], *(row for row, _, _ in bad), GOOD[kind]]
        result = call(server, batch(**{rows_field(batch): rows})).result
        named = [(one.index, one.field, one.code) for one in result.rejected]
        assert named == [(i + 1, field, code) for i, (_, field, code) in enumerate(bad)]
        assert result.accepted == 2
        assert all(one.message for one in result.rejected)
        assert result.entry_id == server.client.status().entry_id


def test_wrong_ids_of_a_deletion_are_named_by_their_places(server: Server) -> None:
    result = call(server, ingest.DeletePostsRequest(post_ids=["unknown", "", LONG])).result
    assert [(one.index, one.field, one.code) for one in result.rejected] == [
        (1, "post_ids", "missing"),
        (2, "post_ids", "too_long"),
    ]
    assert result.accepted == 1


def test_a_stream_without_a_batch_is_refused(server: Server) -> None:
    with pytest.raises(feedrank.InvalidArgument) as refused:
        server.client.stream_events([])
    assert refused.value.field == "events"


def test_every_field_of_the_contract_has_a_case() -> None:
    cases = [(row.DESCRIPTOR, field) for row, field, _ in ROWS]
    cases += [(request.DESCRIPTOR, field) for request, field in CALLS]
    covered = {step for descriptor, field in cases for step in steps(descriptor, field)}
    requests = [request for request in RPCS if request not in UNBUILT]
    fields = {one for request in requests for one in all_fields(request.DESCRIPTOR)}
    assert fields == covered | set(NEVER_WRONG)


def test_no_field_is_both_wrong_and_never_wrong() -> None:
    covered = {step for row, field, _ in ROWS for step in steps(row.DESCRIPTOR, field)}
    covered |= {step for request, field in CALLS for step in steps(request.DESCRIPTOR, field)}
    assert not covered & set(NEVER_WRONG)


def steps(descriptor: Descriptor, path: str) -> Iterator[str]:
    """A path of field names as message and field, step by step.

    >>> list(steps(t.Post.DESCRIPTOR, "media[2].prompt"))
    ['Post.media', 'Media.prompt']
    """
    for part in re.sub(r"\[\d+\]", "", path).split("."):
        field = descriptor.fields_by_name[part]
        yield f"{descriptor.name}.{part}"
        descriptor = field.message_type


def all_fields(descriptor: Descriptor) -> Iterator[str]:
    """Every field of a message, and of the messages in it."""
    for field in descriptor.fields:
        yield f"{descriptor.name}.{field.name}"
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            yield from all_fields(field.message_type)


def rows_field(batch: type[Message]) -> str:
    """The field that holds a batch's rows."""
    return batch.DESCRIPTOR.fields[0].name


@pytest.mark.parametrize(("given_s", "expected_s"), [(None, 2.0), (0.5, 0.5), (30.0, 30.0)])
def test_a_call_has_its_callers_time_and_the_default_when_none_is_given(
    given_s: float | None, expected_s: float
) -> None:
    found: list[float] = []

    def call(_content: bytes, context: grpc.ServicerContext) -> bytes:
        found.append(decode.trace(context, 2.0).deadline - time.monotonic())
        return b""

    server = grpc.server(ThreadPoolExecutor(1))
    method = grpc.unary_unary_rpc_method_handler(call)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("any", {"call": method}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        channel.unary_unary("/any/call")(b"", timeout=given_s)
    server.stop(0).wait()
    assert found == [pytest.approx(0.9 * expected_s, abs=0.3)]
