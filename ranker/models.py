"""The models folder: which bundle scores for whom now.

The journal says which versions are in service; here they are held. While the active one can't be loaded, the
one before goes on serving, after a restart too.
"""

import threading
import time
from dataclasses import dataclass
from pathlib import Path

import structlog

from ranker import bundle, features, heads
from ranker.errors import BundleError
from ranker.experiments import PRIOR, InService
from ranker.pipeline import Scorer
from ranker.prior import Prior
from ranker.state import State

log = structlog.get_logger()

RETRY_S = 60.0
"""A version that was refused is tried again after so long: its folder may have been mended."""


@dataclass(frozen=True)
class Serving:
    """What scores for one viewer."""

    scorer: Scorer
    experiment: str = ""
    """The experiment that the answer counts for; empty for none."""
    variant: str = ""
    """The viewer's variant of it."""
    shadow: Scorer | None = None
    """What scores for the log only."""
    wanted: bool = True
    """False: what the journal wants for the viewer can't be loaded, and another model serves."""


class Models:
    """The bundles in service, in memory: the active one, the experiment's and the shadow, no others."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.active: Scorer = Prior()
        """The active model, or what was it before, while that can't be loaded."""
        self._held: dict[str, Scorer] = {self.active.version: self.active}
        self._prepared: dict[str, Scorer] = {}
        self._followed: InService | None = None
        self._lacking = False
        """Whether something in service could not be loaded."""
        self._tried_s = 0.0
        self._lock = threading.Lock()

    def load(self, version: str) -> Scorer:
        """Load a version and check all of it. Raises BundleError."""
        if version == PRIOR:
            return Prior()
        if version not in {path.name for path in self.folder.glob("*") if path.is_dir()}:
            raise BundleError(
                f"there is no bundle {version!r} in {self.folder}: ListModels names those that are there"
            )
        return bundle.load(self.folder / version, features.NAMES, heads.NAMES)

    def prepare(self, *versions: str) -> None:
        """Load versions, to be at hand when the journal puts them into service. Raises BundleError."""
        loaded = {version: self.load(version) for version in versions}
        with self._lock:
            self._prepared = loaded
            self._tried_s = float("-inf")  # one of them may have been refused before

    def serving(self, state: State, viewer_id: str) -> Serving:
        """What scores for a viewer. A viewer without an id is in no experiment.

        Where a variant's bundle can't be loaded, the active model serves, and the answer counts for none.
        """
        in_service = state.in_service
        self.follow(in_service)
        held, experiment = self._held, in_service.experiment
        shadow = held.get(in_service.shadow)
        if experiment is None or not viewer_id:
            return Serving(self.active, shadow=shadow, wanted=in_service.active in held)
        variant = experiment.variant_of(viewer_id)
        if variant.model_version not in held:
            return Serving(self.active, shadow=shadow, wanted=False)
        return Serving(held[variant.model_version], experiment.name, variant.name, shadow)

    def follow(self, in_service: InService) -> None:
        """Hold what is in service, and nothing else. What can't be loaded is logged, and tried again."""
        if self._due(in_service):
            with self._lock:
                if self._due(in_service):  # another request may have done it meanwhile
                    self._follow(in_service)

    def _due(self, in_service: InService) -> bool:
        again = self._lacking and time.monotonic() >= self._tried_s + RETRY_S
        return again or in_service is not self._followed

    def _follow(self, in_service: InService) -> None:
        at_hand = self._held | self._prepared
        found = {version: at_hand.get(version) or self._found(version) for version in in_service.versions}
        held = {version: scorer for version, scorer in found.items() if scorer}
        self.active = held.get(in_service.active) or self._before(in_service, at_hand)
        self._held = held
        self._prepared = {version: self._prepared[version] for version in self._prepared.keys() - held.keys()}
        self._lacking, self._tried_s = len(held) < len(found), time.monotonic()
        self._followed = in_service

    def _before(self, in_service: InService, at_hand: dict[str, Scorer]) -> Scorer:
        """What serves in place of the active model: what did so far, or after a start the newest there is."""
        if self._followed is not None:
            return self.active
        older = (at_hand.get(version) or self._found(version) for version in in_service.activated[-2::-1])
        return next((scorer for scorer in older if scorer), self.active)

    def _found(self, version: str) -> Scorer | None:
        try:
            scorer = self.load(version)
        except BundleError as error:
            log.error("model_refused", version=version, reason=str(error))
            return None
        log.info("model_loaded", version=version)
        return scorer
