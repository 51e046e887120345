"""Runs inputs: counts what came of them, times them, keeps what broke, looks at memory."""

import gc
import time
import traceback
from collections import Counter
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import structlog

from ranker.service import resident_bytes
from tests.fuzz.surface import Broken, Input, Surface, last_error, save

SLOW_S = 1.0
_HANGS_S = 5.0
_SETTLE_EVERY = 2_000
_KEPT = 20


@dataclass
class Report:
    """What a run of one surface came to."""

    surface: str
    inputs: int = 0
    seconds: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    slowest: int = -1
    start_mib: float = 0.0
    end_mib: float = 0.0

    def tell(self) -> dict[str, object]:
        """As JSON."""
        return {
            "surface": self.surface, "inputs": self.inputs,
            "per_s": round(self.inputs / max(self.seconds, 1e-9)),
            "seconds": round(self.seconds, 1), "outcomes": dict(self.outcomes.most_common()),
            "findings": self.findings, "slowest_ms": round(1e3 * self.slowest_s, 1), "slowest": self.slowest,
            "start_mib": round(self.start_mib, 1), "end_mib": round(self.end_mib, 1),
        }  # fmt: skip


def drawn(surface: Surface, name: str, seed: int, number: int) -> Input:
    """The input of a seed and a number."""
    return surface.draw(Random(f"{seed} {name} {number}"))


def fuzz(
    surface: Surface,
    name: str,
    *,
    seed: int,
    numbers: range,
    corpus: Path | None = None,
    tell: Callable[[Report, int], None] = lambda *_: None,
) -> Report:
    """Put a range of inputs in. What breaks is kept in `corpus` and does not end the run.

    Memory is first looked at when a tenth of the inputs, at most 20,000, have filled what is bounded.
    """
    report, began = Report(name), time.monotonic()
    warm = numbers[min(len(numbers) // 10, 20_000)] if len(numbers) else 0
    with surface:
        for number in numbers:
            if number == warm:
                report.start_mib = _mib()
            given = drawn(surface, name, seed, number)
            _put(surface, report, number, given, corpus)
            if report.inputs % _SETTLE_EVERY == 0:
                _settled(surface, report, number)
                report.seconds = time.monotonic() - began
                tell(report, len(numbers))
        _settled(surface, report, numbers[-1] if len(numbers) else 0)
        report.end_mib = _mib()
    report.seconds = time.monotonic() - began
    return report


def _put(surface: Surface, report: Report, number: int, given: Input, corpus: Path | None) -> None:
    wrong, began = "", _clocks()
    try:
        outcome = surface.run(given)
    except Broken as broken:
        outcome, wrong = "broken", str(broken)
    except Exception as escaped:
        outcome, wrong = "escaped", f"{type(escaped).__name__}: {escaped}"
    spent = _since(began)
    if spent > SLOW_S and not wrong:
        wrong = _slow(surface, given, spent)
    report.inputs += 1
    report.outcomes[outcome] += 1
    if spent > report.slowest_s:
        report.slowest_s, report.slowest = spent, number
    if wrong:
        report.outcomes["finding"] += 1
        if len(report.findings) < _KEPT:
            report.findings.append(f"{report.surface} {number}: {wrong[:400]}")
            if corpus is not None:
                save(given, corpus / f"{report.surface}-{number}.json")


def _slow(surface: Surface, given: Input, spent: float) -> str:
    """Whether an input is slow by itself: it must be so twice."""
    began = _clocks()
    try:
        surface.run(given)
    except Exception as escaped:
        return f"the second time {escaped!r}"
    again = _since(began)
    return f"took {spent:.2f} s, and {again:.2f} s again" if again > SLOW_S else ""


def _clocks() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _since(began: tuple[float, float]) -> float:
    """Seconds, of those that this process worked where others hold it up; of those that passed past five."""
    passed, worked = (now - then for now, then in zip(_clocks(), began, strict=True))
    return passed if passed > _HANGS_S else min(passed, worked)


def _settled(surface: Surface, report: Report, number: int) -> None:
    try:
        surface.settle()
    except Exception as wrong:
        if len(report.findings) < 2 * _KEPT:
            report.findings.append(f"{report.surface}, up to {number}: {wrong}"[:400])


def _mib() -> float:
    gc.collect()
    return resident_bytes() / 2**20


def hush() -> None:
    """Drop what would be logged: a line an input would be most of the time."""
    structlog.configure(processors=[_drop], cache_logger_on_first_use=False)


def _drop(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if event.get("exc_info"):
        lines = traceback.format_exc().strip().splitlines()
        last_error.append(" | ".join(line.strip() for line in (lines[-1], *lines[-7:-1])))
    raise structlog.DropEvent
