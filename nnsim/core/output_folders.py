"""Where results may go: to a place with a name, into no stranger's folder, onto no input."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from os import PathLike
from pathlib import Path

from nnsim.core.atomic_files import is_stream, make_folder, try_to_write, writing
from nnsim.core.errors import StoreError, UsageError
from nnsim.core.temporary_files import TEMPORARY_SUFFIX

STANDARD_INPUT = "-"


def named(output: str | PathLike[str]) -> Path:
    """Return the path of an output; raises UsageError where it is empty, which ``Path`` takes for this folder."""
    if not os.fspath(output):
        raise UsageError("the name of the output is empty: give one as in -o out, or -o . for the folder you are in")
    return Path(output)


def claim_folder(folder: Path, is_ours: Callable[[Path], bool]) -> None:
    """Make `folder`, or refuse one in which somebody else's files are.

    Parameters
    ----------
    folder : Path
    is_ours : callable
        ``is_ours(folder)`` tells whether nnsim filled a folder that is not empty.

    Raises
    ------
    StoreError
        It is no folder, holds a stranger's files, or cannot be made. Nothing in it is changed then.
    """
    with writing(folder):
        if is_stream(folder) or (folder.exists() and not folder.is_dir()):
            what = "a file" if folder.is_file() else "no folder"
            raise StoreError(f"output '{folder}' is {what}: name a folder that is new, empty, or holds the same run")
        make_folder(folder)
        strangers = sorted(name for name in os.listdir(folder) if not name.endswith(TEMPORARY_SUFFIX))
    if strangers and not is_ours(folder):
        raise StoreError(
            f"output '{folder}' is not empty and holds no results of nnsim (it has '{strangers[0]}'): "
            "name a folder that is new or empty"
        )


def check_file(path: Path) -> None:
    """Raise UsageError or StoreError where no file `path` can be written: better known before the work than after."""
    if path.is_dir():
        raise UsageError(f"'{path}' is a folder: name a file, as in --output {path / 'result.csv'}")
    with writing(path):
        if not is_stream(path):
            try_to_write(Path(os.path.realpath(path)).parent)


def refuse_inputs(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Raise UsageError where an output is a file that is read, by whatever name or link; ``-`` is standard input."""
    sources = {_file(0 if str(path) == STANDARD_INPUT else path): path for path in inputs}
    for output in outputs:
        source = sources.get(_file(output)) if _file(output) else None
        if source is not None:
            raise UsageError(f"the output '{output}' would replace the input '{source}': name another one")


def _file(path: Path | int) -> tuple[int, int] | None:
    """Return what all names of one regular file share, None where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISREG(status.st_mode) else None
