"""One unit of work, and the runs of consecutive units in which work is computed, kept and resumed."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

ID_BYTES = 8
FASTEST = 1


@dataclass(frozen=True)
class Trial:
    """One unit of work.

    Attributes
    ----------
    id : str
        16 hexadecimal digits: the same study, settings, root seed and versions have the same id anywhere.
    settings : dict
        What the study said about it, JSON.
    seconds : float
        Expected cost on one core.
    """

    id: str
    settings: dict[str, Any]
    seconds: float


@dataclass(frozen=True)
class Chunk:
    """Consecutive trials that are computed, kept and resumed together.

    A plan of a million trials fits into memory because their settings are compressed until they are asked for.

    Attributes
    ----------
    number : int
        Position in the plan, from 0.
    seconds : float
        Expected cost on one core.
    packed_ids, packed : bytes
        The ids of the trials, eight bytes each; their settings and costs as compressed JSON.
    """

    number: int
    seconds: float
    packed_ids: bytes
    packed: bytes

    @classmethod
    def of(cls, number: int, trials: Iterable[Trial]) -> Chunk:
        """Return the chunk of these trials."""
        listed = list(trials)
        content = json.dumps([[trial.settings, trial.seconds] for trial in listed]).encode()
        ids = bytes.fromhex("".join(trial.id for trial in listed))
        return cls(number, sum(trial.seconds for trial in listed), ids, zlib.compress(content, FASTEST))

    @property
    def size(self) -> int:
        """Number of trials."""
        return len(self.packed_ids) // ID_BYTES

    @property
    def ids(self) -> list[str]:
        """The id of each trial, in order."""
        return [self.packed_ids[start : start + ID_BYTES].hex() for start in range(0, len(self.packed_ids), ID_BYTES)]

    @property
    def key(self) -> str:
        """16 hexadecimal digits that stand for the ids of the trials."""
        return digest(self.ids)

    @property
    def trials(self) -> tuple[Trial, ...]:
        """The trials, in order."""
        pairs = json.loads(zlib.decompress(self.packed))
        return tuple(Trial(name, *pair) for name, pair in zip(self.ids, pairs, strict=True))


def digest(content: Any) -> str:
    """Return 16 hexadecimal digits that stand for `content`, which is JSON."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
