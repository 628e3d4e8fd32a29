"""From a study to jobs in Slurm's queue: an array of shards, and a merge that waits for it."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shlex
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from nnsim.core.atomic_files import make_folder, publish, writing
from nnsim.core.errors import StoreError, UnknownNameError, UsageError
from nnsim.core.output_folders import named
from nnsim.experiment.results.status import Status, read_status
from nnsim.experiment.slurm import commands
from nnsim.experiment.slurm.scripts import Request, merge_script, merge_words, shards_script
from nnsim.runs.merge import study_in
from nnsim.runs.run import command_line, default_output, plan_study, prepare_shards
from nnsim.training.backend import BACKENDS

SLURM = "slurm"
REQUEST = "request.json"
SHARDS_SCRIPT = "shards.sh"
MERGE_SCRIPT = "merge.sh"
ARRAY = "ARRAY_JOB"
"""Stands for the id of the array until it is known."""


@dataclass(frozen=True)
class Submission:
    """What is, or under a dry run would be, in the queue.

    Attributes
    ----------
    folder : Path
        The output folder.
    tasks : tuple of int
        The shards of the array; none where nothing was missing.
    scripts : dict
        File to text.
    mark : str
        How the comments of its jobs begin.
    array, merge : str
        The ids of the jobs; empty where nothing was submitted.
    """

    folder: Path
    tasks: tuple[int, ...]
    scripts: dict[Path, str]
    mark: str = ""
    array: str = ""
    merge: str = ""


def submit_study(
    study: str,
    preset: str = "quick",
    *,
    shards: int,
    output: Path | None = None,
    backend: str = "cpu",
    seed: int = 0,
    dry_run: bool = False,
    slurm: dict[str, Any],
    **axes: Any,
) -> Submission:
    """Submit a study as an array of shards, and a merge that runs when all have ended.

    Parameters
    ----------
    study, preset, output, seed, **axes
        As in `nnsim.runs.run.run_study`.
    backend : str
        What each shard is told; only there it is known whether it can be used.
    shards : int
        Tasks of the array; at most the chunks of the run.
    dry_run : bool
        Whether only the scripts are made, and nothing is written.
    slurm : dict
        Further fields of `nnsim.experiment.slurm.scripts.Request`; None is the site's default.

    Returns
    -------
    Submission
        The jobs.

    Raises
    ------
    UsageError
        A value that cannot be used.
    StoreError
        A folder that cannot be used.
    SlurmError
        Slurm is not there, refuses, gives no answer, or works for this folder already.
    """
    if backend not in BACKENDS:
        raise UnknownNameError("backend", backend, BACKENDS)
    plan = plan_study(study, preset, seed=seed, **axes)
    folder = Path(os.path.abspath(named(output) if output is not None else default_output(plan.study, preset)))
    command = command_line(study, preset, plan, [name for name, value in axes.items() if value is not None])
    words = shlex.split(command)[1:] + ([] if backend == "cpu" else ["--backend", backend])
    log = os.path.abspath(slurm.get("log") or folder / SLURM / "log")
    given = {name: value for name, value in slurm.items() if value is not None}
    wanted = {"job_name": f"nnsim-{plan.study.name}", **given, "log": log}
    request = Request(str(folder), os.getcwd(), tuple(words), shards, **wanted)
    if shards > len(plan.chunks):
        raise UsageError(f"--shards {shards} is more than there are chunks of work: the most is {len(plan.chunks)}")
    if dry_run:
        return _prepared(request, range(shards))
    _refuse_queued(folder)
    prepare_shards(study, preset, shards=shards, output=folder, seed=seed, **axes)
    return _submitted(request, range(shards))


def submit_missing(folder: Path, study: str | None = None, dry_run: bool = False) -> Submission:
    """Submit again, as it was, those shards of the run in `folder` whose chunks are missing or damaged.

    Parameters
    ----------
    folder : Path
        The output folder.
    study : str, optional
        Name or file of the study; by default the installed one. A file is never run on the word of a folder.
    dry_run : bool
        As in `submit_study`.

    Raises
    ------
    StoreError
        `folder` holds no run, or one that was not submitted.
    UsageError
        The study is a file and none was named, or one with another SHA-256.
    SlurmError
        As `submit_study` does.
    """
    place = Path(os.path.abspath(folder))
    status = read_status(place)
    request = _read_request(place)
    tasks = _missing_tasks(status, request.shards)
    if tasks:
        request = _with_study(request, place, study)
    if dry_run or not tasks:
        return _prepared(request, tasks)
    _refuse_queued(place)
    return _submitted(request, tasks)


def _with_study(request: Request, folder: Path, given: str | None) -> Request:
    """Return the request for the program that the user named, or for an installed one of the name it had."""
    found = study_in(folder, given)
    if found.source_sha256:
        return request.of_file(os.path.abspath(str(given)))
    if request.program != found.name:
        raise StoreError(f"'{folder / SLURM / REQUEST}' is damaged: submit the study with the same output again")
    return request


def _missing_tasks(status: Status, shards: int) -> list[int]:
    return sorted({number % shards for number in status.missing})


def _prepared(request: Request, tasks: Iterable[int]) -> Submission:
    """Return the scripts of `request`, marked so that their jobs are told from all others."""
    folder, numbers = Path(request.folder), tuple(tasks)
    if not numbers:
        return Submission(folder, (), {})
    mark = _mark(folder) + secrets.token_hex(8)
    scripts = {
        folder / SLURM / SHARDS_SCRIPT: shards_script(request, numbers, f"{mark}-shards"),
        folder / SLURM / MERGE_SCRIPT: merge_script(request, ARRAY, f"{mark}-merge"),
    }
    return Submission(folder, numbers, scripts, mark)


def _submitted(request: Request, tasks: Iterable[int]) -> Submission:
    """Write the scripts of `request` and put both jobs into the queue."""
    prepared = _prepared(request, tasks)
    (shards, text), (merge, _) = prepared.scripts.items()
    with writing(shards):
        make_folder(shards.parent)
        make_folder(Path(request.log))
    publish(shards.with_name(REQUEST), [(json.dumps(asdict(request), indent=2) + "\n").encode()])
    publish(shards, [os.fsencode(text)])
    array = commands.submit(shards, f"{prepared.mark}-shards")
    publish(merge, [os.fsencode(merge_script(request, array, f"{prepared.mark}-merge"))])
    try:
        return replace(prepared, array=array, merge=commands.submit(merge, f"{prepared.mark}-merge"))
    except commands.SlurmError as error:
        raise commands.SlurmError(
            f"the shards are submitted as job {array}, their merge is not; when they have ended, run: "
            f"{shlex.join(['nnsim', *merge_words(request)])}; the reason: {error}"
        ) from error


def _refuse_queued(folder: Path) -> None:
    jobs = commands.queued(_mark(folder))
    if jobs:
        raise commands.SlurmError(
            f"jobs for '{folder}' are in the queue already: wait for them, or end them with: scancel {' '.join(jobs)}"
        )


def _read_request(folder: Path) -> Request:
    path = folder / SLURM / REQUEST
    try:
        return replace(Request(**json.loads(path.read_bytes())), folder=str(folder))
    except FileNotFoundError:
        raise StoreError(f"'{folder}' was not filled by nnsim submit: submit its study with the same output") from None
    except OSError as error:
        raise StoreError(f"cannot read '{path}': {(error.strerror or str(error)).lower()}") from error
    except (ValueError, TypeError, UsageError) as error:
        raise StoreError(f"'{path}' is damaged: submit the study with the same output again") from error


def _mark(folder: Path) -> str:
    """Return how the comments of all jobs for `folder` begin."""
    return f"nnsim-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]}-"
