"""The models folder: which bundle scores now.

The journal says which version is active; here it is loaded. While it can't be, the one before goes on
serving.
"""

import threading
from pathlib import Path

import structlog

from ranker import bundle, features, heads
from ranker.errors import BundleError
from ranker.pipeline import Scorer
from ranker.prior import VERSION as PRIOR
from ranker.prior import Prior

log = structlog.get_logger()


class Models:
    """Bundles by version; the active one in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._active: Scorer = Prior()
        self._refused: str | None = None
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

    def scorer(self, version: str) -> tuple[Scorer, bool]:
        """The version's scorer and True; or the one that served before and False when it can't be loaded."""
        wanted = version or PRIOR
        if self._active.version != wanted and self._refused != wanted:
            with self._lock:
                self._switch(wanted)
        active = self._active
        return active, active.version == wanted

    def _switch(self, wanted: str) -> None:
        if self._active.version == wanted:
            return
        try:
            self._active = self.load(wanted)
            self._refused = None
            log.info("model_active", version=wanted)
        except BundleError as error:
            self._refused = wanted
            log.error("model_refused", version=wanted, reason=str(error))

    def retry(self) -> None:
        """Try a refused version again with the next request."""
        self._refused = None
