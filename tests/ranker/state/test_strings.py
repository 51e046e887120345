import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ranker.state.strings import Strings, hashes
from tests.ranker.state.hashing import murmur

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), max_size=8)


@settings(deadline=None)
@given(TEXTS, st.integers(0, 2**62))
def test_hashes_are_those_of_plain_python(texts: list[str], seed: int) -> None:
    assert hashes(*Strings.of(texts), seed).tolist() == [murmur(text.encode(), seed) for text in texts]


@given(TEXTS)
def test_strings_are_the_bytes_of_their_texts(texts: list[str]) -> None:
    buffer, start, length = Strings.of(texts)
    raw = [buffer[a : a + n].tobytes() for a, n in zip(start, length, strict=True)]
    assert raw == [text.encode() for text in texts]


def test_only_some_strings_stay_in_the_wanted_order() -> None:
    some = Strings.of(["a", "bcd", "e"]).only(np.array([1, 0]))
    assert hashes(*some, 7).tolist() == hashes(*Strings.of(["bcd", "a"]), 7).tolist()
