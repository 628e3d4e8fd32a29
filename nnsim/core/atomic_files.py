"""Files appear whole or not at all, and what the disk refuses is one sentence."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nnsim.core.errors import StoreError
from nnsim.core.temporary_files import temporary_path

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]


DESCRIPTOR = re.compile(r"/(?:dev|proc/self)/fd/(\d+)")
STREAMS = {"-": 1, "/dev/stdout": 1, "/dev/stderr": 2}
"""Names of files that are open already, where their descriptor does not stand in them."""

NO_HARD_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS})


def publish(path: Path, blocks: Iterable[bytes], keep: bool = False) -> str:
    """Write `blocks` to `path` so that no reader ever sees a part of them.

    A temporary file in the same folder is written, synced and renamed, and the folder is synced: after a power cut the
    old file or the new one is there. A link is followed, and a file that was there keeps its mode and, where the system
    allows it, its owner. A pipe, a device or an open stream (`is_stream`) cannot be replaced, and is written to.

    Parameters
    ----------
    path : Path
        Where the content goes.
    blocks : iterable of bytes
        The content, of which no more than a block is held in memory.
    keep : bool
        Whether a file that is there already stays as it is; a file system without hard links may replace one that
        appears in the same instant.

    Returns
    -------
    str
        SHA-256 of the content, hexadecimal.

    Raises
    ------
    StoreError
        The disk is full, read-only, or fails; `path` is then untouched.
    BrokenPipeError
        Nobody reads what is written to a pipe.
    """
    digest = hashlib.sha256()
    with writing(path), _opened(path, keep) as descriptor:
        for block in blocks:
            digest.update(block)
            _write_all(descriptor, block)
    return digest.hexdigest()


def is_stream(path: Path) -> bool:
    """Return whether `path` is a pipe, a device, or a stream that is open already: ``-`` or ``/dev/stdout``."""
    return _descriptor_of(path) is not None or (path.exists() and not path.is_file() and not path.is_dir())


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make `folder`, or what it links to, and those above it, so that they survive a power cut."""
    folder = Path(os.path.realpath(folder))
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for place in missing:
        sync_folder(place.parent)


def try_to_write(folder: Path) -> None:
    """Raise OSError where nothing can be written into `folder`: better known before hours of work than after."""
    probe = temporary_path(folder / "probe")
    os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    probe.unlink()


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the disk refuses within the block into a StoreError about `path`; that nobody reads is no refusal."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise StoreError(_sentence(error, path)) from error


@contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Wait until no other process is in such a block for the file `path`; the system ends the wait for a dead one.

    Where the file system has no locks nobody waits. Every file is whole then too, but two processes that finish in the
    same second may leave a manifest that describes the other's report.
    """
    with writing(path), path.open("r+b") as file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
            except OSError as error:
                if error.errno not in {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS}:
                    raise
        yield


@contextmanager
def _opened(path: Path, keep: bool) -> Iterator[int]:
    """Give the descriptor of what is to be written: of a stream itself, or of what will replace a file."""
    if not is_stream(path):
        with _publication(Path(os.path.realpath(path)), keep) as descriptor:
            yield descriptor
        return
    if sys.stdout is not None:
        sys.stdout.flush()  # what was said before comes before
    number = _descriptor_of(path)
    descriptor = os.open(path, os.O_WRONLY) if number is None else os.dup(number)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _descriptor_of(path: Path) -> int | None:
    named = DESCRIPTOR.fullmatch(str(path))
    return int(named[1]) if named else STREAMS.get(str(path))


@contextmanager
def _publication(path: Path, keep: bool) -> Iterator[int]:
    """Open a temporary file beside `path`, and put it in place if the block ends well; gives its descriptor."""
    temporary = temporary_path(path)
    try:
        descriptor = _opened_like(path, temporary)
        try:
            yield descriptor
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        _put(temporary, path, keep)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def _opened_like(path: Path, temporary: Path) -> int:
    """Return the descriptor of the new file `temporary`, with the mode and the owner of `path` where that is there."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    if not path.exists():
        return os.open(temporary, flags, 0o666)
    old = path.stat()
    descriptor = os.open(temporary, flags, 0o600)  # never wider than it will be
    with suppress(PermissionError):  # only root gives files away
        os.fchown(descriptor, old.st_uid, old.st_gid)
    with suppress(PermissionError):  # a file system without modes
        os.fchmod(descriptor, stat.S_IMODE(old.st_mode))
    return descriptor


def _write_all(descriptor: int, block: bytes) -> None:
    """Write the whole of `block`: the system may take less at a time."""
    rest = memoryview(block)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _put(temporary: Path, path: Path, keep: bool) -> None:
    if keep:
        try:
            os.link(temporary, path)  # unlike a rename, it never replaces
            return
        except FileExistsError:
            return
        except OSError as error:
            if error.errno not in NO_HARD_LINKS:
                raise
    os.replace(temporary, path)


def _sentence(error: OSError, path: Path) -> str:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return f"the disk of '{path.parent}' is full: free some space and run the same command again to go on"
    reason = (error.strerror or str(error)).lower()
    return f"cannot write '{path}': {reason}"
