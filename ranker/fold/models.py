"""The fold of what is in service: the active model, the shadow model and the experiment."""

from feedrank.journal.v1 import journal_pb2

from ranker.experiments import PRIOR, Experiment, Variant
from ranker.state import State


def activate(state: State, change: journal_pb2.ActiveModel) -> None:
    """Put a model into service, or one from before back."""
    version, before = change.version or PRIOR, state.in_service
    state.in_service = before.roll_back(version) if change.rollback else before.activate(version)


def set_shadow(state: State, change: journal_pb2.ShadowModel) -> None:
    """Have a model score for the log only."""
    state.in_service = state.in_service.with_shadow(change.version)


def start(state: State, change: journal_pb2.StartedExperiment) -> None:
    """Begin an experiment, if none runs. ValueError when its shares leave viewers without a variant."""
    variants = tuple(
        Variant(name=one.name, model_version=one.model_version, share=one.share_basis_points)
        for one in change.variants
    )
    experiment = Experiment(name=change.name, variants=variants, started_ms=state.time_ms)
    state.in_service = state.in_service.start(experiment)


def stop(state: State, change: journal_pb2.StoppedExperiment) -> None:
    """End an experiment."""
    state.in_service = state.in_service.stop(change.name)
