"""All surfaces, and what share of the inputs each takes."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.fuzz.journal import Entries
from tests.fuzz.rpc import Calls
from tests.fuzz.surface import Surface


@dataclass(frozen=True)
class Kind:
    """How a surface is made, and its share of the inputs."""

    make: Callable[[], Surface]
    share: float


SURFACES: dict[str, Kind] = {
    "rpc": Kind(Calls, 0.6),
    "journal": Kind(Entries, 0.2),
}
