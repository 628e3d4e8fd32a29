"""What the commands print on standard output."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from nnsim.core.vocabulary import VOCABULARY
from nnsim.experiment.config import to_json
from nnsim.experiment.executors.threads import Failure, check_jobs
from nnsim.experiment.grid import rule_options
from nnsim.experiment.plan import Plan
from nnsim.experiment.results.status import Status, missing_shards
from nnsim.experiment.results.tables import dictionary, measured_columns
from nnsim.runs.merge import StudyResult
from nnsim.runs.run import ShardResult, default_output, plan_study
from nnsim.runs.suite import SuiteResult, chosen_studies
from nnsim.study.declaration import PRESETS, Axis, Study

from .options import as_text
from .progress import duration
from .summary import VERDICT_STYLES, print_suite_summary, print_summary
from .tables import console, print_table

CLAIM_HEADER = ("claim", "verdict", "measured", "predicted", "statement")


def print_pairs(rows: Iterable[tuple[str, str]]) -> None:
    """Print names with what is known about them."""
    print_table(("name", "value"), rows)


def print_study(study: Study) -> None:
    """Print everything that a study says about itself, and what each preset costs."""
    terminal = console()
    terminal.print(Text(study.title, style="bold"))
    for heading in ("question", "expect", "falsify", "misreading"):
        terminal.print(Text(f"\n{heading}: ", style="bold").append(getattr(study, heading), style="not bold"))
    print_table(("axis", "meaning", "allowed", *PRESETS), [_axis_row(axis) for axis in study.axes])
    named = sorted({axis.names for axis in study.axes if axis.names})
    if named:
        print_table(("names", "known"), [(kind, ", ".join(VOCABULARY[kind])) for kind in named])
    _print_list("claims", study.statements)
    tables = {name: ", ".join(column.name for column in columns) for name, columns in measured_columns(study).items()}
    print_table(("table", "columns"), list(tables.items()))
    plans = {preset: plan_study(study, preset) for preset in PRESETS}
    rows = [(preset, str(sum(plan.counts.values())), duration(plan.seconds)) for preset, plan in plans.items()]
    print_table(("preset", "trials", "on one core, about"), rows)
    _print_list("references", study.references)


def print_columns(study: Study) -> None:
    """Print the dictionary of all measured columns as CSV."""
    click.echo(dictionary(measured_columns(study)).decode(), nl=False)


def print_plan(name: str, as_json: bool, preset: str, output: Path | None, jobs: int | None, **options: Any) -> None:
    """Print the trials of each kind, the axes and an estimate of the time."""
    options = {
        option: value for option, value in options.items() if option not in {"figure_formats", "fail_fast", "backend"}
    }
    plan = plan_study(name, preset, **options)
    workers = check_jobs(jobs)
    outcome = {
        "study": plan.study.name,
        "output": str(output or default_output(plan.study, preset)),
        "seed": plan.seed,
        "axes": to_json(plan.shown),
        "trials": plan.counts,
        "chunks": len(plan.chunks),
        "jobs": workers,
        "core_seconds": plan.seconds,
        "seconds": plan.seconds / min(workers, len(plan.chunks)),
    }
    if as_json:
        click.echo(json.dumps(outcome))
    else:
        _print_plan(plan, outcome)


def print_result(result: StudyResult, all_claims: bool, as_json: bool) -> None:
    """Print how a run ended, after all its claims where they are asked for."""
    if as_json:
        click.echo(json.dumps(_outcome(result)))
        return
    if all_claims:
        rows = [_claim_row(claim) for claim in result.claims.to_dict("records")]
        print_table(CLAIM_HEADER, rows)
    print_summary(result)


def print_suite(result: SuiteResult, all_claims: bool, as_json: bool) -> None:
    """Print how a run of several studies ended, after all their claims where they are asked for."""
    if as_json:
        outcome = {
            "output": str(result.folder),
            "claims": json.loads(result.claims.to_json(orient="records", double_precision=15)),
            "errors": result.errors,
            "failed_trials": result.failed_trials,
            "files": [str(path) for path in result.files],
        }
        click.echo(json.dumps(outcome))
        return
    if all_claims:
        rows = [(claim["study"], *_claim_row(claim)) for claim in result.claims.to_dict("records")]
        print_table(("study", *CLAIM_HEADER), rows)
    print_suite_summary(result)


def print_suite_plan(only: list[str] | None, preset: str, jobs: int | None, seed: int, as_json: bool) -> None:
    """Print the trials of each study and an estimate of the time."""
    workers = check_jobs(jobs)
    plans = {name: plan_study(name, preset, seed=seed) for name in chosen_studies(only)}
    seconds = {name: plan.seconds / min(workers, len(plan.chunks)) for name, plan in plans.items()}
    if as_json:
        studies = {name: {"trials": plan.size, "seconds": seconds[name]} for name, plan in plans.items()}
        click.echo(json.dumps({"preset": preset, "jobs": workers, "studies": studies}))
        return
    rows = [(name, str(plan.size), duration(seconds[name])) for name, plan in plans.items()]
    print_table(("study", "trials", f"with {workers} jobs, about"), rows)
    click.echo(f"about {duration(sum(seconds.values()))} in all, and up to two minutes more for the first compilation")


def print_failures(failures: Sequence[Failure], count: int, verbose: bool) -> None:
    """Print, on standard error, how many trials failed and why: the first traceback that is known, or all."""
    print_tracebacks(failures if verbose else failures[:1])
    click.echo(
        f"nnsim: {count} {'trial' if count == 1 else 'trials'} failed; the study's command tries again", err=True
    )


def print_tracebacks(failures: Iterable[Failure]) -> None:
    """Print, on standard error, each failed trial with its settings and its traceback."""
    for failure in failures:
        click.echo(f"trial {failure.trial} {json.dumps(failure.settings)}\n{failure.traceback}", err=True)


def print_shard(result: ShardResult, study: str, as_json: bool) -> None:
    """Print what a shard of the study called `study` left, and what comes next."""
    outcome = {
        "output": str(result.folder),
        "shard": str(result.shard),
        "trials": result.trials,
        "chunks": result.chunks,
        "failures": [failure.trial for failure in result.failures],
    }
    if as_json:
        click.echo(json.dumps(outcome))
        return
    click.echo(
        f"shard {result.shard} is done: {result.chunks} chunks with {result.trials} trials are in {result.folder}"
    )
    file = ["--study", study] if study.endswith(".py") else []
    click.echo(f"once all shards are done: {shlex.join(['nnsim', 'merge', str(result.folder), *file])}")


def print_status(status: Status, as_json: bool) -> None:
    """Print where a run stands."""
    record = status.record
    shards = missing_shards(status.missing, record.shards)
    outcome = {
        "output": str(status.folder),
        "command": record.command,
        "trials": {"total": record.trials, "done": status.trials_done, "failed": status.trials_failed},
        "chunks": {"total": record.chunks, "missing": list(status.missing), "damaged": list(status.damaged)},
        "shards": {"total": record.shards, "missing": shards},
        "merged": status.finished,
        "last_activity": status.last_activity,
    }
    if as_json:
        click.echo(json.dumps(outcome))
        return
    split = f", of shards {', '.join(shards)}" if shards else ""
    click.echo(f"trials: {status.trials_done} of {record.trials} done, {status.trials_failed} of them failed")
    click.echo(f"chunks: {len(status.missing)} of {record.chunks} missing{split}; {len(status.damaged)} damaged")
    click.echo(f"tables and report: {'written' if status.finished else 'not written'}")
    click.echo(f"last activity: {status.last_activity}")


def _print_plan(plan: Plan, outcome: dict[str, Any]) -> None:
    axes = [(axis.option, as_text(plan.config[axis.name])) for axis in plan.study.axes]
    print_table(("axis", "values"), [*axes, *rule_options(plan.config)])
    print_table(("kind", "trials"), [(kind, str(count)) for kind, count in plan.counts.items()])
    click.echo(f"{sum(plan.counts.values())} trials in {outcome['chunks']} chunks into {outcome['output']}")
    click.echo(
        f"about {duration(outcome['seconds'])} with {outcome['jobs']} jobs ({duration(plan.seconds)} on one core), "
        "and up to a minute more for compilation on the first run"
    )


def _axis_row(axis: Axis) -> tuple[str, ...]:
    known = axis.known()
    if known is not None:
        allowed = ", ".join(map(str, known))
    elif axis.names:
        allowed = axis.names
    elif axis.minimum is not None:
        allowed = f"{'>' if axis.exclusive else '>='} {axis.minimum:g}"
    else:
        allowed = "any"
    return (axis.option, axis.help, allowed, *(as_text(axis.values[preset]) for preset in PRESETS))


def _claim_row(claim: dict[str, Any]) -> tuple[str | Text, ...]:
    verdict = Text(claim["verdict"], style=VERDICT_STYLES.get(claim["verdict"], ""))
    measured, low, high = (_number(claim[name]) for name in ("estimate", "low", "high"))
    predicted, margin = _number(claim["prediction"]), _number(claim["margin"])
    interval = f"{measured} [{low}, {high}]" if low or high else measured
    return claim["id"], verdict, interval, f"{predicted} ± {margin}" if margin else predicted, claim["statement"]


def _number(value: float) -> str:
    """Return four digits, or nothing for nan: a rule without a margin, a claim without a measurement."""
    return "" if math.isnan(value) else f"{value:.4g}"


def _outcome(result: StudyResult) -> dict[str, Any]:
    return {
        "study": result.study.name,
        "output": str(result.folder),
        "trials": result.manifest["trials"],
        "claims": json.loads(result.claims.to_json(orient="records", double_precision=15)),
        "failures": [failure.trial for failure in result.failures],
        "files": [str(path) for path in result.files],
    }


def _print_list(heading: str, lines: Sequence[str]) -> None:
    if lines:
        print_table((heading,), [(line,) for line in lines])
