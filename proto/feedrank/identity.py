"""Who a client is to the server: its token, and the certificates of the connection."""

from __future__ import annotations

import os
import re
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

import grpc

from feedrank.errors import InvalidArgument

SYSTEM = "system"
_LOCAL = re.compile(r"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?|unix(-abstract)?:.*")


@dataclass(frozen=True, repr=False)
class Identity:
    """`token`: as `feedrank token create` printed it. `ca`: a PEM file of the authority that the server's
    certificate is of, or "system" for those that gRPC knows. `certificate` and `key`: PEM files of the
    client's own, where the server asks for one (mutual TLS). With any of the files the connection is TLS.
    """

    token: str = ""
    ca: str = ""
    certificate: str = ""
    key: str = ""

    @classmethod
    def told(cls, token: str | None, ca: str | None, certificate: str | None, key: str | None) -> Identity:
        """What the caller gives; where that is None, the environment's FEEDRANK_TOKEN, FEEDRANK_CA …"""
        given = {"TOKEN": token, "CA": ca, "CERTIFICATE": certificate, "KEY": key}
        return cls(
            *(os.environ.get(f"FEEDRANK_{name}", "") if one is None else one for name, one in given.items())
        )

    def credentials(self, target: str, own: grpc.ChannelCredentials | None) -> grpc.ChannelCredentials | None:
        """Those of the channel; None without TLS. `own`: the caller's. No token is sent in the open."""
        if own is not None:
            return own
        if self.ca or self.certificate or self.key:
            return grpc.ssl_channel_credentials(
                None if self.ca in ("", SYSTEM) else _content("ca", self.ca),
                _content("key", self.key) if self.key else None,
                _content("certificate", self.certificate) if self.certificate else None,
            )
        if self.token and not _LOCAL.fullmatch(target):
            raise InvalidArgument(
                f"a token for {target} would be sent in the open: give ca, a PEM file or {SYSTEM!r} "
                "(FEEDRANK_CA, --ca)"
            )
        return None

    def metadata(self) -> tuple[tuple[str, str], ...] | None:
        """What goes with one call: the token, and words that no other call has."""
        if not self.token:
            return None
        call = f"{time.time_ns() // 1_000_000}-{secrets.token_hex(8)}"
        return ("authorization", f"Bearer {self.token}"), ("feedrank-call", call)


def _content(option: str, file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise InvalidArgument(
            f"{option}: {file} can't be read ({error.strerror}): name a PEM file"
        ) from error
