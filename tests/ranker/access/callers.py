"""Callers with tokens of their own, and the certificates of tests."""

import atexit
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path

import feedrank
import grpc
import trustme
from feedrank.identity import Identity

from ranker.access.contract import ROLES, Rule
from ranker.access.tokens import TokenFile
from ranker.journal import now_ms


def _certified() -> Path:
    """A folder with two authorities, and certificates and keys that they signed, for as long as tests run."""
    made = tempfile.TemporaryDirectory()
    atexit.register(made.cleanup)
    folder, ours, stranger = Path(made.name), trustme.CA(), trustme.CA()
    ours.cert_pem.write_to_path(folder / "ca.pem")
    stranger.cert_pem.write_to_path(folder / "stranger.pem")
    here = "localhost", "127.0.0.1", "::1"
    for name, authority, hosts in (
        ("server", ours, here),
        ("renewed", ours, here),
        ("client", ours, ("backend",)),
        ("outsider", stranger, ("outsider",)),
    ):
        issued = authority.issue_cert(*hosts)
        issued.private_key_pem.write_to_path(folder / f"{name}.key")
        for part in issued.cert_chain_pems:
            part.write_to_path(folder / f"{name}.pem", append=True)
    return folder


PEM = _certified()
CA = str(PEM / "ca.pem")
TLS = {"SERVER__TLS_CERTIFICATE": str(PEM / "server.pem"), "SERVER__TLS_KEY": str(PEM / "server.key")}
GARBAGE = b"\xff" * 40
"""No message: what lets a call in answers it with INVALID_ARGUMENT, and nothing is done."""


def fresh_call(ago_ms: int = 0) -> str:
    """What no other call has."""
    return f"{now_ms() - ago_ms}-{secrets.token_hex(8)}"


@dataclass(frozen=True)
class Callers:
    """Makes tokens of a data folder."""

    data: Path

    def token(self, *roles: str, expires_ms: int | None = None, rate: float = 10_000, name: str = "") -> str:
        """A new token."""
        return TokenFile(self.data).create(name or "-".join(roles), roles or ROLES, expires_ms, rate)[1]

    def without(self, role: str) -> str:
        """A new token with every role but one."""
        return self.token(*(one for one in ROLES if one != role))

    def expired(self) -> str:
        """A new token whose time is over."""
        return self.token(*ROLES, expires_ms=now_ms() - 1)

    def identity(self, token: str) -> Identity:
        """Who comes with a token over TLS."""
        return Identity(token=token, ca=CA)


def answered(
    channel: grpc.Channel, rule: Rule, token: str = "", call: str | None = None, content: bytes = GARBAGE
) -> tuple[grpc.StatusCode, str]:
    """The code and the word that a call ends with. `call` None: a fresh one; empty: none is sent."""
    metadata = [("authorization", f"Bearer {token}")] if token else []
    if call := fresh_call() if call is None else call:
        metadata.append(("feedrank-call", call))
    ask = channel.stream_unary(rule.path) if rule.streams else channel.unary_unary(rule.path)
    try:
        ask(iter([content]) if rule.streams else content, timeout=10, metadata=metadata)
    except grpc.RpcError as error:
        trailers = dict(error.trailing_metadata() or ())
        return error.code(), str(trailers.get("feedrank-error", ""))
    return grpc.StatusCode.OK, ""


def client_of(address: str, token: str, **more: str) -> feedrank.Client:
    """A client over TLS."""
    return feedrank.Client(address, token=token, ca=CA, **more)
