"""Who follows whom."""

import numpy as np
import numpy.typing as npt

from training.playground.people import People

NOBODY, FOLLOWS, AVOIDS = 0, 1, 2
Standing = npt.NDArray[np.int8]


def standing(people: People, authors: int, rng: np.random.Generator) -> Standing:
    """How each user stands to each of the first `authors` users: NOBODY, FOLLOWS or AVOIDS; (n, authors).

    Users come one after another and follow authors with odds that grow with the followers an author has
    (preferential attachment: Barabasi and Albert, Science 286, 1999) and with shared topics (homophily); an
    author whose language one cannot read is rarely followed. About one pair in three hundred follows is a
    block or mute.
    """
    count = len(people.ids)
    stands = np.zeros((count, authors), np.int8)
    followers = np.zeros(authors, np.float32)
    degree = np.clip(rng.lognormal(np.log(18), 0.7, count), 3, authors // 3).astype(int)
    for user in rng.permutation(count):
        odds = _affinity(people, user, authors) + 0.8 * np.log1p(followers) + rng.gumbel(size=authors)
        if user < authors:
            odds[user] = -np.inf
        chosen = np.argpartition(odds, -degree[user])[-degree[user] :]
        stands[user, chosen] = np.where(rng.random(degree[user]) < 1 / 300, AVOIDS, FOLLOWS)
        followers[chosen] += 1
    return stands


def _affinity(people: People, user: int, authors: int) -> npt.NDArray[np.float32]:
    """The logarithm of the odds that come from who the two are."""
    shared = people.taste[:authors] @ people.taste[user]
    readable = people.reads[user, people.language[:authors]]
    affinity: npt.NDArray[np.float32] = 3 * shared + 0.3 * people.quality[:authors] - 4 * ~readable
    return affinity
