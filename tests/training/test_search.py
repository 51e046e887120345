"""The search for knobs: seeded, within its budget, and never worse than where it began."""

import time

from tests.training.test_train import KNOBS, made_up
from training.search import TURNED, search


def test_a_search_is_no_worse_than_what_it_began_with() -> None:
    said: list[str] = []
    found = search(made_up(), KNOBS, 60, said.append, trials=3)
    assert found.loss <= found.first_loss < 1
    assert found.trials == len(said) == 3


def test_the_same_seed_searches_the_same_way() -> None:
    one, two = (search(made_up(), KNOBS, 60, trials=3) for _ in range(2))
    assert one == two


def test_what_is_not_searched_stays_as_it_was() -> None:
    found = search(made_up(), KNOBS, 60, trials=2).knobs
    assert found.model_dump(exclude=set(TURNED)) == KNOBS.model_dump(exclude=set(TURNED))


def test_a_search_ends_with_its_time() -> None:
    began = time.monotonic()
    assert search(made_up(), KNOBS, 0.5).trials >= 1
    assert time.monotonic() - began < 20
