"""The Admin service.

What puts models into service loads them first, and writes its entry then: what the journal says can be done.
"""

import threading
import time
from importlib.metadata import version

import grpc
from feedrank.v1 import admin_pb2, admin_pb2_grpc

from ranker import bundle, entries, snapshot
from ranker.checks import identifier
from ranker.errors import NotNow
from ranker.experiments import Experiment, InService
from ranker.journal import now_ms
from ranker.server import decode
from ranker.service import Service


class Admin(admin_pb2_grpc.AdminServicer):
    """For those who run the service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._began = time.monotonic()
        self._turn = threading.Lock()
        """One change of what is in service at a time."""

    @property
    def _in_service(self) -> InService:
        return self._service.state.in_service

    def Status(
        self, request: admin_pb2.StatusRequest, context: grpc.ServicerContext
    ) -> admin_pb2.StatusResponse:
        """How the server is."""
        service, state = self._service, self._service.state
        with state.turn.read():
            posts = state.posts
            memory = service.memory()
            held = int((~posts.deleted[: posts.size]).sum())
            waiting = int(posts.awaits_vector[: posts.size].sum())
            active = service.models.held(state.in_service).active.version
        return admin_pb2.StatusResponse(
            version=version("feedrank"),
            uptime_ms=int(1000 * (time.monotonic() - self._began)),
            posts=held,
            users=state.users.size,
            indexed_posts=len(service.slices),
            posts_without_vector=waiting,
            entry_id=state.position,
            journal_lag_entries=service.follower.lag(),
            poison_entries=service.follower.poison_count,
            model_version=active,
            embedder_model=service.vectorizer.model or "none",
            embedder_ready=service.vectorizer.ready,
            vector_dimension=state.dimension,
            memory=[
                admin_pb2.MemoryRow(structure=name, rows=rows, bytes=size) for name, rows, size in memory
            ],
            snapshot_entry_id=snapshot.latest(service.upkeep.snapshots),
        )

    def ListModels(
        self, request: admin_pb2.ListModelsRequest, context: grpc.ServicerContext
    ) -> admin_pb2.ListModelsResponse:
        """The bundles in the models folder."""
        models, state = self._service.models, self._service.state
        with state.turn.read():  # else what is followed may be of before the last change, for all
            in_service = state.in_service
            active = models.held(in_service).active.version
        self._service.erasures.mark_late()
        listed = bundle.list_bundles(models.folder)
        return admin_pb2.ListModelsResponse(models=[_model(one, active, in_service) for one in listed])

    def ActivateModel(
        self, request: admin_pb2.ActivateModelRequest, context: grpc.ServicerContext
    ) -> admin_pb2.ActivateModelResponse:
        """Puts a bundle into service."""
        decode.refuse(identifier("version", request.version))
        with self._turn:
            before = self._in_service.active
            position = self._put(entries.of_active_model(request.version, now_ms()), request.version)
        return admin_pb2.ActivateModelResponse(previous_version=before, entry_id=position)

    def RollbackModel(
        self, request: admin_pb2.RollbackModelRequest, context: grpc.ServicerContext
    ) -> admin_pb2.RollbackModelResponse:
        """Puts the model back that was in service before this one."""
        with self._turn:
            now, before = self._in_service.active, self._in_service.before
            if before is None:
                raise NotNow(f"no model is remembered from before {now}: ActivateModel takes any version")
            position = self._put(entries.of_rollback(before, now_ms()), before)
        return admin_pb2.RollbackModelResponse(version=before, previous_version=now, entry_id=position)

    def SetShadowModel(
        self, request: admin_pb2.SetShadowModelRequest, context: grpc.ServicerContext
    ) -> admin_pb2.SetShadowModelResponse:
        """Has a bundle score for the log only."""
        decode.refuse(identifier("version", request.version, required=False))
        with self._turn:
            before = self._in_service.shadow
            versions = (request.version,) if request.version else ()
            position = self._put(entries.of_shadow_model(request.version, now_ms()), *versions)
        return admin_pb2.SetShadowModelResponse(previous_version=before, entry_id=position)

    def StartExperiment(
        self, request: admin_pb2.StartExperimentRequest, context: grpc.ServicerContext
    ) -> admin_pb2.StartExperimentResponse:
        """Gives each viewer one of several models."""
        decode.experiment(request)
        with self._turn:
            self._refuse_if_runs(but="")
            versions = {one.model_version for one in request.variants}
            entry = entries.of_experiment(request.name, request.variants, now_ms())
            position = self._put(entry, *versions)
            self._refuse_if_runs(but=request.name)  # another server's may have come first into the journal
        return admin_pb2.StartExperimentResponse(entry_id=position)

    def StopExperiment(
        self, request: admin_pb2.StopExperimentRequest, context: grpc.ServicerContext
    ) -> admin_pb2.StopExperimentResponse:
        """Ends the experiment of a name."""
        decode.refuse(identifier("name", request.name))
        with self._turn:
            runs = self._in_service.experiment
            if runs is None or runs.name != request.name:
                what = f"the experiment {runs.name} runs" if runs else "no experiment runs"
                raise NotNow(f"{what}, not {request.name}: GetExperiment tells which one does")
            entry = entries.of_experiments_end(request.name, now_ms())
            return admin_pb2.StopExperimentResponse(entry_id=self._put(entry, self._in_service.active))

    def GetExperiment(
        self, request: admin_pb2.GetExperimentRequest, context: grpc.ServicerContext
    ) -> admin_pb2.GetExperimentResponse:
        """The experiment that runs."""
        runs = self._in_service.experiment
        return admin_pb2.GetExperimentResponse(experiment=_experiment(runs) if runs else None)

    def _refuse_if_runs(self, but: str) -> None:
        runs = self._in_service.experiment
        if runs and runs.name != but:
            raise NotNow(f"the experiment {runs.name} runs: stop it first")

    def _put(self, entry: entries.Entry, *versions: str) -> str:
        """Load what an entry puts into service, then journal it; its position. Raises BundleError."""
        models, state = self._service.models, self._service.state
        models.prepare(*versions)
        position, _ = self._service.writer.write(entry)
        with state.turn.read():
            models.held(state.in_service)  # else the next to be prepared would take its place
        return position

    def TakeSnapshot(
        self, request: admin_pb2.TakeSnapshotRequest, context: grpc.ServicerContext
    ) -> admin_pb2.TakeSnapshotResponse:
        """Writes a snapshot now."""
        position, size = self._service.upkeep.save()
        return admin_pb2.TakeSnapshotResponse(entry_id=position, bytes=size)


def _model(listed: bundle.Listing, active: str, in_service: InService) -> admin_pb2.Model:
    variants = in_service.experiment.variants if in_service.experiment else ()
    model = admin_pb2.Model(
        version=listed.version,
        active=listed.version == active,
        shadow=listed.version == in_service.shadow,
        variants=[one.name for one in variants if one.model_version == listed.version],
        problem=listed.problem,
        saw_erased=listed.saw_erased,
    )
    if facts := listed.manifest:
        model.created_ms = facts.created_ms
        model.heads.extend(head.name for head in facts.heads)
        model.examples = max((head.examples for head in facts.heads), default=0)
        model.metrics.update(facts.metrics)
    return model


def _experiment(experiment: Experiment) -> admin_pb2.Experiment:
    variants = [
        admin_pb2.ExperimentVariant(
            name=one.name, model_version=one.model_version, share_basis_points=one.share
        )
        for one in experiment.variants
    ]
    return admin_pb2.Experiment(name=experiment.name, variants=variants, started_ms=experiment.started_ms)
