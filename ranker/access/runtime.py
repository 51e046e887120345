"""What must hold of the process before it takes what strangers send."""

from google.protobuf.internal import api_implementation

from ranker.errors import SettingsError


def check_protobuf() -> None:
    """Raise SettingsError unless protobuf runs in C (upb): in Python, large messages take seconds to read."""
    if (kind := api_implementation.Type()) != "upb":
        raise SettingsError(
            f"protobuf runs in {kind}, not in C (upb): unset PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION, or "
            "install protobuf anew with a wheel for this system"
        )
