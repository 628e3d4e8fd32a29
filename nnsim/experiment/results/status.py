"""Where a folder's run stands, from its files alone, and what a merge has to say where work is missing."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter
from os import PathLike
from pathlib import Path

from nnsim.core.errors import StoreError
from nnsim.experiment.chunks import digest
from nnsim.experiment.results.tables import MANIFEST
from nnsim.experiment.store import CHUNKS, CONFIG, Record, chunk_files, read_record, reading, verified_meta

SHARDS_NAMED = 8


@dataclass(frozen=True)
class Status:
    """Where a run stands.

    Attributes
    ----------
    folder : Path
        The output folder.
    record : Record
        How the run was called, and how much there is to do.
    trials_done, trials_failed : int
        Trials in verified chunks, and those of them that raised an error.
    missing : tuple of int
        The numbers of the chunks that are not there.
    damaged : tuple of str
        Files named as chunks whose content is not what their names say.
    finished : bool
        Whether the tables and the report are written.
    last_activity : str
        When a file of the run last changed, ISO 8601, UTC.
    """

    folder: Path
    record: Record
    trials_done: int
    trials_failed: int
    missing: tuple[int, ...]
    damaged: tuple[str, ...]
    finished: bool
    last_activity: str


class IncompleteError(StoreError):
    """Work is missing, so there is nothing to merge yet."""

    exit_code = 3

    def __init__(self, folder: Path, record: Record, missing: Sequence[int], trials: int, damaged: int = 0) -> None:
        self.folder = folder
        self.missing = tuple(missing)
        self.trials = trials
        self.damaged = damaged
        shards = missing_shards(missing, record.shards)
        share = f" --shard {shards[0]}" if shards else ""
        work = f"{len(missing)} of {record.chunks} chunks ({trials} of {record.trials} trials)"
        super().__init__(
            f"{work} of '{folder}' are {self._state()}{_of_shards(shards)}; nothing is written; "
            f"measure them with: {record.command} -o {shlex.quote(str(folder))}{share}"
        )

    def _state(self) -> str:
        """Return what the chunks lack: most often their shard is not done yet."""
        missing = len(self.missing) - self.damaged
        if not self.damaged:
            return "missing"
        return f"missing ({missing}) or damaged ({self.damaged})" if missing else "damaged"


def read_status(folder: str | PathLike[str]) -> Status:
    """Return where the run in `folder` stands; reads every chunk, writes and imports nothing.

    Raises
    ------
    StoreError
        `folder` holds no run, or one that cannot be read.
    """
    place = Path(folder)
    record = read_record(place)
    counts: dict[int, tuple[int, int]] = {}
    damaged = []
    for path in _chunk_paths(place):
        number = int(path.name.partition("-")[0])
        found = _trials_and_errors(path)
        if found is None:
            damaged.append(path.name)
        elif number < record.chunks:
            counts[number] = min(found, counts.get(number, found), key=itemgetter(1))
    return Status(
        folder=place,
        record=record,
        trials_done=sum(trials for trials, _ in counts.values()),
        trials_failed=sum(errors for _, errors in counts.values()),
        missing=tuple(number for number in range(record.chunks) if number not in counts),
        damaged=tuple(damaged),
        finished=(place / MANIFEST).is_file(),
        last_activity=_last_activity(place),
    )


def missing_shards(missing: Iterable[int], shards: int) -> list[str]:
    """Return the shards to which the chunks numbered `missing` belong, e.g. ``["0/8", "5/8"]``; none if not split."""
    return [f"{index}/{shards}" for index in sorted({number % shards for number in missing})] if shards > 1 else []


def _chunk_paths(folder: Path) -> list[Path]:
    chunks = folder / CHUNKS
    if not chunks.is_dir():
        return []
    with reading(chunks):
        return [path for paths in chunk_files(chunks).values() for path in paths]


def _trials_and_errors(path: Path) -> tuple[int, int] | None:
    """Return how many trials a chunk holds and how many of them failed, or None where it is damaged."""
    meta = verified_meta(path)
    if meta is None or f"-{digest(meta['trials'])}-" not in path.name:
        return None
    return len(meta["trials"]), meta["errors"]


def _last_activity(folder: Path) -> str:
    places = [folder / name for name in (CONFIG, CHUNKS, MANIFEST)]
    latest = max(place.stat().st_mtime for place in places if place.exists())
    return datetime.fromtimestamp(latest, UTC).isoformat(timespec="seconds")


def _of_shards(shards: Sequence[str]) -> str:
    if not shards:
        return ""
    more = f" and {len(shards) - SHARDS_NAMED} more" if len(shards) > SHARDS_NAMED else ""
    return f", of {'shard' if len(shards) == 1 else 'shards'} {', '.join(shards[:SHARDS_NAMED])}{more}"
