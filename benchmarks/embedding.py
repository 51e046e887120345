"""How fast are posts embedded, and what does the faster arithmetic cost in quality?

    python -m benchmarks.embedding --posts 1000 --threads 1

The encoder in float32 and as the embedder loads it, and sentence-transformers' own `encode` (float32, 32 rows
a batch), on the same posts, in turns; the median of the rounds. The posts are real ones where the data is at
hand (../shared/data/reddit_top, title and text cut at 400 characters), else generated ones of like lengths.
"""

import csv
import gzip
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.report import emit
from embeddings.encoder import Encoder, load_encoder

REAL_POSTS = Path(__file__).parents[1].parent / "shared/data/reddit_top"
CUT = 400
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
    """Posts of all communities, none when the data is not there."""
    texts = [text for file in sorted(REAL_POSTS.glob("*.csv.gz")) for text in _texts(file)]
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


def compare(exact: Encoder, chosen: Encoder, posts: list[str], rounds: int) -> dict[str, float | str]:
    """Posts per second of each side, ratios, and the cosines between float32 and what was chosen."""

    def theirs() -> object:
        return exact.model.encode(posts, normalize_embeddings=True, show_progress_bar=False)

    sides = (lambda: exact.encode(posts), lambda: chosen.encode(posts), theirs)
    times = [[seconds(side) for side in sides] for _ in range(rounds)]
    float32, as_chosen, library = (len(posts) / statistics.median(side) for side in zip(*times, strict=True))
    cosines = (exact.encode(posts) * chosen.encode(posts)).sum(axis=1)
    return {
        "posts_per_second": as_chosen,
        "posts_per_second_float32": float32,
        "posts_per_second_sentence_transformers": library,
        "chosen_to_float32": as_chosen / float32,
        "chosen_to_sentence_transformers": as_chosen / library,
        "min_cosine": float(cosines.min()),
        "mean_cosine": float(cosines.mean()),
    }


def main(
    posts: Annotated[int, typer.Option(help="Posts to embed.")] = 1000,
    threads: Annotated[int, typer.Option(help="Threads of torch.")] = 1,
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
    for encoder in (exact, chosen):
        encoder.encode(texts[:20])
    result: dict[str, Any] = {"model": chosen.name, "precision": chosen.precision, "texts": source}
    result |= {"posts": len(texts), "threads": threads, "seed": seed}
    emit(result | compare(exact, chosen, texts, rounds), json)


def _texts(file: Path) -> list[str]:
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        return [f"{row['title']}\n{row['selftext']}".strip()[:CUT] for row in csv.DictReader(lines)]


if __name__ == "__main__":
    typer.run(main)
