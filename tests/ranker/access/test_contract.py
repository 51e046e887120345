"""Who may call what stands in the contract, and nowhere else."""

import subprocess
import sys
from pathlib import Path

import pytest
from feedrank.channel import RPCS
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pool import Default

from ranker.access.contract import methods, rule_of, rules
from ranker.errors import SettingsError

FORGOTTEN = """syntax = "proto3";
package feedrank.v1;
message LookRequest {}
message LookResponse {}
service Forgotten { rpc Look(LookRequest) returns (LookResponse); }
"""
START = """
import sys
from feedrank import v1
v1.__path__.append(sys.argv.pop(1))
from ranker.cli import main
main()
"""


def test_every_rpc_that_the_client_calls_has_a_rule() -> None:
    assert {rpc.path for rpc in RPCS.values()} == set(rules())


def test_what_the_client_repeats_is_repeatable_by_contract() -> None:
    repeated = {rpc.path for rpc in RPCS.values() if rpc.manner.first_wait_s is not None}
    assert repeated == {rule.path for rule in rules().values() if rule.repeatable}


def test_an_rpc_without_a_role_is_refused_by_name() -> None:
    method = next(methods())
    file = descriptor_pb2.FileDescriptorProto()
    method.containing_service.file.CopyToProto(file)
    file.name, file.package = "roleless.proto", "roleless"
    for one in (one for service in file.service for one in service.method):
        one.ClearField("options")
    Default().AddSerializedFile(file.SerializeToString())
    found = Default().FindMethodByName(f"roleless.{method.containing_service.name}.{method.name}")
    with pytest.raises(SettingsError, match="does not say who may call roleless"):
        rule_of(found)


def test_a_server_whose_contract_forgot_a_role_does_not_start(tmp_path: Path) -> None:
    source = tmp_path / "forgotten.proto"
    source.write_text(FORGOTTEN)
    protoc = [sys.executable, "-m", "grpc_tools.protoc", f"-I{tmp_path}", f"--python_out={tmp_path}", source]
    subprocess.run(protoc, check=True)
    words = [str(tmp_path), "serve", "--data", str(tmp_path / "data"), "--address", "127.0.0.1:0"]
    ended = subprocess.run(
        [sys.executable, "-c", START, *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 2
    assert "does not say who may call feedrank.v1.Forgotten.Look: give it an option (role)" in ended.stderr
