"""Example files: what is written is read again, and what can't be used is refused in a sentence."""

import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from ranker import features, heads
from ranker.errors import InvalidArgument, NotFound
from training import example_files
from training.examples import About, Examples, ExampleSet, Posts

_NUMBERS = ("viewer", "post", "request", "place")


def some(rows: int = 120, posts: int = 30, seed: int = 0) -> ExampleSet:
    random = np.random.default_rng(seed)
    matrix = random.standard_normal((rows, len(features.NAMES)), dtype=np.float32)
    matrix[random.random(matrix.shape) < 0.1] = np.nan
    numbers = {name: random.integers(0, max(posts, 1), rows, np.int32) for name in _NUMBERS}
    examples = Examples(
        **numbers,
        features=matrix,
        group=np.sort(random.integers(0, rows, rows, np.int32)),
        time_ms=np.sort(random.integers(0, 2**42, rows)),
        surface=random.integers(1, 6, rows, np.int8),
        propensity=random.random(rows),
        score=random.standard_normal(rows),
        probabilities=random.random((rows, len(heads.NAMES)), np.float32),
        source=random.integers(-1, 6, rows, np.int8),
        variant=random.integers(-1, 2, rows, np.int16),
        labels=random.integers(0, 2, (rows, len(heads.NAMES)), np.uint8),
        weight=np.ones(rows, np.float32),
    )
    known = Posts(
        ids=np.array([f"pöst {number}" for number in range(posts)], np.object_),
        author=random.integers(-1, 9, posts, np.int32),
        language=random.integers(-1, 2, posts, np.int32),
        created_ms=random.integers(-1, 2**42, posts),
        vector=random.standard_normal((posts, 8)).astype(np.float16),
        languages=("fi", "en"),
    )
    return ExampleSet(examples, known, About(made_by="a test", variants=("a", "b")))


def equal(one: Examples | Posts, other: Examples | Posts) -> bool:
    """Bit for bit, and of the same types."""
    columns = [
        (np.asarray(getattr(one, field.name)), np.asarray(getattr(other, field.name)))
        for field in fields(one)
    ]
    return all(
        a.dtype == b.dtype and a.shape == b.shape and a.tolist() == b.tolist()
        if a.dtype == object
        else a.dtype == b.dtype and a.tobytes() == b.tobytes()
        for a, b in columns
    )


@pytest.mark.parametrize(("rows", "posts"), [(120, 30), (0, 0), (0, 3), (1, 1)])
def test_what_is_written_is_read_again(tmp_path: Path, rows: int, posts: int) -> None:
    written = some(rows, posts)
    example_files.write(tmp_path / "out", written)
    read = example_files.read(tmp_path / "out")
    assert equal(written.examples, read.examples)
    assert equal(written.posts, read.posts)
    assert read.about == written.about


def test_parts_and_row_groups_are_joined_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(example_files, "_PART_ROWS", 50)
    monkeypatch.setattr(example_files, "_GROUP_ROWS", 7)
    monkeypatch.setattr(example_files, "_GROUP_POSTS", 7)
    written = some()
    manifest = example_files.write(tmp_path / "out", written)
    assert [part.rows for part in manifest.parts] == [50, 50, 20]
    read = example_files.read(tmp_path / "out")
    assert equal(written.examples, read.examples)
    assert equal(written.posts, read.posts)


def test_the_hash_is_of_the_content_and_not_of_the_files(tmp_path: Path) -> None:
    manifest = example_files.write(tmp_path / "out", some())
    assert manifest.sha256 == example_files.read(tmp_path / "out").sha256 == some().sha256
    assert some(seed=1).sha256 != manifest.sha256


def test_a_changed_byte_is_found(tmp_path: Path) -> None:
    example_files.write(tmp_path / "out", some())
    for name in ("examples-00000.parquet", "posts.parquet"):
        content = bytearray((tmp_path / "out" / name).read_bytes())
        content[len(content) // 2] ^= 1
        (tmp_path / "out" / name).write_bytes(content)
        with pytest.raises(InvalidArgument, match="does not have the hash"):
            example_files.read(tmp_path / "out")


def test_examples_of_other_features_are_refused_by_name(tmp_path: Path) -> None:
    example_files.write(tmp_path / "out", some())
    manifest = tmp_path / "out" / "manifest.json"
    said = json.loads(manifest.read_text())
    said["features"] = ["of_old", *said["features"][1:]]
    manifest.write_text(json.dumps(said))
    with pytest.raises(InvalidArgument, match=f"without {features.NAMES[0]}, with of_old"):
        example_files.read(tmp_path / "out")


def test_a_folder_without_examples_is_said_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="feedrank examples"):
        example_files.read(tmp_path)


def test_a_folder_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="exists"):
        example_files.write(tmp_path, some())


def test_what_could_not_be_written_whole_is_not_there(tmp_path: Path) -> None:
    whole = some()
    nameless = replace(whole.posts, ids=np.array([3.5] * 30, np.object_))
    with pytest.raises(TypeError):
        example_files.write(tmp_path / "out", replace(whole, posts=nameless))
    assert not list(tmp_path.iterdir())
