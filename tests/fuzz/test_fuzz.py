"""A short run of every surface; the long one is `python -m tests.fuzz --inputs 1000000`."""

from pathlib import Path
from random import Random

import pytest
import structlog

from tests.fuzz import hostile, messages, wire
from tests.fuzz.rpc import METHODS
from tests.fuzz.runner import drawn, fuzz, hush
from tests.fuzz.surface import Broken, Input, Step, load
from tests.fuzz.surfaces import SURFACES

_INPUTS = {"rpc": 1_500, "journal": 600, "snapshot": 30, "archive": 60, "impressions": 60, "link": 100}


@pytest.mark.parametrize("name", SURFACES)
def test_no_input_breaks_a_surface(name: str, tmp_path: Path) -> None:
    before = structlog.get_config()
    hush()
    try:
        numbers = range(_INPUTS.get(name, 200))
        report = fuzz(SURFACES[name].make(), name, seed=5, numbers=numbers, corpus=tmp_path)
    finally:
        structlog.configure(**before)
    assert report.findings == []
    assert len(report.outcomes) > 1  # else all are refused, or none


def test_every_method_of_the_contract_is_drawn() -> None:
    surface = SURFACES["rpc"].make()
    inputs = [drawn(surface, "rpc", 1, number) for number in range(12_000)]
    assert {step.name.partition(" ")[0] for one in inputs for step in one} == set(METHODS)


@pytest.mark.parametrize("method", METHODS)
def test_what_is_drawn_without_hostility_can_be_read(method: str) -> None:
    from google.protobuf.message_factory import GetMessageClass

    of = METHODS[method].input_type
    for seed in range(20):
        GetMessageClass(of).FromString(wire.encoded(messages.message(Random(seed), of, 0.0)))


def test_a_seed_and_a_number_make_one_input() -> None:
    surface = SURFACES["journal"].make()
    assert (
        drawn(surface, "journal", 1, 7) == drawn(surface, "journal", 1, 7) != drawn(surface, "journal", 1, 8)
    )


class _Fragile:
    """A surface that breaks in three ways."""

    def __enter__(self) -> "_Fragile":
        return self

    def __exit__(self, *_: object) -> None: ...

    def draw(self, random: Random) -> Input:
        return (Step("word", random.choice((b"good", b"bad", b"worse"))),)

    def run(self, given: Input) -> str:
        if given[0].content == b"bad":
            raise Broken("bad")
        return {b"good": "fine"}[given[0].content]

    def settle(self) -> None:
        raise Broken("unsettled")


def test_what_breaks_is_told_and_kept(tmp_path: Path) -> None:
    report = fuzz(_Fragile(), "fragile", seed=1, numbers=range(30), corpus=tmp_path)
    told = "\n".join(report.findings)
    assert "bad" in told
    assert "KeyError" in told
    assert "unsettled" in told
    assert {load(path)[0].content for path in tmp_path.iterdir()} == {b"bad", b"worse"}


def test_hostile_texts_hold_what_they_say() -> None:
    drawn_ones = "".join(hostile.text(Random(seed)) for seed in range(300))
    assert {"\u202e", "\u200b", "\x00", "\u0301"} <= set(drawn_ones)
    with pytest.raises(UnicodeDecodeError):
        hostile.broken_utf8(Random(1)).decode()
