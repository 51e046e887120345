"""The gone: who was erased from a data folder, as digests: only who has its key and an id can ask for one.

The receipts have them. So a model that is saved later can be held against them, and a backup of before too:
whom it brings back is erased again when a server starts on it.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

from ranker import disk
from ranker.journal import Entry, order
from ranker.seen import KEY
from ranker.state.departed import digest_of

FOLDER = "erasures"
DUE, RECEIPT = ".due", ".json"
AGAIN = "again"
"""The file that names whom the next start erases."""


class Gone(NamedTuple):
    """Somebody who was erased."""

    digest: bytes
    """Of the id, under the key of the data folder (`ranker.seen.key_of`)."""
    since_ms: int
    """When the person was heard of first."""
    time_ms: int
    """When the erasure was asked for."""
    done_ms: int
    """When it was done: what was read since knows nothing of the person."""

    @property
    def facts(self) -> dict[str, Any]:
        """What the receipt says of it."""
        return self._asdict() | {"digest": self.digest.hex()}

    @classmethod
    def of(cls, receipt: Path) -> Self | None:
        """What a receipt says; None where it is damaged, or of a feedrank that did not note it."""
        try:
            facts = json.loads(receipt.read_bytes())["gone"]
            return cls(**facts | {"digest": bytes.fromhex(facts["digest"])})
        except (OSError, ValueError, KeyError, TypeError):
            return None


def gone(data: Path) -> list[Gone]:
    """All who were erased from a data folder, as far as its receipts tell."""
    receipts = sorted((data / FOLDER).glob(f"*{RECEIPT}"))
    return [one for one in map(Gone.of, receipts) if one is not None]


def names(data: Path) -> list[str]:
    """The erasures that a data folder knows, due ones and receipts, by their files' names."""
    return sorted(path.name for path in (data / FOLDER).glob("*") if path.suffix in (DUE, RECEIPT))


def since(data: Path, position: str) -> list[Path]:
    """Of the erasures that a data folder knows those after a position of its journal."""
    found = [data / FOLDER / name for name in names(data)]
    return [path for path in found if order(path.stem) > order(position)]


def found_again(erasures: Iterable[Path], data: Path, people: Iterable[str]) -> list[str]:
    """Who of some people was erased, in order: their ids.

    `erasures`: due ones and receipts of the folder `data`, whose key they are under. Raises OSError.
    """
    paths = list(erasures)
    due = {json.loads(path.read_bytes())["user_id"] for path in paths if path.suffix == DUE}
    some = {one.digest for one in map(Gone.of, paths) if one is not None}
    key = (data / KEY).read_bytes() if some else b""
    return sorted(one for one in set(people) if one in due or (some and digest_of(one, key) in some))


def erase_at_the_next_start(data: Path, user_ids: list[str]) -> None:
    """Have the next server that starts on a data folder erase some people."""
    folder = data / FOLDER
    folder.mkdir(exist_ok=True)
    disk.write(folder / AGAIN, json.dumps(user_ids).encode(), mode=0o600)


def people_of(entry: Entry) -> Iterator[str]:
    """The people whom an entry names, some more than once."""
    for post in entry.posts.posts:
        yield post.author_id
    for user in entry.users.users:
        yield user.id
    for relation in entry.relations.relations:
        yield from (relation.user_id, relation.target_id)
    yield from entry.events.viewer_ids
    yield from entry.events.author_ids
    yield entry.preferences.viewer_id
    for page in entry.served.pages:
        yield page.viewer_id
