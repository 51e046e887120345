"""The bundled model, loaded once, and texts to try it on."""

import csv
import gzip
import random
from pathlib import Path

import pytest
from hypothesis import settings

from embeddings.encoder import Encoder, load_encoder

# The first example may compile a kernel.
settings.register_profile("compiling", deadline=None)
settings.load_profile("compiling")

POSTS = Path(__file__).parents[2].parent / "shared/data/reddit_top"


@pytest.fixture(scope="session")
def exact() -> Encoder:
    """The bundled model in float32."""
    return load_encoder(precision="float32", threads=1)


@pytest.fixture(scope="session")
def chosen() -> Encoder:
    """The bundled model as the embedder loads it."""
    return load_encoder(threads=1)


@pytest.fixture(scope="session")
def posts() -> list[str]:
    """200 real posts of 20 communities, cut at 400 characters."""
    files = sorted(POSTS.glob("*.csv.gz"))[:20]
    if not files:
        pytest.skip(f"no real posts at {POSTS}")
    pick = random.Random(7)
    return [text for file in files for text in pick.sample(_texts(file), 10)]


def _texts(file: Path) -> list[str]:
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        return [f"{row['title']}\n{row['selftext']}".strip()[:400] for row in csv.DictReader(lines)]
