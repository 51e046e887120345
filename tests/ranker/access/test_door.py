"""Every RPC of the contract, as strangers and as callers ask for it: a server with TLS and tokens."""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import feedrank
import grpc
import pytest
from feedrank.identity import Identity

from ranker.access.audit import AuditLog
from ranker.access.contract import ROLES, Rule, rules
from ranker.access.tokens import TokenFile
from tests.conftest import DIMENSION
from tests.live import Server, channel_to, within
from tests.ranker.access.callers import CA, TLS, Callers, answered, client_of, fresh_call

RULES = list(rules().values())
NAMES = [rule.name for rule in RULES]
TIMELINE, SNAPSHOT = (rules()[f"/feedrank.v1.{one}"] for one in ("Feed/GetTimeline", "Admin/TakeSnapshot"))
GUARDED = [rule for rule in RULES if rule.guarded]
UNAUTHENTICATED, DENIED = grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED
LET_IN = grpc.StatusCode.INVALID_ARGUMENT


@dataclass(frozen=True)
class House:
    """A server that asks, and the callers that it knows."""

    server: Server
    callers: Callers
    token: str

    def ask(self, rule: Rule, token: str = "", call: str | None = None) -> tuple[grpc.StatusCode, str]:
        return answered(self.server.channel, rule, token, call)

    def client(self, token: str) -> feedrank.Client:
        return client_of(self.server.address, token)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    data = tmp_path_factory.mktemp("access") / "data"
    callers = Callers(data)
    token = callers.token(name="everything")
    server = Server(
        data,
        identity=callers.identity(token),
        **TLS,
        SERVER__ACCESS="on",
        EMBEDDER__DIMENSION=str(DIMENSION),
    )
    yield House(server.start(), callers, token)
    assert server.stop() == 0


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_a_call_without_a_token_is_unauthenticated(house: House, rule: Rule) -> None:
    assert house.ask(rule) == (UNAUTHENTICATED, "unauthenticated")


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_a_token_that_nobody_made_is_unauthenticated(house: House, rule: Rule) -> None:
    token_id, secret = house.token.split("_", 2)[1:]
    other = secret[::-1]
    for made_up in ("frt_" + "0" * 12 + "_" + secret, f"frt_{token_id}_{other}", "frt_x", "x" * 4_000):
        assert house.ask(rule, made_up) == (UNAUTHENTICATED, "unauthenticated")


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_a_token_without_the_role_is_denied(house: House, rule: Rule) -> None:
    token = house.callers.without(rule.role)
    within(2, lambda: house.ask(rule, token)[0] == DENIED)
    assert house.ask(rule, token) == (DENIED, "permission_denied")


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_a_token_with_the_role_alone_is_let_in(house: House, rule: Rule) -> None:
    token = house.callers.token(rule.role)
    assert within(2, lambda: house.ask(rule, token)[0] == LET_IN)


def test_an_expired_token_is_unauthenticated_for_every_rpc(house: House) -> None:
    token = house.callers.expired()
    within(2, lambda: house.ask(RULES[0], token)[1] == "expired")
    assert {house.ask(rule, token) for rule in RULES} == {(UNAUTHENTICATED, "expired")}


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_a_call_that_was_made_before_is_unauthenticated(house: House, rule: Rule) -> None:
    call = fresh_call()
    assert house.ask(rule, house.token, call)[0] == LET_IN
    assert house.ask(rule, house.token, call) == (UNAUTHENTICATED, "replayed")


@pytest.mark.parametrize("ago_ms", [301_000, -301_000])
@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_a_call_of_another_time_is_unauthenticated(house: House, rule: Rule, ago_ms: int) -> None:
    assert house.ask(rule, house.token, fresh_call(ago_ms)) == (UNAUTHENTICATED, "replayed")


@pytest.mark.parametrize("rule", GUARDED, ids=[rule.name for rule in GUARDED])
def test_what_is_guarded_has_to_say_that_it_is_new(house: House, rule: Rule) -> None:
    assert house.ask(rule, house.token, "") == (UNAUTHENTICATED, "unauthenticated")


def test_other_calls_need_not_say_that_they_are_new(house: House) -> None:
    open_ones = [rule for rule in RULES if not rule.guarded]
    assert {house.ask(rule, house.token, "")[0] for rule in open_ones} == {LET_IN}


def test_the_contract_has_rpcs_of_every_role() -> None:
    assert {rule.role for rule in RULES} == set(ROLES)
    assert len(RULES) >= 25


def test_an_unknown_method_tells_a_stranger_nothing(house: House) -> None:
    guess = Rule("/feedrank.v1.Feed/Guess", role="")
    assert house.ask(guess) == (UNAUTHENTICATED, "unauthenticated")
    assert house.ask(guess, house.token) == (DENIED, "permission_denied")
    assert 'method="Guess"' not in house.server.metrics()


def test_health_is_open_and_reflection_is_for_admins(house: House) -> None:
    assert house.server.health() == 1
    reflection = Rule("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "admin", streams=True)
    assert house.ask(reflection)[0] == UNAUTHENTICATED
    reader = house.callers.token("read")
    assert within(2, lambda: house.ask(reflection, reader)[0] == DENIED)


def test_a_token_that_is_revoked_is_refused_within_a_second(house: House) -> None:
    token = house.callers.token("read", name="leaver")
    assert within(2, lambda: house.ask(TIMELINE, token)[0] == LET_IN)
    TokenFile(house.callers.data).revoke("leaver")
    began = time.monotonic()
    assert within(2, lambda: house.ask(TIMELINE, token)[0] == UNAUTHENTICATED)
    assert time.monotonic() - began < 1


def test_a_stream_ends_when_its_token_is_revoked(house: House) -> None:
    token = house.callers.token("write", name="streamer")

    def events() -> Iterator[feedrank.Event]:
        for n in range(20_000):
            if n == 2_000:
                time.sleep(0.5)
                TokenFile(house.callers.data).revoke("streamer")
            if n and n % 1_000 == 0:
                time.sleep(0.1)
            yield feedrank.event("ana", "click", "p")

    time.sleep(0.5)
    with house.client(token) as client, pytest.raises(feedrank.Unauthenticated, match="was revoked"):
        client.stream_events(events())


def test_past_its_rate_a_caller_is_told_when_to_come_again(house: House) -> None:
    token = house.callers.token("read", rate=0.5)
    assert within(2, lambda: house.ask(TIMELINE, token)[0] == LET_IN)
    with house.client(token) as client:
        with pytest.raises(feedrank.ResourceExhausted) as refused:
            client.timeline("ana", timeout=0.2)
        assert refused.value.word == "rate_exceeded"
        assert 0 < refused.value.retry_after_s <= 2
        time.sleep(refused.value.retry_after_s + 0.01)
        client.timeline("ana")


def test_the_client_sends_a_new_call_each_time(house: House) -> None:
    with house.client(house.token) as client:
        assert client.status().uptime_ms
        assert client.status().uptime_ms


def test_a_caller_that_does_not_trust_the_server_gets_no_further(house: House) -> None:
    stranger = Identity(token=house.token, ca=CA.replace("ca.pem", "stranger.pem"))
    with channel_to(house.server.address, stranger) as channel:
        assert answered(channel, RULES[0], house.token)[0] == grpc.StatusCode.UNAVAILABLE


def test_the_audit_log_tells_who_did_what_with_which_outcome(house: House) -> None:
    with house.client(house.token) as client, pytest.raises(feedrank.FailedPrecondition):
        client.activate_model("gone")
    line = [one for one in AuditLog(house.callers.data).lines() if one.get("target") == "gone"][-1]
    assert line["method"] == "Admin.ActivateModel"
    assert line["name"] == "everything"
    assert line["code"] == "FAILED_PRECONDITION"
    assert line["token"] == house.token.split("_")[1]


def test_the_audit_log_names_no_person(house: House) -> None:
    log = AuditLog(house.callers.data)
    with house.client(house.token) as client, suppress(feedrank.Error):
        client.export_user("ana-maria")
    assert "ana-maria" not in log.path.read_text()
    assert any(one.get("target") == log.person("ana-maria") for one in log.lines())


def test_refused_calls_of_known_callers_are_audited(house: House) -> None:
    token = house.callers.token("read", name="curious")
    assert within(2, lambda: house.ask(SNAPSHOT, token)[0] == DENIED)
    lines = [one for one in AuditLog(house.callers.data).lines() if one["name"] == "curious"]
    assert lines[-1]["method"] == "Admin.TakeSnapshot"
    assert lines[-1]["code"] == "PERMISSION_DENIED"


def test_calls_past_the_rate_write_no_line(house: House) -> None:
    token = house.callers.token("admin", rate=0.1, name="hasty")
    assert within(2, lambda: house.ask(SNAPSHOT, token)[0] == LET_IN)
    assert house.ask(SNAPSHOT, token)[1] == "rate_exceeded"
    lines = [one for one in AuditLog(house.callers.data).lines() if one["name"] == "hasty"]
    assert [line["code"] for line in lines] == ["INVALID_ARGUMENT"]


def test_no_secret_is_in_what_the_server_writes(house: House) -> None:
    secret = house.token.split("_", 2)[2]
    for path in [house.server.log_file, *house.callers.data.rglob("*")]:
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path
    assert secret not in house.server.metrics()
