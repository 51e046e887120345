from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from feedrank.batches import MAX_BYTES
from feedrank.channel import ONCE, READ, RPCS, STREAM, WRITE, Manner, options, service_config
from feedrank.v1 import admin_pb2, controls_pb2, feed_pb2, ingest_pb2, privacy_pb2

README = Path(__file__).parents[3] / "proto/README.md"


def contract() -> set[str]:
    files = (admin_pb2, controls_pb2, feed_pb2, ingest_pb2, privacy_pb2)
    services = [service for file in files for service in file.DESCRIPTOR.services_by_name.values()]
    return {f"/{service.full_name}/{method.name}" for service in services for method in service.methods}


def test_every_call_of_the_contract_has_a_manner() -> None:
    assert {rpc.path for rpc in RPCS.values()} == contract()


def test_calls_that_change_something_once_are_never_repeated() -> None:
    policies = json.loads(service_config())["methodConfig"]
    repeated = {policy["name"][0]["method"] for policy in policies}
    once = {"ActivateModel", "RollbackModel", "TakeSnapshot", "EraseUser", "ResetProfile", "StreamEvents"}
    once |= {"SetShadowModel", "StartExperiment", "StopExperiment"}
    assert not repeated & once
    assert {"GetTimeline", "PutPosts", "RecordEvents", "Status"} <= repeated


def test_a_full_batch_fits_into_the_buffer_for_retries() -> None:
    assert dict(options())["grpc.per_rpc_retry_buffer_size"] > MAX_BYTES  # type: ignore[operator]


@pytest.mark.parametrize("manner", [READ, WRITE, STREAM, ONCE])
def test_the_readme_gives_each_kinds_calls_and_deadline(manner: Manner) -> None:
    names = {rpc.name for rpc in RPCS.values() if rpc.manner is manner}
    rows = [row.split("|") for row in README.read_text().splitlines() if row.startswith("|")]
    documented = {frozenset(re.findall(r"[A-Z]\w+", row[1])): row[2].strip() for row in rows}
    assert documented[frozenset(names)] == f"{manner.timeout_s:g} s"
