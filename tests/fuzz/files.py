"""Files: what a data folder and a models folder hold, damaged, or whole and of something else.

Each surface makes sound files once; an input says which is changed, and how.
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Self

import numpy as np
import pyarrow as pa

from ranker import bundle, entries, snapshot
from ranker.archive import Archive
from ranker.errors import FeedrankError
from ranker.fold import Fold
from ranker.impression_files import OPEN, PARQUET, Segment, finish, read_log
from ranker.impressions import rows_of
from ranker.slice import SliceSettings
from ranker.slices import Slices
from ranker.state import State, StateSettings
from ranker.trees import Forest
from tests.fuzz import hostile, messages, wire
from tests.fuzz.surface import Broken, Input, Step
from tests.ranker.test_bundle import FEATURES, HEADS, facts, stump
from tests.ranker.test_impressions import answer
from training.bundles import save_bundle

_NOW_MS = 1_795_305_600_000


class Folder:
    """A folder of sound files, and a copy that inputs change. Steps name a file and hold its new bytes."""

    def __enter__(self) -> Self:
        self._open = ExitStack()
        quick = "/dev/shm" if Path("/dev/shm").is_dir() else None
        folder = Path(self._open.enter_context(TemporaryDirectory(prefix="fuzz-", dir=quick)))
        self.sound, self.copy = folder / "sound", folder / "copy"
        self.sound.mkdir()
        self.write()
        self.files = {
            str(path.relative_to(self.sound)): path.read_bytes()
            for path in sorted(self.sound.rglob("*"))
            if path.is_file()
        }
        shutil.copytree(self.sound, self.copy)
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def draw(self, random: Random) -> Input:
        """One or two files with other bytes; now and then as they are."""
        if random.random() < 0.05:
            return tuple(Step(name, content) for name, content in self.files.items())
        names = random.sample(list(self.files), min(random.choice((1, 1, 2)), len(self.files)))
        return tuple(step for name in names for step in self.changed(random, name))

    def run(self, given: Input) -> str:
        """Read the folder with the changes in it, then put it back."""
        for step in given:
            (self.copy / step.name).write_bytes(step.content)
        try:
            return self.read()
        except FeedrankError as error:
            said = str(error)
            if len(said) > 2_000 or "Traceback" in said:
                raise Broken(f"{len(said)} letters: {said[:200]}") from error
            return type(error).__name__
        finally:
            shutil.rmtree(self.copy)
            shutil.copytree(self.sound, self.copy)

    def settle(self) -> None: ...

    def write(self) -> None:
        """Write the sound files."""
        raise NotImplementedError

    def changed(self, random: Random, name: str) -> list[Step]:
        """Other bytes for a file, and for those that must agree with it."""
        return [Step(name, hostile.damaged(random, self.files[name]))]

    def read(self) -> str:
        """Read the folder as the service does; a word on what came of it."""
        raise NotImplementedError


class Snapshots(Folder):
    """A snapshot: its arrays and manifest."""

    def write(self) -> None:
        state, slices = _peopled()
        state.position = "5-0"
        snapshot.save(state, self.sound, slices)

    def changed(self, random: Random, name: str) -> list[Step]:
        """Mostly with hashes that agree again: else none would be looked into."""
        manifest = next(path for path in self.files if path.endswith("manifest.json"))
        told = json.loads(self.files[manifest])
        if random.random() < 0.2:
            return super().changed(random, name)
        if name == manifest:
            _change_document(random, told)
            steps = []
        else:
            content = _changed_array(random, self.files[name])
            told["sha256"][Path(name).name.removesuffix(".npy")] = hashlib.sha256(content).hexdigest()
            steps = [Step(name, content)]
        told.pop("seal", None)
        sealed = told | {"seal": snapshot._seal(told)}
        return [*steps, Step(manifest, json.dumps(sealed).encode())]

    def read(self) -> str:
        state = State(messages.DIMENSION, StateSettings(max_posts=2_000))
        slices = Slices(messages.DIMENSION, SliceSettings(), lambda: state.posts.vector)
        if not snapshot.restore(state, self.copy, slices):
            if state.posts.size or state.users.size:
                raise Broken("refused, and yet something was taken over")
            return "refused"
        _grow(state, slices)  # what was taken over must bear what comes next
        list(state.arrays())
        return "sound"


class Bundles(Folder):
    """A model bundle: its manifest and its forest."""

    def write(self) -> None:
        save_bundle(self.sound, Forest(heads=("like",), **stump(0.0, 1.0)), facts())

    def changed(self, random: Random, name: str) -> list[Step]:
        """Mostly with a hash that agrees."""
        manifest = f"m1/{bundle.MANIFEST}"
        told = json.loads(self.files[manifest])
        if name == manifest:
            if random.random() < 0.3:
                return super().changed(random, name)
            _change_document(random, told)
            return [Step(manifest, json.dumps(told).encode())]
        content = self._forest(random)
        told["sha256"] = hashlib.sha256(content).hexdigest()
        return [Step(name, content), Step(manifest, json.dumps(told).encode())]

    def _forest(self, random: Random) -> bytes:
        if random.random() < 0.3:
            return hostile.damaged(random, self.files[f"m1/{bundle.FOREST}"])
        arrays = stump(random.gauss(0, 1), 1.0)
        for name in random.sample(list(arrays), random.choice((1, 2))):
            arrays[name] = _other_array(random, arrays[name])
        file = self.sound.parent / "forest.npz"
        with np.errstate(all="ignore"):
            np.savez(file, **arrays)
        return file.read_bytes()

    def read(self) -> str:
        bundle.list_bundles(self.copy)
        made = bundle.load(self.copy / "m1", FEATURES, HEADS)
        with np.errstate(all="ignore"):
            chances = made.predict(np.array([[np.nan, 1, -1e30]], np.float32)).probabilities
        if not ((chances >= 0) & (chances <= 1)).all():
            raise Broken(f"probabilities {chances}")
        return "sound"


class Archives(Folder):
    """The journal's archive."""

    def write(self) -> None:
        archive = Archive(self.sound)
        for first in (1, 4):
            archive.append(
                (f"{n}-0", entries.of_deletions([f"p{n}"], n).SerializeToString())
                for n in range(first, first + 3)
            )

    def read(self) -> str:
        archive = Archive(self.copy)
        return f"{len(list(archive.records('1-0')))} records up to {archive.last}"


class Impressions(Folder):
    """The impressions log: an open segment and a whole file."""

    def write(self) -> None:
        for number, last in ((1, PARQUET), (2, OPEN)):
            one = Segment(self.sound / f"{number:015}{OPEN}")
            for name in ("r1", "r2"):
                one.append(rows_of([answer(f"{name}{number}")]))
            one.close()
            if last == PARQUET:
                finish(one.path)

    def changed(self, random: Random, name: str) -> list[Step]:
        """Bytes anywhere, or a whole frame of other columns."""
        if name.endswith(OPEN) and random.random() < 0.3:
            from ranker.impression_files import _frame

            strange = (
                pa.record_batch({hostile.text(random) or "x": [1, 2]}) if random.random() < 0.5 else None
            )
            frame = _frame(strange) if strange is not None else _framed(hostile.text(random).encode())
            first = random.random() < 0.5
            return [Step(name, frame + self.files[name] if first else self.files[name] + frame)]
        return super().changed(random, name)

    def read(self) -> str:
        rows = sum(table.num_rows for table in read_log(self.copy))
        for path in sorted(self.copy.glob(f"*{OPEN}")):
            finish(path)
        return f"{rows} rows"


def _framed(content: bytes) -> bytes:
    """Bytes in a frame whose checksum is right."""
    import zlib

    from ranker.impression_files import _HEADER, _MARK

    return _HEADER.pack(_MARK, len(content), zlib.crc32(content)) + content


def _peopled() -> tuple[State, Slices]:
    """A state with some of everything in it."""
    state = State(messages.DIMENSION, StateSettings(max_posts=2_000))
    slices = Slices(messages.DIMENSION, SliceSettings(), lambda: state.posts.vector)
    _grow(state, slices)
    return state, slices


def _grow(state: State, slices: Slices) -> None:
    from feedrank.v1 import controls_pb2, types_pb2

    fold, random = Fold(state, slices), Random(7)

    def drawn(kind: Any, count: int) -> list[Any]:
        made = [
            kind.FromString(wire.encoded(messages.message(random, kind.DESCRIPTOR, 0.0)))
            for _ in range(count)
        ]
        return [one for one in made if getattr(one, "kind", 1)]

    fold.apply("1-0", entries.of_posts(drawn(types_pb2.Post, 40), _NOW_MS))
    fold.apply("2-0", entries.of_users(drawn(types_pb2.User, 10), _NOW_MS))
    fold.apply("3-0", entries.of_relations(drawn(types_pb2.Relation, 20), _NOW_MS))
    fold.apply("4-0", entries.of_events(drawn(types_pb2.Event, 40), _NOW_MS))
    for one in drawn(controls_pb2.SetPreferencesRequest, 3):
        fold.apply("5-0", entries.of_preferences(one, _NOW_MS))


def _changed_array(random: Random, content: bytes) -> bytes:
    """An array file with another shape, length or type, or with damaged bytes.

    Values are left alone: who can make the hashes agree can write any value that a column may hold.
    """
    import io

    if random.random() < 0.2:
        return hostile.damaged(random, content)
    out = io.BytesIO()
    array = np.load(io.BytesIO(content), allow_pickle=False)
    other = random.choice(_forms(random))(array)
    np.save(out, other)
    return out.getvalue()


def _other_array(random: Random, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    with np.errstate(all="ignore"):
        if random.random() < 0.3:
            return _one_other(random, array)
        return random.choice(_forms(random))(array)


def _forms(random: Random) -> tuple[Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]], ...]:
    """Ways to another length, shape or type."""
    kind = random.choice(("f4", "f8", "i1", "u1", "i4", "i8", "u8", "c8", "S3", "?"))
    return (
        lambda array: array[:-1],
        lambda array: np.concatenate([array, array]),
        lambda array: array.astype(kind),
        lambda array: array.reshape(-1),
        lambda array: array[None],
        lambda array: np.asfortranarray(array),
        lambda array: array[:0],
    )


def _one_other(random: Random, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """One value at a boundary."""
    other = array.copy()
    if other.size and other.dtype.kind in "iufb":
        value = hostile.integer(random) if other.dtype.kind in "iub" else random.choice(hostile.FLOATS)
        flat = other.reshape(-1)
        flat[random.randrange(other.size)] = np.array(
            [value & (2**63 - 1) if isinstance(value, int) else value]
        ).astype(other.dtype)[0]
    return other


def _change_document(random: Random, document: dict[str, Any]) -> None:
    """Change a JSON object somewhere."""
    key = random.choice(list(document))
    value = document[key]
    if isinstance(value, dict) and value and random.random() < 0.7:
        return _change_document(random, value)
    strange = (None, [], {}, "", -1, 2**63, 2**70, 1e308, "NaN", True, ["x"], {"a": {}}, hostile.text(random))
    kind = random.randrange(3)
    if kind == 0:
        del document[key]
    elif kind == 1:
        document[key] = random.choice(strange)
    else:
        document[hostile.text(random) or "x"] = random.choice(strange)
    return None
