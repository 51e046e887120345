"""Do the vectors that benchmarks draw lie as near to each other as those of real posts?

    python -m benchmarks.vectors
    python -m benchmarks.vectors --fit

`drawn` makes as many as are wanted, from a mixture fitted to the vectors that all-MiniLM-L6-v2 gives the
35,880 posts of ../shared/data/reddit_top (36 communities, many languages, texts cut at 400 characters). It
lies beside this file as mixture.npz; `--fit` makes it again, in some minutes.

What a search index feels is near and far, so the mixture has four levels. A topic (of 128, by k-means) is
a mean, and a deviation along each principal axis of what its posts differ by. Topics hold subtopics and these
hold threads, unevenly popular, drawn once from a fixed seed; posts lie around their thread. Each level has a
share of the topic's variance, in some threads more than in others. The six numbers of this tree are the best
that a random search found for the cosines to the 1st, 3rd, ... 300th neighbour and for the intrinsic
dimension, among 4,000, 16,000 and 32,000 posts: density must grow with the posts as it does in truth before
it is stretched to a million. Topics alone would have the nearest neighbour farther by 0.15 of cosine.

The command prints real beside drawn. The intrinsic dimension is the maximum likelihood estimate of Levina and
Bickel (NIPS 2004) over 100 neighbours, its median; the spectrum is told by how many axes hold half and nine
tenths of the variance.
"""

import random
from dataclasses import astuple, dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.embedding import real_posts
from benchmarks.report import emit
from ranker.errors import NotFound

Floats = NDArray[np.float32]
Numbers = NDArray[np.int64]
Shares = NDArray[np.float64]

DIMENSION = 384
_FILE = Path(__file__).with_name("mixture.npz")
_TOPICS = 128
_AXES = 192  # principal axes that the file holds; the others follow in any direction
_BLOCK = 16_384
_NEIGHBOURS = np.array((1, 3, 10, 30, 100, 300))
_SIZES = (4_000, 16_000, 32_000)
_ASKED = 400
_ALL_POSTS = 1_000_000


def drawn(rng: np.random.Generator, rows: int) -> Floats:
    """Unit vectors of posts: float32 (rows, 384), a new array, in no order."""
    mixture = fitted()
    return mixture.posts_of(rng, rng.choice(mixture.tree.threads, rows, p=mixture.popularity))


@dataclass(frozen=True)
class Tree:
    """What is below the topics."""

    subtopics: int
    subtopic_share: float
    """Of a topic's variance, that lies between its subtopics."""
    threads: int
    thread_share: float
    """The same, between the threads of a subtopic."""
    skew: float
    """Exponent of the falling popularity."""
    evenness: float
    """Of those shares among the threads: both parameters of their beta distribution."""


@dataclass(frozen=True)
class Topics:
    """The level that is stored."""

    weight: Shares
    """(topics,): sums to 1."""
    mean: Floats
    """(topics, DIMENSION)."""
    axes: Floats
    """(DIMENSION, DIMENSION): orthonormal rows."""
    deviation: Floats
    """(topics, DIMENSION): along each axis."""


@dataclass(frozen=True)
class Mixture:
    """All levels. Threads are known by number."""

    topics: Topics
    tree: Tree

    def posts_of(self, rng: np.random.Generator, threads: Numbers) -> Floats:
        """The vector of a post of each thread: float32 (n, DIMENSION), unit rows."""
        out = np.empty((len(threads), DIMENSION), np.float32)
        for start in range(0, len(threads), _BLOCK):
            some = threads[start : start + _BLOCK]
            offset = rng.standard_normal((len(some), DIMENSION), np.float32) * self._left[some, None]
            offset += self._offset[some]
            topic = self.topic_of_thread[some]
            block = self.topics.mean[topic] + (offset * self.topics.deviation[topic]) @ self.topics.axes
            out[start : start + _BLOCK] = block / np.linalg.norm(block, axis=1, keepdims=True)
        return out

    @property
    def popularity(self) -> Shares:
        """The share of the posts that a thread has: (threads,)."""
        return self._levels[0]

    @property
    def topic_of_thread(self) -> Numbers:
        """(threads,)."""
        return self._levels[1]

    @property
    def _offset(self) -> Floats:
        """(threads, DIMENSION): from the topic's mean to the thread's, in deviations."""
        return self._levels[2]

    @property
    def _left(self) -> Floats:
        """(threads,): how far posts lie from their thread, in deviations."""
        return self._levels[3]

    @cached_property
    def _levels(self) -> tuple[Shares, Numbers, Floats, Floats]:
        tree, rng = self.tree, np.random.default_rng(1)
        topic = rng.choice(_TOPICS, tree.subtopics, p=self.topics.weight)
        subtopic = rng.choice(tree.subtopics, tree.threads, p=_falling(tree.subtopics, tree.skew))
        firmness = 2 * rng.beta(tree.evenness, tree.evenness, tree.threads)
        of_subtopic = np.minimum(tree.subtopic_share * firmness, 0.9)
        of_thread = np.minimum(tree.thread_share * firmness, 0.95 - of_subtopic)
        between = rng.standard_normal((tree.subtopics, DIMENSION), np.float32)
        offset = rng.standard_normal((tree.threads, DIMENSION), np.float32)
        offset *= np.sqrt(of_thread).astype(np.float32)[:, None]
        offset += np.sqrt(of_subtopic).astype(np.float32)[:, None] * between[subtopic]
        left = np.sqrt(1 - of_subtopic - of_thread).astype(np.float32)
        return _falling(tree.threads, tree.skew), topic[subtopic], offset, left


@cache
def fitted() -> Mixture:
    """The mixture that is stored."""
    with np.load(_FILE, allow_pickle=False) as file:
        stored = {name: file[name] for name in file.files}
    axes, mean = (stored[name] * stored[f"{name}_step"] for name in ("axes", "mean"))
    deviation = np.repeat(stored["rest"][:, None], DIMENSION, axis=1)
    deviation[:, :_AXES] = stored["deviation"]
    topics = Topics(stored["weight"], mean, _completed(axes), deviation)
    counts, shares = stored["tree"][[0, 2]].astype(int).tolist(), stored["tree"][[1, 3, 4, 5]].tolist()
    return Mixture(topics, Tree(counts[0], shares[0], counts[1], *shares[1:]))


def fit(real: Floats, seed: int, tries: int) -> Mixture:
    """The mixture whose posts lie as the real ones do: topics first, then the best of some trees."""
    topics, rng = _topics(real, seed), np.random.default_rng(seed)
    truth = nearness(real)
    best, least = _any_tree(rng), np.inf
    for number in range(tries):
        tree = _any_tree(rng) if number < tries // 4 else _beside(best, rng)
        mixture = Mixture(topics, tree)
        threads = rng.choice(tree.threads, max(_SIZES), p=mixture.popularity)
        loss = float(np.mean((nearness(mixture.posts_of(rng, threads)) - truth) ** 2))
        if loss < least:
            best, least = tree, loss
    return Mixture(topics, best)


def save(mixture: Mixture) -> None:
    """Store a mixture in about 150 kB: means and axes in steps of a 127th of the largest number of a row."""
    topics, stored = mixture.topics, dict[str, NDArray[Any]]()
    for name, rows in (("axes", topics.axes[:_AXES]), ("mean", topics.mean)):
        step = np.abs(rows).max(axis=1, keepdims=True) / np.float32(127)
        stored |= {name: np.rint(rows / step).astype(np.int8), f"{name}_step": step}
    stored["deviation"] = topics.deviation[:, :_AXES].astype(np.float16)
    stored["rest"] = np.sqrt((topics.deviation[:, _AXES:] ** 2).mean(axis=1))
    stored |= {"weight": topics.weight, "tree": np.array(astuple(mixture.tree))}
    np.savez_compressed(_FILE, allow_pickle=False, **stored)


def nearness(vectors: Floats) -> Shares:
    """What a fit compares, of the first 4,000, 16,000 and 32,000 rows: (sizes, quantiles, neighbours + 1).

    Cosines to neighbours, and a fifth of the intrinsic dimension's logarithm; quantiles 0.1, 0.5 and 0.9.
    """
    return np.array([_of_size(vectors[: min(size, len(vectors))]) for size in _SIZES])


def _of_size(vectors: Floats) -> Shares:
    cosines = -np.sort(-(vectors[:_ASKED] @ vectors.T), axis=1)[:, : _NEIGHBOURS[-1] + 1]
    dimension = _intrinsic_dimension(cosines[:, 1:101])
    told = np.column_stack([cosines[:, _NEIGHBOURS], np.log(dimension) / 5])
    quantiles: Shares = np.quantile(told, (0.1, 0.5, 0.9), axis=0)
    return quantiles


def _intrinsic_dimension(cosines: Floats) -> Floats:
    distance = np.sqrt(np.maximum(2 - 2 * cosines, 1e-6))
    dimension: Floats = 1 / np.mean(np.log(distance[:, -1:] / distance[:, :-1]), axis=1)
    return dimension


def _topics(real: Floats, seed: int) -> Topics:
    """By k-means; a small topic's deviations lean on those of all posts, as if it had ten posts more."""
    import faiss

    faiss.omp_set_num_threads(1)
    clusters: Any = faiss.Kmeans(DIMENSION, _TOPICS, niter=20, seed=seed)
    clusters.train(real)
    topic = clusters.index.search(real, 1)[1][:, 0]
    off = real - clusters.centroids[topic]
    spread, axes = np.linalg.eigh(off.T @ off / len(off))
    spread, axes = np.maximum(spread[::-1], 0), np.ascontiguousarray(axes[:, ::-1].T)
    count = np.bincount(topic, minlength=_TOPICS)
    squares = np.zeros((_TOPICS, DIMENSION))
    np.add.at(squares, topic, (off @ axes.T) ** 2)
    deviation = np.sqrt((squares + 10 * spread) / (count + 10)[:, None]).astype(np.float32)
    return Topics(count / count.sum(), clusters.centroids, axes, deviation)


def _any_tree(rng: np.random.Generator) -> Tree:
    low, high = np.log((500, 0.05, 5_000, 0.05, 0.3, 0.3)), np.log((10_000, 0.4, 100_000, 0.5, 1.2, 5))
    return _tree(np.exp(rng.uniform(low, high)))


def _beside(tree: Tree, rng: np.random.Generator) -> Tree:
    return _tree(np.array(astuple(tree)) * np.exp(0.2 * rng.standard_normal(6)))


def _tree(numbers: Shares) -> Tree:
    subtopics, of_subtopics, threads, of_threads, skew, evenness = numbers.tolist()
    shares = min(of_subtopics, 0.9), min(of_threads, 0.9)
    return Tree(min(int(subtopics), 20_000), shares[0], min(int(threads), 150_000), shares[1], skew, evenness)


def _falling(count: int, exponent: float) -> Shares:
    """Shares that fall with the rank, by Zipf's law with a flat top."""
    shares = (np.arange(count) + 50.0) ** -exponent
    return np.asarray(shares / shares.sum(), np.float64)


def _completed(axes: Floats) -> Floats:
    """Some nearly orthonormal rows made orthonormal, and the others that complete the basis."""
    others = np.random.default_rng(1).standard_normal((DIMENSION - len(axes), DIMENSION))
    q, r = np.linalg.qr(np.concatenate([axes, others]).T)
    return np.ascontiguousarray((q * np.sign(np.diag(r))).T, np.float32)


def embedded(seed: int) -> Floats:
    """The vectors of all real posts, shuffled."""
    from embeddings.encoder import load_encoder

    texts = [text for text in real_posts(random.Random(seed), _ALL_POSTS) if text]
    if not texts:
        raise NotFound(
            "the posts of reddit_top are not in ../shared/data: the mixture needs no fit to be used"
        )
    return load_encoder(threads=1).encode(texts)


def likeness(real: Floats, made: Floats) -> dict[str, float]:
    """Both sides of what a fit compares, and of the spectrum."""
    told: dict[str, float] = {}
    for name, vectors in (("real", real), ("drawn", made)):
        for size, quantiles in zip(_SIZES, nearness(vectors), strict=True):
            cosines = zip(_NEIGHBOURS.tolist(), quantiles[1], strict=False)
            told |= {f"{name}_cosine_of_neighbour_{rank}_of_{size}": float(at) for rank, at in cosines}
            told[f"{name}_intrinsic_dimension_of_{size}"] = float(np.exp(5 * quantiles[1, -1]))
        spectrum = np.cumsum(np.linalg.eigvalsh(np.cov(vectors.T))[::-1])
        for share in (0.5, 0.9):
            axes = int(np.searchsorted(spectrum, share * spectrum[-1])) + 1
            told[f"{name}_axes_with_{share:.0%}_of_variance"] = axes
    return told


def main(
    refit: Annotated[bool, typer.Option("--fit", help="Fit the mixture again and store it.")] = False,
    tries: Annotated[int, typer.Option(min=4, help="With --fit: trees to try.")] = 120,
    seed: Annotated[int, typer.Option(help="Of the fit and of what is drawn.")] = 1,
    json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Compare drawn vectors with real ones, such as `python -m benchmarks.vectors --json`."""
    real = embedded(seed)
    if refit:
        save(fit(real, seed, tries))
        fitted.cache_clear()
    made = drawn(np.random.default_rng(seed + 1), len(real))
    emit({"posts": len(real), "seed": seed, **likeness(real, made)}, json)


if __name__ == "__main__":
    typer.run(main)
