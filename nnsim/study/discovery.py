"""Where studies are found: the entry points ``nnsim.studies`` of any installed package, or a user's own file."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import traceback
from dataclasses import replace
from importlib.abc import SourceLoader
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from nnsim.core.errors import NnsimError, UnknownNameError, UsageError
from nnsim.study.declaration import RESERVED_STUDIES, STUDY_NAME, Study

GROUP = "nnsim.studies"


def study_names() -> list[str]:
    """Return the names of all installed studies, sorted."""
    return sorted(_installed())


def find_study(name_or_path: str) -> Study:
    """Return an installed study by its name, or the one in a Python file.

    Raises
    ------
    UsageError
        No such study (UnknownNameError offers the nearest), two of this name, no such file, a file or package that
        cannot be imported, or one without a study.
    """
    return _from_file(Path(name_or_path)) if name_or_path.endswith(".py") else _from_package(name_or_path)


def _installed() -> dict[str, list[EntryPoint]]:
    found: dict[str, list[EntryPoint]] = {}
    for entry in entry_points(group=GROUP):
        if STUDY_NAME.fullmatch(entry.name) and entry.name not in RESERVED_STUDIES:
            found.setdefault(entry.name, []).append(entry)
    return found


def _from_package(name: str) -> Study:
    installed = _installed()
    if name not in installed:
        raise UnknownNameError("study", name, installed)
    entry, *others = installed[name]
    if others:
        packages = ", ".join(sorted(one.dist.name for one in installed[name] if one.dist is not None))
        raise UsageError(f"the study '{name}' is offered more than once, by {packages}: uninstall all but one")
    try:
        study = _checked(entry.load(), name)
    except NnsimError:
        raise
    except (Exception, SystemExit) as error:
        raise UsageError(f"the study '{name}' ({entry.value}) cannot be imported: {_reason(error)}") from error
    if study.name != name:
        raise UsageError(f"the study '{name}' ({entry.value}) calls itself '{study.name}': both must be the same")
    return study


def _from_file(path: Path) -> Study:
    if not path.is_file():
        raise UsageError(f"there is no study file '{path}'")
    try:
        source = path.read_bytes()
        module = _import(path, source)
    except (Exception, SystemExit) as error:
        raise UsageError(f"the study file '{path}' cannot be imported: {_reason(error, path)}") from error
    study = _checked(getattr(module, "study", None), str(path))
    return replace(study, source_sha256=hashlib.sha256(source).hexdigest())


class _Loader(SourceLoader):
    """Runs the bytes whose SHA-256 is recorded: neither the file read once more, nor compiled code beside it."""

    def __init__(self, path: Path, source: bytes) -> None:
        self.path, self.source = str(path), source

    def get_filename(self, fullname: str) -> str:
        return self.path

    def get_data(self, path: str) -> bytes:
        return self.source


def _import(path: Path, source: bytes) -> ModuleType:
    """Return the module of the file `path`, which holds `source` and may import its neighbours, now and later."""
    name = f"nnsim_study_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path, loader=_Loader(path, source))
    if spec is None or spec.loader is None:
        raise ImportError("it is no Python file")
    module = importlib.util.module_from_spec(spec)
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)  # behind all others: a neighbour called random.py must not hide Python's
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _reason(error: BaseException, path: Path | None = None) -> str:
    """Return one line: what went wrong, and the last line of the user's own file that it came through."""
    if isinstance(error, SyntaxError):
        return f"{error.msg}, line {error.lineno}"
    words = " ".join(f"{type(error).__name__}: {error}".split())
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if path is not None and Path(frame.filename) == path]
    return f"{words}, line {lines[-1]}" if lines else words


def _checked(candidate: object, origin: str) -> Study:
    if not isinstance(candidate, Study):
        raise UsageError(f"'{origin}' provides no study: it must define study = nnsim.study.declaration.Study(...)")
    return candidate
