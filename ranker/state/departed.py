"""Who was erased lately, under digests: what was on its way at that time must not bring them back."""

import json
from collections import deque
from hashlib import blake2b
from itertools import takewhile
from typing import NamedTuple, Self

_REMEMBERED_MS = 600_000
"""What a page showed is journaled within seconds."""
_MOST = 10_000


def digest_of(user_id: str, key: bytes) -> bytes:
    """A digest of an id, BLAKE2b under a key of at most 64 bytes.

    >>> digest_of("rosa", b"k") == digest_of("rosa", b"k") != digest_of("rosa", b"l")
    True
    """
    return blake2b(user_id.encode(), key=key, digest_size=16).digest()


class _One(NamedTuple):
    key: bytes
    digest: bytes
    time_ms: int


class Departed:
    """People who were erased in the last ten minutes of the journal's time.

    >>> departed = Departed()
    >>> departed.add(b"key", digest_of("rosa", b"key"), 1000)
    >>> departed.covers("rosa", 1000), departed.covers("rosa", 1001), departed.covers("lena", 1000)
    (True, False, False)
    """

    def __init__(self) -> None:
        self._some: deque[_One] = deque(maxlen=_MOST)

    def __len__(self) -> int:
        return len(self._some)

    def add(self, key: bytes, digest: bytes, time_ms: int) -> None:
        """Somebody was erased, at a time that is no earlier than the last one's."""
        self._some.append(_One(key, digest, time_ms))

    def expire(self, now_ms: int) -> None:
        """Forget those whose time is over."""
        while self._some and self._some[0].time_ms < now_ms - _REMEMBERED_MS:
            self._some.popleft()

    def covers(self, user_id: str, time_ms: int) -> bool:
        """Whether what an id did at a time was an erased person's, and no newcomer's."""
        since = takewhile(lambda one: time_ms <= one.time_ms, reversed(self._some))
        return any(digest_of(user_id, one.key) == one.digest for one in since)

    def dump(self) -> str:
        """All of it, as JSON."""
        return json.dumps([[one.key.hex(), one.digest.hex(), one.time_ms] for one in self._some])

    @classmethod
    def load(cls, told: str) -> Self:
        """Take over what `dump` gave."""
        departed = cls()
        for key, digest, time_ms in json.loads(told):
            departed._some.append(_One(bytes.fromhex(key), bytes.fromhex(digest), time_ms))
        return departed
