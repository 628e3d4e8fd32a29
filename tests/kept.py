"""Results that no source has changed since: kept beside the compiled kernels, and not measured again.

A result is kept under the digest of all sources, tests included, of the versions of what they import and of the CPU:
any edit has it measured anew. What a test measures with something replaced must never be kept.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import nnsim_cli
import nnsim_studies

import nnsim
from nnsim.kernels.compiling import compile_cache

TESTS = Path(__file__).parent
PATHS = os.pathsep.join(str(TESTS / folder) for folder in (".", "studies", "bits"))
"""Where scripts of the tests find what they share, as pytest does."""
DECIDING = ("NUMBA_CPU_", "OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES", "GLIBC_TUNABLES")
"""Variables that choose the code of a CPU: a script has those that it is given, not this process's."""
SOURCES = (*(Path(package.__path__[0]) for package in (nnsim, nnsim_cli, nnsim_studies)), TESTS)


@cache
def state() -> str:
    """Return the digest of every source and version that a result may depend on."""
    sha = hashlib.sha256()
    for folder in SOURCES:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                sha.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    versions = sorted(f"{each.metadata['Name']} {each.version}" for each in distributions())
    sha.update(repr((sys.version, versions)).encode())
    return sha.hexdigest()[:16]


def folder(make: Callable[[Path], None], *name: Any) -> Path | None:
    """Return the folder that `make` has filled for this state and name; None where nothing can be kept."""
    cached = compile_cache.folder()
    if cached is None:
        return None
    place = cached / "kept" / state() / hashlib.sha256(repr(name).encode()).hexdigest()[:16]
    if not place.is_dir():
        place.parent.mkdir(parents=True, exist_ok=True)
        begun = Path(tempfile.mkdtemp(dir=place.parent, prefix="begun-"))
        try:
            make(begun)
            with suppress(OSError):  # another process was faster
                begun.rename(place)
        finally:
            shutil.rmtree(begun, ignore_errors=True)
    return place


def passed(check: Callable[[], None], *name: Any) -> None:
    """Run a check that raises where something is wrong; one that has passed in this state is not run again."""
    if folder(lambda _: check(), *name) is None:
        check()


def json_of(script: str, *words: str, **environment: str) -> Any:
    """Return what a script of this folder prints as JSON, with these variables set."""

    def printed() -> str:
        command = [sys.executable, str(TESTS / script), *words]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(DECIDING)}
        variables = {**inherited, "PYTHONPATH": PATHS, **environment}
        done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=3600)
        assert done.returncode == 0, (done.stdout + done.stderr)[-2000:]
        return done.stdout

    place = folder(lambda begun: (begun / "printed.json").write_text(printed()), script, words, environment)
    return json.loads(printed() if place is None else (place / "printed.json").read_text())
