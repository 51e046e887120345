"""The models folder: which bundle scores now.

The journal says which version is active; here it is loaded. While it can't be, the one before goes on
serving.
"""

import threading
import time
from pathlib import Path

import structlog

from ranker import bundle, features, heads
from ranker.errors import BundleError
from ranker.pipeline import Scorer
from ranker.prior import VERSION as PRIOR
from ranker.prior import Prior

log = structlog.get_logger()

RETRY_S = 60.0
"""A version that was refused is tried again after so long: its folder may have been mended."""


class Models:
    """Bundles by version; the active one in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.active: Scorer = Prior()
        """What scored last."""
        self._prepared: Scorer = self.active
        self._refused: str | None = None
        self._refused_s = 0.0
        self._lock = threading.Lock()

    def load(self, version: str) -> Scorer:
        """Load a version and check all of it. Raises BundleError; an empty version is the prior."""
        if version in ("", PRIOR):
            return Prior()
        if version not in {path.name for path in self.folder.glob("*") if path.is_dir()}:
            raise BundleError(
                f"there is no bundle {version!r} in {self.folder}: ListModels names those that are there"
            )
        return bundle.load(self.folder / version, features.NAMES, heads.NAMES)

    def prepare(self, version: str) -> Scorer:
        """Load a version, to be at hand when the journal activates it. Raises BundleError."""
        self._prepared = self.load(version)
        self._refused = None
        return self._prepared

    def scorer(self, version: str) -> tuple[Scorer, bool]:
        """The version's scorer and True; or the one that served before and False when it can't be loaded."""
        wanted = version or PRIOR
        if self.active.version != wanted and not self._resting(wanted):
            with self._lock:
                self._switch(wanted)
        active = self.active
        return active, active.version == wanted

    def _resting(self, wanted: str) -> bool:
        return self._refused == wanted and time.monotonic() < self._refused_s + RETRY_S

    def _switch(self, wanted: str) -> None:
        if self.active.version == wanted or self._resting(wanted):
            return
        try:
            prepared = self._prepared
            self.active = prepared if prepared.version == wanted else self.load(wanted)
            log.info("model_active", version=wanted)
        except BundleError as error:
            self._refused, self._refused_s = wanted, time.monotonic()
            log.error("model_refused", version=wanted, reason=str(error))
