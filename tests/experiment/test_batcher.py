"""Trials that train together give the rows of trials that train alone, and whatever happens to one hangs no other."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy
import toy_training
from fake_cuda import Populations, fake_populations  # noqa: F401
from nnsim_cli.main import main
from nnsim_studies import init
from tiny_studies import tiny
from toy_training import RECIPE, ROWS, SPEC, train

from nnsim.core.errors import DataError, DeviceError, NnsimError, StoreError, UsageError
from nnsim.core.progress import Progress
from nnsim.experiment.config import resolve
from nnsim.experiment.executors import batcher, gpu, threads
from nnsim.experiment.executors.gpu import grouped, run_in_batches
from nnsim.experiment.executors.threads import FailedTrialError, run_chunks
from nnsim.experiment.plan import Plan, make_plan
from nnsim.experiment.store import ChunkStore
from nnsim.study.declaration import Study
from nnsim.training import trainer
from nnsim.training.trainer import Batches, Run, TrainRequest, train_on_cpu

PATHS = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
STUCK = """
import sys, time, types
from nnsim.training import backend

def serve(wishes):
    print("training", flush=True)
    time.sleep(600)

sys.modules["nnsim.training.cuda_populations"] = module = types.ModuleType("nnsim.training.cuda_populations")
module.serve = serve
backend.look = lambda: backend.Cuda((backend.Device("GPU"),))
from nnsim_cli.main import main
sys.exit(main(["study", "run", sys.argv[1], "-o", sys.argv[2], "--backend", "cuda"]))
"""


def plan(study: Study = toy_training.study, chunk_seconds: float | None = None, **axes: Any) -> Plan:
    return make_plan(study, resolve(study, "quick", axes), chunk_seconds=chunk_seconds)


def rows(planned: Plan, folder: Path) -> dict[str, list[bytes]]:
    """Return the lines of each table that holds no times, a chunk after the other."""
    store = ChunkStore(folder)
    paths = [store.find(chunk) for chunk in planned.chunks]
    tables = [table.name for table in planned.study.tables if not table.timed]
    return {name: [store.lines(path, name) if path else b"missing" for path in paths] for name in tables}


def run(
    planned: Plan, folder: Path, execute: Any = run_in_batches, **options: Any
) -> tuple[dict[str, list[bytes]], Any]:
    failures = execute(planned, planned.chunks, ChunkStore(folder), **options)
    return rows(planned, folder), failures


class TestRows:
    def test_a_study_gets_the_bytes_of_the_cpu(self, tmp_path: Path, populations: Populations) -> None:
        planned = plan(init.study, **tiny("init"))
        alone, _ = run(planned, tmp_path / "alone", run_chunks)
        together, failures = run(planned, tmp_path / "together", jobs=2)
        assert together == alone
        assert not failures
        assert max(populations.sizes) > 1

    def test_kernels_of_the_gpu_give_them_in_the_simulator(self, tmp_path: Path) -> None:
        command = ["study", "run", toy_training.__file__, "--repeats", "2", "--size", "1"]
        with_simulator = os.environ | {"NUMBA_ENABLE_CUDASIM": "1", "PYTHONPATH": PATHS}
        words = [sys.executable, "-m", "nnsim_cli", *command, "--backend", "auto", "-o", str(tmp_path / "cuda")]
        told = subprocess.run(words, env=with_simulator, check=True, capture_output=True, text=True).stderr
        assert "backend cuda: the device simulator can be used\n" in told
        assert main([*command, "-o", str(tmp_path / "cpu"), "-q"]) == 0
        assert toy.hashes(tmp_path / "cuda") == toy.hashes(tmp_path / "cpu")

    @pytest.mark.usefixtures("populations")
    @pytest.mark.parametrize("jobs", [1, 2, 5])
    @pytest.mark.parametrize("members", [1, 3, 512])
    def test_neither_size_nor_jobs_show(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, members: int, jobs: int
    ) -> None:
        monkeypatch.setattr(gpu, "THREADS", members)
        planned = plan(size=[1, 3])
        assert run(planned, tmp_path / "a", jobs=jobs)[0] == run(planned, tmp_path / "b", run_chunks)[0]

    @pytest.mark.usefixtures("populations")
    def test_a_chunk_that_another_process_finished_is_left_alone(self, tmp_path: Path) -> None:
        told: list[float] = []
        planned = plan(shape="square")
        run_chunks(planned, planned.chunks[:1], ChunkStore(tmp_path))

        class Counter(Progress):
            def advance(self, seconds: float, count: int = 1, note: str = "") -> None:
                told.append(seconds)

        toy.measured.clear()
        run(planned, tmp_path, progress=Counter())
        assert set(toy.measured) == {trial.id for chunk in planned.chunks[1:] for trial in chunk.trials}
        assert len(told) == planned.size

    def test_where_all_is_finished_nothing_is_trained(self, tmp_path: Path, populations: Populations) -> None:
        planned = plan(shape="square")
        run(planned, tmp_path, run_chunks)
        run(planned, tmp_path)
        assert not populations.sizes


class TestPopulations:
    def test_all_trials_train_at_once(self, tmp_path: Path, populations: Populations) -> None:
        run(plan(shape="square", size=3, repeats=7), tmp_path)
        assert populations.sizes == [7, 7, 7]

    def test_those_that_have_ended_or_never_train_are_not_waited_for(
        self, tmp_path: Path, populations: Populations
    ) -> None:
        run(plan(size=[1, 4], repeats=2), tmp_path)
        assert populations.sizes == [4, 2, 2, 2]

    def test_equal_data_are_one_object_and_other_data_another(self, tmp_path: Path, populations: Populations) -> None:
        trained_on: list[tuple[int, float]] = []

        def note(jobs: Sequence[TrainRequest]) -> list[Run]:
            trained_on.extend((id(job.data), float(job.data.Y[0, 0])) for job in jobs)
            return [train_on_cpu(job) for job in jobs]

        def with_own_data(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
            X, Y, *validation = (array.copy() for array in vars(ROWS).values())
            Y[0] = trial["repeat"] // 3
            trainer.train(SPEC, np.zeros(SPEC.n_parameters, np.float32), Batches(X, Y, *validation), RECIPE, 1)
            return toy.measure(trial)

        populations.train = note
        study = dataclasses.replace(toy_training.study, measure=with_own_data)
        run(plan(study, shape="square", size=1, repeats=6), tmp_path)
        assert populations.sizes == [6]
        assert len(set(trained_on)) == len({which for which, _ in trained_on}) == 2

    def test_where_nothing_is_left_to_train_nobody_waits(self, tmp_path: Path, populations: Populations) -> None:
        def again(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
            unbegun = train(trial, 0)
            diverged = train(trial, 9, unbegun, dataclasses.replace(RECIPE, learning_rate=1e30))
            assert diverged.status == "diverged"
            assert train(trial, 9, diverged) is diverged
            return toy.measure(trial)

        _, failures = run(
            plan(dataclasses.replace(toy_training.study, measure=again), shape="square", repeats=3, size=1), tmp_path
        )
        assert not failures
        assert populations.sizes == [3]

    def test_a_chunk_with_more_trials_than_members_goes_in_waves(
        self, tmp_path: Path, populations: Populations, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(gpu, "THREADS", 3)
        run(plan(shape="square", size=1, repeats=8, chunk_seconds=100.0), tmp_path)
        assert populations.sizes == [3, 3, 2]

    def test_a_member_that_waits_for_another_gets_its_turn(
        self, tmp_path: Path, populations: Populations, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(batcher, "PATIENCE_SECONDS", 0.05)
        ready = threading.Event()

        def in_turn(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
            if trial["repeat"] == 1:
                ready.wait(60)  # as for a lock that another holds
            train(trial, 1)
            ready.set()
            return toy.measure(trial)

        planned = plan(dataclasses.replace(toy_training.study, measure=in_turn), shape="square", size=1, repeats=2)
        run(planned, tmp_path, jobs=2)
        assert populations.sizes == [1, 1]

    def test_as_many_trials_as_jobs_run_at_once(self, tmp_path: Path, populations: Populations) -> None:
        now, most, lock = 0, 0, threading.Lock()

        def counted(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
            nonlocal now, most
            for epoch in range(1, 4):
                with lock:
                    now += 1
                    most = max(most, now)
                train_later = train(trial, 0)
                with lock:
                    now -= 1
                train(trial, epoch, train_later)
            return toy.measure(trial)

        run(
            plan(dataclasses.replace(toy_training.study, measure=counted), shape="square", repeats=6, size=1),
            tmp_path,
            jobs=2,
        )
        assert populations.sizes == [6, 6, 6]
        assert most <= 2

    @pytest.mark.parametrize(
        ("members", "numbers"), [(2, [[0], [1], [2], [3]]), (5, [[0, 1], [2, 3]]), (99, [[0, 1, 2, 3]])]
    )
    def test_groups_are_whole_chunks_side_by_side(
        self, monkeypatch: pytest.MonkeyPatch, members: int, numbers: list[list[int]]
    ) -> None:
        monkeypatch.setattr(gpu, "THREADS", members)
        chunks = plan().chunks
        assert [[chunk.number for chunk in group] for group in grouped(chunks)] == numbers
        other_way = [[chunk.number for chunk in group] for group in grouped(chunks[::-1])]
        assert other_way == numbers[::-1]


class TestFailures:
    def test_a_trial_that_raises_is_a_row_as_on_the_cpu(self, tmp_path: Path, populations: Populations) -> None:
        planned = plan(shape=["square", "broken"])
        alone, _ = run(planned, tmp_path / "alone", run_chunks)
        together, failures = run(planned, tmp_path / "together")
        assert together == alone
        assert [failure.trial for failure in failures] == [
            trial.id for trial in planned.trials if trial.settings["shape"] == "broken"
        ]
        assert populations.sizes == [8, 4]

    def test_what_cannot_be_trained_is_said_to_its_own_trial(self, tmp_path: Path, populations: Populations) -> None:
        refused: list[int] = []

        def picky(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
            size = 99 if trial["repeat"] == 1 else 4
            try:
                train(trial, 1, recipe=dataclasses.replace(RECIPE, batch_size=size))
            except UsageError:
                refused.append(trial["repeat"])
            return toy.measure(trial)

        _, failures = run(
            plan(dataclasses.replace(toy_training.study, measure=picky), shape="square", size=1, repeats=3), tmp_path
        )
        assert not failures
        assert refused == [1]
        assert populations.sizes == [2]

    def test_what_the_gpu_refuses_is_said_to_its_own_trial(self, tmp_path: Path, populations: Populations) -> None:
        def refuse(jobs: Sequence[TrainRequest]) -> list[Run]:
            if any(job.key % 100 == 1 for job in jobs):
                raise UsageError("this network does not fit")
            return [train_on_cpu(job) for job in jobs]

        refused: list[str] = []

        def picky(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
            try:
                train(trial, 1)
            except UsageError as error:
                refused.append(f"{trial['repeat']}: {error}")
            return toy.measure(trial)

        populations.train = refuse
        _, failures = run(
            plan(dataclasses.replace(toy_training.study, measure=picky), shape="square", size=1, repeats=3), tmp_path
        )
        assert not failures
        assert refused == ["1: this network does not fit"]
        assert populations.sizes == [3, 1, 1, 1]

    def test_another_error_of_the_population_is_a_row_of_each(self, tmp_path: Path, populations: Populations) -> None:
        def fail(jobs: Sequence[TrainRequest]) -> list[Run]:
            raise TypeError("a bug")

        populations.train = fail
        tables, failures = run(plan(size=1), tmp_path)
        assert len(failures) == 2
        assert b"".join(tables["trials"]).count(b"error,TypeError: a bug") == 2

    def test_a_lost_device_ends_the_run_and_keeps_what_is_finished(
        self, tmp_path: Path, populations: Populations, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def lose(jobs: Sequence[TrainRequest]) -> list[Run]:
            if len(populations.sizes) > 1:
                raise DeviceError("the device H100 is lost")
            return [train_on_cpu(job) for job in jobs]

        monkeypatch.setattr(gpu, "THREADS", 2)
        populations.train = lose
        planned = plan(shape="square", size=1, repeats=6)
        with pytest.raises(DeviceError, match="the device H100 is lost"):
            run(planned, tmp_path)
        assert [lines != b"missing" for lines in rows(planned, tmp_path)["trials"]] == [True, False, False]
        assert run(planned, tmp_path, run_chunks)[0] == run(planned, tmp_path / "alone", run_chunks)[0]

    @pytest.mark.parametrize(
        ("error", "fail_fast", "seen"),
        [
            (DataError("no file"), False, DataError),
            (ValueError("no"), True, FailedTrialError),
            (KeyboardInterrupt(), False, KeyboardInterrupt),
        ],
        ids=["input", "fail-fast", "interrupt"],
    )
    @pytest.mark.parametrize("stretches", [0, 1])
    def test_what_ends_the_run_wakes_those_that_wait(
        self,
        tmp_path: Path,
        populations: Populations,
        error: BaseException,
        fail_fast: bool,
        seen: type[BaseException],
        stretches: int,
    ) -> None:
        caught: list[Exception] = []

        def one_fails(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
            reached = None
            for epoch in range(1, 4):
                if trial["repeat"] == 3 and epoch > stretches:
                    raise error
                try:
                    reached = train(trial, epoch, reached)
                except Exception as swallowed:
                    caught.append(swallowed)
            return toy.measure(trial)

        planned = plan(dataclasses.replace(toy_training.study, measure=one_fails), shape="square", size=1, repeats=5)
        with pytest.raises(seen):
            run(planned, tmp_path, jobs=2, fail_fast=fail_fast)
        assert populations.sizes == [5] * stretches
        assert not caught  # a stop is no error that a study may handle
        assert set(rows(planned, tmp_path)["trials"]) == {b"missing"}

    def test_a_system_without_enough_threads_is_one_sentence(
        self, tmp_path: Path, populations: Populations, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        usual, given = threading.Thread.start, iter(range(3))

        def start(thread: threading.Thread) -> None:
            if next(given, None) is None:
                raise RuntimeError("can't start new thread")
            usual(thread)

        monkeypatch.setattr(threading.Thread, "start", start)
        with pytest.raises(NnsimError, match="the system does not give 4 threads: raise its limit"):
            run(plan(shape="square"), tmp_path)
        assert not populations.sizes

    def test_a_disk_that_refuses_ends_the_run(
        self, tmp_path: Path, populations: Populations, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*arguments: Any, **options: Any) -> None:
            raise StoreError("the disk is full")

        monkeypatch.setattr(ChunkStore, "add", full)
        with pytest.raises(StoreError, match="the disk is full"):
            run(plan(), tmp_path)


class TestCtrlC:
    def interrupt(self) -> None:
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)  # type: ignore[arg-type]

    def test_during_a_training_it_wakes_those_that_wait_and_does_not_wait_for_its_end(
        self, tmp_path: Path, populations: Populations, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(threads, "GRACE_SECONDS", 0.2)
        over = threading.Event()

        def long(jobs: Sequence[TrainRequest]) -> list[Run]:
            self.interrupt()
            over.wait(60)
            return [train_on_cpu(job) for job in jobs]

        populations.train = long
        planned = plan(shape="square", size=1, repeats=4)
        with pytest.raises(KeyboardInterrupt):
            run(planned, tmp_path)
        late = [thread for thread in threading.enumerate() if thread.name.startswith("worker")]
        assert len(late) == 1  # the one that has to do with the GPU
        over.set()
        late[0].join()
        assert set(rows(planned, tmp_path)["trials"]) == {b"missing"}

    def test_between_trainings_the_trials_end_at_the_next(self, tmp_path: Path, populations: Populations) -> None:
        def interrupted(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
            reached = train(trial, 1)
            if trial["repeat"] == 0:
                self.interrupt()
            for epoch in range(2, 2000):  # the batcher cannot stop it but where it trains
                reached = train(trial, min(epoch, 9), reached if epoch < 9 else None)
            return toy.measure(trial)

        planned = plan(dataclasses.replace(toy_training.study, measure=interrupted), shape="square", size=1, repeats=4)
        with pytest.raises(KeyboardInterrupt):
            run(planned, tmp_path, jobs=2)
        assert len(populations.sizes) < 2000

    @pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 75)])
    def test_a_command_ends_while_the_gpu_still_trains(self, tmp_path: Path, number: int, code: int) -> None:
        program = [sys.executable, "-c", STUCK, toy_training.__file__, str(tmp_path / "out")]
        pipe = subprocess.PIPE
        with subprocess.Popen(
            program, stdout=pipe, stderr=pipe, text=True, env=os.environ | {"PYTHONPATH": PATHS}
        ) as run:
            assert run.stdout is not None
            assert run.stdout.readline() == "training\n"
            run.send_signal(number)
            _, errors = run.communicate(timeout=300)
        assert run.returncode == code
        assert "nnsim: stopped; what is finished is kept, go on with: nnsim study run" in errors
        assert "Traceback" not in errors
