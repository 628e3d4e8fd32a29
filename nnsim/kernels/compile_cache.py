"""Where compiled code is kept: one folder for each state of the sources, the versions and the CPU.

Numba does not recompile a cached caller when a function that it imports changes. A folder named by a hash of
everything that goes into the code makes a stale hit impossible.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from functools import cache
from pathlib import Path

import llvmlite
import llvmlite.binding
import numba
import numpy as np

SWITCH = "NNSIM_COMPILE_CACHE"


def _source_digest() -> bytes:
    digest = hashlib.sha256()
    root = Path(__file__).resolve().parents[1]
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.digest()


def _state() -> str:
    cpu = os.environ.get("NUMBA_CPU_NAME") or llvmlite.binding.get_host_cpu_name()
    features = os.environ.get("NUMBA_CPU_FEATURES", "host")
    versions = (sys.version, numba.__version__, llvmlite.__version__, np.__version__, cpu, features)
    return hashlib.sha256(_source_digest() + repr(versions).encode()).hexdigest()[:16]


def _base() -> Path:
    if "SLURM_JOB_ID" in os.environ:  # $HOME is shared between the nodes of a cluster: stay on the node
        local = os.environ.get("SLURM_TMPDIR") or os.environ.get("TMPDIR") or tempfile.gettempdir()
        return Path(local) / f"nnsim-cache-{os.getuid()}"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nnsim"


def _usable(folder: Path) -> bool:
    """Cached code is a pickle: only a folder that is ours, and closed to others, is read from."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
        if status.st_uid != os.getuid() or status.st_mode & 0o022:
            return False
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


@cache
def folder() -> Path | None:
    """Return the folder for this state of the program, or None where nothing can or shall be cached.

    ``NNSIM_COMPILE_CACHE=0`` switches the cache off, and ``NUMBA_CACHE_DIR`` is respected where it is set.
    """
    if os.environ.get(SWITCH, "").lower() in {"0", "off", "no", "false"}:
        return None
    if "NUMBA_CACHE_DIR" in os.environ:
        base = Path(os.environ["NUMBA_CACHE_DIR"])
    else:
        base = _base()
    place = base / _state()
    return place if _usable(place) else None
