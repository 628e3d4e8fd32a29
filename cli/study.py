"""``nnsim study``: list and show the studies, and run one; each installed study is a command of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from nnsim.core.errors import UsageError
from nnsim.study.declaration import Study

from .completion import installed_studies, offered, studies_and_files
from .options import JSON, axis_option, common_options
from .plugin import check, new
from .settings import (
    RANGES_HELP,
    check_environment,
    environment_help,
    settings_options,
    with_assignments,
    with_environment,
)
from .suite import suite

if TYPE_CHECKING:
    from nnsim.experiment.shard import Shard


class StudyGroup(click.Group):
    """A group whose further commands are the studies; one is loaded only when it is named."""

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Return the command called `name`, or the one made from the study of this name or file."""
        command = super().get_command(context, name)
        if command is not None or (context.resilient_parsing and name not in installed_studies()):
            return command  # behind Tab: a file is a program, which must not run then
        return self.command_of(name)

    def command_of(self, name: str) -> click.Command:
        """Return the command made from the study of this name or file."""
        return _study_command(name)

    def shell_complete(self, context: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands, the names of the studies, and that a file will do."""
        return [*offered(installed_studies(), incomplete, files=True), *super().shell_complete(context, incomplete)]

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, and the names of the studies without loading them."""
        from nnsim.study.discovery import study_names

        super().format_commands(context, formatter)
        with formatter.section("Studies"):
            formatter.write_text(", ".join(study_names()) or "none is installed")


@click.group(cls=StudyGroup)
def study() -> None:
    """Ask one question: run a study, or see what there is."""


study.add_command(check)
study.add_command(new)
study.add_command(suite)


@study.group(cls=StudyGroup, subcommand_metavar="FILE|NAME [OPTIONS]")
def run() -> None:
    """Run the study in a Python file, or an installed one."""


def find_all(names: Iterable[str]) -> Iterator[Study]:
    """Yield the studies called `names`; a broken one is said on standard error, and hides no other."""
    from nnsim.study.discovery import find_study

    for name in names:
        try:
            yield find_study(name)
        except UsageError as error:
            click.echo(f"nnsim: {error}", err=True)


@study.command("list", params=[JSON])
def list_(as_json: bool) -> None:
    """List the studies and their questions."""
    list_studies(as_json)


def list_studies(as_json: bool) -> None:
    """Print the studies and their questions."""
    from nnsim.study.discovery import study_names

    from .list_names import STUDIES, print_names

    print_names(STUDIES, {study.name: study.question for study in find_all(study_names())}, as_json)


@study.command()
@click.argument("name", metavar="NAME|FILE", shell_complete=studies_and_files)
@click.option("--columns", is_flag=True, help="Print the dictionary of all columns as CSV instead.")
def show(name: str, columns: bool) -> None:
    """Explain a study: question, axes, claims, tables and cost."""
    from nnsim.study.discovery import find_study

    from .present import print_columns, print_study

    (print_columns if columns else print_study)(find_study(name))


def _study_command(name: str) -> click.Command:
    from nnsim.study.discovery import find_study

    found = find_study(name)
    axes = [axis_option(axis) for axis in found.axes]
    params = with_environment(found, [*axes, *settings_options(found), *common_options(found)])

    @click.pass_context
    def callback(context: click.Context, assignments: tuple[str, ...], **options: Any) -> int:
        check_environment(found, params)
        return _run(name, **options | with_assignments(found, context, assignments))

    return click.Command(
        name,
        callback=callback,
        params=params,
        help=f"{found.title}\n\n{found.question}",
        epilog=f"All about it: nnsim study show {name}\n\n{RANGES_HELP}\n\n{environment_help(found)}",
    )


def _run(
    name: str,
    dry_run: bool,
    shard: str | None,
    dask: str | None,
    strict: bool,
    all_claims: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    **options: Any,
) -> int:
    from nnsim.experiment.executors.threads import FailedTrialError
    from nnsim.experiment.shard import Shard
    from nnsim.runs.run import run_study

    from .outcome import conclude
    from .present import print_plan, print_tracebacks
    from .progress import make_progress

    share = None if shard is None else Shard.parse(shard)
    if share is not None and dask is not None:
        raise UsageError("--shard and --dask are two ways to share the work: give one of them")
    if dry_run:
        print_plan(name, as_json, **options)
        return 0
    try:
        if share is not None:
            return _run_shard(name, share, strict, all_claims, as_json, quiet, verbose, **options)
        result = run_study(name, dask=dask, progress=make_progress(quiet), **options)
    except FailedTrialError as error:
        print_tracebacks([error.failure])
        raise
    return conclude(result, all_claims, as_json, strict, verbose)


def _run_shard(
    name: str,
    shard: Shard,
    strict: bool,
    all_claims: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    figure_formats: str | None,
    **options: Any,
) -> int:
    from nnsim.runs.run import run_shard

    from .outcome import SOME_TRIALS_FAILED
    from .present import print_failures, print_shard
    from .progress import make_progress

    given = {"--strict": strict, "--claims": all_claims, "--figure-format": figure_formats is not None}
    for option in (option for option, is_given in given.items() if is_given):
        raise UsageError(f"a shard judges and draws nothing: give {option} to nnsim merge")
    result = run_shard(name, shard=shard, progress=make_progress(quiet), **options)
    print_shard(result, name, as_json)
    if not result.failures:
        return 0
    print_failures(result.failures, len(result.failures), verbose)
    return SOME_TRIALS_FAILED
