"""What the journal means, in plain Python: sets, dicts and integers, nothing of the service's.

The simulation folds the same entries into this and into the service, and compares. So it says in its own
words what is shown to whom, what counts, and who leaves when there is no room.
"""

from collections import Counter
from dataclasses import dataclass, field

from feedrank.journal.v1 import journal_pb2
from feedrank.v1 import types_pb2

from ranker.state.recent_ids import hash_of

FOLLOW, BLOCK, MUTE = (
    types_pb2.RELATION_KIND_FOLLOW,
    types_pb2.RELATION_KIND_BLOCK,
    types_pb2.RELATION_KIND_MUTE,
)
RELATION_OF: dict[int, int] = {
    types_pb2.EVENT_KIND_FOLLOW: FOLLOW,
    types_pb2.EVENT_KIND_BLOCK: BLOCK,
    types_pb2.EVENT_KIND_MUTE: MUTE,
}
HIDES = {types_pb2.EVENT_KIND_HIDE, types_pb2.EVENT_KIND_REPORT}
IMPRESSION, DWELL = types_pb2.EVENT_KIND_IMPRESSION, types_pb2.EVENT_KIND_DWELL
COUNTER_OF = {
    "impression": "impression", "click": "click", "dwell": "dwell", "like": "like", "reply": "reply",
    "repost": "share", "quote": "share", "share": "share", "bookmark": "like", "remix": "share",
    "profile_click": "profile_click", "follow": "follow", "hide": "negative", "request_less": "negative",
    "request_more": "like", "mute": "negative", "block": "negative", "report": "negative",
}  # fmt: skip
LASTING = {
    "like", "repost", "bookmark", "follow", "hide", "request_less", "request_more", "mute", "block", "report",
}  # fmt: skip
LOG_WIDTH = 128
LONG_STAY_MS = 10_000

Doing = tuple[str | None, str | None, str]
"""Post, author, kind: what two events must share to be the same."""


@dataclass
class Post:
    """As it was put last."""

    row: types_pb2.Post
    author: str | None
    deleted: bool = False
    spoken: str = ""
    awaits: bool = False
    has_vector: bool = False
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def reposts(self) -> str:
        """The post that it repeats; empty for none."""
        parent, form = parent_of(self.row)
        return parent if form == "repost_of_id" else ""


@dataclass
class Person:
    """A user, as an author and as a viewer."""

    active_ms: int
    relations: dict[int, set[str]] = field(default_factory=lambda: {FOLLOW: set(), BLOCK: set(), MUTE: set()})
    hidden: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)
    served: set[str] = field(default_factory=set)
    wishes: types_pb2.Preferences = field(default_factory=types_pb2.Preferences)
    received: Counter[str] = field(default_factory=Counter)
    given: Counter[str] = field(default_factory=Counter)
    log: list[tuple[Doing, int] | None] = field(default_factory=list)
    """The last events with their times; None where one was taken back."""
    logged: int = 0


class Model:
    """Entries in, what must be true out."""

    def __init__(self, max_posts: int, max_users: int, generation: int) -> None:
        self.posts: dict[str, Post] = {}
        self.people: dict[str, Person] = {}
        self.time_ms = 0
        self.poison = 0
        self._max_posts = max_posts
        self._max_users = max_users
        self._generation = generation
        self._young: set[str] = set()
        self._old: set[str] = set()

    def hear(self, payload: bytes) -> None:
        """Fold one entry; what is none is poison."""
        try:
            entry = journal_pb2.Entry.FromString(payload)
        except Exception:
            entry = journal_pb2.Entry()
        change = entry.WhichOneof("change")
        if change is None:
            self.poison += 1
            return
        self.time_ms = max(self.time_ms, entry.time_ms)
        getattr(self, f"_{change}", lambda _: None)(getattr(entry, change))
        self._make_room()

    # Entries.

    def _posts(self, change: journal_pb2.Posts) -> None:
        for row in change.posts:
            author = self._person(row.author_id)
            author.active_ms = max(author.active_ms, row.created_ms)
            known = self.posts.get(row.id)
            post = known or Post(row, row.author_id)
            self.posts[row.id] = post
            words = [text for medium in row.media for text in (medium.prompt, medium.alt_text) if text]
            spoken = "\n".join(text for text in (row.text, "\n".join(words)) if text)
            if known is None or known.deleted or spoken != known.spoken:
                post.has_vector, post.awaits = False, bool(spoken.strip())
            if row.vector:
                post.has_vector, post.awaits = True, False
            post.row, post.author, post.spoken, post.deleted = row, row.author_id, spoken, False

    def _deleted_posts(self, change: journal_pb2.DeletedPosts) -> None:
        for name in change.post_ids:
            if name in self.posts:
                self._delete(self.posts[name])

    @staticmethod
    def _delete(post: Post) -> None:
        post.deleted, post.awaits, post.has_vector = True, False, False
        post.spoken = ""

    def _vectors(self, change: journal_pb2.Vectors) -> None:
        for name, wanted in zip(change.post_ids, change.text_hashes, strict=True):
            post = self.posts.get(name)
            if post and post.awaits and hash_of(post.spoken) == wanted:
                post.has_vector, post.awaits = True, False

    def _users(self, change: journal_pb2.Users) -> None:
        for row in change.users:
            person = self._person(row.id)
            person.active_ms = max(person.active_ms, self.time_ms)

    def _relations(self, change: journal_pb2.Relations) -> None:
        for row in change.relations:
            self._person(row.user_id), self._person(row.target_id)
            self._relate(row.user_id, row.target_id, row.kind, remove=row.remove)

    def _relate(self, user: str, target: str, kind: int, *, remove: bool) -> None:
        held = self.people[user].relations[kind]
        held.discard(target) if remove else held.add(target)

    def _preferences(self, change: journal_pb2.ViewerPreferences) -> None:
        self._person(change.viewer_id).wishes = change.preferences

    def _served(self, change: journal_pb2.Served) -> None:
        for page in change.pages:
            person = self._person(page.viewer_id)
            person.served |= {name for name in page.post_ids if name in self.posts}
            if page.post_ids:
                person.active_ms = max(person.active_ms, page.time_ms)

    def _events(self, change: journal_pb2.Events) -> None:
        new = [place for place, name in enumerate(change.event_ids) if self._admit(name)]
        for place in new:
            self._person(change.viewer_ids[place])
            if change.author_ids[place]:
                self._person(change.author_ids[place])
        # Relations and hidden posts first, then what counts: as one batch they do not meddle.
        for place in new:
            self._did(change, place)

    def _admit(self, name: str) -> bool:
        if not name:
            return True
        if name in self._young or name in self._old:
            return False
        if len(self._young) >= self._generation:
            self._young, self._old = set(), self._young
        self._young.add(name)
        return True

    def _did(self, change: journal_pb2.Events, place: int) -> None:
        viewer, kind, undo = change.viewer_ids[place], change.kinds[place], bool(change.undo[place])
        post = self.posts.get(change.post_ids[place])
        author = post.author if post else change.author_ids[place] or None
        if kind in RELATION_OF and author not in (None, viewer):
            self._relate(viewer, str(author), RELATION_OF[kind], remove=undo)
        person = self.people[viewer]
        if kind in HIDES and post:
            hidden = person.hidden
            hidden.discard(post.row.id) if undo else hidden.add(post.row.id)
        name = types_pb2.EventKind.Name(kind).removeprefix("EVENT_KIND_").lower()  # type: ignore[arg-type]
        short = kind == DWELL and not undo and change.dwell_ms[place] < LONG_STAY_MS
        amount, time_ms = 0, min(change.time_ms[place], self.time_ms)
        if kind == IMPRESSION:
            amount = 0 if undo else 1
        elif not short:
            doing = (post.row.id if post else None, author, name)
            amount, time_ms = self._settle(person, doing, time_ms, undo=undo)
        person.active_ms = max(person.active_ms, time_ms)
        counter = COUNTER_OF[name]
        if viewer != author:
            told = [post.counts] if post else []
            told += [self.people[author].received] if author is not None else []
            for counts in told:
                counts[counter] = max(counts[counter] + amount, 0)
        person.given[counter] = max(person.given[counter] + amount, 0)
        if kind == IMPRESSION and amount and post:
            person.seen.add(post.row.id)

    @staticmethod
    def _settle(person: Person, doing: Doing, time_ms: int, *, undo: bool) -> tuple[int, int]:
        """What an event counts, and its time: that of the one it takes back."""
        there = [at for at, held in enumerate(person.log) if held and held[0] == doing]
        if undo:
            if not there:
                return 0, time_ms
            held = person.log[there[-1]]
            assert held
            person.log[there[-1]] = None
            return -1, held[1]
        if there and doing[2] in LASTING:
            return 0, time_ms
        at = person.logged % LOG_WIDTH
        person.log[at : at + 1] = [(doing, time_ms)]
        person.logged += 1
        return 1, time_ms

    def _person(self, name: str) -> Person:
        if name not in self.people:
            self.people[name] = Person(self.time_ms)
        return self.people[name]

    # No room.

    def _make_room(self) -> None:
        while len(self.posts) > self._max_posts:
            self._forget_posts(list(self.posts)[: len(self.posts) // 8])
        while len(self.people) > self._max_users:
            idlest = sorted(self.people, key=lambda name: self.people[name].active_ms)
            self._forget_people(set(idlest[: len(self.people) // 8]))

    def _forget_posts(self, names: list[str]) -> None:
        for name in names:
            del self.posts[name]
        gone = set(names)
        for person in self.people.values():
            for held in (person.hidden, person.seen, person.served):
                held -= gone
            person.log = [
                ((None, one[0][1], one[0][2]), one[1]) if one and one[0][0] in gone else one
                for one in person.log
            ]

    def _forget_people(self, gone: set[str]) -> None:
        for name in gone:
            del self.people[name]
        for person in self.people.values():
            for held in person.relations.values():
                held -= gone
            person.log = [
                ((one[0][0], None, one[0][2]), one[1]) if one and one[0][1] in gone else one
                for one in person.log
            ]
        for post in self.posts.values():
            if post.author in gone:
                post.author = None
                self._delete(post)

    # What may be shown.

    def why_not(self, viewer: str, name: str, now_ms: int) -> str:
        """Why no timeline may show a post to a viewer; empty where one may."""
        post = self.posts.get(name)
        if post is None:
            return "unknown"
        person = self.people.get(viewer) or Person(0)
        parent = self.posts.get(parent_of(post.row)[0])
        if post.deleted or (parent and parent.deleted):
            return "deleted"
        if post.row.created_ms > now_ms:
            return "from the future"
        if why := self._shut_out(viewer, person, post):
            return why
        said = [shown.spoken for shown in (post, parent) if shown and not shown.deleted]
        if any(holds(text, word) for word in person.wishes.muted_words for text in said):
            return "muted word"
        if name in person.hidden:
            return "hidden"
        if set(post.row.safety_labels) & set(person.wishes.hidden_safety_labels):
            return "safety label"
        made = (types_pb2.PROVENANCE_AI_GENERATED, types_pb2.PROVENANCE_AI_ASSISTED)
        if person.wishes.ai_level == types_pb2.AI_LEVEL_NONE and post.row.provenance in made:
            return "made with AI"
        spoken = set(person.wishes.languages)
        if spoken and post.row.language and post.row.language not in spoken:
            return "other language"
        return ""

    def _shut_out(self, viewer: str, person: Person, post: Post) -> str:
        original = self.posts.get(post.reposts) if post.reposts else None
        for author in (post.author, original.author if original else None):
            if author is None:
                continue
            if author in person.relations[BLOCK]:
                return "blocked"
            if author in self.people and viewer in self.people[author].relations[BLOCK]:
                return "blocks the viewer"
            if author in person.relations[MUTE]:
                return "muted"
        return ""


def parent_of(row: types_pb2.Post) -> tuple[str, str]:
    """The post that a post stands to, and how; empty for none."""
    for name in ("reply_to_id", "repost_of_id", "quote_of_id", "remix_of_id"):
        if held := getattr(row, name):
            return held, name
    return "", ""


_FOLDED = str.maketrans(
    {"é": "e", "É": "e", "ü": "u", "Ü": "u", "ä": "a", "Ä": "a", "!": " ", ",": " ", ".": " ", "-": " "}
)


def holds(text: str, word: str) -> bool:
    """Whether a text holds a word or phrase, for the few letters and signs that histories use."""
    words, wanted = (" ".join(one.translate(_FOLDED).lower().split()) for one in (text, word))
    return f" {wanted} " in f" {words} "
