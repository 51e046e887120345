"""Polis conversations (github compdemocracy/openData): people vote on each other's short posts.

A conversation is a folder with comments.csv and votes.csv (packed or not). Comments become posts; agree
is an impression and a like, pass an impression, disagree an impression and "show less like this".
"""

import csv
from collections.abc import Iterator
from pathlib import Path

from feedrank.v1 import types_pb2 as t

from training.rows import Row, text_file, time_of

_Records = list[dict[str, str]]
_ANSWER = {"1": t.EVENT_KIND_LIKE, "-1": t.EVENT_KIND_REQUEST_LESS}
_REJECTED = "-1"


def recognises(path: Path) -> bool:
    """Whether a folder is a conversation, or holds folders of which at least one is."""
    return path.is_dir() and bool(_conversations(path))


def read(path: Path) -> Iterator[Row]:
    """The rows of one conversation or of a folder of them, in time order, ids prefixed by the conversation.

    Of several votes of one person on one comment the last stands. An author's vote on the own comment is
    left out (Polis casts it when the comment is sent), and so is a comment that moderators rejected
    before anybody else saw it.
    """
    rows = [row for folder in _conversations(path) for row in _conversation(folder)]
    return iter(sorted(rows, key=time_of))


def _conversations(path: Path) -> list[Path]:
    folders = [path, *sorted(child for child in path.iterdir() if child.is_dir())]
    return [folder for folder in folders if _table(folder, "comments") and _table(folder, "votes")]


def _table(folder: Path, name: str) -> Path | None:
    files = (folder / f"{name}.csv.gz", folder / f"{name}.csv")
    return next((file for file in files if file.is_file()), None)


def _records(folder: Path, name: str) -> _Records:
    file = _table(folder, name)
    if file is None:
        return []
    with text_file(file) as lines:
        return list(csv.DictReader(lines))


def _conversation(folder: Path) -> Iterator[Row]:
    comments = _records(folder, "comments")
    votes = _standing(_records(folder, "votes"), {c["comment-id"]: c["author-id"] for c in comments})
    first = {vote["comment-id"]: _ms(vote["timestamp"]) for vote in reversed(votes)}
    for comment in comments:
        if comment["moderated"] != _REJECTED or comment["comment-id"] in first:
            yield _post(comment, folder.name, first.get(comment["comment-id"]))
    for vote in votes:
        yield from _events(vote, folder.name)


def _standing(votes: _Records, authors: dict[str, str]) -> _Records:
    """The votes that stand, in time order: each person's last on a comment of somebody else's."""
    in_time = sorted(votes, key=lambda vote: _ms(vote["timestamp"]))
    last = {(vote["voter-id"], vote["comment-id"]): vote for vote in in_time}
    standing = (vote for vote in last.values() if authors.get(vote["comment-id"]) != vote["voter-id"])
    return sorted(standing, key=lambda vote: _ms(vote["timestamp"]))


def _ms(timestamp: str) -> int:
    """A timestamp in ms; some are in seconds, which their size tells."""
    value = int(float(timestamp))
    return value if value > 10**11 else value * 1000


def _post(comment: dict[str, str], conversation: str, first_vote_ms: int | None) -> t.Post:
    written_ms = _ms(comment["timestamp"])
    return t.Post(
        id=f"{conversation}/{comment['comment-id']}",
        author_id=f"{conversation}/p{comment['author-id']}",
        text=comment["comment-body"].strip(),
        language="en",
        # Where the clocks disagree, a post was there before its first vote.
        created_ms=min(written_ms, first_vote_ms or written_ms),
        community_id=conversation,
        provenance=t.PROVENANCE_HUMAN,
    )


def _events(vote: dict[str, str], conversation: str) -> Iterator[t.Event]:
    yield _event(vote, conversation, t.EVENT_KIND_IMPRESSION)
    if kind := _ANSWER.get(vote["vote"]):
        yield _event(vote, conversation, kind)


def _event(vote: dict[str, str], conversation: str, kind: t.EventKind.ValueType) -> t.Event:
    comment, voter = vote["comment-id"], vote["voter-id"]
    return t.Event(
        event_id=f"{conversation}/{voter}/{comment}/{kind}",
        viewer_id=f"{conversation}/p{voter}",
        kind=kind,
        post_id=f"{conversation}/{comment}",
        time_ms=_ms(vote["timestamp"]),
        surface=t.SURFACE_COMMUNITY,
    )
