"""What a server says, or refuses, at its start; and servers of several workers."""

import itertools
import os
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import feedrank
import grpc
import pytest
from feedrank.identity import Identity

from ranker.access.audit import AuditLog
from ranker.access.contract import Rule, rules
from ranker.access.door import CALLER, Access, Door, Watch
from ranker.access.tokens import TokenFile
from ranker.errors import FeedrankError, SettingsError
from ranker.settings import ServerSettings, Settings
from ranker.sockets import private_socket
from tests.conftest import DIMENSION, Launch
from tests.live import Server, channel_to, within
from tests.ranker.access.callers import PEM, TLS, Callers, answered, fresh_call
from tests.ranker.test_cli import feedrank as command

FILES = {"tls_certificate": PEM / "server.pem", "tls_key": PEM / "server.key"}
ANYWHERE = "0.0.0.0:50051"
SNAPSHOT = rules()["/feedrank.v1.Admin/TakeSnapshot"]
STATUS = rules()["/feedrank.v1.Admin/Status"]
TIMELINE = rules()["/feedrank.v1.Feed/GetTimeline"]


def access(data: Path, **server: object) -> Access:
    return Access(Settings(data=data, server=ServerSettings.model_validate(server)))


@pytest.mark.parametrize(
    ("server", "sentence"),
    [
        ({"address": ANYWHERE}, "set server.tls_certificate and server.tls_key, or listen on 127.0.0.1"),
        ({"address": ANYWHERE, "access": "off", **FILES}, "take out server.access, or listen on 127.0.0.1"),
        ({"address": ANYWHERE, **FILES}, "make one with `feedrank token create NAME"),
        ({"address": "[::]:50051"}, "is open to other machines"),
        ({"access": "on"}, "so nobody could call: make one with `feedrank token create NAME"),
    ],
)
def test_a_server_that_is_open_to_strangers_does_not_start(
    tmp_path: Path, server: dict[str, object], sentence: str
) -> None:
    with pytest.raises(SettingsError, match=sentence):
        access(tmp_path / "data", **server).check()


def test_with_a_token_and_tls_it_starts_anywhere(tmp_path: Path) -> None:
    TokenFile(tmp_path / "data").create("backend", ("read",), None, 10)
    found = access(tmp_path / "data", address=ANYWHERE, **FILES)
    found.check()
    assert found.asks


def test_an_expired_token_is_none_at_the_start(tmp_path: Path) -> None:
    TokenFile(tmp_path / "data").create("backend", ("read",), 1, 10)
    with pytest.raises(SettingsError, match="is valid, so nobody could call"):
        access(tmp_path / "data", address=ANYWHERE, **FILES).check()


def test_the_command_says_so_in_one_sentence_and_exits_with_2(tmp_path: Path) -> None:
    ended = command("serve", "--address", "0.0.0.0:0", "--data", str(tmp_path / "data"))
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "is open to other machines: set server.tls_certificate" in ended.stderr


def test_a_server_whose_protobuf_is_not_the_c_one_does_not_start(tmp_path: Path) -> None:
    words = ("serve", "--address", "127.0.0.1:0", "--data", str(tmp_path / "data"))
    ended = command(*words, PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION="python")
    assert ended.returncode == 2
    assert "protobuf runs in python, not in C (upb): unset PROTOCOL_BUFFERS_PYTHON_IMPL" in ended.stderr


def test_access_that_is_off_is_said_at_the_start_and_ends_with_the_first_token(launch: Launch) -> None:
    server = launch()
    [said] = server.events("access_off")
    assert said["reason"] == "anybody on this machine may call"
    server.client.timeline("ana")
    token = Callers(server.data).token()
    assert within(2, lambda: answered(server.channel, STATUS)[0] == grpc.StatusCode.UNAUTHENTICATED)
    assert answered(server.channel, STATUS, token)[0] == grpc.StatusCode.INVALID_ARGUMENT


def test_without_access_calls_of_admin_are_audited_all_the_same(launch: Launch) -> None:
    server = launch()
    server.channel.unary_unary(SNAPSHOT.path)(b"", metadata=((CALLER, "made-up//"),), timeout=10)
    line = list(AuditLog(server.data).lines())[-1]
    assert (line["method"], line["code"], line["token"]) == ("Admin.TakeSnapshot", "OK", "")


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("workers") / "data"
    token = Callers(data).token(name="everything")
    server = Server(
        data,
        identity=Callers(data).identity(token),
        **TLS,
        SERVER__WORKERS="2",
        EMBEDDER__DIMENSION=str(DIMENSION),
    )
    yield server.start()
    assert server.stop() == 0


def channels(server: Server) -> Iterator[grpc.Channel]:
    """Connections, which the system gives to one worker or the other."""
    for _ in range(12):
        with channel_to(server.address, Identity(ca=server.identity.ca)) as channel:
            yield channel


def test_a_replay_by_way_of_another_worker_is_refused(workers: Server) -> None:
    call = fresh_call()
    codes = [answered(one, SNAPSHOT, workers.identity.token, call)[0].name for one in channels(workers)]
    assert codes == ["INVALID_ARGUMENT"] + ["UNAUTHENTICATED"] * 11


def test_who_called_by_way_of_another_worker_stands_in_the_audit_log(workers: Server) -> None:
    before = len(list(AuditLog(workers.data).lines()))
    for one in channels(workers):
        answered(one, STATUS, workers.identity.token)
    lines = list(AuditLog(workers.data).lines())[before:]
    assert [line["name"] for line in lines] == ["everything"] * 12


def test_each_worker_refuses_strangers(workers: Server) -> None:
    codes = {answered(one, rule)[0] for one in channels(workers) for rule in rules().values()}
    assert codes == {grpc.StatusCode.UNAUTHENTICATED}


def test_nobody_else_can_use_the_sockets_between_workers(workers: Server) -> None:
    sockets = list((workers.data / "workers").glob("*.sock"))
    assert len(sockets) == 2
    assert {stat.S_IMODE(one.stat().st_mode) for one in sockets} == {0o600}
    assert stat.S_IMODE((workers.data / "workers").stat().st_mode) == 0o700


def test_a_socket_in_the_temporary_folder_is_in_one_of_our_own(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 90)
    folder = private_socket(deep, "one.sock").parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.chmod(0o777)
    with pytest.raises(SettingsError, match=r"others can use .*: remove it, or choose a shorter path"):
        private_socket(deep, "one.sock")
    os.rmdir(folder)


class Refusals:
    """What ends calls, for a door without a server."""

    def refusing(self, method: str, error: FeedrankError) -> grpc.RpcMethodHandler:  # type: ignore[type-arg]
        def refuse(_: object, context: grpc.ServicerContext) -> None:
            context.abort(grpc.StatusCode[error.status], f"{method}: {error}")

        return grpc.stream_unary_rpc_method_handler(refuse)


@contextmanager
def behind(door: grpc.ServerInterceptor, rule: Rule, answer: Callable[..., bytes]) -> Iterator[str]:
    """A server that has one method, behind a door; its address."""
    server = grpc.server(ThreadPoolExecutor(2), interceptors=[door])
    service, _, name = rule.path[1:].partition("/")
    handlers = {name: grpc.unary_unary_rpc_method_handler(answer)}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(0).wait()


def test_a_replay_is_refused_after_a_restart_too(tmp_path: Path) -> None:
    Callers(tmp_path).token()
    codes, caller = [], ((CALLER, f"0123456789ab//{fresh_call()}"),)
    for _ in range(2):
        watch = Watch(access(tmp_path), Refusals())
        with behind(watch, SNAPSHOT, lambda *_: b"") as address, grpc.insecure_channel(address) as channel:
            asked = channel.unary_unary(SNAPSHOT.path).with_call
            try:
                codes.append(asked(b"", metadata=caller, timeout=10)[1].code().name)
            except grpc.RpcError as error:
                codes.append(error.code().name)
    assert codes == ["OK", "UNAUTHENTICATED"]


def test_gprcs_own_retry_of_a_call_is_no_replay(tmp_path: Path) -> None:
    """A server that is unavailable twice, behind the door: the client's channel asks three times."""
    token = Callers(tmp_path / "data").token("read")
    door, seen = Door(access(tmp_path / "data"), Refusals()), itertools.count()

    def answer(_: bytes, context: grpc.ServicerContext) -> bytes:
        if next(seen) < 2:
            context.abort(grpc.StatusCode.UNAVAILABLE, "not yet")
        return b""

    with behind(door, TIMELINE, answer) as address, feedrank.Client(address, token=token) as client:
        client.timeline("ana", timeout=5)
    assert next(seen) == 3
