"""The chunk store: one verified file for each finished chunk, and the guard against mixing configurations."""

from __future__ import annotations

import hashlib
import io
import json
import re
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nnsim.core.atomic_files import make_folder, publish, try_to_write, writing
from nnsim.core.errors import StoreError
from nnsim.core.output_folders import claim_folder
from nnsim.core.temporary_files import remove_stale
from nnsim.experiment.chunks import Chunk
from nnsim.experiment.source import SOURCE, agree

CONFIG = "config.json"
CHUNKS = "chunks"
STORE_VERSION = 1
"""Raised when a folder is laid out in a way that older versions of nnsim would misread."""

CHUNK_NAME = re.compile(r"(?P<stem>(?P<number>\d{6,})-(?P<key>[0-9a-f]{16}))-(?P<digest>[0-9a-f]{64})\.zip")
ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
NOT_IDENTITY = ("store_version", "run", "sha256")


@dataclass(frozen=True)
class Record:
    """How the first run in a folder was called: what a merge needs beside the identity, and what a status counts.

    Attributes
    ----------
    study : str
        Name of an installed study, or the absolute path of a file.
    preset : str
        Size of the study.
    command : str
        The command line that does the same.
    created : str
        Time of the first run, ISO 8601.
    trials, chunks : int
        How many there are.
    shards : int
        Into how many shards the first run split the work; 1 where it did not.
    files : dict
        Where each data file of the configuration lies, from the folder on, by its name.
    """

    study: str
    preset: str
    command: str
    created: str
    trials: int
    chunks: int
    shards: int
    files: dict[str, str] = field(default_factory=dict)


class ChunkStore:
    """The finished chunks in ``<folder>/chunks``.

    A chunk is finished exactly if a file named ``<number>-<key>-<SHA-256 of the file>.zip`` is there, has that hash,
    and holds these trials. It contains the final CSV lines of each table and ``meta.json``, stored without compression
    and with fixed time stamps, so equal content has equal bytes. Any other file is ignored.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / CHUNKS
        self._listing = threading.Lock()
        with writing(self.folder):
            make_folder(self.folder)
            remove_stale(self.folder)
        self.refresh()

    def refresh(self) -> None:
        """Look again which files there are: another process may work in the same folder."""
        with reading(self.folder), self._listing:  # a file that appears while the folder is read is noted afterwards
            self._files = chunk_files(self.folder)

    def find(self, chunk: Chunk) -> Path | None:
        """Return the verified file of `chunk`, the one with the fewest failed trials where two runs wrote one each.

        Returns None where the chunk has to be computed.
        """
        errors = {path: _verified_errors(path, chunk) for path in self._files.get(_stem(chunk), [])}
        found = [(count, path) for path, count in errors.items() if count is not None]
        return min(found)[1] if found else None

    def has_file(self, chunk: Chunk) -> bool:
        """Return whether there is a file of `chunk`, sound or damaged."""
        return bool(self._files.get(_stem(chunk)))

    def find_complete(self, chunk: Chunk) -> Path | None:
        """Return the verified file of `chunk` if no trial in it failed: a failed one is worth another attempt."""
        path = self.find(chunk)
        return None if path is None or self.has_errors(path) else path

    def has_errors(self, path: Path) -> bool:
        """Return whether a trial in the verified file `path` failed."""
        with reading(path), zipfile.ZipFile(path) as archive:
            return json.loads(archive.read("meta.json"))["errors"] > 0

    def add(self, chunk: Chunk, tables: Mapping[str, bytes], errors: int) -> Path:
        """Keep the lines of each table of `chunk`; older files of the same chunk, damaged ones too, go.

        Parameters
        ----------
        chunk : Chunk
        tables : mapping of str to bytes
            Table name to its final CSV lines, without the header.
        errors : int
            Number of trials in the chunk that failed.

        Returns
        -------
        Path
            The chunk's file.

        Raises
        ------
        StoreError
            The disk is full, read-only, or fails; nothing older is lost then.
        """
        meta = {"trials": chunk.ids, "errors": errors}
        content = _pack({**{f"{name}.csv": lines for name, lines in tables.items()}, "meta.json": _json_bytes(meta)})
        path = self.folder / f"{_stem(chunk)}-{hashlib.sha256(content).hexdigest()}.zip"
        publish(path, [content])
        with writing(path):
            for older in self._files.get(_stem(chunk), []):
                if older != path:
                    older.unlink(missing_ok=True)
        with self._listing:
            self._files[_stem(chunk)] = [path]
        return path

    def lines(self, path: Path, table: str) -> bytes:
        """Return the lines of `table` in the verified file `path`.

        Raises
        ------
        StoreError
            The file went away or changed since it was verified.
        """
        with reading(path), zipfile.ZipFile(path) as archive:
            return archive.read(f"{table}.csv")


def chunk_files(folder: Path) -> dict[str, list[Path]]:
    """Return the files in `folder` that are named as chunks are, sorted, by what stands before their SHA-256."""
    files: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        named = CHUNK_NAME.fullmatch(path.name)
        if named is not None:
            files.setdefault(named["stem"], []).append(path)
    return files


def verified_meta(path: Path) -> dict[str, Any] | None:
    """Return what a chunk file says of itself (``trials``, ``errors``), or None where its bytes are not its name's."""
    named = CHUNK_NAME.fullmatch(path.name)
    try:
        content = path.read_bytes()
        if named is None or hashlib.sha256(content).hexdigest() != named["digest"]:
            return None
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            meta = json.loads(archive.read("meta.json"))
        return {"trials": list(meta["trials"]), "errors": int(meta["errors"])}
    except (OSError, zipfile.BadZipFile, KeyError, ValueError, TypeError):  # unreadable, or well hashed but not ours
        return None


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what goes wrong while a file of the store is read within the block into a StoreError about `path`."""
    try:
        yield
    except (OSError, zipfile.BadZipFile, KeyError, ValueError, EOFError) as error:
        reason = getattr(error, "strerror", None) or "it changed while it was read"
        raise StoreError(f"cannot read '{path}': {reason.lower()}; run the same command again") from error


def open_folder(folder: Path, identity: Mapping[str, Any], record: Record | None = None) -> None:
    """Make `folder` the place of one configuration, or refuse it; what dead processes left unfinished there goes.

    Parameters
    ----------
    folder : Path
        New, empty, or made for the same `identity` before.
    identity : mapping
        `nnsim.experiment.plan.Plan.identity`.
    record : Record, optional
        How the run was called, kept in a new folder; one without it cannot be merged by itself.

    Raises
    ------
    StoreError
        A file, a folder with other content or of another configuration, or one that cannot be written. Nothing in it
        is changed then.
    """
    config = folder / CONFIG
    claim_folder(folder, lambda folder: config.exists())
    if config.exists():
        _refuse_difference(folder, read_identity(folder), identity)
    with writing(folder):
        try_to_write(folder)
        remove_stale(folder)
        remove_stale(folder / "figures")
    if not config.exists():
        publish(config, [_config_bytes(identity, record)], keep=True)
        _refuse_difference(folder, read_identity(folder), identity)  # another run may have been first


def read_identity(folder: Path) -> dict[str, Any]:
    """Return the identity in ``config.json``; raises StoreError where it is missing, damaged or of a newer version."""
    return {name: value for name, value in _read_config(folder).items() if name not in NOT_IDENTITY}


def holds_run(folder: Path) -> bool:
    """Return whether `folder` is the place of a study's run."""
    try:
        return bool(_read_config(folder))
    except StoreError:
        return False


def read_record(folder: Path) -> Record:
    """Return how the first run in `folder` was called; raises StoreError as `read_identity` does."""
    run = _read_config(folder)["run"]
    if run is None:
        raise StoreError(
            f"'{folder / CONFIG}' does not say how its run was called: run the study's command there again"
        )
    return Record(**run)


def _read_config(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads((folder / CONFIG).read_bytes())
    except FileNotFoundError:
        raise StoreError(f"'{folder}' is not a result folder of nnsim: it has no {CONFIG}") from None
    except NotADirectoryError:
        raise StoreError(f"'{folder}' is a file, not a result folder of nnsim") from None
    except OSError as error:
        raise StoreError(f"cannot read '{folder / CONFIG}': {(error.strerror or str(error)).lower()}") from error
    except ValueError:
        content = None
    _check_config(folder, content)
    return content


def _check_config(folder: Path, content: Any) -> None:
    version = content.get("store_version") if isinstance(content, dict) else None
    if isinstance(version, int) and version > STORE_VERSION:
        raise StoreError(
            f"'{folder}' was made by a newer nnsim (store version {version}, this one knows {STORE_VERSION}): "
            "update nnsim, or name another folder"
        )
    if version != STORE_VERSION or content.get("sha256") != _checksum(content):
        raise StoreError(f"'{folder / CONFIG}' is damaged, or somebody else's: name another folder")


def _config_bytes(identity: Mapping[str, Any], record: Record | None) -> bytes:
    content = {"store_version": STORE_VERSION, **identity, "run": asdict(record) if record else None}
    return _json_bytes({**content, "sha256": _checksum(content)}, indent=2)


def _checksum(content: Mapping[str, Any]) -> str:
    covered = {name: value for name, value in content.items() if name != "sha256"}
    return hashlib.sha256(_json_bytes(covered)).hexdigest()


def _refuse_difference(folder: Path, there: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    old, new = dict(_flat(there)), dict(_flat(here))
    for name in [*new, *old]:
        if not agree(name, old, new):
            restore = ", or take the study's file back to what it was" if name == SOURCE else ""
            raise StoreError(
                f"'{folder}' holds results of another configuration: {name} is {_shown(old, name)} there and "
                f"{_shown(new, name)} here; name another output folder{restore}"
            )


def _flat(identity: Any) -> Iterator[tuple[str, Any]]:
    """Yield the entries of an identity with those of its configuration in line."""
    entries = identity if isinstance(identity, dict) else {}
    for name, value in entries.items():
        if name == "config" and isinstance(value, dict):
            yield from value.items()
        else:
            yield name, value


def _shown(values: Mapping[str, Any], name: str) -> str:
    return json.dumps(values[name]) if name in values else "not set"


def _stem(chunk: Chunk) -> str:
    return f"{chunk.number:06d}-{chunk.key}"


def _json_bytes(content: Any, indent: int | None = None) -> bytes:
    return (json.dumps(content, indent=indent) + "\n").encode()


def _pack(members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, ZIP_EPOCH), content)
    return buffer.getvalue()


def _verified_errors(path: Path, chunk: Chunk) -> int | None:
    meta = verified_meta(path)
    return None if meta is None or meta["trials"] != chunk.ids else meta["errors"]
