"""Seen: whose rows a model learned from, so that it can be told after one of these people is erased.

A set of ids as a Bloom filter (Bloom, Communications of the ACM 13/7, 1970) over digests under a key of the
data folder: without the key nobody can ask it for an id, and with it an answer is yes for at most one in a
hundred who are not in it, never no for one who is.

people.key       in the data folder: the key
people.bin       beside a bundle's manifest: the filter, whose hash the manifest has
saw_erased.json  there too, once people were erased whom the bundle saw: how many, and when
"""

import hashlib
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

import numpy as np
import structlog
from numpy.typing import NDArray
from pydantic import BaseModel, Field, NonNegativeInt, ValidationError

from ranker import disk
from ranker.state.departed import digest_of

log = structlog.get_logger()

PEOPLE = "people.bin"
KEY = "people.key"
MARK = "saw_erased.json"

_HASHES = 7
_BITS_A_PERSON = 10
_LEAST, _MOST = 2**6, 2**22
"""Bytes of a filter. Past 3 million people it says yes more often."""
_KEY_BYTES = 32
_TIMES = 1_000


class PeopleFacts(BaseModel, frozen=True, extra="forbid"):
    """What a manifest says of the people whose rows were learned from."""

    viewers: NonNegativeInt
    authors: NonNegativeInt
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Hash of people.bin, in hex."""


class Mark(BaseModel, frozen=True, extra="forbid"):
    """The file `saw_erased.json`: people who were erased since, whom a bundle saw."""

    count: NonNegativeInt
    times_ms: tuple[int, ...]
    """When they were erased; the last thousand."""


@dataclass(frozen=True, eq=False)
class People:
    """A set of people, of whom nobody can be named.

    >>> some = People.of(["ines", "omar"], ["lena"], key=b"k")
    >>> some.viewers, some.authors, some.holds(digest_of("omar", b"k")), some.holds(digest_of("rosa", b"k"))
    (2, 1, True, False)
    """

    viewers: int
    authors: int
    bits: NDArray[np.uint8]
    """Packed, a power of two bytes."""

    @classmethod
    def of(cls, viewers: Collection[str], authors: Collection[str], key: bytes) -> Self:
        """Different viewers and different authors, under a key of at most 64 bytes."""
        wanted = max((len(viewers) + len(authors)) * _BITS_A_PERSON // 8, _LEAST)
        size = min(1 << (wanted - 1).bit_length(), _MOST)
        flags = np.zeros(size * 8, np.bool_)
        for ids in (viewers, authors):
            flags[_places([digest_of(one, key) for one in ids], size * 8)] = True
        return cls(len(viewers), len(authors), np.packbits(flags))

    def holds(self, digest: bytes) -> bool:
        """Whether somebody is in it, most likely, by the digest of the id under the key; False is sure."""
        places = _places([digest], len(self.bits) * 8)
        return bool((self.bits[places >> 3] << (places & 7).astype(np.uint8) & 128 != 0).all())

    @property
    def content(self) -> bytes:
        """The file `people.bin`."""
        return self.bits.tobytes()

    @property
    def facts(self) -> PeopleFacts:
        """What the manifest says of it."""
        digest = hashlib.sha256(self.content).hexdigest()
        return PeopleFacts(viewers=self.viewers, authors=self.authors, sha256=digest)

    @classmethod
    def read(cls, folder: Path, facts: PeopleFacts | None) -> Self | None:
        """What lies beside a manifest; None where that is not what the manifest says."""
        try:
            content = (folder / PEOPLE).read_bytes()
        except OSError:
            return None
        if facts is None or hashlib.sha256(content).hexdigest() != facts.sha256:
            return None
        return cls(facts.viewers, facts.authors, np.frombuffer(content, np.uint8))


def key_of(data: Path) -> bytes:
    """The key of a data folder, which is made when it is asked for first."""
    path = data / KEY
    if not path.exists():
        disk.write(path, secrets.token_bytes(_KEY_BYTES), mode=0o600, anew=False)
    return path.read_bytes()


def mark_of(folder: Path) -> Mark | None:
    """What a bundle's folder says of erased people; None for nothing."""
    try:
        return Mark.model_validate_json((folder / MARK).read_bytes())
    except (OSError, ValidationError):
        return None


def mark(folder: Path, time_ms: int) -> None:
    """Note that a bundle saw somebody who was erased at a time; the same time again changes nothing."""
    old = mark_of(folder) or Mark(count=0, times_ms=())
    if time_ms in old.times_ms:
        return
    new = Mark(count=old.count + 1, times_ms=(*old.times_ms, time_ms)[-_TIMES:])
    disk.write(folder / MARK, new.model_dump_json(indent=2).encode())
    log.info("model_saw_erased", version=folder.name, people=new.count)


def _places(digests: Iterable[bytes], bits: int) -> NDArray[np.int64]:
    """The bits of digests, int64 (n * hashes,): the two halves of one make all of its hashes.

    Kirsch and Mitzenmacher, Less hashing, same performance, ESA 2006. `bits` is a power of two.
    """
    first, step = np.frombuffer(b"".join(digests), "<u8").reshape(-1, 2).T
    turns = np.arange(_HASHES, dtype=np.uint64)[:, None]
    places: NDArray[np.int64] = ((first + turns * step) & np.uint64(bits - 1)).astype(np.int64).ravel()
    return places
