"""TLS and mutual TLS, between a gRPC server with our credentials and real channels."""

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import feedrank
import grpc
import pytest
from feedrank.identity import Identity
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from ranker.access.tls import credentials, files_of
from ranker.errors import SettingsError
from ranker.settings import ServerSettings
from tests.live import channel_to
from tests.ranker.access.callers import CA, PEM


@contextmanager
def serving(**files: Path) -> Iterator[str]:
    """A server that has nothing but its health, with the files of the settings; its address."""
    found = files_of(ServerSettings(**files))
    assert found is not None
    server = grpc.server(ThreadPoolExecutor(2))
    health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
    port = server.add_secure_port("127.0.0.1:0", credentials(found))
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(0).wait()


def is_well(address: str, identity: Identity) -> bool:
    with channel_to(address, identity) as channel:
        try:
            health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
        except grpc.RpcError:
            return False
    return True


def pair(name: str = "server") -> dict[str, Path]:
    return {"tls_certificate": PEM / f"{name}.pem", "tls_key": PEM / f"{name}.key"}


def of(name: str) -> dict[str, str]:
    return {"certificate": str(PEM / f"{name}.pem"), "key": str(PEM / f"{name}.key")}


def test_a_client_that_trusts_the_authority_is_answered() -> None:
    with serving(**pair()) as address:
        assert is_well(address, Identity(ca=CA))
        assert not is_well(address, Identity(ca=str(PEM / "stranger.pem")))
        assert not is_well(address, Identity())


def test_with_mutual_tls_only_clients_of_the_authority_are_answered() -> None:
    with serving(**pair(), tls_client_ca=PEM / "ca.pem") as address:
        assert is_well(address, Identity(ca=CA, **of("client")))
        assert not is_well(address, Identity(ca=CA))
        assert not is_well(address, Identity(ca=CA, **of("outsider")))


def test_a_renewed_certificate_is_taken_up_without_a_restart(tmp_path: Path) -> None:
    kept = {name: Path(shutil.copy(path, tmp_path)) for name, path in pair().items()}
    with serving(**kept) as address:
        before = _certificate_at(address)
        for name, path in pair("renewed").items():
            shutil.copy(path, kept[name])
        assert _certificate_at(address) != before
        kept["tls_key"].write_text("no key")
        assert is_well(address, Identity(ca=CA))


def _certificate_at(address: str) -> str:
    host, _, port = address.rpartition(":")
    return ssl.get_server_certificate((host, int(port)))


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"tls_certificate": PEM / "server.pem"}, "go together: set both, or none"),
        ({"tls_client_ca": PEM / "ca.pem"}, "needs server.tls_certificate and server.tls_key too"),
        (
            {"tls_certificate": PEM / "server.pem", "tls_key": PEM / "client.key"},
            "is not the key of server.tls_certificate",
        ),
        ({"tls_certificate": PEM / "gone.pem", "tls_key": PEM / "server.key"}, "can't be read"),
        ({"tls_certificate": Path(__file__), "tls_key": PEM / "server.key"}, "give PEM files"),
        ({**pair(), "tls_client_ca": Path(__file__)}, "holds no certificate: give a PEM file of one"),
    ],
)
def test_files_that_do_not_fit_are_one_sentence(files: dict[str, Path], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        credentials(files_of(ServerSettings(**files)))  # type: ignore[arg-type]


def test_a_key_with_a_password_is_refused_without_asking_for_it(tmp_path: Path) -> None:
    if not (openssl := shutil.which("openssl")):
        pytest.skip("openssl is not installed: it makes the key of this test")
    key = tmp_path / "locked.key"
    made = [openssl, "pkey", "-in", PEM / "server.key", "-aes256", "-passout", "pass:word", "-out", key]
    subprocess.run(made, check=True)
    files = files_of(ServerSettings(tls_certificate=PEM / "server.pem", tls_key=key))
    assert files is not None
    with pytest.raises(SettingsError, match="is encrypted: give one without a password"):
        files.read()


def test_a_token_is_not_sent_in_the_open() -> None:
    for target in ("feed.example:50051", "127.evil.example:50051", "localhost.example:1", "10.0.0.1:50051"):
        with pytest.raises(feedrank.InvalidArgument, match="would be sent in the open: give ca"):
            feedrank.Client(target, token="frt_x")
    for target in ("localhost:50051", "127.0.0.1:50051", "[::1]:50051", "unix:/run/feedrank.sock"):
        feedrank.Client(target, token="frt_x").close()
