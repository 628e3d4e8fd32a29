"""The chunk store: one verified file for each finished chunk, and the guard against mixing configurations."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nnsim.errors import StoreError
from nnsim.experiment.files import TEMPORARY_SUFFIX, publish, writing
from nnsim.experiment.plan import Chunk

CONFIG = "config.json"
CHUNK_NAME = re.compile(r"(?P<number>\d{6,})-(?P<key>[0-9a-f]{16})-(?P<digest>[0-9a-f]{64})\.zip")
ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


class ChunkStore:
    """The finished chunks in ``<folder>/chunks``.

    A chunk is finished exactly if a file named ``<number>-<key>-<SHA-256 of the file>.zip`` is there, has that hash,
    and holds these trials. It contains the final CSV lines of each table and ``meta.json``, stored without compression
    and with fixed time stamps, so equal content has equal bytes. Any other file is ignored.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "chunks"
        self._files: dict[str, list[Path]] = {}
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            for path in sorted(self.folder.iterdir()):
                if CHUNK_NAME.fullmatch(path.name):
                    self._files.setdefault(path.stem.rpartition("-")[0], []).append(path)

    def find(self, chunk: Chunk) -> Path | None:
        """Return the verified file of `chunk`, or None where it has to be computed."""
        return next((path for path in self._files.get(_stem(chunk), []) if _verifies(path, chunk)), None)

    def has_errors(self, path: Path) -> bool:
        """Return whether a trial in the verified file `path` failed, so that it is worth another attempt."""
        return _read_meta(path.read_bytes())["errors"] > 0

    def add(self, chunk: Chunk, tables: Mapping[str, bytes], errors: int) -> Path:
        """Keep the lines of each table of `chunk`; older files of the same chunk, damaged ones too, go.

        Raises
        ------
        StoreError
            The disk is full, read-only, or fails; nothing older is lost then.
        """
        meta = {"trials": [trial.id for trial in chunk.trials], "errors": errors}
        content = _pack({**{f"{name}.csv": lines for name, lines in tables.items()}, "meta.json": _json_bytes(meta)})
        path = self.folder / f"{_stem(chunk)}-{hashlib.sha256(content).hexdigest()}.zip"
        publish(path, [content])
        with writing(path):
            for older in self._files.get(_stem(chunk), []):
                if older != path:
                    older.unlink(missing_ok=True)
        self._files[_stem(chunk)] = [path]
        return path

    def lines(self, path: Path, table: str) -> bytes:
        """Return the lines of `table` in the verified file `path`."""
        with zipfile.ZipFile(path) as archive:
            return archive.read(f"{table}.csv")


def open_folder(folder: Path, identity: Mapping[str, Any]) -> None:
    """Make `folder` the place of one configuration, or refuse it.

    Parameters
    ----------
    folder : Path
        New, empty, or made for the same `identity` before.
    identity : mapping
        `nnsim.experiment.plan.Plan.identity`.

    Raises
    ------
    StoreError
        A file, a folder with other content or of another configuration, or one that cannot be written. Nothing in it
        is changed then.
    """
    config = folder / CONFIG
    with writing(folder):
        if folder.exists() and not folder.is_dir():
            raise StoreError(f"output '{folder}' is a file: name a folder that is new, empty, or of this study")
        folder.mkdir(parents=True, exist_ok=True)
        if config.exists():
            _refuse_difference(folder, read_identity(folder), identity)
            return
        strangers = sorted(path.name for path in folder.iterdir() if not path.name.endswith(TEMPORARY_SUFFIX))
    if strangers:
        raise StoreError(
            f"output '{folder}' is not empty and holds no results of nnsim (it has '{strangers[0]}'): "
            "name a folder that is new or empty"
        )
    publish(config, [_json_bytes(identity, indent=2)])


def read_identity(folder: Path) -> dict[str, Any]:
    """Return what ``config.json`` says; raises StoreError where it is missing or damaged."""
    try:
        return json.loads((folder / CONFIG).read_bytes())
    except FileNotFoundError:
        raise StoreError(f"'{folder}' is not a result folder of nnsim: it has no {CONFIG}") from None
    except NotADirectoryError:
        raise StoreError(f"'{folder}' is a file, not a result folder of nnsim") from None
    except OSError as error:
        raise StoreError(f"cannot read '{folder / CONFIG}': {(error.strerror or str(error)).lower()}") from error
    except ValueError:
        raise StoreError(f"'{folder / CONFIG}' is damaged: name another folder, or remove this one") from None


def _refuse_difference(folder: Path, there: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    old, new = dict(_flat(there)), dict(_flat(here))
    for name in [*new, *old]:
        if old.get(name) != new.get(name):
            raise StoreError(
                f"'{folder}' holds results of another configuration: {name} is {_shown(old, name)} there and "
                f"{_shown(new, name)} here; name another output folder"
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


def _verifies(path: Path, chunk: Chunk) -> bool:
    try:
        content = path.read_bytes()
    except OSError:
        return False
    if hashlib.sha256(content).hexdigest() != path.stem.rpartition("-")[2]:
        return False
    try:
        return _read_meta(content)["trials"] == [trial.id for trial in chunk.trials]
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError):  # well hashed, but not ours
        return False


def _read_meta(content: bytes) -> dict[str, Any]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return json.loads(archive.read("meta.json"))
