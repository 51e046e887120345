import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranker.state.strings import Strings, hashes
from tests.ranker.state.hashing import siphash

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), max_size=8)


@settings(deadline=None)
@given(TEXTS, st.integers(0, 2**62))
def test_hashes_are_those_of_plain_python(texts: list[str], seed: int) -> None:
    assert hashes(*Strings.of(texts), seed).tolist() == [siphash(text.encode(), seed) for text in texts]


@pytest.mark.skipif(sys.hash_info.algorithm != "siphash13", reason="this Python hashes otherwise")
def test_hashes_of_the_seed_0_are_those_of_python_itself() -> None:
    texts = ["wren", "a" * 8, "é" * 33]
    told = subprocess.run(
        [sys.executable, "-c", f"print(*[hash(text.encode()) for text in {texts!r}])"],
        env=os.environ | {"PYTHONHASHSEED": "0"}, capture_output=True, check=True, text=True,
    )  # fmt: skip
    assert hashes(*Strings.of(texts), 0).astype(np.int64).tolist() == list(map(int, told.stdout.split()))


def test_strings_that_share_their_murmur_hash_under_any_seed_do_not_share_theirs() -> None:
    texts = ["}@\u71a1%\u0754\u019cG\u9203\u00c8", "}@*m\x06@5\x06\u019c\x04\x03$ik\x17"]
    assert len(set(hashes(*Strings.of(texts), 5).tolist())) == 2


@given(TEXTS)
def test_strings_are_the_bytes_of_their_texts(texts: list[str]) -> None:
    buffer, start, length = Strings.of(texts)
    raw = [buffer[a : a + n].tobytes() for a, n in zip(start, length, strict=True)]
    assert raw == [text.encode() for text in texts]


def test_only_some_strings_stay_in_the_wanted_order() -> None:
    some = Strings.of(["a", "bcd", "e"]).only(np.array([1, 0]))
    assert hashes(*some, 7).tolist() == hashes(*Strings.of(["bcd", "a"]), 7).tolist()
