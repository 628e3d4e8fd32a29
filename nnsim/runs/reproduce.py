"""A run once more from its manifest alone, and whether it gave the same bytes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nnsim.core.errors import StoreError
from nnsim.core.progress import Progress
from nnsim.experiment.results.result_folder import FinishedRun, open_run, same_plan, study_of
from nnsim.experiment.results.tables import MANIFEST
from nnsim.runs.run import run_study


@dataclass(frozen=True)
class FileComparison:
    """One table of both runs.

    Attributes
    ----------
    name : str
        Name of the file.
    canonical : bool
        Whether it has to be the same on every machine.
    first, second : str
        SHA-256 in the manifest and of what was measured now.
    """

    name: str
    canonical: bool
    first: str
    second: str

    @property
    def same(self) -> bool:
        """True if every byte is the same."""
        return self.first == self.second


@dataclass(frozen=True)
class Reproduction:
    """The run of a manifest, the one that was made from it, and their tables."""

    original: FinishedRun
    run: FinishedRun
    files: tuple[FileComparison, ...]

    @property
    def holds(self) -> bool:
        """True if every canonical file is the same."""
        return all(file.same for file in self.files if file.canonical)


def reproduce(
    original: FinishedRun,
    study: str | None = None,
    *,
    output: Path | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Reproduction:
    """Measure everything again that a manifest tells of, and compare the tables.

    Parameters
    ----------
    original : FinishedRun
        From `nnsim.experiment.results.result_folder.open_run` or `read_manifest`; its other files are not needed.
    study : str, optional
        Name or file of the study; by default the installed one.
    output : path, optional
        Where the new run goes; by default beside the folder of the manifest, with ``-reproduced`` behind its name. A
        reproduction that was stopped there goes on.
    jobs : int, optional
        Number of threads.
    progress : Progress, optional
        Is told where the run stands.

    Raises
    ------
    StoreError
        Another arithmetic, schema or input file, or an output folder that cannot be used.
    UsageError
        The study is not installed, or is another one.
    """
    found = study_of(original, study)
    same_plan(original, found)
    folder = default_output(original) if output is None else output
    if (folder / MANIFEST).exists():
        raise StoreError(f"'{folder}' holds a finished run, and nothing would be measured again: name another folder")
    run_study(
        study or original.study,
        original.manifest["preset"],
        output=folder,
        jobs=jobs,
        seed=original.manifest["seed"],
        progress=progress,
        **original.located_config,
    )
    again = open_run(folder)
    names = {f"{table.name}.csv": table.canonical for table in found.tables}
    files = (FileComparison(name, names[name], original.files[name], again.files[name]) for name in names)
    return Reproduction(original, again, tuple(files))


def default_output(original: FinishedRun) -> Path:
    """Return the folder beside that of the manifest in which a reproduction goes where none is named."""
    folder = original.folder.resolve()
    return folder.with_name(f"{folder.name}-reproduced")
