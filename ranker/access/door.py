"""The door: who may call is decided before a call's content is read, and before it takes a thread.

Two interceptors. The `Door` of each worker's public server asks for the token, its role and its rate, and
whether the call is new. The `Watch` stands where calls of Admin and Privacy are answered, which is in one
process, so that none is made twice by way of two workers; it writes the audit log. Between them a call
carries who made it.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import grpc
import structlog

from ranker.access import tls
from ranker.access.audit import AuditLog
from ranker.access.contract import Rule, rules
from ranker.access.local import is_local
from ranker.access.rates import Rates
from ranker.access.replay import Replays
from ranker.access.tokens import FOLDER, Keys, Token, TokenFile
from ranker.errors import FeedrankError, PermissionDenied, RateExceeded, SettingsError, Unauthenticated
from ranker.settings import Settings

log = structlog.get_logger()

if TYPE_CHECKING:
    Handler = grpc.RpcMethodHandler[Any, Any]  # generic only in its stubs

Continuation = Callable[[grpc.HandlerCallDetails], "Handler | None"]

CALLER = "feedrank-caller"
"""Metadata between the door and the watch: token id, attempt and feedrank-call, with strokes between."""

_AUTHORIZATION, _CALL, _ATTEMPT = "authorization", "feedrank-call", "grpc-previous-rpc-attempts"
_ATTEMPTS = frozenset("1234")
_OPEN = "/grpc.health.v1.Health/"
_REFLECTION = ("/grpc.reflection.v1alpha.ServerReflection/", "/grpc.reflection.v1.ServerReflection/")
_SAY_S = 10.0
_DOZE_S = 0.25


class Refusing(Protocol):
    """What ends a call with an error: the edge, which knows codes and trailers."""

    def refusing(self, method: str, error: FeedrankError) -> "Handler":
        """A handler that does so."""


class _Details(NamedTuple):
    method: str
    invocation_metadata: tuple[tuple[str, str | bytes], ...]


class Access:
    """What a worker knows of callers: the contract's rules, the tokens, their rates, the audit log."""

    def __init__(self, settings: Settings) -> None:
        server, data = settings.server, settings.data
        self.address = server.address
        self.rules = rules()
        self.files = tls.files_of(server)
        self.tokens = TokenFile(data)
        self.keys = Keys(self.tokens)
        self.rates = Rates(data / FOLDER)
        self.audit = AuditLog(data)
        self._setting = server.access
        self._local = is_local(server.address)

    @property
    def asks(self) -> bool:
        """Whether callers need tokens. Where only this machine can call: once a token was made."""
        if self._setting == "auto":
            return not self._local or self.keys.present
        return self._setting == "on"

    def check(self) -> None:
        """Raise SettingsError where others could listen in or just call; say it where this machine's can."""
        if not self._local and self._setting == "off":
            raise SettingsError(
                f"server.access is off and {self.address} is open to other machines: take out "
                "server.access, or listen on 127.0.0.1 or a Unix socket"
            )
        if not self._local and self.files is None:
            raise SettingsError(
                f"{self.address} is open to other machines: set server.tls_certificate and "
                "server.tls_key, or listen on 127.0.0.1 or a Unix socket"
            )
        if not self.asks:
            log.warning("access_off", address=self.address, reason="anybody on this machine may call")
        elif not self.keys.any_valid():
            raise SettingsError(
                f"no token of {self.tokens.path} is valid, so nobody could call: make one with "
                f"`feedrank token create NAME --role read --role write --data {self.tokens.data}`"
            )

    def credentials(self) -> grpc.ServerCredentials | None:
        """Those of TLS; None without."""
        return tls.credentials(self.files) if self.files else None


class Door(grpc.ServerInterceptor):
    """Lets in who may, before anything else looks at the call. Health is open; reflection is for admins."""

    def __init__(self, access: Access, edge: Refusing) -> None:
        self._access = access
        self._edge = edge
        self._replays = Replays(forgets=True)
        self._refused: Counter[str] = Counter()
        self._say_s = 0.0

    def intercept_service(
        self, continuation: Continuation, details: grpc.HandlerCallDetails
    ) -> "Handler | None":
        """The handler of a call, or one that refuses it."""
        access, method = self._access, details.method
        rule = access.rules.get(method) or _foreign(method)
        if not access.asks:
            return continuation(_carried(details, "") if rule.guarded else details)
        if method.startswith(_OPEN):
            return continuation(details)
        told = dict(details.invocation_metadata or ())
        token: Token | None = None
        try:
            token = access.keys.who(_text(told, _AUTHORIZATION))
            self._admit(token, rule, told)
        except FeedrankError as error:
            return self._refuse(rule, error, token)
        if rule.guarded:
            return continuation(_carried(details, token.id))
        handler = continuation(details)
        return self._paced(handler, token) if rule.streams and handler else handler

    def _admit(self, token: Token, rule: Rule, told: Mapping[str, str | bytes]) -> None:
        self._take(token)
        if not rule.role:
            raise PermissionDenied(f"{rule.path} is not in the contract: see feedrank/v1/*.proto")
        if rule.role not in token.roles:
            raise PermissionDenied(
                f"{rule.name} needs the role {rule.role}, and the token has {', '.join(token.roles)}"
                f": make one with `feedrank token create NAME --role {rule.role}`"
            )
        if not rule.guarded and (call := _text(told, _CALL)):
            self._replays.check(token.id, call, _attempt(rule, told))

    def _take(self, token: Token) -> None:
        if wait_s := self._access.rates.take(token.slot, token.calls_per_s):
            hint = max(1, round(1000 * wait_s))
            raise RateExceeded(
                f"the token may make {token.calls_per_s:g} calls a second: come again in {hint} ms",
                hint,
            )

    def _refuse(self, rule: Rule, error: FeedrankError, token: Token | None) -> "Handler":
        if rule.guarded and token and not isinstance(error, RateExceeded):
            self._access.audit.refuse(rule.name, error, token=token.id, name=token.name)
        self._refused[error.word] += 1
        if (now := time.monotonic()) > self._say_s:
            log.warning("calls_refused", **self._refused)
            self._refused.clear()
            self._say_s = now + _SAY_S
        return self._edge.refusing(rule.path, error)

    def _paced(self, handler: "Handler", token: Token) -> "Handler":
        """Each message of a stream counts as a call, and is taken no sooner than its rate allows."""
        method = handler.stream_unary
        assert method is not None

        def stream(contents: Iterator[Any], context: grpc.ServicerContext) -> Any:
            return method(self._each(contents, token, context), context)

        # gRPC's name for the pool of one method.
        stream.experimental_thread_pool = getattr(method, "experimental_thread_pool", None)  # type: ignore[attr-defined]
        return grpc.stream_unary_rpc_method_handler(
            stream, handler.request_deserializer, handler.response_serializer
        )

    def _each(self, contents: Iterator[Any], token: Token, context: grpc.ServicerContext) -> Iterator[Any]:
        keys, rates = self._access.keys, self._access.rates
        first = True
        for content in contents:
            while not first and (wait_s := rates.take(token.slot, token.calls_per_s)):
                if not context.is_active():
                    return
                time.sleep(min(wait_s, _DOZE_S))
            if keys.find(token.id) is None:
                raise Unauthenticated(f"the token {token.id} was revoked: open the stream with another")
            keys.check_time(token)
            first = False
            yield content


class Watch(grpc.ServerInterceptor):
    """Stands where Admin and Privacy are answered: no call twice, and each in the audit log."""

    def __init__(self, access: Access, edge: Refusing) -> None:
        self._access = access
        self._edge = edge
        self._replays = Replays(forgets=False)
        self._replays.remember(access.audit.recent_calls())

    def intercept_service(
        self, continuation: Continuation, details: grpc.HandlerCallDetails
    ) -> "Handler | None":
        """The handler of a call, whose end is written down, or one that refuses it."""
        rule = self._access.rules.get(details.method)
        if rule is None or not rule.guarded:
            return continuation(details)
        caller = _text(dict(details.invocation_metadata or ()), CALLER)
        token_id, _, said = caller.partition("/")
        token = self._access.keys.find(token_id)
        facts = {"token": token_id, "name": token.name if token else ""}
        try:
            known = self._new(rule, token_id, said) if self._access.asks else ""
        except FeedrankError as error:
            self._access.audit.refuse(rule.name, error, **facts)
            return self._edge.refusing(rule.path, error)
        handler = continuation(details)
        return self._audited(handler, rule, known, facts) if handler and handler.unary_unary else handler

    def _new(self, rule: Rule, token_id: str, said: str) -> str:
        """What a call is known by, if it was not made before."""
        attempt, _, call = said.partition("/")
        if not token_id:
            raise Unauthenticated(f"{rule.name} needs a token: make one with `feedrank token create`")
        if not call:
            raise Unauthenticated(
                f"{rule.name} needs metadata feedrank-call, <ms since 1970>-<random>: a new one each time"
            )
        return self._replays.check(token_id, call, attempt if rule.repeatable else "")

    def _audited(self, handler: "Handler", rule: Rule, known: str, facts: Mapping[str, str]) -> "Handler":
        method, audit = handler.unary_unary, self._access.audit
        assert method is not None

        def call(content: bytes, context: grpc.ServicerContext) -> Any:
            began, code = time.perf_counter(), "OK"
            try:
                return method(content, context)
            except BaseException:
                code = _code(context)
                raise
            finally:
                audit.write(
                    rule.name,
                    code,
                    target=_target(audit, rule, content),
                    ms=round(1000 * (time.perf_counter() - began)),
                    call=known,
                    **facts,
                )

        return grpc.unary_unary_rpc_method_handler(
            call, handler.request_deserializer, handler.response_serializer
        )


def _code(context: Any) -> str:
    return getattr(context.code(), "name", "UNKNOWN")


def _target(audit: AuditLog, rule: Rule, content: bytes) -> str:
    try:
        return audit.target(rule.request.FromString(content), person=rule.role == "privacy")
    except Exception:  # whatever can't be read was refused for it
        return ""


def _foreign(method: str) -> Rule:
    """The rule of what is not in the contract: reflection has no secrets, but its streams hold threads."""
    return Rule(method, role="admin" if method.startswith(_REFLECTION) else "")


def _carried(details: grpc.HandlerCallDetails, token_id: str) -> Any:
    """The call with who made it. What a caller says of itself does not pass."""
    told = dict(details.invocation_metadata or ())
    attempt = _text(told, _ATTEMPT)
    caller = f"{token_id}/{attempt if attempt in _ATTEMPTS else ''}/{_text(told, _CALL)}"
    others = tuple((key, value) for key, value in details.invocation_metadata or () if key != CALLER)
    return _Details(details.method, (*others, (CALLER, caller)))


def caller_of(details: grpc.HandlerCallDetails) -> tuple[tuple[str, str], ...]:
    """What a worker that passes a call on has to tell of its caller."""
    caller = _text(dict(details.invocation_metadata or ()), CALLER)
    return ((CALLER, caller),) if caller else ()


def _attempt(rule: Rule, told: Mapping[str, str | bytes]) -> str:
    attempt = _text(told, _ATTEMPT)
    return attempt if rule.repeatable and attempt in _ATTEMPTS else ""


def _text(told: Mapping[str, str | bytes], key: str) -> str:
    value = told.get(key, "")
    return value if isinstance(value, str) else ""
