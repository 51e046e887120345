"""RankLens (github metarank/ranklens): people marked the films they like in lists of 24.

The file is Metarank's event format: an object a line, `event` being "item" (a film), "ranking" (a list
that was shown) or "interaction" (a film that was marked). Films become posts of their directors with genres,
actors and tags as topics, a list becomes impressions, a mark a click. A film's community is how widely it is
known: the power of ten of the votes in its record. The times give the order and nothing else: all lie within
minutes.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from feedrank.v1 import types_pb2 as t

from ranker.checks import MAX_TEXT, MAX_WORD
from training.rows import Row, text_file

_NAME = "events.jsonl.gz"
_TOPICS = 16


def recognises(path: Path) -> bool:
    """Whether a folder holds events.jsonl.gz, or a file starts with an event of Metarank's format."""
    file = _file(path)
    if not file.is_file() or not file.name.removesuffix(".gz").endswith(".jsonl"):
        return False
    with text_file(file) as lines:
        try:
            first = json.loads(lines.readline())
        except ValueError:
            return False
    return isinstance(first, dict) and first.get("event") in ("item", "ranking", "interaction")


def read(path: Path) -> Iterator[Row]:
    """The rows of the folder or file, lazily, in the order of the file, which is that of time.

    A list is 24 impressions with the list's id as request_id, at the list's time; impressions of films
    that have no record are kept. Event ids are the list's or mark's own with the position.
    """
    positions: dict[tuple[str, str], int] = {}
    with text_file(_file(path)) as lines:
        for line in lines:
            record = json.loads(line)
            if record["event"] == "item":
                yield _post(record)
            elif record["event"] == "ranking":
                shown = [item["id"] for item in record["items"]]
                positions |= {(record["id"], item): i for i, item in enumerate(shown)}
                yield from (_impression(record, item, i) for i, item in enumerate(shown))
            else:
                yield _click(record, positions.get((record["ranking"], record["item"]), 0))


def _file(path: Path) -> Path:
    return path / _NAME if path.is_dir() else path


def _post(record: dict[str, Any]) -> t.Post:
    film = {field["name"]: field["value"] for field in record["fields"]}
    text = "\n".join(part for part in (film.get("title", ""), film.get("description", "")) if part)
    topics = dict.fromkeys(film.get("genres", []) + film.get("actors", []) + film.get("tags", []))
    return t.Post(
        id=record["item"],
        author_id=f"director:{film.get('director') or 'unknown'}",
        text=text[:MAX_TEXT],
        language="en",
        created_ms=int(record["timestamp"]),
        community_id=f"votes:1e{len(str(int(film.get('vote_cnt', 0)))) - 1}",
        topics=[topic for topic in topics if topic.strip() and len(topic) <= MAX_WORD][:_TOPICS],
        provenance=t.PROVENANCE_HUMAN,
    )


def _impression(ranking: dict[str, Any], item: str, position: int) -> t.Event:
    return t.Event(
        event_id=f"{ranking['id']}:{position}",
        viewer_id=ranking["user"],
        kind=t.EVENT_KIND_IMPRESSION,
        post_id=item,
        time_ms=int(ranking["timestamp"]),
        request_id=ranking["id"],
        position=position,
        surface=t.SURFACE_FOR_YOU,
    )


def _click(mark: dict[str, Any], position: int) -> t.Event:
    return t.Event(
        event_id=mark["id"],
        viewer_id=mark["user"],
        kind=t.EVENT_KIND_CLICK,
        post_id=mark["item"],
        time_ms=int(mark["timestamp"]),
        request_id=mark["ranking"],
        position=position,
        surface=t.SURFACE_FOR_YOU,
    )
