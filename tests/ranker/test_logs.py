import json
import os
import sys
from collections.abc import Iterator

import pytest
import structlog

from ranker import logs


@pytest.fixture
def settings() -> Iterator[None]:
    """What a test configures is undone."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize(("worker", "said"), [(0, False), (2, True)])
def test_workers_but_the_first_say_their_number(
    capfd: pytest.CaptureFixture[str], worker: int, *, said: bool
) -> None:
    logs.set_up("info", as_json=True, worker=worker)
    structlog.get_logger().info("said")
    assert (json.loads(capfd.readouterr().err).get("worker") == 2) == said


@pytest.mark.usefixtures("settings")
def test_a_closed_pipe_ends_nobody_who_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    pipe = open(writer, "w", buffering=1)  # noqa: SIM115 - it must outlive a failing close
    monkeypatch.setattr(sys, "stderr", pipe)
    with pytest.raises(BrokenPipeError):
        print("said", file=pipe, flush=True)
    logs.set_up("info", as_json=True)
    structlog.get_logger().info("said")
    with pytest.raises(BrokenPipeError):
        pipe.close()
    structlog.get_logger().info("said to a closed file")


@pytest.mark.usefixtures("settings")
def test_a_line_is_on_the_standard_error_stream(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("info", as_json=True)
    structlog.get_logger().info("said")
    assert '"event": "said"' in capsys.readouterr().err
