"""Results: what benchmarks measured, several runs of each, as one JSON file."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ranker.errors import InvalidArgument
from ranker.terminal import as_json

FORMAT = 1

Run = dict[str, Any]
"""One flat object, as a benchmark prints it."""


@dataclass
class Measured:
    """The runs of one benchmark."""

    question: str
    options: list[str]
    """As it was called; comparable are runs with equal options."""
    runs: list[Run] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """The last words of runs that failed."""

    def values(self) -> dict[str, list[float]]:
        """The numbers of all runs by key, in the order of the first run."""
        keys = self.runs[0] if self.runs else {}
        found: dict[str, list[Any]] = {key: [run.get(key) for run in self.runs] for key in keys}
        return {key: [float(x) for x in xs] for key, xs in found.items() if all(map(_number, xs))}


@dataclass
class Results:
    """Benchmarks by name, and where they ran."""

    environment: dict[str, str | int]
    measured: dict[str, Measured] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def machine(self) -> str:
        """Processor, cores and system."""
        return ", ".join(str(self.environment.get(name)) for name in ("cpu", "cores", "system"))

    @property
    def commits(self) -> list[str]:
        """Those at which there were runs, as they came."""
        runs = [run for one in self.measured.values() for run in one.runs]
        return list(dict.fromkeys(run["environment"]["commit"] for run in runs if "environment" in run))

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.tmp")
        temporary.write_text(as_json(asdict(self), indent=1) + "\n")
        os.replace(temporary, path)

    @classmethod
    def load(cls, path: Path) -> "Results":
        """Read what `save` wrote. Raises InvalidArgument with what is wrong."""
        try:
            document = json.loads(path.read_text())
            measured = {name: Measured(**one) for name, one in document.pop("measured").items()}
            found = cls(**document, measured=measured)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            repair = "write one with `feedrank bench run --out`"
            raise InvalidArgument("results", f"{path} holds no results ({error}): {repair}") from error
        if found.format != FORMAT:
            raise InvalidArgument("results", f"{path} has format {found.format}, this version reads {FORMAT}")
        return found


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
