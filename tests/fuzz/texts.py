"""What people hand over: import files, settings, arguments of commands, and the embedder's answers."""

import csv
import gzip
import io
import json
import os
import socket
from contextlib import ExitStack, suppress
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any, Self

import numpy as np
import pyarrow as pa
import typer

from embeddings.errors import EmbeddingError
from embeddings.link import EmbedderLink, vectors_schema
from ranker import settings
from ranker.cli import app
from ranker.errors import FeedrankError, SettingsError
from tests.fuzz import hostile
from tests.fuzz.surface import Broken, Input, Step
from training import importers

_POST = {"id": "p1", "author_id": "u1", "text": "moss", "language": "en", "topics": ["cats"], "created_ms": 1}
_LINES = (
    {"post": _POST | {"media": [{"kind": "image", "prompt": "a cat"}], "vector": [0.5, 1]}},
    {"event": {"viewer_id": "u2", "kind": "like", "post_id": "p1", "time_ms": 2}},
    {"user": {"id": "u2", "languages": ["de"]}},
    {"relation": {"user_id": "u2", "target_id": "u1", "kind": "follow"}},
    {"delete_post": "p1"},
    {"preferences": {"viewer_id": "u2", "muted_words": ["x"], "ai_level": "few"}},
)
_FILM = [
    {"name": "title", "value": "Moss"},
    {"name": "genres", "value": ["a"]},
    {"name": "vote_cnt", "value": 20},
]
_RANKLENS = (
    {"event": "item", "id": "1", "item": "f1", "timestamp": "1700000000000", "fields": _FILM},
    {"event": "ranking", "id": "2", "user": "u1", "timestamp": "1700000000001", "items": [{"id": "f1"}]},
    {
        "event": "interaction",
        "id": "3",
        "user": "u1",
        "item": "f1",
        "ranking": "2",
        "timestamp": "1700000000002",
    },
)
_COMMENTS = {
    "comment-id": "1", "author-id": "2", "timestamp": "1700000000", "comment-body": "moss", "moderated": "1",
}  # fmt: skip
_VOTES = {"comment-id": "1", "voter-id": "3", "timestamp": "1700000001", "vote": "1"}
_REDDIT = {
    "id": "a", "created_utc": "1400000000.0", "title": "Moss", "selftext": "", "over_18": "False",
    "domain": "imgur.com",
}  # fmt: skip
_REFUSED = (typer.BadParameter.__mro__[2], typer.Exit)
"""What a wrong argument raises, whichever click Typer brings."""
_STRANGE = ("", "x", "-1", "1e309", "nan", "inf", "99999999999999999999", "\x00", "é", '"', "1,2")


class Imports:
    """Files of every importer."""

    def __enter__(self) -> Self:
        self._open = ExitStack()
        self._folder = Path(self._open.enter_context(TemporaryDirectory(prefix="fuzz-")))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def draw(self, random: Random) -> Input:
        """A file or two of one kind of data set."""
        steps = random.choice((self._lines, self._lines, self._films, self._polis, self._reddit))(random)
        if random.random() < 0.3:
            at = random.randrange(len(steps))
            steps[at] = Step(steps[at].name, hostile.damaged(random, steps[at].content))
        if random.random() < 0.1:
            steps = [Step(f"{one.name}.gz", gzip.compress(one.content, 1)) for one in steps]
            at = random.randrange(len(steps))
            steps[at] = Step(steps[at].name, hostile.damaged(random, steps[at].content))
        return tuple(steps)

    def run(self, given: Input) -> str:
        """Read it as `feedrank import` does."""
        for path in self._folder.iterdir():
            path.unlink()
        for step in given:
            (self._folder / step.name).write_bytes(step.content)
        single = len(given) == 1 and "jsonl" in given[0].name
        path = self._folder / given[0].name if single else self._folder
        try:
            rows = sum(1 for _ in importers.read(path))
        except FeedrankError as error:
            if not 0 < len(str(error)) < 3_000:
                raise Broken(f"{len(str(error))} letters: {str(error)[:300]}") from error
            return type(error).__name__
        return "read" if rows else "nothing"

    def settle(self) -> None: ...

    def _lines(self, random: Random) -> list[Step]:
        rows = [json.loads(json.dumps(one)) for one in random.choices(_LINES, k=random.choice((1, 3)))]
        return [Step("rows.jsonl", _json_lines(random, rows))]

    def _films(self, random: Random) -> list[Step]:
        return [Step("events.jsonl", _json_lines(random, [json.loads(json.dumps(one)) for one in _RANKLENS]))]

    def _polis(self, random: Random) -> list[Step]:
        return [Step("comments.csv", _table(random, _COMMENTS)), Step("votes.csv", _table(random, _VOTES))]

    def _reddit(self, random: Random) -> list[Step]:
        return [Step("moss.csv", _table(random, _REDDIT))]


class Tomls:
    """A settings file, and variables of the environment."""

    def __enter__(self) -> Self:
        self._open = ExitStack()
        self._file = Path(self._open.enter_context(TemporaryDirectory(prefix="fuzz-"))) / "feedrank.toml"
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def draw(self, random: Random) -> Input:
        """Some settings with strange values."""
        lines = ["[server]"]
        every = list(settings.described(settings.Settings.model_construct()))
        for name, value, _ in random.sample(every, random.choice((1, 2, 3))):
            strange = random.choice(
                (value, json.dumps(value), str(hostile.integer(random)), "nan", "[1]", "{}")
            )
            lines.append(f"{name} = {strange}" if "." not in name else f"[{name.rpartition('.')[0]}]")
            lines.append(f"{name.rpartition('.')[2]} = {strange}")
        content = "\n".join(random.sample(lines, len(lines)) if random.random() < 0.3 else lines[1:]).encode()
        steps = [
            Step("feedrank.toml", hostile.damaged(random, content) if random.random() < 0.4 else content)
        ]
        if random.random() < 0.5:
            name = random.choice(every)[0].upper().replace(".", "__")
            value = hostile.text(random).replace("\x00", "").encode(errors="ignore")
            steps.append(Step(f"FEEDRANK_{name}", value))
        return tuple(steps)

    def run(self, given: Input) -> str:
        """Load them, and tell them all."""
        set_ones = [step for step in given[1:] if step.name]
        self._file.write_bytes(given[0].content)
        try:
            for step in set_ones:
                os.environ[step.name] = step.content.decode()
            told = list(settings.described(settings.load(self._file)))
        except SettingsError as error:
            if not 0 < len(str(error)) < 3_000:
                raise Broken(f"{len(str(error))} letters: {str(error)[:300]}") from error
            return "SettingsError"
        finally:
            for step in set_ones:
                os.environ.pop(step.name, None)
        return "read" if told else "nothing"

    def settle(self) -> None: ...


class Arguments:
    """Arguments of the commands of the service, up to where they would reach a server or start one."""

    def __enter__(self) -> Self:
        command: Any = typer.main.get_command(app)
        self._options = {
            name: [one.opts[0] for one in sub.params if one.opts and one.opts[0].startswith("-")]
            for name, sub in command.commands.items()
        }
        self._command = command
        return self

    def __exit__(self, *_: object) -> None: ...

    def draw(self, random: Random) -> Input:
        """A command with options that it has, and strange values."""
        name = random.choice(list(self._options))
        words = [name if random.random() < 0.9 else hostile.text(random)]
        for _ in range(random.randrange(4)):
            option = random.choice((*self._options[name], "--nothing"))
            words += [option, random.choice((*_STRANGE, hostile.text(random)))]
        return tuple(Step("argument", word.encode(errors="ignore")) for word in words)

    def run(self, given: Input) -> str:
        """Parse them; a command that would run is not run, save for those that only read."""
        words = [step.content.decode() for step in given]
        context: Any = self._command.make_context("feedrank", ["version"])
        try:
            name, sub, rest = self._command.resolve_command(context, words)
            sub.make_context(name, rest, parent=context)
        except _REFUSED as end:
            return type(end).__name__
        return "parsed"

    def settle(self) -> None: ...


class Answers:
    """What comes over the link from something that claims to be the embedder."""

    _SCHEMA = vectors_schema("m@1", 4)

    def __enter__(self) -> Self:
        flat = pa.array(np.ones(8, np.float16))
        batch = pa.record_batch([pa.FixedSizeListArray.from_arrays(flat, 4)], schema=self._SCHEMA)
        self._sound = self._SCHEMA.serialize().to_pybytes(), batch.serialize().to_pybytes()
        self._open = ExitStack()
        self._path = Path(self._open.enter_context(TemporaryDirectory(prefix="fuzz-"))) / "e.sock"
        self._socket = self._open.enter_context(socket.socket(socket.AF_UNIX))
        self._socket.bind(str(self._path))
        self._socket.listen()
        self._socket.settimeout(5)
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def draw(self, random: Random) -> Input:
        """The embedder's first words and its answer, one of them damaged."""
        said, answered = self._sound
        if random.random() < 0.05:
            return Step("schema", said), Step("answer", answered)
        if random.random() < 0.3:
            fields = {b"model": hostile.text(random).encode(), b"dimension": random.choice(_STRANGE).encode()}
            said = self._SCHEMA.with_metadata(fields).serialize().to_pybytes()
        elif random.random() < 0.5:
            said = hostile.damaged(random, said)
        else:
            answered = hostile.damaged(random, answered)
        return Step("schema", said), Step("answer", answered)

    def run(self, given: Input) -> str:
        """Connect, and ask for the vectors of two texts."""
        speaker = Thread(target=self._speak, args=(b"".join(step.content for step in given),))
        speaker.start()
        try:
            with EmbedderLink.connect(self._path, 0.05) as link:
                vectors = link.embed(["a", "b"], 0.5)
                if vectors.shape != (2, link.dimension) or vectors.dtype != np.float16:
                    raise Broken(f"vectors of shape {vectors.shape}")
            return "answered"
        except EmbeddingError:
            return "no answer"
        finally:
            speaker.join()

    def _speak(self, content: bytes) -> None:
        with suppress(OSError):
            connection, _ = self._socket.accept()
            with connection:
                connection.sendall(content)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(4_096):
                    pass

    def settle(self) -> None: ...


def _json_lines(random: Random, rows: list[Any]) -> bytes:
    """Rows as JSON lines, with values of other kinds here and there."""
    for row in rows:
        if random.random() < 0.6:
            _strange(random, row)
    return "\n".join(json.dumps(row, ensure_ascii=random.random() < 0.5) for row in rows).encode(
        errors="surrogatepass"
    )


def _strange(random: Random, node: Any) -> None:
    keys = list(node) if isinstance(node, dict) else list(range(len(node)))
    if not keys:
        return None
    key = random.choice(keys)
    if isinstance(node[key], dict | list) and node[key] and random.random() < 0.8:
        return _strange(random, node[key])
    deep: Any = []
    for _ in range(random.choice((1, 50))):
        deep = [deep]
    node[key] = random.choice(
        (None, True, -1, 2**63, 2**70, 1e308, float("nan"), float("inf"), [], {}, deep, "\ud800", "",
         hostile.text(random), random.choice(_STRANGE), ["x", 1], {"x": 1})
    )  # fmt: skip
    return None


def _table(random: Random, row: dict[str, str]) -> bytes:
    out = io.StringIO()
    columns = [name for name in row if random.random() < 0.98]
    writer = csv.writer(out)
    writer.writerow(columns)
    for _ in range(random.choice((1, 3))):
        cells = [
            row[name] if random.random() < 0.85 else random.choice((*_STRANGE, hostile.text(random)))
            for name in columns
        ]
        writer.writerow(cells[: len(cells) - (random.random() < 0.05)])
    return out.getvalue().encode(errors="ignore")
