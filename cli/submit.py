"""``nnsim submit``: a study as an array of shards in Slurm's queue, and again what of it is missing."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nnsim.core.errors import UsageError

from .options import JSON, axis_option, common_options
from .records import study_option
from .settings import RANGES_HELP, check_environment, settings_options, with_assignments, with_environment
from .study import StudyGroup

if TYPE_CHECKING:
    from nnsim.runs.submit import Submission
    from nnsim.study.declaration import Study

DRY_RUN = click.Option(["--dry-run"], is_flag=True, help="Print the scripts, and submit nothing.")
SHARED = frozenset({"preset", "output", "seed", "backend"})
SLURM_OPTIONS: tuple[click.Parameter, ...] = (
    click.Option(["--shards"], type=int, required=True, metavar="N", help="Tasks of the array; far more than nodes."),
    click.Option(["--partition"], metavar="NAME", help="Partition, or several with commas."),
    click.Option(["--time"], metavar="TIME", help="Time limit of a shard: minutes, h:m:s, or days-h:m:s."),
    click.Option(["--account"], metavar="NAME", help="Account to charge."),
    click.Option(["--qos"], metavar="NAME", help="Quality of service."),
    click.Option(["--cpus"], type=int, default=1, show_default=True, help="CPUs, and threads, of a shard."),
    click.Option(["--gres"], metavar="NAME:N", help="Devices of a shard, such as gpu:1 for --backend cuda."),
    click.Option(["--mem"], metavar="SIZE", help="Memory of a shard, such as 4G."),
    click.Option(["--max-running"], type=int, metavar="N", help="Shards that run at once, at most."),
    click.Option(["--job-name"], metavar="NAME", show_default="nnsim-STUDY", help="Name in the queue."),
    click.Option(["--log"], metavar="DIR", show_default="OUTPUT/slurm/log", help="Folder for the output of the jobs."),
)


class SubmitGroup(StudyGroup):
    """A group whose commands are the studies, each with the options of a job."""

    def command_of(self, name: str) -> click.Command:
        """Return the command that submits the study of this name or file."""
        return _submit_command(name)


@click.group(
    cls=SubmitGroup,
    invoke_without_command=True,
    no_args_is_help=True,
    subcommand_metavar="[FILE|NAME [OPTIONS]]",
    params=[DRY_RUN, JSON],
)
@click.option("--missing", metavar="DIR", type=click.Path(path_type=Path), help="Submit again what DIR lacks.")
@study_option
@click.pass_context
def submit(context: click.Context, missing: Path | None, study: str | None, dry_run: bool, as_json: bool) -> None:
    """Submit a study to Slurm: an array of shards, and a merge that waits for them.

    It returns at once: see nnsim status DIR. What failed is submitted again with nnsim submit --missing DIR.
    """
    alone = missing is None and (study is not None or dry_run or as_json)
    if (missing is None) != (context.invoked_subcommand is not None) or alone:
        raise UsageError("give the study first and then its options, or --missing DIR alone: nnsim submit init --help")
    if missing is None:
        return
    from nnsim.runs.submit import submit_missing

    _print(submit_missing(missing, study, dry_run), as_json, dry_run)


def _submit_command(name: str) -> click.Command:
    from nnsim.study.discovery import find_study

    found = find_study(name)
    common = common_options(found)
    settable = [*map(axis_option, found.axes), *settings_options(found), *(o for o in common if o.name in SHARED)]
    params = [*with_environment(found, settable), *SLURM_OPTIONS, DRY_RUN, JSON]

    @click.pass_context
    def callback(context: click.Context, assignments: tuple[str, ...], **options: Any) -> None:
        check_environment(found, [*settable, *common])
        _submit(found, name, **options | with_assignments(found, context, assignments))

    help_text = f"{found.title}: an array of shards in Slurm's queue, and a merge that waits for them."
    return click.Command(name, callback=callback, params=params, help=help_text, epilog=RANGES_HELP)


def _submit(study: Study, name: str, dry_run: bool, as_json: bool, **options: Any) -> None:
    from nnsim.runs.submit import submit_study

    known = {*SHARED, "shards", "zip", "exclude", *(axis.name for axis in study.axes)}
    slurm = {option: value for option, value in options.items() if option not in known}
    rest = {option: value for option, value in options.items() if option in known}
    _print(submit_study(name, dry_run=dry_run, slurm=slurm, **rest), as_json, dry_run)


def _print(submission: Submission, as_json: bool, dry_run: bool) -> None:
    """Print the jobs, or under a dry run the scripts."""
    from nnsim.experiment.slurm.scripts import compressed

    shards = compressed(submission.tasks)
    if as_json:
        jobs = {"array": submission.array, "merge": submission.merge}
        click.echo(json.dumps({"output": str(submission.folder), "shards": shards, "jobs": jobs}))
    elif not submission.tasks:
        click.echo(f"nothing is missing in {submission.folder}")
    elif dry_run:
        for path, text in submission.scripts.items():
            click.echo(f"# {path}\n{text}")
    else:
        click.echo(f"shards {shards} are job {submission.array}, their merge is job {submission.merge}")
        click.echo(f"where they stand: {_status_command(submission)}")


def _status_command(submission: Submission) -> str:
    return shlex.join(["nnsim", "status", str(submission.folder)])
