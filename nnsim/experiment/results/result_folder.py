"""A finished run as its manifest tells it: read with suspicion, and planned again."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from nnsim.core.errors import StoreError, UsageError
from nnsim.core.versions import ARITHMETIC_VERSION
from nnsim.data.data_paths import into_path
from nnsim.experiment.config import resolve, to_json
from nnsim.experiment.inputs import renamed
from nnsim.experiment.plan import SEED_LIMIT, Plan, make_plan
from nnsim.experiment.results.tables import MANIFEST
from nnsim.experiment.source import SOURCE, UnnamedStudyError, agree, check_source
from nnsim.study.declaration import PRESETS, STUDY_NAME, Study
from nnsim.study.discovery import find_study, study_names

SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class FinishedRun:
    """What a manifest says of a run.

    Attributes
    ----------
    folder : Path
        Where the manifest lies.
    manifest : dict
        Its content, each entry that `ENTRIES` names of the right kind.
    """

    folder: Path
    manifest: dict[str, Any]

    @property
    def study(self) -> str:
        """Name of the study; a manifest never says which file to load."""
        return self.manifest["study"]

    @property
    def config(self) -> dict[str, Any]:
        """Value of each axis, JSON."""
        return self.manifest["config"]

    @property
    def located_config(self) -> dict[str, Any]:
        """The same, with the path of each data file that still lies where it lay, from the folder on."""
        paths = {name: into_path(text, self.folder) for name, text in (self.manifest.get("data_files") or {}).items()}
        return renamed(self.config, {name: path for name, path in paths.items() if os.path.isfile(path)})

    @property
    def files(self) -> dict[str, str]:
        """File name within the folder to SHA-256."""
        return self.manifest["files"]

    @property
    def source_sha256(self) -> str:
        """SHA-256 of the study's file; empty for an installed study."""
        return self.manifest.get(SOURCE, "")


def open_run(folder: Path) -> FinishedRun:
    """Return the finished run in `folder`.

    Raises
    ------
    StoreError
        Not a folder, no finished run in it, or a damaged manifest.
    """
    if not folder.exists():
        raise StoreError(f"there is no folder '{folder}'")
    if not folder.is_dir():
        raise StoreError(f"'{folder}' is a file, not a result folder of nnsim")
    if not (folder / MANIFEST).exists():
        raise StoreError(f"'{folder}' holds no finished run: it has no {MANIFEST}")
    return read_manifest(folder / MANIFEST)


def read_manifest(path: Path) -> FinishedRun:
    """Return the run that the manifest in the file `path` tells of; raises StoreError where it is damaged."""
    if not path.is_file():
        raise StoreError(f"there is no manifest '{path}'" if not path.exists() else f"'{path}' is no regular file")
    try:
        manifest = json.loads(path.read_bytes())
    except OSError as error:
        raise StoreError(f"cannot read '{path}': {(error.strerror or str(error)).lower()}") from error
    except (ValueError, RecursionError):
        raise StoreError(f"the manifest '{path}' is damaged: it is no JSON") from None
    if not isinstance(manifest, dict):
        raise StoreError(f"the manifest '{path}' is damaged: it is no JSON object")
    for name, (fits, meaning) in ENTRIES.items():
        if not fits(manifest.get(name)):
            raise StoreError(f"the manifest '{path}' is damaged: '{name}' must be {meaning}")
    for name in manifest["files"]:
        if not _stays_inside(name):
            raise StoreError(f"the manifest '{path}' is damaged: it names the file {name!a} outside of its folder")
    return FinishedRun(path.parent, manifest)


def study_of(run: FinishedRun, given: str | None = None, *others: FinishedRun) -> Study:
    """Return the study of `run`.

    Parameters
    ----------
    run : FinishedRun
        The run.
    given : str, optional
        Name or file of the study. Without it the study has to be installed: which file is loaded as a program is said
        by who calls, never by a manifest.
    *others : FinishedRun
        Further runs, whose study's file is as right.

    Raises
    ------
    UsageError
        The study is not installed, is another one, or has another SHA-256.
    """
    if given is None and run.source_sha256:
        raise UnnamedStudyError(run.folder, run.source_sha256)
    if given is None and run.study not in study_names():
        raise UsageError(f"study '{run.study}' is not installed: if it is a file, name it with --study FILE")
    study = find_study(run.study if given is None else given)
    if study.name != run.study:
        raise UsageError(f"'{given}' is the study '{study.name}', but '{run.folder}' is a run of '{run.study}'")
    if given is not None:
        recorded = [one.source_sha256 for one in (run, *others)]
        check_source(study, given, run.folder, list(filter(None, dict.fromkeys(recorded))))
    return study


def plan_of(run: FinishedRun, study: Study) -> Plan:
    """Return the plan of `run`, whatever versions it was made with.

    Raises
    ------
    UsageError
        An axis or value that `study` does not know, or a seed out of range.
    NnsimError
        What the study says about its input, such as a data file that is missing.
    """
    return make_plan(study, resolve(study, run.manifest["preset"], run.located_config), run.manifest["seed"])


def same_plan(run: FinishedRun, study: Study) -> Plan:
    """Return the plan of `run` if measuring it here must give the same bits.

    Raises
    ------
    StoreError
        The arithmetic, the study's schema, its axes or its input files are not those of the run, or the manifest lacks
        the hash of a table.
    NnsimError
        As `plan_of`.
    """
    _refuse_versions(run, study)
    plan = plan_of(run, study)
    for name, value in plan.identity.items():
        there = run.manifest.get(name)
        if name == "config":
            _refuse_axes(run, to_json(plan.shown))
        elif not agree(name, run.manifest, plan.identity):
            raise StoreError(
                f"{name} is {json.dumps(there)} in the manifest of '{run.folder}' and {json.dumps(value)} here: "
                "an input of the study is not what it was"
            )
    for table in study.tables:
        if f"{table.name}.csv" not in run.files:
            raise StoreError(f"the manifest of '{run.folder}' is damaged: it lacks the hash of '{table.name}.csv'")
    return plan


def _refuse_versions(run: FinishedRun, study: Study) -> None:
    versions = {
        "arithmetic version": ARITHMETIC_VERSION,
        f"schema version of study '{study.name}'": study.schema_version,
    }
    for (kind, here), entry in zip(versions.items(), ("arithmetic_version", "schema_version"), strict=True):
        there = run.manifest[entry]
        if there != here:
            raise StoreError(
                f"the run in '{run.folder}' has {kind} {there}, this program has {here}: use the version of nnsim that "
                "made it"
            )


def _refuse_axes(run: FinishedRun, here: Mapping[str, Any]) -> None:
    for name in {**here, **run.config}:
        if here.get(name) != run.config.get(name):
            values = [json.dumps(values[name]) if name in values else "not set" for values in (run.config, here)]
            raise StoreError(
                f"axis {name} is {values[0]} in the manifest of '{run.folder}' and read as {values[1]} here: "
                "it was not written by this version of the study"
            )


def _stays_inside(name: str) -> bool:
    path = PurePosixPath(name)
    plain = name.isprintable() and "\\" not in name and path.as_posix() == name and name != "."
    return plain and not path.is_absolute() and ".." not in path.parts


def _is_version(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_config(value: Any) -> bool:
    return isinstance(value, dict) and all(name.isidentifier() for name in value)


def _is_paths(value: Any) -> bool:
    return value is None or (isinstance(value, dict) and all(isinstance(path, str) for path in value.values()))


def _is_sha(value: Any) -> bool:
    return isinstance(value, str) and bool(SHA256.fullmatch(value))


def _is_hashes(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_sha, value.values()))


ENTRIES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "study": (lambda value: isinstance(value, str) and bool(STUDY_NAME.fullmatch(value)), "the name of a study"),
    "preset": (lambda value: isinstance(value, str) and value in PRESETS, f"one of {', '.join(PRESETS)}"),
    "config": (_is_config, "the value of each axis"),
    "seed": (lambda value: _is_version(value) and 0 <= value < SEED_LIMIT, "a whole number from 0 to below 2**63"),
    "arithmetic_version": (_is_version, "a whole number"),
    "schema_version": (_is_version, "a whole number"),
    "files": (_is_hashes, "the SHA-256 of each file"),
    "data_files": (_is_paths, "the path of each data file, where there are such files"),
    SOURCE: (lambda value: value is None or _is_sha(value), "the SHA-256 of the study's file"),
}
"""What a manifest must hold for a run to be judged by it: a test of the value, and what it must be in words."""
