"""How fast are posts embedded, and what does the faster arithmetic cost in quality?

    python -m benchmarks.embedding --posts 1000 --threads 2

The encoder as the embedder loads it and in float32, the embedder process over its socket (asked as the server
asks), and sentence-transformers' own `encode` (float32, 32 rows a batch), on the same posts, in turns; the
median of the rounds. The cosines are to what sentence-transformers gives. The posts are real ones where the
data is at hand (../shared/data/reddit_top, title and text cut at 400 characters, no two alike), else
generated ones of like lengths.
"""

import csv
import gzip
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import psutil
import torch
import typer

from benchmarks.report import emit
from embeddings.encoder import Encoder, load_encoder
from embeddings.link import EmbedderLink, start_embedder
from ranker.vectorizer import EmbedderSettings

REAL_POSTS = Path(__file__).parents[1].parent / "shared/data/reddit_top"
CUT = 400
LOADING_S = 300.0
AT_A_TIME = EmbedderSettings().batch_posts
WORDS = (
    "harbour",
    "morning",
    "light",
    "painting",
    "market",
    "weather",
    "train",
    "garden",
    "river",
    "question",
)


def real_posts(pick: random.Random, count: int) -> list[str]:
    """Posts of all communities, no two alike; none when the data is not there."""
    texts = list(dict.fromkeys(text for file in sorted(REAL_POSTS.glob("*.csv.gz")) for text in _texts(file)))
    return pick.sample(texts, min(count, len(texts)))


def generated_posts(pick: random.Random, count: int) -> list[str]:
    """Sentences without much sense; most are short and a few are long, as posts are."""
    return [
        " ".join(pick.choices(WORDS, k=1 + int(pick.lognormvariate(2.5, 0.8))))[:CUT] for _ in range(count)
    ]


def seconds(encode: Callable[[], object]) -> float:
    """Duration of one call."""
    began = time.perf_counter()
    encode()
    return time.perf_counter() - began


class Embedder:
    """A process of its own, as the server starts it."""

    def __init__(self, link: EmbedderLink, pid: int) -> None:
        self.link = link
        self.pid = pid

    def encode(self, posts: list[str]) -> None:
        """Embed the posts as the server does."""
        for start in range(0, len(posts), AT_A_TIME):
            self.link.embed(posts[start : start + AT_A_TIME], LOADING_S)

    @property
    def resident_mb(self) -> float:
        """Memory of the process, shared pages included."""
        return float(psutil.Process(self.pid).memory_info().rss) / 2**20


@contextmanager
def embedder(model: str, threads: int) -> Iterator[Embedder]:
    """A process that has loaded the model, as long as it is wanted."""
    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder, "e.sock")
        with start_embedder(socket, model, threads) as process:
            try:
                with EmbedderLink.connect(socket, LOADING_S) as link:
                    yield Embedder(link, process.pid)
            finally:
                process.terminate()


def compare(
    exact: Encoder, chosen: Encoder, process: Embedder, posts: list[str], rounds: int
) -> dict[str, float | str]:
    """Posts per second of each side, ratios, and the cosines of what was chosen to the library's vectors."""

    def theirs() -> Any:
        return exact.model.encode(posts, normalize_embeddings=True, show_progress_bar=False)

    sides = (lambda: chosen.encode(posts), lambda: process.encode(posts), lambda: exact.encode(posts), theirs)
    times = [[seconds(side) for side in sides] for _ in range(rounds)]
    as_chosen, over_socket, float32, library = (
        len(posts) / statistics.median(side) for side in zip(*times, strict=True)
    )
    cosines = (theirs() * chosen.encode(posts)).sum(axis=1)
    return {
        "posts_per_second": as_chosen,
        "posts_per_second_over_socket": over_socket,
        "posts_per_second_float32": float32,
        "posts_per_second_sentence_transformers": library,
        "chosen_to_float32": as_chosen / float32,
        "chosen_to_sentence_transformers": as_chosen / library,
        "min_cosine": float(cosines.min()),
        "mean_cosine": float(cosines.mean()),
        "resident_mb": process.resident_mb,
    }


def main(
    posts: Annotated[int, typer.Option(help="Posts to embed.")] = 1000,
    threads: Annotated[int, typer.Option(help="Cores, for each side.")] = 2,
    rounds: Annotated[int, typer.Option(help="Rounds that the medians are taken over.")] = 3,
    model: Annotated[str, typer.Option(help='"bundled", a folder, or a name on the hub.')] = "bundled",
    seed: Annotated[int, typer.Option(help="Of the choice of posts.")] = 1,
    json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Measure the encoder, such as `python -m benchmarks.embedding --posts 1000`."""
    texts = real_posts(random.Random(seed), posts)
    source = "reddit_top" if texts else f"generated ({REAL_POSTS.name} is not at hand)"
    texts = texts or generated_posts(random.Random(seed), posts)
    exact = load_encoder(model, precision="float32", threads=threads)
    chosen = load_encoder(model, threads=threads)
    torch.set_num_threads(threads)  # for sentence-transformers' own side
    result: dict[str, Any] = {"model": chosen.name, "precision": chosen.precision, "packed": chosen.packed}
    result |= {"texts": source, "posts": len(texts), "threads": threads, "seed": seed}
    with embedder(model, threads) as process:
        for side in (exact, chosen, process):
            side.encode(texts[:20])
        emit(result | compare(exact, chosen, process, texts, rounds), json)


def _texts(file: Path) -> list[str]:
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        return [f"{row['title']}\n{row['selftext']}".strip()[:CUT] for row in csv.DictReader(lines)]


if __name__ == "__main__":
    typer.run(main)
