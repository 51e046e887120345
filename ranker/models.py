"""The models folder: which bundle scores for whom now.

The journal says which versions are in service; here they are held. In a server a thread loads them as soon as
the fold knows; until all are in memory, what was in service before goes on. While the active one can't be
loaded, the one before goes on serving, after a restart too.
"""

import threading
import time
from collections.abc import Mapping
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

_LOOK_S = 0.1
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


@dataclass(frozen=True)
class Held:
    """What is in service, as far as it is in memory."""

    in_service: InService
    scorers: Mapping[str, Scorer]
    """By version; what could not be loaded is not among them."""
    active: Scorer
    """The active model, or what was it before, while that can't be loaded."""
    lacking: bool
    """Whether something in service could not be loaded."""


class Models:
    """The bundles in service, in memory: the active one, the experiment's and the shadow, no others."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.loads_ahead = False
        """Whether a Loader runs, so that no request need load anything."""
        self._held: Held | None = None
        self._prepared: dict[str, Scorer] = {}
        self._ahead: dict[str, Scorer | None] = {}
        """What the loader has just tried to load; None where it could not."""
        self._tried_s = 0.0
        self._lock = threading.Lock()

    @property
    def active(self) -> Scorer:
        """The active model, or what was it before, while that can't be loaded."""
        return self._held.active if self._held else Prior()

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
        held = self.held(state.in_service)
        in_service, experiment = held.in_service, held.in_service.experiment
        shadow = held.scorers.get(in_service.shadow)
        if experiment is None or not viewer_id:
            return Serving(held.active, shadow=shadow, wanted=in_service.active in held.scorers)
        variant = experiment.variant_of(viewer_id)
        if variant.model_version not in held.scorers:
            return Serving(held.active, shadow=shadow, wanted=False)
        return Serving(held.scorers[variant.model_version], experiment.name, variant.name, shadow)

    def held(self, in_service: InService) -> Held:
        """What serves where the journal says `in_service`: that, or while it is loaded what did before."""
        held = self._held
        if held is not None and not self._is_due(in_service, held):
            return held
        at_hand = in_service.versions <= self._at_hand().keys()
        return held if held is not None and self.loads_ahead and not at_hand else self.follow(in_service)

    def follow(self, in_service: InService) -> Held:
        """Hold what is in service, and nothing else. What can't be loaded is logged, and tried again."""
        with self._lock:
            if self._held is None or self._is_due(in_service, self._held):
                self._held = self._followed(in_service)
            return self._held

    def load_ahead(self, state: State) -> None:
        """Load what is in service and not in memory, then have it serve, in a turn of the state."""
        in_service, held = state.in_service, self._held
        if held is None or not self._is_due(in_service, held):
            return
        lacking = in_service.versions - self._at_hand().keys()
        self._ahead = {version: self._found(version) for version in lacking}
        with state.turn.read():
            if state.in_service is in_service:  # else that comes next
                self.follow(in_service)

    def _is_due(self, in_service: InService, held: Held) -> bool:
        again = held.lacking and time.monotonic() >= self._tried_s + RETRY_S
        return again or in_service is not held.in_service

    def _at_hand(self) -> dict[str, Scorer]:
        held = self._held.scorers if self._held else {}
        return {PRIOR: Prior(), **held, **self._prepared}

    def _followed(self, in_service: InService) -> Held:
        at_hand = self._at_hand() | self._ahead
        found = {one: at_hand[one] if one in at_hand else self._found(one) for one in in_service.versions}
        scorers = {version: scorer for version, scorer in found.items() if scorer}
        active = scorers.get(in_service.active) or self._before(in_service, at_hand)
        self._prepared = {one: scorer for one, scorer in self._prepared.items() if one not in scorers}
        self._ahead, self._tried_s = {}, time.monotonic()
        return Held(in_service, scorers, active, lacking=len(scorers) < len(found))

    def _before(self, in_service: InService, at_hand: Mapping[str, Scorer | None]) -> Scorer:
        """What serves in place of the active model: what did so far, or after a start the newest there is."""
        if self._held is not None:
            return self._held.active
        older = (at_hand.get(version) or self._found(version) for version in in_service.activated[-2::-1])
        return next((scorer for scorer in older if scorer), Prior())

    def _found(self, version: str) -> Scorer | None:
        try:
            scorer = self.load(version)
        except BundleError as error:
            log.error("model_refused", version=version, reason=str(error))
            return None
        log.info("model_loaded", version=version)
        return scorer


class Loader:
    """The thread that loads what the fold puts into service."""

    def __init__(self, models: Models, state: State) -> None:
        self._models = models
        self._state = state
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="models", daemon=True)

    def start(self) -> None:
        """Begin. The models have followed the state once."""
        self._models.loads_ahead = True
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        pause_s = _LOOK_S
        while not self._stop.wait(pause_s):
            pause_s = self._look()

    def _look(self) -> float:
        """Load what is due; the seconds to the next look."""
        try:
            self._models.load_ahead(self._state)
        except Exception:
            log.exception("models_not_loaded")
            return RETRY_S
        return _LOOK_S
