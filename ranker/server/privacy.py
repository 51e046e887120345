"""The Privacy service, which the primary answers."""

import grpc
from feedrank.v1 import privacy_pb2, privacy_pb2_grpc

from ranker import checks, entries
from ranker.errors import Busy, JournalUnavailable
from ranker.journal import now_ms
from ranker.privacy.erasures import WITHIN_MS, Receipt
from ranker.privacy.export import Export
from ranker.server import decode
from ranker.service import Service

_PATIENCE_S = 120.0
"""For `now`, when the caller gives no deadline."""
_FOLDED_WITHIN_S = 10.0


class Privacy(privacy_pb2_grpc.PrivacyServicer):
    """What a person may ask for."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def EraseUser(
        self, request: privacy_pb2.EraseUserRequest, context: grpc.ServicerContext
    ) -> privacy_pb2.EraseUserResponse:
        """Removes a person from everything that is stored."""
        decode.refuse(checks.identifier("user_id", request.user_id))
        service, asked_ms = self._service, now_ms()
        if service.erasures.full:
            raise Busy("too many erasures wait to be done: look at the log for what stands in their way")
        seconds = 0.9 * min(context.time_remaining() or _PATIENCE_S, _PATIENCE_S)
        position, _ = service.writer.write(entries.of_erasure(request.user_id, asked_ms))
        if not service.follower.wait_for(position, min(seconds, _FOLDED_WITHIN_S)):
            raise JournalUnavailable(
                "the erasure is in the journal and not folded yet: it will be done; ask again for the receipt"
            )
        service.board.acknowledge(position)
        if request.now:
            receipt = service.erasures.wait_for(position, seconds)
        else:
            receipt = service.erasures.receipt(position)
        return _response(position, receipt, asked_ms)

    def ExportUser(
        self, request: privacy_pb2.ExportUserRequest, context: grpc.ServicerContext
    ) -> privacy_pb2.ExportUserResponse:
        """Everything that is held on a person."""
        decode.refuse(checks.identifier("user_id", request.user_id))
        document, token = Export(self._service, request.user_id).page(request.page_token)
        return privacy_pb2.ExportUserResponse(document=document, next_page_token=token)


def _response(position: str, receipt: Receipt, asked_ms: int) -> privacy_pb2.EraseUserResponse:
    told = privacy_pb2.ErasureReceipt(
        state=receipt.state,
        sessions=receipt.sessions,
        journal_entries=receipt.journal_entries,
        archive_entries=receipt.archive_entries,
        impressions=receipt.impressions,
        snapshots=receipt.snapshots,
        examples_files=receipt.examples_files,
        models_marked=receipt.models_marked,
    )
    return privacy_pb2.EraseUserResponse(
        entry_id=position,
        receipt=told,
        compacted=receipt.compacted,
        compacted_by_ms=0 if receipt.compacted else asked_ms + WITHIN_MS,
        left_to_operator=receipt.left_to_operator,
    )
