"""The names of unfinished files, and which of them a dead process left behind."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import socket
import time
from functools import cache
from pathlib import Path

TEMPORARY_SUFFIX = ".nnsim-tmp"
TEMPORARY_NAME = re.compile(r"\..+\.(?P<origin>[0-9a-f]{8})-(?P<pid>\d+)-[0-9a-f]{8}" + re.escape(TEMPORARY_SUFFIX))

ABANDONED_SECONDS = 86400.0
"""A file that nobody wrote to for so long has no writer, wherever that was."""


def temporary_path(path: Path) -> Path:
    """Return a fresh name beside `path` that says which process writes it."""
    return path.with_name(f".{path.name}.{_origin()}-{os.getpid()}-{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")


def remove_stale(folder: Path) -> None:
    """Remove the unfinished files in `folder` whose writer is dead; what a living process may be writing stays."""
    for path in folder.glob(f".*{TEMPORARY_SUFFIX}"):
        if _is_stale(path):
            path.unlink(missing_ok=True)


def _is_stale(path: Path) -> bool:
    named = TEMPORARY_NAME.fullmatch(path.name)
    if named is None:
        return False
    if named["origin"] == _origin() and not _lives(int(named["pid"])):
        return True
    try:
        return time.time() - path.stat().st_mtime > ABANDONED_SECONDS
    except FileNotFoundError:  # its writer has just finished
        return False


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        pass
    return True


@cache
def _origin() -> str:
    """Return eight digits for where this process id means this process: host, start of the system, container."""
    parts = [socket.gethostname()]
    for source in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        try:
            parts.append(os.readlink(source) if os.path.islink(source) else Path(source).read_text())
        except OSError:  # no such thing on this system
            parts.append("")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]
