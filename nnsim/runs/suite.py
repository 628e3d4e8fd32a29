"""All studies in one call, and one page with every verdict."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnsim.core.errors import NnsimError, UnknownNameError, UsageError
from nnsim.core.output_folders import claim_folder, named
from nnsim.core.progress import Progress
from nnsim.core.shown import Shown
from nnsim.experiment.config import whole_number
from nnsim.experiment.executors.threads import Failure, check_jobs
from nnsim.experiment.plan import SEED_LIMIT
from nnsim.experiment.store import holds_run
from nnsim.runs.merge import StudyResult, check_formats
from nnsim.runs.run import RESULTS, run_study
from nnsim.study.declaration import PRESETS, Study
from nnsim.study.discovery import study_names
from nnsim.training.backend import choose

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class SuiteResult(Shown):
    """What a run of several studies left.

    Attributes
    ----------
    folder : Path
        Holds a folder for each study, and the files of all.
    claims : DataFrame
        Every claim of every study, one row each.
    files : tuple of Path
        ``claims.csv``, ``ledger.csv`` and ``index.html``.
    errors : dict of str to str
        The studies that could not be run, and why.
    failures : tuple of Failure
        The trials that raised an error; their rows have status ``error``.
    trials : dict of str to int
        How many rows have which status, those of an earlier call included.
    """

    folder: Path
    claims: pd.DataFrame
    files: tuple[Path, ...]
    errors: dict[str, str]
    failures: tuple[Failure, ...]
    trials: dict[str, int]

    @property
    def failed_trials(self) -> int:
        """Number of rows with the status ``error``, those of an earlier call included."""
        return self.trials.get("error", 0)

    def facts(self) -> dict[str, object]:
        """Return counts, errors, and where the page is."""
        from nnsim.report.claims import verdict_sentence

        return {
            "studies": ", ".join(self.claims["study"].unique()),
            "claims": verdict_sentence(self.claims),
            "trials": ", ".join(f"{count} {status}" for status, count in self.trials.items()),
            "could not be run": ", ".join(self.errors) or "none",
            "page": self.folder / "index.html",
        }


def run_all(
    preset: str = "quick",
    *,
    only: Sequence[str] | None = None,
    output: str | PathLike[str] | None = None,
    jobs: int | None = None,
    backend: str = "cpu",
    seed: int = 0,
    progress: Progress | None = None,
    figure_formats: Sequence[str] | None = None,
) -> SuiteResult:
    """Run every installed study with its preset, one after the other, and write one page with all verdicts.

    A study that cannot be run is said on the page and ends no other. A second call in the same folder goes on.

    Parameters
    ----------
    preset : str
        ``"quick"``, ``"standard"`` or ``"paper"``.
    only : sequence of str, optional
        Names of studies; by default all that are installed.
    output : path, optional
        The folder; by default ``nnsim-results/all-<preset>``. Each study has a folder in it, called like the study.
    jobs, backend, seed, progress, figure_formats
        As in `nnsim.run_study`.

    Returns
    -------
    SuiteResult
        The claims, files and errors.

    Raises
    ------
    UsageError
        An unknown study, preset, format or backend, or one that cannot be used.
    StoreError
        If the page cannot be written, or the folder holds files of somebody else.
    """
    names = chosen_studies(only)
    if preset not in PRESETS:
        raise UnknownNameError("preset", preset, PRESETS)
    check_formats(figure_formats, preset)
    check_jobs(jobs)
    whole_number("seed", seed, 0, SEED_LIMIT)
    listener, finished = progress or Progress(), []
    chosen = choose(backend, listener.phase)
    folder = default_folder(preset) if output is None else named(output)
    claim_folder(folder, lambda folder: any(holds_run(folder / name) for name in study_names()))
    for number, name in enumerate(names, start=1):
        listener.phase(f"study {number} of {len(names)}: {name}")
        options = {
            "jobs": jobs,
            "backend": chosen.name,
            "seed": seed,
            "progress": progress,
            "figure_formats": figure_formats,
        }
        finished.append(_finished(name, preset, folder / name, options))
    return _concluded(folder, finished, command_line(preset, only, seed))


def chosen_studies(only: Sequence[str] | None) -> list[str]:
    """Return the names of the installed studies, or of those in `only`, sorted.

    Raises
    ------
    UsageError
        A name that is no study's (UnknownNameError offers the nearest), or none installed.
    """
    names = study_names()
    for name in only or ():
        if name not in names:
            raise UnknownNameError("study", name, names)
    if not names:
        raise UsageError("no study is installed")
    return sorted(set(only)) if only else names


def default_folder(preset: str) -> Path:
    """Return the folder that is used where none is named."""
    return RESULTS / f"all-{preset}"


def command_line(preset: str, only: Sequence[str] | None, seed: int) -> str:
    """Return the command that runs the same studies.

    Parameters
    ----------
    preset, only, seed
        As in `run_all`.
    """
    chosen = ["--only", ",".join(only)] if only else []
    return shlex.join(["nnsim", "study", "all", "--preset", preset, *chosen, "--seed", str(seed)])


@dataclass(frozen=True)
class _Finished:
    """A study that was run, or the sentence that says why it could not be."""

    name: str
    result: StudyResult | None
    error: str = ""


def _finished(name: str, preset: str, folder: Path, options: dict[str, Any]) -> _Finished:
    try:
        return _Finished(name, run_study(name, preset, output=folder, **options))
    except NnsimError as error:  # a full disk or a folder of something else: the other studies may still run
        return _Finished(name, None, str(error))


def _concluded(folder: Path, finished: Sequence[_Finished], command: str) -> SuiteResult:
    from nnsim.report.index_page import Chapter, all_claims, write_suite  # pandas and matplotlib, over a second

    chapters = [Chapter(one.name, one.error, *_judged(one.result)) for one in finished]
    results = [one.result for one in finished if one.result is not None]
    return SuiteResult(
        folder,
        all_claims(chapters),
        tuple(write_suite(folder, chapters, command)),
        {one.name: one.error for one in finished if one.error},
        tuple(failure for result in results for failure in result.failures),
        dict(sum((Counter(result.manifest["trials"]) for result in results), Counter())),
    )


def _judged(result: StudyResult | None) -> tuple[Study | None, pd.DataFrame | None]:
    return (None, None) if result is None else (result.study, result.claims)
