"""From the finished chunks in a folder to its tables, claims, figures and report."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnsim.core.atomic_files import one_at_a_time, publish, writing
from nnsim.core.errors import UnknownNameError
from nnsim.core.progress import Progress
from nnsim.core.shown import Shown
from nnsim.data.data_paths import into_path
from nnsim.experiment.chunks import Chunk
from nnsim.experiment.config import resolve
from nnsim.experiment.config_files import CONFIG_FILE, to_toml
from nnsim.experiment.executors.threads import Failure
from nnsim.experiment.inputs import renamed
from nnsim.experiment.plan import Plan, make_plan
from nnsim.experiment.results.manifest import file_hashes, now, provenance
from nnsim.experiment.results.status import IncompleteError
from nnsim.experiment.results.tables import DICTIONARY, MANIFEST, dictionary, measured_columns, read_table, write_tables
from nnsim.experiment.source import SOURCE, UnnamedStudyError, check_source
from nnsim.experiment.store import CONFIG, ChunkStore, Record, open_folder, read_identity, read_record
from nnsim.study.declaration import Column, Study
from nnsim.study.discovery import find_study

if TYPE_CHECKING:
    import pandas as pd

FIGURE_FORMATS = ("png", "pdf", "svg")
QUICK_FORMATS = ("png",)


@dataclass(frozen=True, repr=False)
class StudyResult(Shown):
    """What a finished run left.

    Attributes
    ----------
    folder : Path
        The output folder.
    study : Study
        What was run.
    config : dict
        The resolved value of each axis.
    tables : dict
        Table name to DataFrame, as `nnsim.load` reads them.
    files : tuple of Path
        All files written, the manifest last.
    manifest : dict
        The content of ``manifest.json``.
    failures : tuple of Failure
        The trials that raised an error; their rows have status ``error``.
    """

    folder: Path
    study: Study
    config: dict[str, Any]
    tables: dict[str, pd.DataFrame]
    files: tuple[Path, ...]
    manifest: dict[str, Any]
    failures: tuple[Failure, ...]

    @property
    def claims(self) -> pd.DataFrame:
        """One row a claim, with its verdict."""
        return self.tables["claims"]

    def facts(self) -> dict[str, object]:
        """Return the study, its answer and counts, and where the results are."""
        from nnsim.report.answer import answer
        from nnsim.report.claims import verdict_sentence

        return {
            "study": self.study.name,
            "answer": " ".join(answer(self.study, self.claims)),
            "claims": verdict_sentence(self.claims),
            "trials": ", ".join(f"{count} {status}" for status, count in self.manifest["trials"].items()),
            "tables": ", ".join(self.tables),
            "report": self.folder / "report.html",
        }


def merge_study(
    folder: str | PathLike[str],
    *,
    study: str | Study | None = None,
    progress: Progress | None = None,
    figure_formats: Sequence[str] | None = None,
) -> StudyResult:
    """Write the tables, claims, figures and report of a run whose chunks were measured, by whatever shards.

    Parameters
    ----------
    folder : path
        Where the shards worked.
    study : str or Study, optional
        The study, its name or its file; by default the installed one that the folder names. A file is never loaded on
        the word of a folder.
    progress : Progress, optional
        Is told where the merge stands.
    figure_formats : sequence of str, optional
        Of ``png``, ``pdf``, ``svg``; by default PNG for ``quick``, else all.

    Returns
    -------
    StudyResult
        The tables, files and verdicts; `StudyResult.failures` is empty, for only their rows are kept.

    Raises
    ------
    IncompleteError
        Chunks are missing; nothing is written then.
    StoreError
        The folder holds no run, one of another version, or cannot be used.
    UsageError
        The study is a file and none was named, or one with another SHA-256.
    """
    place = Path(folder)
    plan, record = _reopened(place, study)
    formats = check_formats(figure_formats, record.preset)
    manifest = provenance(plan, record.command) | {"preset": record.preset, "started": record.created}
    return write_results(place, plan, record, manifest, formats, progress or Progress(), [])


def check_formats(given: Sequence[str] | None, preset: str) -> tuple[str, ...]:
    """Return the formats of the figures; None is what `preset` usually has."""
    if given is None:
        return QUICK_FORMATS if preset == "quick" else FIGURE_FORMATS
    names = [name.strip() for name in given.split(",")] if isinstance(given, str) else given
    for name in names:
        if name not in FIGURE_FORMATS:
            raise UnknownNameError("figure format", name, FIGURE_FORMATS)
    return tuple(names)


def write_results(
    folder: Path,
    plan: Plan,
    record: Record,
    manifest: dict[str, Any],
    formats: tuple[str, ...],
    progress: Progress,
    failures: Iterable[Failure],
) -> StudyResult:
    """Write everything that follows from the chunks in `folder`, the manifest last: it says that the run is finished.

    Parameters
    ----------
    folder : Path
        Where the chunks were measured.
    plan : Plan
    record : Record
        How the first run there was called.
    manifest : dict
        Provenance; counts of trials, hashes of files and the time of the end are added here.
    formats : tuple of str
        Figure formats, see `check_formats`.
    progress : Progress
        Is told where it stands.
    failures : iterable of Failure
        Trials that raised, handed on in the result.

    Raises
    ------
    IncompleteError
        Chunks are missing; nothing is written then.
    StoreError
        The disk refuses.
    """
    if record.files:
        manifest = manifest | {"data_files": record.files}
    store = ChunkStore(folder)
    paths = _complete(folder, plan, store, record)
    with one_at_a_time(folder / CONFIG):
        forget_results(folder)
        progress.phase("writing tables")
        publish(folder / CONFIG_FILE, [to_toml(plan, record.preset, folder)])
        write_tables(folder, plan.study, store, paths)
        progress.phase("judging claims, drawing figures")
        return _report(folder, plan, manifest, formats, tuple(failures))


def result_files(study: Study) -> list[str]:
    """Return the names of the files that a run of `study` writes, without its chunks and figures."""
    tables = [*measured_columns(study), "summary", "claims"]
    return [*(f"{name}.csv" for name in tables), DICTIONARY, MANIFEST, CONFIG, CONFIG_FILE, "report.html"]


def forget_results(folder: Path) -> None:
    """Remove the manifest, which says that tables and report are finished and belong together."""
    with writing(folder / MANIFEST):
        (folder / MANIFEST).unlink(missing_ok=True)


def _reopened(folder: Path, study: str | Study | None) -> tuple[Plan, Record]:
    identity, record = read_identity(folder), read_record(folder)
    found = study if isinstance(study, Study) else study_in(folder, study)
    paths = {name: into_path(text, folder) for name, text in record.files.items()}
    config = resolve(found, record.preset, renamed(identity["config"], paths))
    plan = make_plan(found, config, identity["seed"])
    open_folder(folder, plan.identity)  # refuses where the study or its data changed since
    return plan, record


def study_in(folder: Path, given: str | None) -> Study:
    """Return the study of the run in `folder`, finished or not.

    Parameters
    ----------
    folder : Path
        Where the run is.
    given : str, optional
        Name or file of the study; without it the study has to be installed.

    Raises
    ------
    UsageError
        A study in a file that nobody named, or one with another SHA-256.
    StoreError
        `folder` holds no run.
    """
    record, sha256 = read_record(folder), read_identity(folder).get(SOURCE, "")
    if given is None and (sha256 or record.study.endswith(".py")):
        raise UnnamedStudyError(folder, sha256, Path(record.study))
    found = find_study(record.study if given is None else given)
    if given is not None:
        check_source(found, given, folder, [sha256] if sha256 else [])
    return found


def _complete(folder: Path, plan: Plan, store: ChunkStore, record: Record) -> list[Path]:
    """Return the verified file of every chunk, in order."""
    paths: list[Path] = []
    lacking: list[Chunk] = []
    for chunk in plan.chunks:
        path = store.find(chunk)
        if path is None:
            lacking.append(chunk)
        else:
            paths.append(path)
    if lacking:
        damaged = sum(store.has_file(chunk) for chunk in lacking)
        numbers = [chunk.number for chunk in lacking]
        raise IncompleteError(folder, record, numbers, sum(chunk.size for chunk in lacking), damaged)
    return paths


def _report(
    folder: Path, plan: Plan, manifest: dict[str, Any], formats: tuple[str, ...], failures: tuple[Failure, ...]
) -> StudyResult:
    """Judge and draw from the CSV files alone."""
    from nnsim.report.claims import CLAIM_COLUMNS, summary_columns  # pandas and matplotlib, over a second
    from nnsim.report.render import write_report

    measured = measured_columns(plan.study)
    tables = {name: read_table(folder / f"{name}.csv", columns) for name, columns in measured.items()}
    counts = tables["trials"]["status"].value_counts().sort_index()
    table_files = [folder / f"{name}.csv" for name in measured]
    manifest = manifest | {
        "trials": {str(status): int(count) for status, count in counts.items()},
        "finished": now(),
        "files": file_hashes(folder, table_files),
    }
    written = write_report(folder, plan.study, tables, plan.shown, manifest, formats)

    summary = read_table(folder / "summary.csv")
    tables |= {"summary": summary, "claims": read_table(folder / "claims.csv", CLAIM_COLUMNS)}
    described: dict[str, tuple[Column, ...]] = measured | {
        "summary": summary_columns(plan.study, list(summary.columns)),
        "claims": CLAIM_COLUMNS,
    }
    publish(folder / DICTIONARY, [dictionary(described)])
    files = [*table_files, *written, folder / CONFIG_FILE, folder / DICTIONARY]
    manifest = manifest | {"files": file_hashes(folder, files)}
    publish(folder / MANIFEST, [(json.dumps(manifest, indent=2) + "\n").encode()])
    return StudyResult(folder, plan.study, plan.shown, tables, (*files, folder / MANIFEST), manifest, failures)
