"""The commands `feedrank simulate` and `feedrank drift`: the loop, and whether predictions hold."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from training.commands.shared import Json, as_json, console, existing, print_json, print_sheet, progress
from training.sheets import Sheet

if TYPE_CHECKING:  # the command line starts fast: LightGBM and Numba load when they are needed
    from training.drift import Day, Report
    from training.loop import Summary
    from training.loop.outcome import Interval

app = typer.Typer()

_TITLES = {
    "before": "before the change of taste",
    "changed": "in the days after it",
    "back": "from three days after it on",
    "end": "at the end",
}


@app.command()
def simulate(
    seeds: Annotated[int, typer.Option(min=1, max=50, help="Networks to simulate, each from its seed.")] = 5,
    weeks: Annotated[int, typer.Option(min=1, max=12, help="Weeks before tastes change.")] = 3,
    viewers: Annotated[int, typer.Option(min=10, help="People who read.")] = 100,
    changed: Annotated[float, typer.Option(min=0, max=1, help="Share of them whose tastes change.")] = 1,
    processes: Annotated[int, typer.Option(min=1, help="Seeds simulated at a time.")] = 1,
    report: Annotated[Path | None, typer.Option(help="A folder for the picture and the figures.")] = None,
    as_json: Json = False,
) -> None:
    """Let simulated viewers act on what they are served, and the server learn from it, for some weeks.

    Each feed lives in a network of its own: the learning server, the same untrained, and an oracle, popular,
    chronological and random feed. Printed is the true utility of a page, which no ranker sees. After the
    weeks all tastes change, or those of a share of the viewers, and six more days show how fast that is
    noticed and learned.

    Example: feedrank simulate --seeds 5 --weeks 3 --report simulated
    """
    from training.loop.runs import plan_of, run

    plans = [plan_of(seed, weeks, viewers, changed) for seed in range(1, seeds + 1)]
    with progress(quiet=as_json) as tell:
        summary = run(plans, processes, tell)
    if report is not None:
        _write(summary, report)
    if as_json:
        print_json(summary.document(), indent=2)
    else:
        _print(summary)


@app.command()
def drift(
    data: Annotated[Path, typer.Option(help="A server's data folder.")],
    journal: Annotated[str, typer.Option(help="The server's own journal, redis://host.")] = "",
    false_alarms: Annotated[float, typer.Option(help="Share of days without drift that may alarm.")] = 0.01,
    as_json: Json = False,
) -> None:
    """Say from the impressions log whether what is predicted still happens; exit 1 when it does not.

    Each day is compared with the seven before it, by the heads whose horizon is an hour.

    Example: feedrank drift --data ./feedrank-data
    """
    from ranker.heads import HEADS, HOUR_MS
    from training.drift import DriftSettings, watch
    from training.examples import Choices
    from training.histories import example_set

    quick = tuple(head.name for head in HEADS if head.horizon_ms <= HOUR_MS)
    with progress(quiet=as_json) as tell:
        found = example_set(data=existing(data), journal_url=journal, choices=Choices(heads=quick), tell=tell)
    watched = watch(found, DriftSettings(false_alarms=false_alarms))
    if as_json:
        print_json(watched.document(), indent=2)
    else:
        _print_days(watched)
    raise typer.Exit(1 if watched.noticed else 0)


def _write(summary: "Summary", folder: Path) -> None:
    from training.loop import plot

    folder.mkdir(parents=True, exist_ok=True)
    plot.save(summary, folder / "closed_loop.png")
    (folder / "closed_loop.json").write_text(as_json(summary.document(), indent=2) + "\n")


def _print(summary: "Summary") -> None:
    for name, span in summary.phases.items():
        days = f"days {span.start} to {min(span.stop, summary.plan.days) - 1}"
        rows = [
            (arm, _between(_over(summary, arm, span)), _between(summary.ratio(arm, "oracle", span)))
            for arm in summary.arms
        ]
        columns = ("feed", "utility of a page", "of the oracle's")
        print_sheet(Sheet(f"{_TITLES[name]}: {days}", columns, rows))
        standing = summary.standing(span).items()
        console.print("learned: " + ", ".join(f"{_between(found)} x {arm}" for arm, found in standing))
        console.print("reached\n" if summary.reached(span) else "not reached\n")
    for one in summary.outcomes:
        failed = sum(bool(night.failure) for night in one.nights)
        console.print(
            f"seed {one.plan.seed}: drift noticed on days {one.noticed or 'none'}; retrained on "
            f"{len(one.retrained)} nights, {failed} nights brought no model"
        )


def _over(summary: "Summary", arm: str, span: slice) -> "Interval":
    from training.loop.outcome import interval

    return interval(summary.worth(arm, span))


def _between(found: "Interval") -> str:
    sure = "" if found.low != found.low else f" ({found.low:.2f} to {found.high:.2f})"
    return f"{found.mean:.2f}{sure}"


def _print_days(report: "Report") -> None:
    columns = ("day", "head", "rows", "predicted", "observed", "slope", "log loss", "t")
    rows = [_cells(day, name) for day in report.days for name in day.heads]
    note = "log loss: expected in brackets; t: how far the day is out of line with those before it."
    print_sheet(Sheet("Days", columns, rows, (note,) if rows else ()))
    if not report.days:
        console.print("Nothing to judge: no impressions with probabilities whose horizon has passed.")
    elif not report.days[-1].t:
        console.print("The last day can't be judged yet: it needs a few days like it before.")
    elif report.noticed:
        console.print("The last day is out of line: what is predicted does not hold any more. Retrain.")
    else:
        console.print("The last day is in line with those before it: what is predicted holds.")


def _cells(day: "Day", name: str) -> list[str]:
    head = day.heads[name]
    return [
        datetime.fromtimestamp(day.begin_ms / 1000, UTC).strftime("%m-%d %H:%M"),
        name,
        f"{day.rows:,}",
        f"{head.predicted:.4f}",
        f"{head.observed:.4f} ± {head.observed_error:.4f}",
        f"{head.slope:.2f} ± {head.slope_error:.2f}",
        f"{head.log_loss:.4f} ({head.expected_log_loss:.4f})",
        _judgement(day),
    ]


def _judgement(day: "Day") -> str:
    if not day.t:
        return "not judged"
    return ", ".join(f"{name} {value:+.1f}" for name, value in day.t.items())
