import numpy as np
import pytest
from feedrank.v1 import types_pb2

from ranker import heads
from ranker.events import COUNTERS, NUMBERS
from ranker.heads import HEADS, Head

every_head = pytest.mark.parametrize("head", HEADS, ids=heads.NAMES)


@every_head
def test_a_head_is_labelled_by_event_kinds_of_the_contract(head: Head) -> None:
    assert set(head.numbers) <= set(types_pb2.EventKind.values())
    assert head.counter in COUNTERS


@every_head
def test_a_head_has_a_horizon_a_weight_and_a_base_rate(head: Head) -> None:
    assert head.horizon_ms > 0
    assert head.weight != 0
    assert 0 < head.base_rate < 1


def test_an_event_kind_labels_at_most_one_head() -> None:
    kinds = [kind for head in HEADS for kind in head.kinds]
    assert len(kinds) == len(set(kinds))


def test_every_kind_but_the_impression_labels_a_head() -> None:
    assert {kind for head in HEADS for kind in head.kinds} == set(NUMBERS) - {"impression"}


def test_what_must_not_happen_has_a_negative_weight() -> None:
    bad = {head.name for head in HEADS if head.weight < 0}
    assert bad == {"hide", "mute_or_block", "report"}


def test_names_and_weights_follow_from_the_declarations() -> None:
    assert tuple(head.name for head in HEADS) == heads.NAMES
    assert np.array_equal(heads.WEIGHTS, [head.weight for head in HEADS])
