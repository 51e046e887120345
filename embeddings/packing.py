"""Texts packed end to end: the layers of a BERT run over the tokens of a batch, and over no padding.

All but attention works token by token, so the tokens of many texts pass through it as one long row; attention
takes one run of equally long texts after another. (ByteTransformer, Zhai et al. 2022, arXiv:2210.03052, packs
so on a GPU.) Importing this module does not import torch.
"""

from collections.abc import Sequence
from itertools import accumulate, chain, groupby
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

PACKABLE = frozenset({"bert", "camembert", "electra", "roberta", "xlm-roberta"})
"""The kinds of model whose attention looks at the whole text, and at nothing but the text."""

_NAME = "feedrank_packed"


def allow_packing(model: "SentenceTransformer") -> bool:
    """Let a model take packed features as well as its own; False where its kind can't."""
    transformer: Any = model[0]
    config = getattr(transformer, "config", None)
    if getattr(config, "model_type", None) not in PACKABLE or getattr(config, "is_decoder", False):
        return False
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(_NAME, _attention)
    AttentionMaskInterface.register(_NAME, sdpa_mask)
    transformer.model.set_attn_implementation(_NAME)
    return True


def packed_features(model: "SentenceTransformer", tokens: Sequence[Sequence[int]]) -> dict[str, Any]:
    """The features of texts, given as token ids, for a model that `allow_packing` allowed.

    Texts of equal length should stand together. Pooling reads `cu_seq_lens_q`, where each text begins and
    the last one ends, and attention `runs`, pairs of how many texts and how many tokens each.
    """
    import torch

    lengths = [len(ids) for ids in tokens]
    positions = torch.cat([torch.arange(length) for length in lengths]) + _first_position(model)
    device = model.device
    return {
        "input_ids": torch.tensor([list(chain.from_iterable(tokens))], device=device),
        "position_ids": positions[None].to(device),
        "cu_seq_lens_q": torch.tensor([0, *accumulate(lengths)], device=device),
        "runs": [(len(list(alike)), length) for length, alike in groupby(lengths)],
    }


def _first_position(model: "SentenceTransformer") -> int:
    """A RoBERTa counts positions from after the padding's; a BERT from 0."""
    transformer: Any = model[0]
    return int(getattr(transformer.model.embeddings, "padding_idx", -1)) + 1


def _attention(
    module: Any,
    query: Any,
    key: Any,
    value: Any,
    attention_mask: Any,
    runs: Sequence[tuple[int, int]] | None = None,
    **options: Any,
) -> tuple[Any, None]:
    """Attention as transformers calls it: from (1, heads, tokens, size) to (1, tokens, heads, size)."""
    import torch
    from transformers.integrations import sdpa_attention

    attend: Any = sdpa_attention.sdpa_attention_forward
    if runs is None:
        return attend(module, query, key, value, attention_mask, **options)[0], None
    seen = torch.empty_like(query.transpose(1, 2))
    end = 0
    for texts, length in runs:
        start, end = end, end + texts * length
        whole = (part[0, :, start:end] for part in (query, key, value))
        run = (part.unflatten(1, (texts, length)).transpose(0, 1) for part in whole)
        seen[0, start:end] = attend(module, *run, None, **options)[0].flatten(0, 1)
    return seen, None
