"""The playground's people: who they are, what they read, what they like."""

import random
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.playground.words import LANGUAGES, TOPICS

Floats = npt.NDArray[np.float32]

_LANGUAGE_SHARES = {"en": 0.52, "fr": 0.11, "es": 0.11, "de": 0.08, "id": 0.07, "pt": 0.06, "ar": 0.05}
_NAMES = {
    "en": "ada amos bea callum cora dev edie ezra finn freya gwen hollis imani iris jonah june kofi lark leo "
    "mabel maeve milo nadia niall nora odell omar otis pearl priya quinn rhys rosa ruth sami saoirse silas "
    "tamsin tess theo tomasz uma vera wes winnie xan yusuf zadie zoe abena ansel blythe bram cleo dara elio "
    "fern greta hamish ines jory kit lena mira nico oona petra rafe signe tova umar vik wren",
    "fr": "amelie baptiste camille celeste clement elodie emile etienne fanny gaspard helene jules leonie "
    "lucie margaux mathis noemie oceane pauline remi sylvain thibault yann zelie aurelien",
    "es": "alba amaya benito carmen diego elvira fermin gael itziar jimena lola lucia mateo nerea octavio "
    "paloma pilar ramiro rocio santi sofia tomas ximena yago",
    "de": "anke annika bjarne carla dorte emil friedrich frieda gesa hannes henrike jasper jonas karl leni "
    "lotte matthis merle moritz nele ole rieke svea till wiebke",
    "id": "adi ayu bagus citra dewi dimas eka fitri galih hana intan joko kartika laras made nanda oka putri "
    "rahma ratna sari tari wahyu yuni",
    "pt": "bento bruna caetano cecilia davi duda elis flavia heitor isadora joana luan luiza marcelo nina "
    "otavio pietra raul tainara thiago vitoria zeca",
    "ar": "amal basma dalia fadi farah ghada hadi huda jad karim layla lina maha nour rami rana salma samir "
    "tala yara zain ziad",
}
_CIRCLES = (
    {"ceramics", "watercolour", "knitting", "photography", "sourdough"},
    {"trail-running", "tide-pools", "birds", "urban-gardening", "astronomy"},
    {"chess", "jazz", "open-source", "train-travel"},
    {"football", "local-council", "parenting", "bike-repair"},
)


@dataclass(frozen=True)
class People:
    """Columns by user, n of them; T topics and L languages in the order of words.TOPICS and LANGUAGES."""

    ids: list[str]
    language: npt.NDArray[np.int8]  # (n,) the mother tongue
    reads: npt.NDArray[np.bool_]  # (n, L)
    taste: Floats  # (n, T) 0 to 1; 0.6 and more for one to three home topics
    quality: Floats  # (n,) how well one posts, standard normal
    ai_attitude: Floats  # (n,) liking for generated pictures, standard normal
    activity: Floats  # (n,) mean 1


def people(count: int, rng: np.random.Generator) -> People:
    """That many people, drawn independently."""
    language = rng.choice(len(LANGUAGES), count, p=list(_LANGUAGE_SHARES.values())).astype(np.int8)
    activity = rng.lognormal(0.0, 0.7, count)
    return People(
        ids=_handles(language, rng),
        language=language,
        reads=_reads(language, rng),
        taste=tastes(count, rng),
        quality=rng.standard_normal(count, dtype=np.float32),
        ai_attitude=rng.standard_normal(count, dtype=np.float32),
        activity=(activity / activity.mean()).astype(np.float32),
    )


def _reads(language: npt.NDArray[np.int8], rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    reads = rng.random((len(language), len(LANGUAGES))) < 0.06
    reads[:, 0] |= rng.random(len(language)) < 0.7
    reads[np.arange(len(language)), language] = True
    return reads


def tastes(count: int, rng: np.random.Generator) -> Floats:
    """One to three home topics each, the others of their circle a little, the rest hardly: (count, T)."""
    near = np.array([[any({a, b} <= circle for circle in _CIRCLES) for b in TOPICS] for a in TOPICS])
    order = np.argsort(rng.random((count, len(TOPICS))), axis=1)[:, :3]
    homes = 1 + rng.integers(0, 3, count)
    taste = 0.15 * rng.random((count, len(TOPICS)))
    for rank, liking in enumerate((1.0, 0.8, 0.65)):
        has = np.flatnonzero(homes > rank)
        taste[has] = np.maximum(taste[has], 0.3 * near[order[has, rank]] * rng.random((len(has), 1)))
        taste[has, order[has, rank]] = np.maximum(taste[has, order[has, rank]], liking)
    return taste.astype(np.float32)


def _handles(language: npt.NDArray[np.int8], rng: np.random.Generator) -> list[str]:
    """Readable and unique: plain names first, then with an initial, an underscore, a number."""
    draw = random.Random(int(rng.integers(2**32)))
    names = [_NAMES[tag].split() for tag in LANGUAGES]
    taken: dict[str, None] = {}
    for tongue in language:
        name = draw.choice(names[tongue])
        letter = draw.choice("abcdefghjklmnoprstvwz")
        styles = [name, f"{name}.{letter}", f"{name}_", f"{letter}_{name}", f"{name}{letter}"]
        styles += [f"{name}{number}" for number in draw.sample(range(2, 100_000), 8)]
        taken[next(style for style in styles[draw.randrange(3) :] if style not in taken)] = None
    return list(taken)
