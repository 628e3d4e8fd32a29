"""Where a result comes from: versions, machine, configuration and the hash of every file."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from nnsim.experiment.executor import usable_cpus
from nnsim.experiment.files import sha256_of
from nnsim.experiment.plan import Plan

PACKAGES = ("nnsim", "numba", "llvmlite", "numpy", "scipy", "pandas", "scikit-learn", "matplotlib")


def now() -> str:
    """Return the time in UTC to the second, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def provenance(plan: Plan, command: str, jobs: int) -> dict[str, Any]:
    """Return what the manifest says about the run itself, ready for JSON.

    Parameters
    ----------
    plan : Plan
        What is run.
    command : str
        The command line that does the same.
    jobs : int
        Number of threads.
    """
    return {
        **plan.identity,
        "command": command,
        "jobs": jobs,
        "versions": versions(),
        "platform": platform.platform(),
        "cpu": {"model": _cpu_model(), "compiled_for": _compiled_for(), "usable": usable_cpus()},
        "canonical_files": [f"{table.name}.csv" for table in plan.study.tables if table.canonical],
    }


def file_hashes(folder: Path, paths: list[Path]) -> dict[str, str]:
    """Return the SHA-256 of each of `paths` by its name within `folder`."""
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in sorted(paths)}


def versions() -> dict[str, str | None]:
    """Return the versions of Python and of the packages that a result depends on."""
    return {"python": platform.python_version(), **{name: version_of(name) for name in PACKAGES}}


def version_of(package: str) -> str | None:
    """Return the version of an installed package, None of one that is not there."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _compiled_for() -> str:
    """Return the CPU for which Numba compiles: the host's name in LLVM, or what the environment sets."""
    from llvmlite.binding import get_host_cpu_name

    return os.environ.get("NUMBA_CPU_NAME") or get_host_cpu_name()
