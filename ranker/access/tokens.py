"""Tokens: who a caller is and what it may do, in a file of the data folder.

A token is `frt_<id>_<secret>`. The file holds its id and the SHA-256 of its secret. The secret is 32 random
bytes, so no search finds it from the hash, and a slow hash (scrypt) would only make each call slower; it is
for passwords that people choose.
"""

import fcntl
import hmac
import json
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import structlog
from pydantic import BaseModel, Field, ValidationError, field_validator

from ranker import disk
from ranker.access.contract import ROLES
from ranker.errors import Expired, NotFound, SettingsError, Unauthenticated
from ranker.journal import now_ms

log = structlog.get_logger()

MOST_TOKENS = 4_096
FOLDER = "access"
_FILE = "tokens.json"
_TOKEN = re.compile(r"frt_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_NOBODYS = "0" * 64
_LOOK_S = 0.25
_REPAIR = "make one with `feedrank token create`"


class Token(BaseModel, frozen=True, extra="forbid"):
    """What the file holds of a token; never its secret."""

    id: str = Field(pattern=r"^[0-9a-f]{12}$")
    name: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    roles: tuple[str, ...]
    created_ms: int
    expires_ms: int | None
    """None: never."""
    calls_per_s: float = Field(gt=0)
    slot: int = Field(ge=0, lt=MOST_TOKENS)
    """Its place among the rates: no two tokens of a file share one."""

    @field_validator("roles")
    @classmethod
    def _known(cls, roles: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := sorted(set(roles) - set(ROLES)):
            raise ValueError(f"there is no role {', '.join(unknown)}: choose of {', '.join(ROLES)}")
        return roles

    def expired(self, now: int) -> bool:
        """Whether its time is over."""
        return self.expires_ms is not None and now >= self.expires_ms


class _Document(BaseModel, frozen=True, extra="forbid"):
    tokens: tuple[Token, ...] = ()


@dataclass(frozen=True)
class TokenFile:
    """The tokens of a data folder, on disk. A change is whole or not there."""

    data: Path

    @property
    def path(self) -> Path:
        """Where they lie."""
        return self.data / FOLDER / _FILE

    def read(self) -> tuple[Token, ...]:
        """All tokens; none where there is no file. Raises SettingsError for what is no such file."""
        try:
            if self.path.stat().st_mode & 0o077:
                raise SettingsError(f"others can read {self.path}: chmod 600 it, and make new tokens")
            return _Document.model_validate_json(self.path.read_bytes()).tokens
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except (OSError, ValidationError) as error:
            raise SettingsError(
                f"{self.path} can't be read: restore it from a backup, or delete it and make new tokens"
            ) from error

    def create(
        self, name: str, roles: tuple[str, ...], expires_ms: int | None, calls_per_s: float
    ) -> tuple[Token, str]:
        """A new token and, this once, what its caller must send."""
        secret = secrets.token_urlsafe(32)
        with self._changing() as tokens:
            free = min(set(range(MOST_TOKENS)) - {one.slot for one in tokens}, default=None)
            if free is None:
                raise SettingsError(f"there are {MOST_TOKENS:,} tokens: revoke some first")
            token = _valid(
                id=secrets.token_hex(6),
                name=name,
                sha256=sha256(secret.encode()).hexdigest(),
                roles=tuple(dict.fromkeys(roles)),
                created_ms=now_ms(),
                expires_ms=expires_ms,
                calls_per_s=calls_per_s,
                slot=free,
            )
            tokens.append(token)
        return token, f"frt_{token.id}_{secret}"

    def revoke(self, which: str) -> Token:
        """Remove the token of an id, or of a name that just one has."""
        with self._changing() as tokens:
            found = [one for one in tokens if which in (one.id, one.name)]
            if not found:
                raise NotFound(f"there is no token {which}: `feedrank token list` shows them")
            if len(found) > 1:
                raise SettingsError(f"{len(found)} tokens are called {which}: name one by its id")
            tokens.remove(found[0])
        return found[0]

    @contextmanager
    def _changing(self) -> Iterator[list[Token]]:
        """The tokens as a list to change; written when the block ends well. One at a time does that."""
        with locked(self.path.parent):
            tokens = list(self.read())
            yield tokens
            content = json.dumps({"tokens": [one.model_dump() for one in tokens]}, indent=1)
            write_private(self.path, content.encode())


def _valid(**fields: object) -> Token:
    try:
        return Token.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        why = first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"the token's {first['loc'][0]}: {why}") from error


class Keys:
    """The tokens as they are now: whoever asks has the file looked at, a few times a second at most.

    A file that can't be read any more leaves the tokens as they were, with an error in the log; one that is
    gone leaves none.
    """

    def __init__(self, file: TokenFile, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = file
        self._clock = clock
        self._seen = self._mark()
        self._tokens = _by_id(file.read())
        self._look_s = clock() + _LOOK_S

    @property
    def present(self) -> bool:
        """Whether there is a file, if only an empty one."""
        self._refresh()
        return self._seen is not None

    def any_valid(self) -> bool:
        """Whether somebody could call."""
        now = now_ms()
        return any(not one.expired(now) for one in self._tokens.values())

    def find(self, token_id: str) -> Token | None:
        """The token of an id."""
        self._refresh()
        return self._tokens.get(token_id)

    def who(self, authorization: str) -> Token:
        """The token that a call brings. Raises Unauthenticated, or Expired."""
        scheme, _, said = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated(f"the call brings no token: send it as FEEDRANK_TOKEN, or {_REPAIR}")
        parts = _TOKEN.fullmatch(said.strip())
        if parts is None:
            raise Unauthenticated(f"what the call brings is no token of feedrank: {_REPAIR}")
        token = self.find(parts[1])
        held = token.sha256 if token else _NOBODYS
        same = hmac.compare_digest(sha256(parts[2].encode()).hexdigest(), held)
        if token is None or not same:
            raise Unauthenticated(f"the token is not known here, or was revoked: {_REPAIR}")
        self.check_time(token)
        return token

    def check_time(self, token: Token) -> None:
        """Raise Expired for one whose time is over."""
        if token.expired(now_ms()):
            raise Expired(f"the token {token.id} has expired: {_REPAIR}")

    def _refresh(self) -> None:
        now = self._clock()
        if now < self._look_s:
            return
        self._look_s = now + _LOOK_S
        mark = self._mark()
        if mark == self._seen:
            return
        self._seen = mark
        try:
            self._tokens = _by_id(self._file.read())
        except SettingsError as error:
            log.error("tokens_not_read", reason=str(error))

    def _mark(self) -> tuple[int, int, int] | None:
        try:
            facts = self._file.path.stat()
        except OSError:
            return None
        return facts.st_ino, facts.st_mtime_ns, facts.st_mode


def _by_id(tokens: tuple[Token, ...]) -> Mapping[str, Token]:
    return {one.id: one for one in tokens}


def private_folder(folder: Path) -> Path:
    """The folder, made where it is not there; nobody else can look into it."""
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.stat().st_mode & 0o077:
            folder.chmod(0o700)
    except OSError as error:
        raise SettingsError(
            f"the data folder {folder.parent} can't be written ({error.strerror}): choose another with --data"
        ) from error
    return folder


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all, onto the disk."""
    try:
        disk.write(path, content, mode=0o600)
    except OSError as error:
        raise SettingsError(
            f"{path} can't be written ({error.strerror}): make room, or choose another folder with --data"
        ) from error


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One process at a time changes what is in a folder."""
    with (private_folder(folder) / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
