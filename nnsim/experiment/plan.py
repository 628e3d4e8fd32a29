"""The trials of a study, each with its identity, and the chunks in which they are computed and kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnsim.core.errors import UsageError
from nnsim.core.versions import ARITHMETIC_VERSION
from nnsim.experiment.chunks import ID_BYTES, Chunk, Trial, digest
from nnsim.experiment.config import to_json, whole_number
from nnsim.experiment.grid import settings_of
from nnsim.experiment.inputs import data_files, renamed
from nnsim.experiment.source import SOURCE
from nnsim.study.declaration import Study

SEED_LIMIT = 2**63
SHORTEST_CHUNK, LONGEST_CHUNK = 2.0, 60.0
USUAL_CHUNKS = 256


@dataclass(frozen=True)
class Plan:
    """Everything that a study will do under one configuration and one root seed.

    `files` has the name of each data file by the path that the configuration calls it.
    """

    study: Study
    config: dict[str, Any]
    seed: int
    chunks: tuple[Chunk, ...]
    files: dict[str, str]

    @property
    def identity(self) -> dict[str, Any]:
        """All that two runs must share to write into one folder, as JSON."""
        return {
            "study": self.study.name,
            "config": to_json(self.shown),
            "seed": self.seed,
            "arithmetic_version": ARITHMETIC_VERSION,
            "schema_version": self.study.schema_version,
            **({SOURCE: self.study.source_sha256} if self.study.source_sha256 else {}),
            **self._inputs(),
        }

    @property
    def shown(self) -> dict[str, Any]:
        """The configuration as results show it: each data file by its name, wherever it lies."""
        return renamed(self.config, self.files)

    def _inputs(self) -> dict[str, str]:
        found = {} if self.study.inputs is None else self.study.inputs(self.config)
        for path, name in self.files.items():
            found = {key.replace(path, name): value for key, value in found.items()}
        return found

    @property
    def trials(self) -> Iterator[Trial]:
        """All trials in order."""
        return (trial for chunk in self.chunks for trial in chunk.trials)

    @property
    def counts(self) -> dict[str, int]:
        """Number of trials of each kind."""
        return dict(Counter(trial.settings["kind"] for trial in self.trials))

    @property
    def size(self) -> int:
        """Number of trials."""
        return sum(chunk.size for chunk in self.chunks)

    @property
    def seconds(self) -> float:
        """Expected cost on one core."""
        return sum(chunk.seconds for chunk in self.chunks)


def make_plan(study: Study, config: dict[str, Any], seed: int = 0, chunk_seconds: float | None = None) -> Plan:
    """Lay out the trials of `study`.

    Parameters
    ----------
    study : Study
        What is run.
    config : dict
        From `nnsim.experiment.config.resolve`.
    seed : int
        Root of all random draws, 0 <= seed < 2**63.
    chunk_seconds : float, optional
        Expected work in a chunk. By default 1/256 of everything, but from 2 to 60 s. Results never depend on it.

    Raises
    ------
    UsageError
        A seed out of range, a configuration that leaves no trial, or two data files of one name.
    ValueError
        A study that lists the same trial twice.
    """
    seed = whole_number("seed", seed, 0, SEED_LIMIT)
    limit = _usual_seconds(study, config) if chunk_seconds is None else chunk_seconds
    files = data_files(study, config)
    trials = (_trial(study, settings, seed, files) for settings in settings_of(study, config))
    chunks = tuple(Chunk.of(number, group) for number, group in enumerate(_groups(trials, limit)))
    if not chunks:
        raise UsageError(f"study '{study.name}' has no trial left under this configuration: widen an axis")
    _refuse_twins(chunks)
    return Plan(study, config, seed, chunks, files)


def _usual_seconds(study: Study, config: dict[str, Any]) -> float:
    total = sum(float(study.cost(settings)) for settings in settings_of(study, config))
    return min(max(total / USUAL_CHUNKS, SHORTEST_CHUNK), LONGEST_CHUNK)


def _trial(study: Study, settings: dict[str, Any], seed: int, files: dict[str, str]) -> Trial:
    identity = [study.name, renamed(settings, files), seed, ARITHMETIC_VERSION, study.schema_version]
    return Trial(digest(identity), settings, float(study.cost(settings)))


def _refuse_twins(chunks: tuple[Chunk, ...]) -> None:
    ids = np.sort(np.frombuffer(b"".join(chunk.packed_ids for chunk in chunks), f">u{ID_BYTES}"))
    twins = ids[1:][ids[1:] == ids[:-1]]
    if twins.size:
        times = int(np.count_nonzero(ids == twins[0]))
        trials = (trial for chunk in chunks for trial in chunk.trials)
        twin = next(trial for trial in trials if int(trial.id, 16) == twins[0])
        raise ValueError(f"the study lists the same trial {times} times: {twin.settings}")


def _groups(trials: Iterable[Trial], limit: float) -> Iterator[tuple[Trial, ...]]:
    group: list[Trial] = []
    seconds = 0.0
    for trial in trials:
        if group and seconds + trial.seconds > limit:
            yield tuple(group)
            group, seconds = [], 0.0
        group.append(trial)
        seconds += trial.seconds
    if group:
        yield tuple(group)
