"""Top posts of subreddits (github umbrae/reddit-top-2.5-million): real posts in many languages, no viewers.

A subreddit is a CSV file named for it. The files name no authors, so authors are invented: each post goes
to one of 200 made-up authors of its subreddit, by a hash of its id. Use it for text, never for authors.
"""

import csv
import zlib
from collections.abc import Iterator
from pathlib import Path

from feedrank.v1 import types_pb2 as t

from ranker.checks import MAX_TEXT
from training.rows import Row, text_file, time_of

_AUTHORS = 200
_COLUMNS = {"created_utc", "title", "selftext", "over_18", "domain"}
_IMAGE_HOSTS = ("imgur.com", "flickr.com", "upload.wikimedia.org", "deviantart.com", "quickmeme.com")
_VIDEO_HOSTS = ("youtube.com", "youtu.be", "vimeo.com")
# Language by subreddit, where a subreddit mostly keeps to one; all others are taken as English.
_LANGUAGES = {
    "argentina": "es",
    "brasil": "pt",
    "de": "de",
    "france": "fr",
    "italy": "it",
    "mexico": "es",
    "portugal": "pt",
    "quebec": "fr",
    "sweden": "sv",
}


def recognises(path: Path) -> bool:
    """Whether a file is a subreddit's table, or a folder holds one."""
    return any(_is_table(file) for file in _files(path))


def read(path: Path) -> Iterator[Row]:
    """The posts of one file, or of all in a folder, in the order they were made."""
    posts = [post for file in _files(path) if _is_table(file) for post in _posts(file)]
    return iter(sorted(posts, key=time_of))


def _files(path: Path) -> list[Path]:
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return [file for file in files if file.is_file() and file.name.endswith((".csv", ".csv.gz"))]


def _is_table(file: Path) -> bool:
    with text_file(file) as lines:
        return set(next(csv.reader(lines), [])) >= _COLUMNS


def _posts(file: Path) -> Iterator[t.Post]:
    subreddit = file.name.removesuffix(".gz").removesuffix(".csv")
    with text_file(file) as lines:
        for record in csv.DictReader(lines):
            yield _post(record, subreddit)


def _post(record: dict[str, str], subreddit: str) -> t.Post:
    invented = zlib.crc32(record["id"].encode()) % _AUTHORS
    text = f"{record['title'].strip()}\n\n{record['selftext'].strip()}".strip()
    return t.Post(
        id=f"reddit/{record['id']}",
        author_id=f"r/{subreddit}/u{invented}",
        text=text[:MAX_TEXT],
        language=_LANGUAGES.get(subreddit.lower(), "en"),
        created_ms=int(float(record["created_utc"]) * 1000),
        community_id=f"r/{subreddit}",
        media=_media(record["domain"]),
        safety_labels=["nsfw"] if record["over_18"] == "True" else [],
        provenance=t.PROVENANCE_HUMAN,
    )


def _media(domain: str) -> list[t.Media]:
    if domain.startswith("self."):
        return []
    if domain.endswith(_IMAGE_HOSTS):
        return [t.Media(kind=t.MEDIA_KIND_IMAGE)]
    return [t.Media(kind=t.MEDIA_KIND_VIDEO if domain.endswith(_VIDEO_HOSTS) else t.MEDIA_KIND_LINK)]
