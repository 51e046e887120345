"""All surfaces, and what share of the inputs each takes."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.fuzz.files import Archives, Bundles, Impressions, Snapshots
from tests.fuzz.journal import Entries
from tests.fuzz.rpc import Calls
from tests.fuzz.surface import Surface
from tests.fuzz.texts import Answers, Arguments, Imports, Tomls


@dataclass(frozen=True)
class Kind:
    """How a surface is made, and its share of the inputs."""

    make: Callable[[], Surface]
    share: float


SURFACES: dict[str, Kind] = {
    "rpc": Kind(Calls, 0.70),
    "journal": Kind(Entries, 0.20),
    "snapshot": Kind(Snapshots, 0.005),
    "bundle": Kind(Bundles, 0.02),
    "archive": Kind(Archives, 0.01),
    "impressions": Kind(Impressions, 0.01),
    "imports": Kind(Imports, 0.025),
    "settings": Kind(Tomls, 0.01),
    "arguments": Kind(Arguments, 0.01),
    "link": Kind(Answers, 0.01),
}
