"""The Admin service."""

import time
from importlib.metadata import version

import grpc
from feedrank.v1 import admin_pb2, admin_pb2_grpc

from ranker import bundle, entries, snapshot
from ranker.checks import identifier
from ranker.journal import now_ms
from ranker.prior import VERSION as PRIOR
from ranker.server import decode
from ranker.server.unbuilt import not_built
from ranker.service import Service


class Admin(admin_pb2_grpc.AdminServicer):
    """For those who run the service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._began = time.monotonic()

    def Status(
        self, request: admin_pb2.StatusRequest, context: grpc.ServicerContext
    ) -> admin_pb2.StatusResponse:
        """How the server is."""
        service, state = self._service, self._service.state
        with state.turn.read():
            posts = state.posts
            memory = [*state.memory(), ("slices", len(service.slices), service.slices.nbytes)]
            held = int((~posts.deleted[: posts.size]).sum())
            waiting = int(posts.awaits_vector[: posts.size].sum())
            scorer, _ = service.models.scorer(state.model_version)
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
            model_version=scorer.version,
            embedder_model=service.vectorizer.model or "none",
            embedder_ready=service.vectorizer.ready,
            vector_dimension=state.dimension,
            memory=[
                admin_pb2.MemoryRow(structure=name, rows=rows, bytes=size)
                for name, rows, size in sorted(memory, key=lambda row: -row[2])
            ],
            snapshot_entry_id=snapshot.latest(service.upkeep.snapshots),
        )

    def ListModels(
        self, request: admin_pb2.ListModelsRequest, context: grpc.ServicerContext
    ) -> admin_pb2.ListModelsResponse:
        """The bundles in the models folder."""
        active, _ = self._service.models.scorer(self._service.state.model_version)
        listed = bundle.list_bundles(self._service.models.folder)
        return admin_pb2.ListModelsResponse(models=[_model(one, active.version) for one in listed])

    def ActivateModel(
        self, request: admin_pb2.ActivateModelRequest, context: grpc.ServicerContext
    ) -> admin_pb2.ActivateModelResponse:
        """Puts a bundle into service, once it is loaded and found sound."""
        decode.refuse(identifier("version", request.version))
        models = self._service.models
        before, _ = models.scorer(self._service.state.model_version)
        wanted = models.prepare(request.version)
        name = "" if wanted.version == PRIOR else wanted.version
        position, _ = self._service.writer.write(entries.of_active_model(name, now_ms()))
        return admin_pb2.ActivateModelResponse(previous_version=before.version, entry_id=position)

    def RollbackModel(
        self, request: admin_pb2.RollbackModelRequest, context: grpc.ServicerContext
    ) -> admin_pb2.RollbackModelResponse:
        """Not built yet."""
        raise not_built("RollbackModel")

    def TakeSnapshot(
        self, request: admin_pb2.TakeSnapshotRequest, context: grpc.ServicerContext
    ) -> admin_pb2.TakeSnapshotResponse:
        """Writes a snapshot now."""
        position, size = self._service.upkeep.save()
        return admin_pb2.TakeSnapshotResponse(entry_id=position, bytes=size)


def _model(listed: bundle.Listing, active: str) -> admin_pb2.Model:
    facts = listed.manifest
    if facts is None:
        return admin_pb2.Model(version=listed.version, problem=listed.problem)
    return admin_pb2.Model(
        version=listed.version,
        active=listed.version == active,
        created_ms=facts.created_ms,
        heads=[head.name for head in facts.heads],
        examples=max((head.examples for head in facts.heads), default=0),
        problem=listed.problem,
        metrics=facts.metrics,
    )
