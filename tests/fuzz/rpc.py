"""Calls: bytes to every method of every service of the contract, behind the edge as gRPC puts them there.

Most inputs go to the edge's handlers directly; a share goes over a real channel. What the contract grows by
is called too: the methods come from the descriptors.
"""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, NoReturn, Self

import grpc
from feedrank.v1 import admin_pb2, controls_pb2, feed_pb2, ingest_pb2, privacy_pb2
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from ranker import settings
from ranker.server import run
from ranker.service import Service
from tests.fuzz import hostile, messages, wire
from tests.fuzz.surface import Broken, Input, Step, last_error

FILES = (feed_pb2, ingest_pb2, controls_pb2, privacy_pb2, admin_pb2)
METHODS: dict[str, MethodDescriptor] = {
    f"/{service.full_name}/{method.name}": method
    for file in FILES
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
"""Every method of the contract, by the name that it is called by."""

_SHARE = {"TakeSnapshot": 0.005, "Status": 0.2, "ListModels": 0.2, "EraseUser": 0.005, "ExportUser": 0.02}
"""How often what is dear is drawn, beside 1 for all else."""
_OVER_A_CHANNEL = 0.03
_MISSING = grpc.StatusCode.UNIMPLEMENTED
_FORBIDDEN = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DATA_LOSS)
_CAPS = {"max_posts": 2_000, "max_users": 2_000, "max_terms": 1_000, "max_places": 64}


class Calls:
    """A real service with small caps, so that they are met, and its real edge."""

    def __init__(self, channel_share: float = _OVER_A_CHANNEL) -> None:
        self._channel_share = channel_share
        self._open = ExitStack()
        self._cursor = ""
        self._streams = {name for name, one in METHODS.items() if one.client_streaming}
        self._names = list(METHODS)
        self._weights = [_SHARE.get(one.name, 1.0) for one in METHODS.values()]

    def __enter__(self) -> Self:
        folder = self._open.enter_context(TemporaryDirectory(prefix="fuzz-", dir=_quick_folder()))
        self.service = self._open.enter_context(Service(_settings(Path(folder))))
        answering = self._open.enter_context(run.Answering(self.service))
        address = answering.listen("127.0.0.1:0")
        options = [("grpc.max_receive_message_length", 1 << 26), ("grpc.max_send_message_length", 1 << 26)]
        self._channel = self._open.enter_context(grpc.insecure_channel(address, options))
        self._server = answering._server._state  # type: ignore[attr-defined]
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def draw(self, random: Random) -> Input:
        """One call, or some that have to do with each other."""
        if random.random() < 0.1:
            return random.choice(_SEQUENCES)(random)
        name = random.choices(self._names, self._weights)[0]
        return (self._call(random, name),)

    def _call(self, random: Random, name: str) -> Step:
        of = METHODS[name].input_type
        kind = random.random()
        if kind < 0.01:
            return _step(random, name, random.randbytes(random.randrange(200)))
        fields = messages.message(random, of, random.choice((0.0, 0.02, 0.3)))
        if name.endswith("/GetTimeline") and self._cursor and random.random() < 0.3:
            fields.append(wire.Field(4, wire.BYTES, _cursor(random, self._cursor)))
        content = wire.encoded(fields) if kind < 0.55 else wire.broken(random, fields)
        return _step(random, name, content)

    def run(self, given: Input) -> str:
        """The code of the last answer."""
        code = grpc.StatusCode.OK
        for one in given:
            name, _, way = one.name.partition(" ")
            put = self._over_channel if way == "channel" else self._behind_edge
            code, answer, said = put(name, one.content)
            self._judge(name, code, answer, said)
        return code.name

    def settle(self) -> None:
        """Nothing that was accepted may be set aside by the fold, and no structure may pass its cap."""
        state = self.service.state
        if self.service.follower.poison:
            raise Broken(f"accepted, then set aside: {self.service.follower.poison[-1]}")
        if not self.service.follower.alive:
            raise Broken("the fold has ended")
        found = {
            "max_posts": state.posts.size, "max_users": state.users.size,
            "max_terms": max(len(state.topic_ids), len(state.label_ids)),
            "max_places": max(len(state.community_ids), len(state.language_ids)),
        }  # fmt: skip
        if over := [name for name, size in found.items() if size > _CAPS[name]]:
            raise Broken(f"past their caps: {over}")

    def _judge(self, name: str, code: grpc.StatusCode, answer: bytes, said: str) -> None:
        if code in _FORBIDDEN:
            raise Broken(f"{name} answered {code.name}: {said} {list(last_error)}")
        if code not in (grpc.StatusCode.OK, _MISSING) and not said.strip():
            raise Broken(f"{name} answered {code.name} and no sentence")
        if "Traceback" in said or len(said) > 2_000:
            raise Broken(f"{name} answered with {len(said)} letters: {said[:200]}")
        if code is grpc.StatusCode.OK:
            message = GetMessageClass(METHODS[name].output_type).FromString(answer)
            self._cursor = getattr(message, "cursor", "") or self._cursor
        if self.service.follower.poison_count:
            raise Broken(f"{name}: accepted, then set aside: {self.service.follower.poison[-1]}")

    def _behind_edge(self, name: str, content: bytes) -> tuple[grpc.StatusCode, bytes, str]:
        context = Context()
        handler = self._handler(name)
        try:
            parts = _parts(content) if name in self._streams else [content]
            if handler.request_streaming:  # admission takes unary calls as streams too
                answer = handler.stream_unary(iter(parts), context)
            else:
                answer = handler.unary_unary(content, context)
        except Aborted as end:
            return end.code, b"", end.details
        serialized = answer if isinstance(answer, bytes) else handler.response_serializer(answer)
        return grpc.StatusCode.OK, serialized, ""

    def _handler(self, name: str) -> Any:
        """A method's handler, wrapped by the server's own interceptors as it wraps it for a call."""
        handlers = self._server.generic_handlers
        found = self._server.interceptor_pipeline.execute(
            lambda details: next((one for each in handlers if (one := each.service(details))), None),
            _Details(name),
        )
        if found is None:
            raise Broken(f"nobody serves {name}")
        return found

    def _over_channel(self, name: str, content: bytes) -> tuple[grpc.StatusCode, bytes, str]:
        try:
            if name in self._streams:
                return (
                    grpc.StatusCode.OK,
                    self._channel.stream_unary(name)(iter(_parts(content)), timeout=20),
                    "",
                )
            return grpc.StatusCode.OK, self._channel.unary_unary(name)(content, timeout=20), ""
        except grpc.RpcError as error:
            return error.code(), b"", error.details() or ""


class Aborted(Exception):
    """A call that was ended with a code."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(code, details)
        self.code, self.details = code, details


class Context(grpc.ServicerContext):  # type: ignore[misc]
    """What gRPC gives a method beside the request, for calls without a socket."""

    def __init__(self) -> None:
        self._trailers: Any = ()
        self._code: grpc.StatusCode | None = None

    def abort(self, code: grpc.StatusCode, details: str) -> NoReturn:
        self._code = code
        raise Aborted(code, details)

    def abort_with_status(self, status: grpc.Status) -> NoReturn:
        raise Aborted(status.code, status.details)

    def set_trailing_metadata(self, trailing_metadata: Any) -> None:
        for _, value in trailing_metadata:
            if not value.isascii() or not value.isprintable():
                raise Broken(f"a trailer that gRPC refuses: {value!r}")
        self._trailers = trailing_metadata

    def trailing_metadata(self) -> Any:
        return self._trailers

    def invocation_metadata(self) -> Any:
        return ()

    def time_remaining(self) -> float | None:
        return None

    def is_active(self) -> bool:
        return True

    def add_callback(self, callback: Callable[[], None]) -> bool:  # noqa: ARG002
        return True

    def peer(self) -> str:
        return "unix:fuzz"

    def peer_identities(self) -> None:
        return None

    def peer_identity_key(self) -> None:
        return None

    def auth_context(self) -> dict[str, list[bytes]]:
        return {}

    def set_compression(self, compression: Any) -> None: ...

    def send_initial_metadata(self, initial_metadata: Any) -> None: ...

    def code(self) -> Any:
        return self._code

    def details(self) -> Any:
        return None

    def set_code(self, code: Any) -> None: ...

    def set_details(self, details: str) -> None: ...

    def disable_next_message_compression(self) -> None: ...

    def cancel(self) -> None: ...


def _quick_folder() -> str | None:
    """Memory, where there is a file system of it: a million writes need no disk."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _settings(folder: Path) -> settings.Settings:
    return settings.load(
        None,
        data=folder,
        embedder={"enabled": False, "dimension": messages.DIMENSION},
        state=_CAPS,
        sessions={"max_sessions": 500},
        server={"deadline_s": 5.0},
        upkeep={"snapshot_every_s": 120},
    )


class _Details:
    def __init__(self, method: str) -> None:
        self.method = method
        self.invocation_metadata: tuple[Any, ...] = ()


def _parts(content: bytes) -> list[bytes]:
    """A stream's messages: what would be one call, cut where the first byte says."""
    at = content[0] * len(content) // 255 if content else 0
    return [content] if at in (0, len(content)) or content[0] != 0x0A else [content, content[at:], content]


def _step(random: Random, name: str, content: bytes) -> Step:
    return Step(f"{name} channel" if random.random() < _OVER_A_CHANNEL else name, content)


def _cursor(random: Random, cursor: str) -> bytes:
    raw = cursor.encode()
    return raw if random.random() < 0.4 else hostile.damaged(random, raw)


def _named(method: str) -> str:
    return next(name for name, one in METHODS.items() if one.name == method)


def _rows(method: str, *rows: Any) -> Step:
    """A batch of rows in the first field of a request."""
    request = GetMessageClass(METHODS[_named(method)].input_type)()
    for row in rows:
        getattr(request, request.DESCRIPTOR.fields[0].name).append(row)
    return Step(_named(method), request.SerializeToString())


def _page(viewer: str, **more: Any) -> Step:
    return Step(
        _named("GetTimeline"), feed_pb2.GetTimelineRequest(viewer_id=viewer, **more).SerializeToString()
    )


def _put_delete_put(random: Random) -> Input:
    """A post put, deleted, put again, and asked for each time."""
    from feedrank.v1.types_pb2 import Post

    post, viewer = random.choice(messages.POSTS), random.choice(messages.PEOPLE)
    put = _rows("PutPosts", Post(id=post, author_id=viewer, text=hostile.text(random).replace("\ud800", "")))
    gone = _rows("DeletePosts", post)
    near = Step(_named("SimilarPosts"), feed_pb2.SimilarPostsRequest(post_id=post).SerializeToString())
    why = feed_pb2.ExplainPostRequest(viewer_id=viewer, post_id=post).SerializeToString()
    return put, _page(viewer), gone, near, put, Step(_named("ExplainPost"), why), gone, gone


def _chain(random: Random) -> Input:
    """Posts that reply to, repost, quote or remix each other in a ring, then are asked for."""
    from feedrank.v1.types_pb2 import Post

    field = random.choice(("reply_to_id", "repost_of_id", "quote_of_id", "remix_of_id"))
    ring = random.sample(messages.POSTS, random.choice((2, 3, 10, 60)))
    rows = [
        Post(id=a, author_id=random.choice(messages.PEOPLE), **{field: b})  # type: ignore[arg-type]
        for a, b in zip(ring, [*ring[1:], ring[0]], strict=True)
    ]
    viewer = random.choice(messages.PEOPLE)
    return _rows("PutPosts", *rows), _page(viewer), _rows("DeletePosts", ring[0]), _page(viewer, size=200)


def _undone(random: Random) -> Input:
    """Events undone before they were done, twice, by the author, and of posts that are not there."""
    from feedrank.v1.types_pb2 import Event, EventKind

    viewer = random.choice(messages.PEOPLE)
    post = random.choice((*messages.POSTS, "nowhere"))
    one = Event(viewer_id=viewer, post_id=post, kind=random.choice(EventKind.values()))
    if one.kind == EventKind.Value("EVENT_KIND_DWELL"):
        one.dwell_ms = 3_000
    back = Event()
    back.CopyFrom(one)
    back.undo = True
    rows = random.choices((one, back), k=random.choice((2, 3, 200)))
    return _rows("RecordEvents", back, *rows), _page(viewer, include_seen=True)


def _blocked(random: Random) -> Input:
    """Blocks of oneself and each other, taken back before they were made."""
    from feedrank.v1.types_pb2 import Relation, RelationKind

    one, other = random.choices(messages.PEOPLE, k=2)
    kinds = RelationKind.values()
    rows = [
        Relation(user_id=a, target_id=b, kind=random.choice(kinds), remove=random.random() < 0.4)
        for a, b in random.choices(((one, other), (other, one), (one, one)), k=random.choice((3, 30)))
    ]
    return _rows("PutRelations", *rows), _page(one), _page(other)


def _muted(random: Random) -> Input:
    """Long texts full of what a viewer muted, and the page that must not hang for them."""
    from feedrank.v1.controls_pb2 import SetPreferencesRequest
    from feedrank.v1.types_pb2 import Post

    viewer = random.choice(messages.PEOPLE)
    words = [hostile.text(random, 90)[:90] or "moss" for _ in range(random.choice((1, 20, 200)))]
    request = SetPreferencesRequest(viewer_id=viewer)
    request.preferences.muted_words.extend(words)
    text = ((random.choice(words) + " ") * 10_000)[: random.choice((100, 10_000))]
    post = Post(id=random.choice(messages.POSTS), author_id=random.choice(messages.PEOPLE), text=text)
    return Step(_named("SetPreferences"), request.SerializeToString()), _rows("PutPosts", post), _page(viewer)


_SEQUENCES = (_put_delete_put, _chain, _undone, _blocked, _muted)
