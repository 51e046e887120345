"""How far can accounts made for it move a post, with the defence and without?

    python -m benchmarks.redteam --posts 20000 --viewers 5000

A playground network lives for some days. Then a ring of accounts, made in that hour and following each other,
pushes or buries a few posts. The place of each post is measured before and after, in the whole order of what
its sources bring, on for_you, discover and its community: for viewers with no tie to the ring, for some that
follow a part of it, and for the author's followers. A post that no source brings has the place after all that
are brought. Places are those of the prior; with the defence a ring leaves no trace in what a model reads of
others' posts, which `untouched` tells. Without: `state.standing.days = 0`, `state.standing.authors = 0`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer
from feedrank.v1 import types_pb2 as t
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.report import environment
from ranker import entries, query
from ranker.candidates import View
from ranker.events import COUNTERS
from ranker.exploration import ExplorationSettings
from ranker.fold import Fold
from ranker.pipeline import Trace
from ranker.prior import Prior
from ranker.query import Ask
from ranker.slice import SliceSettings
from ranker.slices import Slices
from ranker.state import State, StateSettings
from ranker.state.counters import HALF_LIVES
from ranker.state.standing import Norm, StandingSettings
from ranker.surfaces import COMMUNITY, DISCOVER, FOR_YOU
from ranker.terminal import print_json
from training.playground import World
from training.rows import Row

PAGE = 20
HOUR_MS = 3_600_000
_DAY_MS = 24 * HOUR_MS
_ROWS = 2_000
_DIMENSION = 64
_AS_RANKED = ExplorationSettings(fresh_share=0, swap_share=0)
_UNDEFENDED = StandingSettings(days=0, authors=0)
_SURFACES = {"for_you": FOR_YOU, "discover": DISCOVER, "community": COMMUNITY}
_NUMBER = {
    "for_you": t.SURFACE_FOR_YOU,
    "discover": t.SURFACE_DISCOVER,
    "community": t.SURFACE_COMMUNITY,
}
_SHOWN, _EVER = COUNTERS.index("impression"), HALF_LIVES.index("ever")

_K = t.EventKind
_PUSH = tuple(
    _K.Value(f"EVENT_KIND_{name}")
    for name in ("CLICK", "DWELL", "LIKE", "BOOKMARK", "SHARE", "REPLY", "REPOST", "QUOTE", "REQUEST_MORE")
)
_BURY = tuple(_K.Value(f"EVENT_KIND_{name}") for name in ("HIDE", "REQUEST_LESS", "REPORT", "MUTE", "BLOCK"))


class Target(NamedTuple):
    """A post that the ring is after."""

    name: str
    post_id: str
    author_id: str
    community: str


@dataclass(frozen=True)
class Town:
    """A network before anybody attacks it."""

    state: State
    slices: Slices
    now_ms: int
    targets: list[Target]

    def copy(self, standing: StandingSettings) -> State:
        """The same state, for a network with these settings."""
        settings = self.state.settings.model_copy(update={"standing": standing})
        state = State(self.state.dimension, settings)
        state.load(dict(self.state.arrays()), self.state.facts)
        if standing == _UNDEFENDED:
            state.norm = Norm(at_ms=1 << 60)
        return state


def settled(posts: int, viewers: int, days: float, seed: int) -> Town:
    """A network whose history is folded."""
    world = World(
        seed=seed,
        authors=max(viewers // 4, 30),
        viewers=viewers,
        post_count=posts,
        days=days,
        pages_a_day=1.5,
        vector_dimension=_DIMENSION,
    )
    state = State(_DIMENSION, StateSettings())
    slices = Slices(_DIMENSION, SliceSettings(), lambda: state.posts.vector)
    fold = Fold(state, slices)
    for number, entry in enumerate(_entries(world), 1):
        fold.apply(f"{number}-0", entry)
    slices.compact()
    return Town(state, slices, world.end_ms + 2 * HOUR_MS, _targets(state, seed))


def _entries(world: World) -> Iterator[Any]:
    """The history, batch after batch, each accepted when its last row happened."""
    users: list[Any] = list(world.users())
    for start in range(0, len(users), _ROWS):
        yield entries.of_users(users[start : start + _ROWS], world.start_ms)
    relations = list(world.relations())
    for start in range(0, len(relations), _ROWS):
        yield entries.of_relations(relations[start : start + _ROWS], world.start_ms)
    waiting: list[Row] = []
    for row in world.rows():
        if not isinstance(row, t.Post | t.Event):
            continue
        if waiting and (type(row) is not type(waiting[0]) or len(waiting) == _ROWS):
            yield _entry(waiting)
            waiting = []
        waiting.append(row)
    yield _entry(waiting)


def _entry(rows: Sequence[Any]) -> Any:
    if isinstance(rows[0], t.Post):
        return entries.of_posts(rows, rows[-1].created_ms)
    return entries.of_events(rows, rows[-1].time_ms)


def _targets(state: State, seed: int) -> list[Target]:
    """A young, a middling and a popular post, of a community, by authors who have followers."""
    posts, users = state.posts, state.users
    rows = slice(0, posts.size)
    likes = posts.engager_count[rows]
    young = state.time_ms - posts.created_ms[rows]
    fit = (posts.community[rows] >= 0) & (posts.form[rows] == 0) & posts.has_vector[rows]
    fit &= (users.followers[posts.author[rows]] >= 20) & (young < _DAY_MS)
    fit &= posts.language[rows] == state.language_ids.slot("en")
    shown = posts.counter[rows, _SHOWN, _EVER]
    draw = np.random.default_rng(seed)
    wanted = {
        "young": fit & (likes <= 1) & (shown >= 1),
        "middling": fit & (likes >= 3) & (likes <= 8),
        "popular": fit & (likes >= np.quantile(likes[fit], 0.95)) & (likes > 8),
    }
    found = []
    for name, mask in wanted.items():
        if mask.any():
            slot = int(draw.choice(np.flatnonzero(mask)))
            found.append(
                Target(
                    name,
                    state.post_ids.names[slot],
                    state.user_ids.names[int(posts.author[slot])],
                    state.community_ids.names[int(posts.community[slot])],
                )
            )
    return found


@dataclass(frozen=True)
class Ring:
    """Accounts made in the hour of the attack, which write rows into a state."""

    state: State
    size: int
    begins_ms: int
    ends_ms: int
    draw: np.random.Generator = field(default_factory=lambda: np.random.default_rng(3))

    @property
    def names(self) -> list[str]:
        """The accounts."""
        return [f"ring{i:05d}" for i in range(self.size)]

    def join(self, fans: Sequence[str]) -> None:
        """Become known, follow each other, and be followed by a few honest viewers."""
        made = [
            t.User(id=name, created_ms=self.begins_ms - 365 * _DAY_MS, languages=["en"])
            for name in self.names
        ]
        self._fold(entries.of_users(made, self.begins_ms))
        follows = t.RELATION_KIND_FOLLOW
        pairs = [(a, self.names[(i + k) % self.size]) for i, a in enumerate(self.names) for k in range(1, 6)]
        pairs += [(fan, self.names[k % self.size]) for fan in fans for k in range(5)]
        rows = [t.Relation(user_id=a, target_id=b, kind=follows) for a, b in pairs if a != b]
        self._fold(entries.of_relations(rows, self.begins_ms))

    def do(
        self, kinds: Iterable[int], post_ids: Sequence[str], *, undo: bool = False, times: int = 1
    ) -> None:
        """Each of the ring does all of it to each of the posts, at moments spread over the attack."""
        rows = [
            t.Event(
                viewer_id=name,
                post_id=post_id,
                kind=t.EventKind.ValueType(kind),
                dwell_ms=30_000,
                time_ms=int(self.draw.integers(self.begins_ms, self.ends_ms)),
                undo=undo,
            )
            for name in self.names
            for post_id in post_ids
            for kind in kinds
            for _ in range(times)
        ]
        for start in range(0, len(rows), _ROWS):
            self._fold(entries.of_events(rows[start : start + _ROWS], self.ends_ms))

    def follow(self, author_id: str) -> None:
        """Each follows the author."""
        relation = t.RELATION_KIND_FOLLOW
        rows = [t.Relation(user_id=name, target_id=author_id, kind=relation) for name in self.names]
        self._fold(entries.of_relations(rows, self.ends_ms))

    def repeat(self, post_id: str) -> None:
        """Each posts a repost of the post and an answer to it."""
        rows = [
            post
            for i, name in enumerate(self.names)
            for post in (
                t.Post(id=f"again{i}", author_id=name, language="en", repost_of_id=post_id),
                t.Post(id=f"reply{i}", author_id=name, language="en", reply_to_id=post_id, text="Yes!"),
            )
        ]
        self._fold(entries.of_posts(rows, self.ends_ms))

    def wait(self, days: float) -> "Ring":
        """The same accounts, as many days older than feedrank's clock."""
        self.state.users.heard_ms[self.state.user_ids.slots(self.names)] -= int(days * _DAY_MS)
        return self

    def _fold(self, entry: Any) -> None:
        Fold(self.state).apply(self.state.position, entry)


def _liked_most(state: State, many: int) -> list[str]:
    """The posts with most engagement lately, of different authors."""
    best = np.argsort(-state.posts.heat[: state.posts.size], kind="stable")
    _, first = np.unique(state.posts.author[best], return_index=True)
    return [state.post_ids.names[slot] for slot in best[np.sort(first)][:many]]


def _push(ring: Ring, target: Target) -> None:
    ring.do(_PUSH, [target.post_id])


def _bury(ring: Ring, target: Target) -> None:
    ring.do(_BURY, [target.post_id])


def _warm_up(ring: Ring, target: Target) -> None:
    ring.do([t.EVENT_KIND_LIKE], _liked_most(ring.state, 8))
    _push(ring, target)


def _walk(ring: Ring, target: Target) -> None:
    """Stand beside those who like what many like, so that co-engagement leads to the target."""
    ring.do([t.EVENT_KIND_LIKE], _liked_most(ring.state, 40))
    ring.do([t.EVENT_KIND_LIKE], [target.post_id])


def _repeat(ring: Ring, target: Target) -> None:
    ring.repeat(target.post_id)
    ring.do([t.EVENT_KIND_REPLY, t.EVENT_KIND_REPOST], [target.post_id])


def _follow(ring: Ring, target: Target) -> None:
    ring.follow(target.author_id)
    ring.do([t.EVENT_KIND_FOLLOW, t.EVENT_KIND_PROFILE_CLICK], [target.post_id])


def _look_away(ring: Ring, target: Target) -> None:
    """Impressions that lead to nothing, so that the share of those who liked it falls."""
    ring.do([t.EVENT_KIND_IMPRESSION], [target.post_id], times=5)


def _undo(ring: Ring, target: Target) -> None:
    _push(ring, target)
    ring.do(_PUSH, [target.post_id], undo=True)


def _aged(ring: Ring, target: Target) -> None:
    """Bought accounts: known for a month, with likes for eight authors a month ago."""
    ring.wait(30)
    ring.do([t.EVENT_KIND_LIKE], _liked_most(ring.state, 8))
    _push(ring, target)


def _aged_bury(ring: Ring, target: Target) -> None:
    ring.wait(30)
    ring.do([t.EVENT_KIND_LIKE], _liked_most(ring.state, 8))
    _bury(ring, target)


ATTACKS: dict[str, Callable[[Ring, Target], None]] = {
    "push": _push,
    "bury": _bury,
    "warm up, then push": _warm_up,
    "walk": _walk,
    "repost and reply": _repeat,
    "follow the author": _follow,
    "look away": _look_away,
    "push, then undo": _undo,
    "old accounts push": _aged,
    "old accounts bury": _aged_bury,
}
UNDEFENDED = ("old accounts push", "old accounts bury")
"""What the defence does not stop."""


class Standpoint(NamedTuple):
    """Where a post is for some viewers on a surface: arrays of one entry a viewer."""

    place: NDArray[np.int64]
    brought: list[tuple[str, ...]]


def standpoint(town: Town, state: State, target: Target, viewers: Sequence[str], surface: str) -> Standpoint:
    """The post's place for each viewer, and the sources that bring it; -1 where a filter takes it out."""
    pipeline, slot = _SURFACES[surface], state.post_ids.slot(target.post_id)
    view, places, brought = View(state, town.slices), [], []
    for viewer_id in viewers:
        ask = Ask(
            viewer_id,
            town.now_ms,
            _NUMBER[surface],
            community_id=target.community if surface == "community" else "",
            exploration=_AS_RANKED,
        )
        viewer = query.build(state, ask)
        posts = pipeline.fetch(viewer, view, Trace()).including(slot)
        bits = int(posts.brought[posts.slot == slot][0])
        posts = pipeline.filter(viewer, posts, Trace())
        ranking = pipeline.select(
            viewer, pipeline.score(viewer, posts, Prior(), Trace()), len(posts), Trace()
        )
        order = ranking.scored.posts.slot
        at = np.flatnonzero(order == slot)
        places.append(-1 if not len(at) else int(at[0]) if bits else len(order))
        brought.append(tuple(name for i, name in enumerate(pipeline.names) if bits >> i & 1))
    return Standpoint(np.array(places, np.int64), brought)


class Moved(NamedTuple):
    """What an attack came to for a group of viewers: a row of the table."""

    attack: str
    accounts: int
    defended: bool
    group: str
    surface: str
    viewers: int
    before: float
    """The median place."""
    after: float
    median: float
    """Of how many places it moved, whichever way."""
    most: int
    page_one_before: float
    page_one_after: float
    new_sources: str


def moved(before: Standpoint, after: Standpoint) -> dict[str, Any]:
    """How far a post moved for those that may see it."""
    may = (before.place >= 0) & (after.place >= 0)
    was, now = before.place[may], after.place[may]
    new = {
        name for had, has in zip(before.brought, after.brought, strict=True) for name in set(has) - set(had)
    }
    distance = np.abs(now - was) if len(was) else np.zeros(1, np.int64)
    return {
        "viewers": int(may.sum()),
        "before": float(np.median(was)) if len(was) else np.nan,
        "after": float(np.median(now)) if len(was) else np.nan,
        "median": float(np.median(distance)),
        "most": int(distance.max()),
        "page_one_before": float((was < PAGE).mean()) if len(was) else 0.0,
        "page_one_after": float((now < PAGE).mean()) if len(was) else 0.0,
        "new_sources": ", ".join(sorted(new)),
    }


def untouched(before: State, after: State) -> list[str]:
    """The columns that tell of honest posts and people to others, and that differ: none, if all is well."""
    known = dict(after.arrays())  # rows of the ring come after all others
    return [
        name
        for name, array in before.arrays()
        if name in _SHARED and not np.array_equal(array, known[name][: len(array)])
    ]


_SHARED = (
    "post.counter", "post.counter_ms", "post.engagers.slots", "post.engager_count", "post.opposers.slots",
    "post.opposer_count", "user.received", "user.received_ms", "user.followers",
    "community.hot.slots", "community.recent.slots", "community.shown", "community.engaged",
    "language.hot.slots", "language.recent.slots", "language.shown", "language.engaged",
)  # fmt: skip


def groups(town: Town, target: Target, many: int, seed: int) -> dict[str, list[str]]:
    """Who is asked: viewers without a tie, those that follow some of the ring, and the author's followers."""
    state, names = town.state, town.state.user_ids.names
    author, draw = state.user_ids.slot(target.author_id), np.random.default_rng(seed)
    acted = np.flatnonzero(state.users.event_count[: state.users.size] > 0)
    follow = np.array([author in state.users.follows[int(row)] for row in acted], np.bool_)
    rows = draw.permutation(acted[~follow])
    followers = draw.permutation(acted[follow])[:many]
    chosen = {"no tie": rows[:many], "follow the ring": rows[many : 2 * many], "follow the author": followers}
    return {name: [names[row] for row in some] for name, some in chosen.items()}


def measured(
    town: Town,
    attacks: Sequence[str],
    sizes: Sequence[int],
    viewers: int,
    seed: int,
    tell: Callable[[str], None],
) -> list[Moved]:
    """All attacks on all targets; the worst target of each is told."""
    rows = []
    asked = {target.post_id: groups(town, target, viewers, seed) for target in town.targets}
    honest = {target.post_id: _standpoints(town, town.state, target, asked) for target in town.targets}
    for attack in attacks:
        for size in sizes if attack in ("push", "bury") else sizes[-1:]:
            for defended in (False, True):
                tell(f"{attack}, {size} accounts, {'with' if defended else 'without'} the defence")
                for target in town.targets:
                    state = town.copy(StandingSettings() if defended else _UNDEFENDED)
                    ring = Ring(state, size, town.now_ms - HOUR_MS, town.now_ms)
                    ring.join(asked[target.post_id]["follow the ring"])
                    ATTACKS[attack](ring, target)
                    now = _standpoints(town, state, target, asked)
                    about = attack, size, defended
                    for (group, surface), before in honest[target.post_id].items():
                        rows.append(Moved(*about, group, surface, **moved(before, now[group, surface])))
    return rows


def _standpoints(
    town: Town, state: State, target: Target, asked: dict[str, dict[str, list[str]]]
) -> dict[tuple[str, str], Standpoint]:
    return {
        (group, surface): standpoint(town, state, target, some, surface)
        for group, some in asked[target.post_id].items()
        for surface in _SURFACES
    }


def worst(rows: Sequence[Moved]) -> list[Moved]:
    """Of each attack and group the surface and target on which most was moved."""
    best: dict[tuple[Any, ...], Moved] = {}
    for row in rows:
        key = row[:4]
        if key not in best or (row.most, row.median) > (best[key].most, best[key].median):
            best[key] = row
    return list(best.values())


def broken(rows: Sequence[Moved]) -> list[str]:
    """What the project promises and these rows do not hold."""
    held = [row for row in rows if row.defended and row.attack not in UNDEFENDED]
    far = [row for row in held if row.group == "no tie" and row.most > PAGE]
    buried = [row for row in held if row.group == "follow the author" and row.attack == "bury" and row.most]
    return [f"{row.attack}, {row.group}, {row.surface}: {row.most} places" for row in (*far, *buried)]


def _table(rows: Sequence[Moved]) -> Table:
    table = Table(
        "attack", "accounts", "viewers", "defence", "worst on", "median place", "moved (median)",
        "moved (most)", "page one", "new sources",
    )  # fmt: skip
    for row in rows:
        table.add_row(
            row.attack, str(row.accounts), row.group, "with" if row.defended else "without", row.surface,
            f"{row.before:.0f} → {row.after:.0f}", f"{row.median:.0f}", str(row.most),
            f"{row.page_one_before:.0%} → {row.page_one_after:.0%}", row.new_sources,
        )  # fmt: skip
    return table


def main(
    posts: Annotated[int, typer.Option(help="Posts of the network.")] = 20_000,
    viewers: Annotated[int, typer.Option(help="Honest viewers.")] = 5_000,
    days: Annotated[float, typer.Option(help="Days of its life before the attack.")] = 3.0,
    accounts: Annotated[
        list[int] | None, typer.Option(help="Of the ring; several times for several.")
    ] = None,
    attack: Annotated[
        list[str] | None, typer.Option(help="One of the attacks; several times for several.")
    ] = None,
    asked: Annotated[int, typer.Option(help="Viewers of each group who are asked.")] = 40,
    seed: Annotated[int, typer.Option(help="Of the network and of who is asked.")] = 1,
    json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Measure how far a ring moves a post, such as `python -m benchmarks.redteam --accounts 1000`."""
    console = Console(stderr=True)
    with console.status("the network lives its days") as status:
        town = settled(posts, viewers, days, seed)
        rows = measured(
            town, attack or list(ATTACKS), sorted(accounts or [10, 100, 1_000]), asked, seed, status.update
        )
    wrong = broken(rows)
    if json:
        found = [row._asdict() for row in worst(rows)]
        print_json({"posts": posts, "viewers": viewers, "seed": seed, "moved": found, "broken": wrong,
                    "environment": environment()})  # fmt: skip
    else:
        Console(width=170).print(_table(worst(rows)))
    for sentence in wrong:
        console.print(f"[red]too far:[/] {sentence}")
    raise typer.Exit(1 if wrong else 0)


if __name__ == "__main__":
    typer.run(main)
