"""Which program a run was made with: a study in a file is known by the SHA-256 of its text, and loaded on request only.

A result folder may come from anybody. It tells the SHA-256 of its study's file; which file is loaded says who calls.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from nnsim.core.atomic_files import sha256_of
from nnsim.core.errors import UsageError
from nnsim.study.declaration import Study

SOURCE = "source_sha256"
"""Entry of identities and manifests: SHA-256 of the study's file; there is none for an installed study."""

LONGEST_SOURCE = 10_000_000
"""Bytes of a file that may be a study's."""


def agree(name: str, there: Mapping[str, Any], here: Mapping[str, Any]) -> bool:
    """Return whether two identities say the same of one entry.

    A study that a program hands over as an object has no file: a source that only one side tells is no difference.

    Parameters
    ----------
    name : str
        The entry.
    there, here : mapping of str to JSON
        Identities, as `nnsim.experiment.plan.Plan.identity`, or manifests.
    """
    if name == SOURCE and not (name in there and name in here):
        return True
    return there.get(name) == here.get(name)


class UnnamedStudyError(UsageError):
    """A run of a study in a file, and nobody said which file to load."""

    def __init__(self, folder: Path, sha256: str, recorded: Path | None = None) -> None:
        told = f" with SHA-256 {sha256}" if sha256 else ""
        super().__init__(
            f"the run in '{folder}' is of a study in a file{told}, and no folder decides which program is loaded: "
            f"{_remedy(folder, sha256, recorded)}"
        )


def check_source(study: Study, given: str, folder: Path, recorded: Collection[str]) -> None:
    """Refuse a study that is not the one a run was made with.

    Parameters
    ----------
    study : Study
        What was loaded.
    given : str
        The name or file by which the user named it.
    folder : Path
        Where the run lies.
    recorded : collection of str
        Each SHA-256 that is right; none where the run does not tell.

    Raises
    ------
    UsageError
        The source is another; the sentence names both.
    """
    if not recorded or study.source_sha256 in recorded:
        return
    here = f"has SHA-256 {study.source_sha256}" if study.source_sha256 else "is an installed study"
    there = " or ".join(recorded)
    raise UsageError(
        f"'{given}' {here}, but the run in '{folder}' was made with a study file of SHA-256 {there}: "
        f"run this one into a folder of its own, or the right one here; {_remedy(folder, there)}"
    )


def _remedy(folder: Path, sha256: str, recorded: Path | None = None) -> str:
    found = next((path for path in _candidates(folder, recorded) if _has(path, sha256)), None)
    if found is None:
        return "name that file with --study FILE"
    return f"'{found}' has this SHA-256, so if you trust it add: --study {shlex.quote(str(found))}"


def _candidates(folder: Path, recorded: Path | None) -> Iterator[Path]:
    """Yield Python files beside the folder and in the working folder, and the one that the run was called with."""
    if recorded is not None:
        yield recorded
    for place in dict.fromkeys((folder.resolve().parent, Path.cwd())):
        yield from sorted(place.glob("*.py"))


def _has(path: Path, sha256: str) -> bool:
    """Return whether a file, which is read and not run, has this SHA-256."""
    try:
        return path.is_file() and path.stat().st_size <= LONGEST_SOURCE and sha256_of(path) == sha256
    except OSError:
        return False
