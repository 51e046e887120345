"""The playground's sentences, all our own: a file a language, and the prompts of generated images."""

import random
import re
from types import ModuleType

from training.playground.words import ar, de, en, es, fr, id, prompts, pt  # noqa: A004 -- id is Indonesian

LANGUAGES: dict[str, ModuleType] = {"en": en, "fr": fr, "es": es, "de": de, "id": id, "pt": pt, "ar": ar}
TOPICS: tuple[str, ...] = tuple(en.TOPICS)
GENERATORS = ("lumen-2", "paintbox-xl", "miro-mini")

_CHOICE = re.compile(r"\{([^{}]*)\}")


def lines(block: str) -> list[str]:
    """The sentences of a block: one a line."""
    return block.strip().splitlines()


def said(block: str, rng: random.Random, **names: str) -> str:
    """One sentence of a block, with one of the alternatives in each pair of braces.

    >>> said("{Hello|Hello}, {name}.", random.Random(1), name="Ines")
    'Hello, Ines.'
    """

    def chosen(match: re.Match[str]) -> str:
        return names.get(match[1]) or rng.choice(match[1].split("|"))

    return _CHOICE.sub(chosen, rng.choice(lines(block)))


def on_topic(language: str, topic: str, rng: random.Random) -> str:
    """A post on a topic; two statements in five have a closing word."""
    words = LANGUAGES[language]
    text = said(words.TOPICS[topic], rng)
    asks = text.endswith(("?", "؟"))
    return text if asks or rng.random() > 0.4 else f"{text} {said(words.ENDINGS, rng)}"


def reply(language: str, topic: str, rng: random.Random) -> str:
    """An answer to a post on a topic: half of them a remark, half a story of one's own."""
    story = rng.random() < 0.5
    return on_topic(language, topic, rng) if story else said(LANGUAGES[language].REPLIES, rng)


def thing(topic: str, rng: random.Random) -> str:
    """What a photo on a topic shows, in English: a subject without its scene."""
    subjects: str = _CHOICE.findall(prompts.SUBJECTS[topic])[0]
    return rng.choice(subjects.split("|"))


def prompt(topic: str, rng: random.Random) -> str:
    """What a generated picture on a topic was asked for, in English."""
    return f"{said(prompts.SUBJECTS[topic], rng)}, {said(prompts.STYLES, rng)}"
