"""Where compiled code is kept: one folder for each state of the sources, the versions and the CPU.

Numba does not recompile a cached caller when a function that it imports changes. A folder named by a hash of
everything that goes into the code makes a stale hit impossible: of the kernels' folder, outside of which nothing is
compiled, and of the versions and variables that change what the compiler makes of it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import llvmlite
import llvmlite.binding
import numba
import numpy as np

from nnsim.core.errors import NnsimError
from nnsim.kernels.compiling.tables import added

SWITCH = "NNSIM_COMPILE_CACHE"
SOURCES = Path(__file__).resolve().parents[1]
"""The folder of all code that is compiled. It imports nothing that goes into compiled code from elsewhere in nnsim."""
STATE_NAME = re.compile(r"nnsim-[0-9a-f]{16}")
HARMLESS = frozenset({"NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS"})
"""Numba's variables that change no code; any other one has a cache of its own."""


@dataclass(frozen=True)
class Place:
    """The folder of compiled code, or None and the reason why nothing is kept."""

    folder: Path | None
    reason: str = ""


@cache
def place() -> Place:
    """Return where this state of the program keeps its code.

    ``NNSIM_COMPILE_CACHE=0`` switches the cache off, and ``NUMBA_CACHE_DIR`` is respected where it is set.
    """
    if os.environ.get(SWITCH, "").lower() in {"0", "off", "no", "false"}:
        return Place(None, f"{SWITCH} switches it off")
    own = [] if "NUMBA_CACHE_DIR" in os.environ else [base()]
    folder = base() / f"nnsim-{_state()}"
    reason = next(filter(None, map(_refusal, [*own, folder])), "")
    return Place(None if reason else folder, reason)


def folder() -> Path | None:
    """Return the folder for this state of the program, or None where nothing can or shall be kept."""
    return place().folder


def base() -> Path:
    """Return the folder that holds a folder for each state."""
    if "NUMBA_CACHE_DIR" in os.environ:
        return Path(os.environ["NUMBA_CACHE_DIR"])
    if "SLURM_JOB_ID" in os.environ:  # $HOME is shared between the nodes of a cluster: stay on the node
        local = os.environ.get("SLURM_TMPDIR") or os.environ.get("TMPDIR") or tempfile.gettempdir()
        return Path(local) / f"nnsim-cache-{os.getuid()}"
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nnsim"
    except RuntimeError:  # a user whom the system does not know, in a container
        return Path(tempfile.gettempdir()) / f"nnsim-cache-{os.getuid()}"


def is_empty(part: str = ".") -> bool:
    """Return whether nothing is kept for this state yet, of one part of the sources (``kernels/cuda``) or of all."""
    here = folder()
    return here is None or next((here / part).rglob("*.nbi"), None) is None


def size(place: Path) -> int:
    """Return the bytes in a folder."""
    return sum(path.stat().st_size for path in place.rglob("*") if path.is_file())


def clear() -> tuple[int, int]:
    """Remove the code of every state; other files in the same place stay.

    Returns
    -------
    tuple of int
        How many states were removed, and how many bytes.

    Raises
    ------
    NnsimError
        A folder that cannot be removed.
    """
    states = [path for path in base().glob("nnsim-*") if STATE_NAME.fullmatch(path.name) and not path.is_symlink()]
    total = 0
    for path in states:
        try:
            total += size(path)
            shutil.rmtree(path)
        except OSError as error:
            raise NnsimError(f"cannot remove '{path}': {(error.strerror or str(error)).lower()}") from error
    return len(states), total


def keeps(function: Callable) -> bool:
    """Return whether the code of `function` is kept: the state knows its sources, and there is a place."""
    return Path(function.__code__.co_filename).resolve().is_relative_to(SOURCES) and folder() is not None


def _state() -> str:
    cpu = llvmlite.binding.get_host_cpu_name()
    variables = sorted(item for item in os.environ.items() if item[0].startswith("NUMBA_") and item[0] not in HARMLESS)
    versions = (sys.version, numba.__version__, llvmlite.__version__, np.__version__, cpu, variables, added())
    return hashlib.sha256(_source_digest() + repr(versions).encode()).hexdigest()[:16]


def _source_digest() -> bytes:
    digest = hashlib.sha256()
    for path in sorted(SOURCES.rglob("*.py")):
        content = hashlib.sha256(path.read_bytes()).digest()
        digest.update(path.relative_to(SOURCES).as_posix().encode() + b"\0" + content)
    return digest.digest()


def _refusal(folder: Path) -> str:
    """Return why `folder` cannot be used: cached code runs, so a folder must be ours and closed to others."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
        if os.name == "posix" and status.st_uid != os.getuid():
            return f"'{folder}' belongs to somebody else"
        if os.name == "posix" and status.st_mode & 0o022:
            return f"'{folder}' can be written by others"
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return f"'{folder}' cannot be written: {(error.strerror or str(error)).lower()}"
