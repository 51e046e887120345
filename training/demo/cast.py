"""The cast: who the viewer of the story is, and what everybody said. Taken from the rows alone."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from feedrank.v1 import types_pb2 as t

from ranker.errors import InvalidArgument
from training.demo.scenes import Scene

_LIKES = (t.EVENT_KIND_LIKE, t.EVENT_KIND_CLICK)
_AT_LEAST, _BEST = 8, 16
"""Likes: fewer tell nothing, and among many more one like changes nothing."""
_FOLLOWS = 10
_MET_AT_MOST = 0.4  # of all posts: who has met them all has nothing left to be shown
_LIKED_AT_MOST = 0.6  # of what was met: who likes everything has no taste to show


@dataclass
class Person:
    """What is known of a viewer: ids of users and posts, oldest first."""

    follows: dict[str, None] = field(default_factory=dict)
    liked: dict[str, None] = field(default_factory=dict)
    met: set[str] = field(default_factory=set)
    languages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cast:
    """The viewer, and all posts by id."""

    viewer: str
    person: Person
    posts: dict[str, t.Post]

    def speaks_for_itself(self, post_id: str) -> bool:
        """Whether a post can be understood alone: words of its own, and no answer."""
        post = self.posts[post_id]
        refers = post.reply_to_id or post.repost_of_id or post.quote_of_id or post.remix_of_id
        return bool(post.text) and not refers and not any(medium.prompt for medium in post.media)

    def words(self, post_id: str) -> str:
        """What a post says, in one line; for a picture what was asked for, for a repost what it shows."""
        post = self.posts[post_id]
        if post.repost_of_id in self.posts:
            return f"shared: {self.words(post.repost_of_id)}"
        prompts = [medium.prompt for medium in post.media if medium.prompt]
        said = " ".join(post.text.split("\n")[0].split())
        if post.reply_to_id in self.posts:
            said = f"@{self.posts[post.reply_to_id].author_id} {said}"
        return f"{said} [picture: {prompts[0]}]".strip() if prompts else said or "(no words)"


def cast_of(scene: Scene) -> Cast:
    """The viewer: one with some likes, who has not met too much, and reads English where that is known.

    Raises InvalidArgument where nobody liked enough.
    """
    posts = {row.id: row for row in scene.rows if isinstance(row, t.Post)}
    people = _people(scene)
    fits = [user for user, person in people.items() if _fits(person, len(posts))]
    if not fits:
        raise InvalidArgument(
            "path", f"nobody liked at least {_AT_LEAST} posts here: the demo needs a viewer"
        )
    viewer = min(fits, key=lambda user: (_distance(people[user]), user))
    return Cast(viewer, people[viewer], posts)


def _distance(person: Person) -> int:
    """From the best number of likes, and from following few: who follows many sees nothing else."""
    return abs(len(person.liked) - _BEST) + max(len(person.follows) - _FOLLOWS, 0)


def _fits(person: Person, posts: int) -> bool:
    english = person.languages in ((), ("en",))
    choosy = _AT_LEAST <= len(person.liked) <= _LIKED_AT_MOST * len(person.met)
    return english and choosy and len(person.met) <= _MET_AT_MOST * posts


def _people(scene: Scene) -> dict[str, Person]:
    people: dict[str, Person] = defaultdict(Person)
    for row in scene.rows:
        if isinstance(row, t.User):
            people[row.id].languages = tuple(row.languages)
        elif isinstance(row, t.Relation) and row.kind == t.RELATION_KIND_FOLLOW:
            people[row.user_id].follows[row.target_id] = None
        elif isinstance(row, t.Event):
            _remember(people[row.viewer_id], row)
    return people


def _remember(person: Person, event: t.Event) -> None:
    person.met.add(event.post_id)
    if event.kind in _LIKES:
        person.liked.pop(event.post_id, None)
        person.liked[event.post_id] = None


def lately_liked(cast: Cast, most: int) -> Iterator[str]:
    """The ids of the last posts the viewer liked, newest first, no two of the same words."""
    said: set[str] = set()
    for post_id in reversed(cast.person.liked):
        if post_id in cast.posts and (words := cast.words(post_id)) not in said and len(said) < most:
            said.add(words)
            yield post_id
