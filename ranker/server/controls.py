"""The Controls service."""

import grpc
from feedrank.v1 import controls_pb2, controls_pb2_grpc, types_pb2

from ranker import checks, entries
from ranker.follower import Follower
from ranker.journal import now_ms
from ranker.server import decode, encode
from ranker.server.unbuilt import not_built
from ranker.writer import Writer


class Controls(controls_pb2_grpc.ControlsServicer):
    """What a viewer says about the timeline."""

    def __init__(self, writer: Writer, follower: Follower, catch_up_s: float) -> None:
        self._writer = writer
        self._follower = follower
        self._catch_up_s = catch_up_s

    def SetPreferences(
        self, request: controls_pb2.SetPreferencesRequest, context: grpc.ServicerContext
    ) -> controls_pb2.SetPreferencesResponse:
        """Replaces a viewer's preferences."""
        decode.refuse(checks.preferences(request, 0, None))
        position, visible = self._writer.write(entries.of_preferences(request, now_ms()))
        return controls_pb2.SetPreferencesResponse(result=encode.written(1, [], position, visible=visible))

    def GetPreferences(
        self, request: controls_pb2.GetPreferencesRequest, context: grpc.ServicerContext
    ) -> controls_pb2.GetPreferencesResponse:
        """The preferences in force."""
        decode.refuse(checks.identifier("viewer_id", request.viewer_id))
        self._follower.catch_up(self._catch_up_s)
        state = self._follower.fold.state
        with state.turn.read():
            held = state.users.preferences[state.user_ids.slot(request.viewer_id)].tobytes()
        return controls_pb2.GetPreferencesResponse(preferences=types_pb2.Preferences.FromString(held))

    def ResetProfile(
        self, request: controls_pb2.ResetProfileRequest, context: grpc.ServicerContext
    ) -> controls_pb2.ResetProfileResponse:
        """Not built yet."""
        raise not_built("ResetProfile")
