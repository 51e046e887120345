"""The state: what the fold of the journal has come to, as plain columns.

The fold writes, in one thread; everything else reads. All of it is bounded: rings and small arrays by their
width, posts and users by `StateSettings`, past which the oldest leave.
"""

import hashlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from pydantic import BaseModel, Field

from ranker.experiments import InService
from ranker.state.columns import NONE, Array, Ragged, Slots
from ranker.state.departed import Departed
from ranker.state.ids import Ids
from ranker.state.recent_ids import RecentIds
from ranker.state.standing import Norm, StandingSettings, norm, since
from ranker.state.strings import Strings
from ranker.state.table import Table
from ranker.state.tables import Flags, Places, Posts, Users
from ranker.state.turn import Turn

__all__ = ["NONE", "State", "StateSettings"]


class StateSettings(BaseModel, frozen=True, extra="forbid"):
    """How much is held."""

    max_posts: int = Field(1_000_000, ge=16, description="Posts held; past it the oldest eighth leaves.")
    max_users: int = Field(1_000_000, ge=16, description="Users held; past it the idlest eighth leaves.")
    max_terms: int = Field(1_000_000, ge=1_000, description="Different topics, and different labels.")
    max_places: int = Field(
        10_000, ge=16, description="Communities, and languages; further ones are none. Each takes 13 KB."
    )
    standing: StandingSettings = StandingSettings()


class State:
    """Columns of posts, users, communities and languages, with the ids that name their rows."""

    def __init__(
        self, dimension: int, settings: StateSettings | None = None, readers: int = sys.maxsize
    ) -> None:
        """`dimension`: numbers in a post's vector. `readers`: at most so many read at a time."""
        self.dimension = dimension
        self.settings = settings or StateSettings()
        self.turn = Turn(readers)
        self.posts = Posts(vector=dimension)
        self.users = Users(vector=dimension)
        self.communities = Places()
        self.languages = Places()
        self.post_ids, self.user_ids = Ids(), Ids()
        self.community_ids, self.language_ids = Ids(), Ids()
        self.topic_ids, self.label_ids = Ids(), Ids()
        self.event_ids = RecentIds()
        self.time_ms = 0
        """The fold's clock: the time of the last entry."""
        self.position = ""
        """The journal entry that was folded last."""
        self.passed_over = ""
        """The first entry that was not folded, or not all of it, for this version can't; empty for none."""
        self.in_service = InService()
        """The models that the journal says to use."""
        self.departed = Departed()
        """Who was erased lately."""
        self.norm = Norm()
        """What gives an account standing."""

    @property
    def tables(self) -> dict[str, tuple[Table, Ids]]:
        """Each table with its ids, by the word that columns use to name it."""
        return {
            "post": (self.posts, self.post_ids),
            "user": (self.users, self.user_ids),
            "community": (self.communities, self.community_ids),
            "language": (self.languages, self.language_ids),
        }

    def user(self, name: str) -> int:
        """The slot of a user, who becomes known with this call."""
        return int(self.users_of(Strings.of([name]))[0])

    def users_of(self, names: Strings) -> Slots:
        """The slots of users, who become known with this call; NONE for an empty name. int32 (n,)."""
        slots = self.user_ids.slots_of(names)
        first = self.users.append(len(self.user_ids) - self.users.size)
        self.users.created_ms[first : self.users.size] = self.time_ms
        self.users.active_ms[first : self.users.size] = self.time_ms
        self.users.heard_ms[first : self.users.size] = self.time_ms
        return slots

    def is_new(self, user: int) -> bool:
        """Whether a user is not known for as long as standing takes."""
        known_ms = max(int(self.users.heard_ms[user]), int(self.users.created_ms[user]))
        return self.time_ms - known_ms < self.norm.age_ms

    def known_for_a_while(self, users: Array) -> Flags:
        """Which users are known for as long as standing takes, bool (n,)."""
        known_ms = since(self.users.heard_ms[users], self.users.created_ms[users])
        return np.asarray(self.time_ms - known_ms >= self.norm.age_ms)

    def look_at_standing(self) -> None:
        """See anew what is usual here, where that is due: before an entry's events are folded."""
        if not self.norm.due(self.time_ms):
            return
        users, all_ = self.users, slice(0, self.users.size)
        known_ms, acted = since(users.heard_ms[all_], users.created_ms[all_]), users.event_count[all_] > 0
        seen = known_ms, users.active_ms[all_], users.met[all_], acted
        self.norm = norm(self.norm, *seen, self.time_ms, self.settings.standing)
        self._count_followers()

    def _count_followers(self) -> None:
        """Those who were new when they followed, and are not any more."""
        users = self.users
        waiting = np.flatnonzero(users.new_follows.length[: users.size] > 0)
        grown = waiting[self.known_for_a_while(waiting)]
        users.followers[: users.size] += np.bincount(
            users.new_follows.gathered(grown)[1], minlength=users.size
        ).astype(np.int32)
        for row in grown.tolist():
            users.new_follows.set(row, [])

    def place(self, table: str, name: str) -> int:
        """The slot of a community or language; NONE for an empty name and past the cap."""
        return int(self.places_of(table, Strings.of([name]))[0])

    def places_of(self, table: str, names: Strings) -> Slots:
        """The slots of communities or languages; NONE for an empty name and past the cap. int32 (n,)."""
        rows, ids = self.tables[table]
        slots = ids.slots_of(names, self.settings.max_places)
        rows.append(len(ids) - rows.size)
        return slots

    def term(self, ids: Ids, name: str) -> int:
        """The slot of a topic or label; NONE for an empty name and past the cap."""
        return ids.add(name, self.settings.max_terms)

    def drop_oldest_posts(self) -> Slots:
        """Forget the eighth of the posts that came first. Returns where each slot moved; NONE if gone."""
        return self._keep("post", np.arange(self.posts.size // 8, self.posts.size))

    def drop_idlest_users(self) -> Slots:
        """Forget the eighth of the users that was heard of longest ago. Returns where each slot moved."""
        users = self.users
        idle_first = np.argsort(users.active_ms[: users.size], kind="stable")
        mapping = self._keep("user", np.sort(idle_first[users.size // 8 :]))
        users.followers[: users.size] = self._followed(users.follows) - self._followed(users.new_follows)
        return mapping

    def _followed(self, follows: Ragged) -> Array:
        """How often each user is among follows."""
        return np.bincount(follows.gathered(np.arange(self.users.size))[1], minlength=self.users.size)

    def _keep(self, table: str, rows: Array) -> Slots:
        kept, ids = self.tables[table]
        mapping = np.full(kept.size, NONE, np.int32)
        mapping[rows] = np.arange(len(rows))
        kept.keep(rows)
        ids.keep(rows)
        for other, _ in self.tables.values():
            other.renumber(table, mapping)
        return mapping

    def arrays(self) -> Iterator[tuple[str, Array]]:
        """All content as named arrays; with `facts` it is the whole state."""
        for name, (table, ids) in self.tables.items():
            yield from ((f"{name}.{part}", array) for part, array in table.arrays())
            yield from ((f"{name}_ids.{part}", array) for part, array in ids.arrays())
        for name, terms in (("topic", self.topic_ids), ("label", self.label_ids)):
            yield from ((f"{name}_ids.{part}", array) for part, array in terms.arrays())
        yield from ((f"event_ids.{part}", array) for part, array in self.event_ids.arrays())

    @property
    def facts(self) -> dict[str, int | str]:
        """What is not an array."""
        return {
            "dimension": self.dimension,
            "time_ms": self.time_ms,
            "position": self.position,
            "passed_over": self.passed_over,
            "in_service": self.in_service.model_dump_json(),
            "departed": self.departed.dump(),
            **{f"norm_{name}": value for name, value in self.norm._asdict().items()},
        }

    def load(self, arrays: dict[str, Array], facts: dict[str, int | str]) -> None:
        """Take over what `arrays` and `facts` gave, out of the dict: an array is let go when it is copied."""
        told = self.read(facts)
        for name in ("post", "user", "community", "language", "topic", "label"):
            parts = _parts(arrays, f"{name}_ids.")
            setattr(self, f"{name}_ids", Ids.load(parts["lengths"], parts["values"]))
        for name, (table, ids) in self.tables.items():
            table.load(len(ids), _parts(arrays, f"{name}."))
        self.event_ids.load(**_parts(arrays, "event_ids."))
        for name, value in told.items():
            setattr(self, name, value)

    @staticmethod
    def read(facts: Mapping[str, int | str]) -> dict[str, Any]:
        """What `facts` gave, by attribute. Raises KeyError, TypeError or ValueError where it did not."""
        return {
            "time_ms": int(facts["time_ms"]),
            "position": str(facts["position"]),
            "passed_over": str(facts.get("passed_over", "")),
            "in_service": InService.model_validate_json(str(facts["in_service"])),
            "departed": Departed.load(str(facts.get("departed", "[]"))),
            "norm": Norm(*(int(facts[f"norm_{name}"]) for name in Norm._fields)),
        }

    def fingerprint(self) -> str:
        """A SHA-256 of all content: equal states have equal fingerprints, bit for bit."""
        digest = hashlib.sha256(repr(sorted(self.facts.items())).encode())
        for name, array in self.arrays():
            digest.update(f"{name} {array.dtype} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def memory(self) -> list[tuple[str, int, int]]:
        """Each structure with its rows and bytes, largest first."""
        rows = [("event_ids", len(self.event_ids), self.event_ids.nbytes)]
        for name, (table, ids) in self.tables.items():
            rows += [(f"{name}.{part}", table.size, nbytes) for part, nbytes in table.sizes()]
            rows.append((f"{name}_ids", len(ids), ids.nbytes))
        for name, terms in (("topic_ids", self.topic_ids), ("label_ids", self.label_ids)):
            rows.append((name, len(terms), terms.nbytes))
        return sorted(rows, key=lambda row: -row[2])


def _parts(arrays: dict[str, Array], prefix: str) -> dict[str, Array]:
    names = [name for name in arrays if name.startswith(prefix)]
    return {name.removeprefix(prefix): arrays.pop(name) for name in names}
