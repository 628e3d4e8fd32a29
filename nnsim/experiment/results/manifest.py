"""Where a result comes from: versions, machine, configuration and the hash of every file."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nnsim.core.atomic_files import sha256_of
from nnsim.experiment.executors.threads import usable_cpus
from nnsim.experiment.plan import Plan
from nnsim.experiment.results.environment import compiled_for, cpu_model, versions


def now() -> str:
    """Return the time in UTC to the second, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def provenance(plan: Plan, command: str) -> dict[str, Any]:
    """Return what the manifest says about the run itself, ready for JSON.

    Parameters
    ----------
    plan : Plan
        What is run.
    command : str
        The command line that does the same.
    """
    return {
        **plan.identity,
        "command": command,
        "versions": versions(),
        "platform": platform.platform(),
        "cpu": {"model": cpu_model(), "compiled_for": compiled_for(), "usable": usable_cpus()},
        "canonical_files": [f"{table.name}.csv" for table in plan.study.tables if table.canonical],
    }


def file_hashes(folder: Path, paths: list[Path]) -> dict[str, str]:
    """Return the SHA-256 of each of `paths` by its name within `folder`."""
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in sorted(paths)}
