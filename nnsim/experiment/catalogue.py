"""Where studies are found: the entry points ``nnsim.studies`` of any installed package, or a user's own file."""

from __future__ import annotations

import importlib.util
import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from nnsim.errors import UnknownNameError, UsageError
from nnsim.experiment.study import RESERVED_STUDIES, Study

GROUP = "nnsim.studies"


def study_names() -> list[str]:
    """Return the names of all installed studies, sorted."""
    return sorted(_installed())


def find_study(name_or_path: str) -> Study:
    """Return an installed study by its name, or the one in a Python file.

    Raises
    ------
    UsageError
        No such study (UnknownNameError offers the nearest), no such file, or a file without a study.
    """
    if name_or_path.endswith(".py"):
        return _from_file(Path(name_or_path))
    installed = _installed()
    if name_or_path not in installed:
        raise UnknownNameError("study", name_or_path, installed)
    return _checked(installed[name_or_path].load(), name_or_path)


def _installed() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP) if entry.name not in RESERVED_STUDIES}


def _from_file(path: Path) -> Study:
    if not path.is_file():
        raise UsageError(f"there is no study file '{path}'")
    name = f"nnsim_study_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"'{path}' cannot be loaded as a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return _checked(getattr(module, "study", None), str(path))


def _checked(candidate: object, origin: str) -> Study:
    if not isinstance(candidate, Study):
        raise UsageError(f"'{origin}' provides no study: it must define study = nnsim.experiment.study.Study(...)")
    return candidate
