"""The closed loop on a network of a few days."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.live import COMMAND
from training.commands import app
from training.loop import ARMS, LearningSettings, Outcome, Plan, Summary, feeds, simulate
from training.loop.learner import Learner, Night
from training.loop.life import live
from training.loop.server import Server
from training.loop.value import action_value, worth
from training.playground import behaviour
from training.playground.audience import Audience
from training.train import Knobs

TINY = Plan(
    viewers=30, authors=30, posts_a_day=60, page_size=15, days=5, days_before=1, change_day=4, dimension=8
)
QUICK = LearningSettings(
    knobs=Knobs(trees=8, leaves=7, learning_rate=0.3, patience=3, least_positives=20, threads=1)
)


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    return simulate(TINY, QUICK)


class Saboteur(Learner):
    """On the third night a file stands where the models folder should be: no bundle can be written."""

    def learn(self, now_ms: int):  # type: ignore[no-untyped-def]
        if len(self.nights) != 2:
            return super().learn(now_ms)
        models = self.data / "models"
        models.rename(self.data / "away")
        models.write_text("in the way")
        entry = super().learn(now_ms)
        models.unlink()
        (self.data / "away").rename(models)
        return entry


class Lived(NamedTuple):
    """A server's data folder after some days, and what served in the end."""

    data: Path
    nights: list[Night]
    active: str


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    plan = Plan(**TINY.model_dump() | {"change_day": None})
    data = tmp_path_factory.mktemp("data")
    learner = Saboteur(data, QUICK)
    with Server(data, plan.world, plan.page_size, learner) as server:
        live(plan, Audience(plan.world), server)
        return Lived(data, learner.nights, server.state.in_service.active)


def means(outcome: Outcome, arm: str) -> float:
    return float(outcome.days[arm][:, 0].mean())


def test_every_feed_has_a_worth_for_every_day(outcome: Outcome) -> None:
    assert set(outcome.days) == set(ARMS)
    assert all(np.isfinite(days).all() and days.shape == (5, 3) for days in outcome.days.values())


def test_no_feed_is_worth_more_than_the_oracle_and_none_less_than_chance(outcome: Outcome) -> None:
    assert max(ARMS, key=lambda arm: means(outcome, arm)) == "oracle"
    assert min(ARMS, key=lambda arm: means(outcome, arm)) == "random"


def test_a_model_is_trained_and_activated_on_nights_whose_examples_are_ripe(outcome: Outcome) -> None:
    assert outcome.retrained == [2, 3, 4]
    assert outcome.nights[0].failure


def test_the_same_plan_comes_to_the_same_days(outcome: Outcome) -> None:
    again = simulate(TINY, QUICK, ["learned", "popular"])
    for arm in ("learned", "popular"):
        assert np.array_equal(again.days[arm], outcome.days[arm])


def test_all_change_of_taste_costs_the_learned_feed_more_than_the_oracle(outcome: Outcome) -> None:
    lost = {arm: outcome.days[arm][4, 0] / outcome.days[arm][3, 0] for arm in ("learned", "oracle")}
    assert lost["learned"] < lost["oracle"]


def test_the_ratio_to_the_oracle_is_that_of_the_days(outcome: Outcome) -> None:
    found = Summary([outcome]).document()["phases"]["before"]["learned"]["over_oracle"]["mean"]
    learned, oracle = (outcome.days[arm][1:4, 0].mean() for arm in ("learned", "oracle"))
    assert found == pytest.approx(learned / oracle)


def test_a_night_whose_training_fails_leaves_the_model_that_serves_and_the_next_night_trains(
    lived: Lived,
) -> None:
    assert [bool(night.version) for night in lived.nights] == [False, True, False, True]
    assert "models" in lived.nights[2].failure
    assert lived.active == lived.nights[3].version


def test_the_drift_command_reads_a_data_folder(lived: Lived) -> None:
    done = CliRunner().invoke(app, ["drift", "--data", str(lived.data), "--json"])
    report = json.loads(done.stdout)
    assert done.exit_code == report["noticed"]
    assert report["days"][-1]["heads"]["click"]["predicted"] > 0


def test_the_simulate_command_prints_all_feeds_as_json_alone_and_draws_the_picture(tmp_path: Path) -> None:
    words = "simulate --seeds 1 --processes 2 --weeks 1 --viewers 10 --json --report"
    done = subprocess.run([*COMMAND, *words.split(), tmp_path], capture_output=True, check=True)
    document = json.loads(done.stdout)
    assert set(document["phases"]["back"]["arms"]) == set(ARMS)
    assert (tmp_path / "closed_loop.png").stat().st_size > 10_000
    assert json.loads((tmp_path / "closed_loop.json").read_text()) == document


def test_a_page_that_was_read_before_is_worth_nothing() -> None:
    page = behaviour.Page(*np.array([[2.0, 1.0]], np.float32), *np.zeros((3, 2), np.bool_))
    read = replace(page, read=np.ones(2, np.bool_))
    assert worth(page)[0] == pytest.approx(2 + behaviour.attention(2)[1])
    assert worth(read).tolist() == [0, 0, 0]


def test_the_expected_value_of_actions_is_what_viewers_do_on_average() -> None:
    page = behaviour.Page(np.full(1, 1.0, np.float32), *np.zeros((3, 1), np.bool_))
    rng = np.random.default_rng(1)
    done = [behaviour.act(page, rng) for _ in range(4_000)]
    chance = behaviour.expected(page, 10_000)
    for kind in behaviour.KINDS[:3].tolist():
        often = np.mean([(one.kind == kind).any() for one in done])
        assert often == pytest.approx(float(chance[kind][0]), abs=0.03)
    assert 0.3 < action_value(page)[0] < 1.5


def test_visits_and_viewers_are_the_same_for_every_feed() -> None:
    plan = Plan(**TINY.model_dump() | {"days": 1, "change_day": None})
    first, second = (Audience(plan.world) for _ in range(2))
    for audience in (first, second):
        live(plan, audience, feeds.Simple(audience, plan.page_size, feeds.chronological))
    assert np.array_equal(first.read, second.read)
    assert np.array_equal(first.stands, second.stands)


def test_a_plan_changes_the_tastes_of_as_many_as_it_says() -> None:
    plan = Plan(**TINY.model_dump() | {"viewers": 200, "changed": 0.3})
    people = Audience(plan.world, plan.change).people(plan.world.end_ms)
    others = (people.taste != plan.world.people.taste).any(axis=1)
    assert others.mean() == pytest.approx(0.3, abs=0.12)
