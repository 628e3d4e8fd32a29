"""However a study is split, ordered and interrupted, its tables have the same SHA-256."""

from __future__ import annotations

import contextlib
import functools
import tempfile
from pathlib import Path
from typing import Any

import pytest
import toy
from nnsim_studies.init import study as init

from nnsim.core.progress import Progress
from nnsim.experiment.results.tables import write_tables
from nnsim.experiment.store import ChunkStore
from nnsim.runs.run import plan_study, run_shard
from nnsim.study.declaration import Study

pytestmark = pytest.mark.physics


class Interrupter(Progress):
    """Presses Ctrl-C after so many trials."""

    def __init__(self, trials: int) -> None:
        self.trials = trials
        self.stopped = False

    def advance(self, seconds: float, count: int = 1, note: str = "") -> None:
        self.trials -= 1
        if self.trials < 0 and not self.stopped:
            self.stopped = True
            raise KeyboardInterrupt


TINY_INIT = {
    "scheme": ["he_normal", "xavier_uniform"],
    "activation": ["relu"],
    "depth": [3],
    "probe_depth": [4],
    "width": 6,
    "learning_rate": [0.1],
    "seeds": 1,
    "probe_seeds": 1,
    "epochs": 2,
    "probe_epoch": [1],
    "fluctuation_nets": 2,
    "gain_activation": ["relu"],
    "data": "xor",
    "samples": 60,
    "batch_size": 16,
}
CASES = [
    pytest.param(shards, jobs, order, stops, id=f"{shards}-{jobs}-{order}-{stops}")
    for shards in (1, 2, 7)
    for jobs in (1, 2)
    for order in ("forward", "shuffled")
    for stops in (0, 3)
]


def measure_in_pieces(study: Study, folder: Path, shards: int, jobs: int, stops: int, **axes: Any) -> dict[str, str]:
    """Measure `study` by shards, each stopped so often and started again; return the SHA-256 of its own tables."""
    for index in range(shards):
        for _ in range(stops):
            with contextlib.suppress(KeyboardInterrupt):
                run_shard(study, shard=f"{index}/{shards}", output=folder, jobs=jobs, progress=Interrupter(1), **axes)
        run_shard(study, shard=f"{index}/{shards}", output=folder, jobs=jobs, **axes)
    return table_hashes(study, folder, **axes)


def table_hashes(study: Study, folder: Path, **axes: Any) -> dict[str, str]:
    plan, store = plan_study(study, **axes), ChunkStore(folder)
    paths = [path for path in map(store.find, plan.chunks) if path is not None]
    assert len(paths) == len(plan.chunks)
    written = write_tables(folder, study, store, paths)
    return {name: digest for name, digest in written.items() if name != "timings.csv"}


STUDIES: dict[str, tuple[Study, dict[str, Any]]] = {
    "toy": (toy.study, {"size": list(range(1, 11))}),
    "init": (init, TINY_INIT),
}


@functools.cache
def undisturbed(name: str) -> dict[str, str]:
    """Return the hashes of one whole run on one thread."""
    study, axes = STUDIES[name]
    with tempfile.TemporaryDirectory() as folder:
        return measure_in_pieces(study, Path(folder), shards=1, jobs=1, stops=0, **axes)


@pytest.mark.parametrize("name", STUDIES)
@pytest.mark.parametrize(("shards", "jobs", "order", "stops"), CASES)
def test_no_way_of_running_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, shards: int, jobs: int, order: str, stops: int
) -> None:
    monkeypatch.setattr("nnsim.experiment.plan.SHORTEST_CHUNK", 0.002)  # many chunks even here
    if order == "forward":
        monkeypatch.setattr("nnsim.runs.run.shuffled", list)
    study, axes = STUDIES[name]
    assert measure_in_pieces(study, tmp_path, shards, jobs, stops, **axes) == undisturbed(name)


def test_an_interrupted_shard_was_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnsim.experiment.plan.SHORTEST_CHUNK", 0.002)
    study, axes = STUDIES["toy"]
    with pytest.raises(KeyboardInterrupt):
        run_shard(study, shard="0/7", output=tmp_path, jobs=1, progress=Interrupter(1), **axes)
    assert len(list((tmp_path / "chunks").iterdir())) == 1
