"""The playground's posts: columns first, words when one is asked for."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from training.playground.people import Floats, People
from training.playground.words import TOPICS

DAY_MS = 86_400_000


class Form(IntEnum):
    """What a post is."""

    WORDS = 0
    PHOTO = 1
    GENERATED = 2
    REPLY = 3
    REPOST = 4
    QUOTE = 5
    REMIX = 6


_SHARES = {
    Form.WORDS: 0.50,
    Form.PHOTO: 0.10,
    Form.GENERATED: 0.12,
    Form.REPLY: 0.14,
    Form.REPOST: 0.07,
    Form.QUOTE: 0.04,
    Form.REMIX: 0.03,
}
LABELS = {"watercolour": "nsfw", "trail-running": "graphic"}
_CHOICES = 24  # earlier posts among which an answer finds its target


@dataclass(frozen=True)
class Posts:
    """Columns by post, n of them, oldest first."""

    author: npt.NDArray[np.int32]  # (n,)
    created_ms: npt.NDArray[np.int64]  # (n,)
    form: npt.NDArray[np.int8]  # (n,) a Form
    target: npt.NDArray[np.int32]  # (n,) the post it answers, shows again, quotes or remixes; -1 for none
    topic: npt.NDArray[np.int8]  # (n,)
    language: npt.NDArray[np.int8]  # (n,)
    quality: Floats  # (n,) hidden, about standard normal
    generated: npt.NDArray[np.bool_]  # (n,) holds a generated picture
    labelled: npt.NDArray[np.bool_]  # (n,) has a safety label


def posts(
    people: People, authors: int, count: int, start_ms: int, end_ms: int, rng: np.random.Generator
) -> Posts:
    """That many posts between two moments, more by day than by night."""
    author = _authors(people, authors, count, rng)
    form = _forms(people, author, rng)
    topic = _topics(people, author, rng)
    language = _languages(people, author, rng)
    quality = (0.5 * people.quality[author] + 0.87 * rng.standard_normal(count)).astype(np.float32)
    target = _targets(people, author, form, topic, language, quality, rng)
    form[(form >= Form.REPLY) & (target < 0)] = Form.WORDS
    _take_over(form, target, topic, language, quality)
    return Posts(
        author=author,
        created_ms=moments(count, start_ms, end_ms, rng),
        form=form,
        target=target,
        topic=topic,
        language=language,
        quality=quality,
        generated=(form == Form.GENERATED) | (form == Form.REMIX),
        labelled=_labelled(form, topic, rng),
    )


def moments(count: int, start_ms: int, end_ms: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Sorted moments: three in four by a daily wave with its height at 19:00 UTC, the rest at any time."""
    spread = rng.integers(start_ms, end_ms, count)
    hour = np.clip(rng.normal(19, 3.5, count), 0, 23.99) * 3_600_000
    waved = spread - spread % DAY_MS + hour.astype(np.int64)
    inside = (waved >= start_ms) & (waved < end_ms) & (rng.random(count) < 0.75)
    return np.sort(np.where(inside, waved, spread))


def _authors(people: People, authors: int, count: int, rng: np.random.Generator) -> npt.NDArray[np.int32]:
    weight = people.activity[:authors].astype(np.float64)
    return rng.choice(authors, count, p=weight / weight.sum()).astype(np.int32)


def _forms(people: People, author: npt.NDArray[np.int32], rng: np.random.Generator) -> npt.NDArray[np.int8]:
    """By the shares; who dislikes generated pictures makes none."""
    form = rng.choice(list(_SHARES), len(author), p=list(_SHARES.values())).astype(np.int8)
    makes = (form == Form.GENERATED) | (form == Form.REMIX)
    form[makes & (people.ai_attitude[author] < -0.5)] = Form.WORDS
    return form


def _topics(people: People, author: npt.NDArray[np.int32], rng: np.random.Generator) -> npt.NDArray[np.int8]:
    """Mostly one of the author's home topics."""
    liking = people.taste[author] ** 3 * rng.random((len(author), len(TOPICS)))
    topic: npt.NDArray[np.int8] = np.argmax(liking, axis=1).astype(np.int8)
    return topic


def _languages(
    people: People, author: npt.NDArray[np.int32], rng: np.random.Generator
) -> npt.NDArray[np.int8]:
    """The mother tongue; one time in ten English, by those who read it."""
    english = people.reads[author, 0] & (rng.random(len(author)) < 0.1)
    return np.where(english, 0, people.language[author]).astype(np.int8)


def _targets(
    people: People,
    author: npt.NDArray[np.int32],
    form: npt.NDArray[np.int8],
    topic: npt.NDArray[np.int8],
    language: npt.NDArray[np.int8],
    quality: Floats,
    rng: np.random.Generator,
) -> npt.NDArray[np.int32]:
    """For each answer the best of a few recent posts by taste and quality; -1 where none fits."""
    target = np.full(len(author), -1, np.int32)
    answers = np.flatnonzero(form >= Form.REPLY)
    back = 1 + rng.exponential(max(20, len(author) / 40), (len(answers), _CHOICES))
    choices = np.maximum(answers[:, None] - back.astype(np.int64), -1)
    who = author[answers][:, None]
    fits = (choices >= 0) & (form[choices] < Form.REPLY) & (author[choices] != who)
    fits &= people.reads[who, language[choices]]
    fits &= (form[choices] == Form.GENERATED) | (form[answers] != Form.REMIX)[:, None]
    appeal = people.taste[who, topic[choices]] + 0.3 * quality[choices] + 0.2 * rng.random(choices.shape)
    best = np.argmax(np.where(fits, appeal, -np.inf), axis=1)
    rows = np.arange(len(answers))
    target[answers] = np.where(fits[rows, best], choices[rows, best], -1)
    return target


def _take_over(
    form: npt.NDArray[np.int8],
    target: npt.NDArray[np.int32],
    topic: npt.NDArray[np.int8],
    language: npt.NDArray[np.int8],
    quality: Floats,
) -> None:
    """An answer has its target's topic; a reply its language too; a repost is as good as what it shows."""
    answers = np.flatnonzero(target >= 0)
    topic[answers] = topic[target[answers]]
    same = answers[np.isin(form[answers], (Form.REPLY, Form.REPOST))]
    language[same] = language[target[same]]
    again = answers[form[answers] == Form.REPOST]
    quality[again] = quality[target[again]]


def _labelled(
    form: npt.NDArray[np.int8], topic: npt.NDArray[np.int8], rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """One in twelve posts and photos on the topics that have a label."""
    can = np.isin(topic, [TOPICS.index(topic) for topic in LABELS]) & (form <= Form.PHOTO)
    return can & (rng.random(len(form)) < 1 / 12)
