"""Files appear whole or not at all, and what the disk refuses is one sentence."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from nnsim.errors import StoreError

TEMPORARY_SUFFIX = ".nnsim-tmp"


def publish(path: Path, blocks: Iterable[bytes]) -> str:
    """Write `blocks` to `path` so that no reader ever sees a part of them.

    A temporary file in the same folder is written, synced and renamed, and the folder is synced: after a power cut the
    old file or the new one is there.

    Returns
    -------
    str
        SHA-256 of the content, hexadecimal.

    Raises
    ------
    StoreError
        The disk is full, read-only, or fails; `path` is then untouched.
    """
    digest = hashlib.sha256()
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")
    with writing(path):
        try:
            with temporary.open("xb") as file:
                for block in blocks:
                    digest.update(block)
                    file.write(block)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(path.parent)
    return digest.hexdigest()


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the disk refuses within the block into a StoreError about `path`."""
    try:
        yield
    except OSError as error:
        raise StoreError(_sentence(error, path)) from error


def _sentence(error: OSError, path: Path) -> str:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return f"the disk of '{path.parent}' is full: free some space and run the same command again to go on"
    reason = (error.strerror or str(error)).lower()
    return f"cannot write '{path}': {reason}"
