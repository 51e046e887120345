import time

import pytest
from feedrank.v1 import types_pb2 as t
from hypothesis import given, settings
from hypothesis import strategies as st

from ranker import filters
from ranker.pipeline import Filter
from ranker.text import fold
from tests.ranker.network import Town


def removed(town: Town, remove: Filter, **ask: str) -> set[str]:
    posts = town.candidates()
    return set(town.names(posts.slot[remove(town.query("vera", **ask), posts)]))


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("spoiler", "a SPOILER here"),
        ("spoiler", "spoiler"),
        ("straße", "die STRASSE"),
        ("ice cream", "more ice cream please"),
        ("日本", "今日の日本語"),
    ],
)
def test_a_muted_word_takes_out_posts_that_hold_it(word: str, text: str) -> None:
    town = Town()
    town.post("bad", text=text)
    town.post("good", text="nothing of the sort, no spoil, no ice and no cream")
    town.prefer("vera", muted_words=[word])
    assert removed(town, filters.muted_words) == {"bad"}


def test_a_muted_word_counts_in_prompts_and_in_the_post_that_is_shown_again() -> None:
    town = Town()
    town.post("prompted", media=[t.Media(kind=t.MEDIA_KIND_IMAGE, prompt="a spoiler on a car")])
    town.post("plain", text="fine")
    town.post("quote", text="look", quote_of_id="prompted")
    town.prefer("vera", muted_words=["spoiler"])
    assert removed(town, filters.muted_words) == {"prompted", "quote"}


def test_muted_words_of_others_change_nothing() -> None:
    town = Town()
    town.post("bad", text="a spoiler")
    town.prefer("ben", muted_words=["spoiler"])
    assert removed(town, filters.muted_words) == set()


def test_a_post_without_words_and_an_empty_muted_word_are_no_match() -> None:
    town = Town()
    town.posts("wordless", "worded", text="")
    town.post("worded", text="words")
    town.prefer("vera", muted_words=["", "  ", "x"])
    assert removed(town, filters.muted_words) == set()


def test_posts_in_languages_not_chosen_go_but_not_those_of_unknown_language() -> None:
    town = Town()
    for language in ("de", "de-AT", "en", "und"):
        town.post(language, language=language)
    town.prefer("vera", languages=["de"])
    assert removed(town, filters.other_language) == {"en"}


def test_a_chosen_language_that_nobody_writes_leaves_only_the_unknown() -> None:
    town = Town()
    for language in ("de", "und"):
        town.post(language, language=language)
    town.prefer("vera", languages=["is"])
    assert removed(town, filters.other_language) == {"de"}


def test_posts_outside_the_community_go() -> None:
    town = Town()
    town.post("in", community_id="chess")
    town.post("out", community_id="go")
    town.post("nowhere")
    assert removed(town, filters.other_community, community_id="chess") == {"out", "nowhere"}


def test_posts_with_a_hidden_label_go_whatever_its_case() -> None:
    town = Town()
    town.post("bare", safety_labels=["nudity", "art"])
    town.post("gory", safety_labels=["violence"])
    town.prefer("vera", hidden_safety_labels=["Nudity"])
    assert removed(town, filters.safety_label) == {"bare"}


@pytest.fixture
def made() -> Town:
    town = Town()
    for name in ("HUMAN", "AI_ASSISTED", "AI_GENERATED", "UNSPECIFIED"):
        town.post(name.lower(), provenance=t.Provenance.Value(f"PROVENANCE_{name}"))
    return town


def test_nothing_made_with_ai_means_neither_generated_nor_assisted(made: Town) -> None:
    made.prefer("vera", ai_level=t.AI_LEVEL_NONE)
    assert removed(made, filters.ai_content) == {"ai_assisted", "ai_generated"}


@pytest.mark.parametrize("level", [t.AI_LEVEL_UNSPECIFIED, t.AI_LEVEL_FEW, t.AI_LEVEL_BALANCED])
def test_other_levels_remove_nothing(made: Town, level: t.AiLevel.ValueType) -> None:
    made.prefer("vera", ai_level=level)
    assert removed(made, filters.ai_content) == set()


def test_replies_and_reposts_of_unknown_posts_go_and_quotes_stay() -> None:
    town = Town()
    town.post("known")
    for form in ("reply_to_id", "repost_of_id", "quote_of_id"):
        town.post(f"{form} known", **{form: "known"})
        town.post(f"{form} unknown", **{form: "somewhere else"})
    assert removed(town, filters.without_context) == {"reply_to_id unknown", "repost_of_id unknown"}


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.sampled_from(["a", "ab", "b", "a b", "b a b", "猫", "a 猫", "!"]), min_size=1, max_size=6),
    st.lists(st.text("ab 猫!", max_size=12), min_size=1, max_size=4),
)
def test_posts_go_whose_folded_text_holds_a_folded_word(words: list[str], texts: list[str]) -> None:
    town = Town()
    town.prefer("vera", muted_words=words)
    for i, text in enumerate(texts):
        town.post(f"p{i}", text=text)
    muted = [fold(word) for word in words if fold(word).strip()]
    holding = {f"p{i}" for i, text in enumerate(texts) if any(word in fold(text) for word in muted)}
    assert removed(town, filters.muted_words) == holding


def test_two_hundred_muted_words_are_sought_in_long_texts_in_a_moment() -> None:
    town = Town()
    town.prefer("vera", muted_words=[f"word{i}" for i in range(200)])
    for i in range(30):
        town.post(f"p{i}", text="wordy " * 1_600)
    removed(town, filters.muted_words)
    began = time.thread_time()
    assert removed(town, filters.muted_words) == set()
    assert time.thread_time() - began < 0.02  # a pass for each word took 0.1 s
