"""A study on a real Dask cluster: a scheduler and workers as processes, bound to this machine."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import toy
from nnsim_cli.main import main
from toy import hashes

from nnsim.core.errors import UsageError
from nnsim.core.progress import Progress
from nnsim.experiment.executors import dask as cluster_module
from nnsim.experiment.executors import dask_worker, threads
from nnsim.experiment.executors.dask import ClusterError, connected, make_order, run_on_cluster
from nnsim.experiment.store import ChunkStore
from nnsim.runs.run import plan_study, run_study

RUN = ("study", "run", toy.__file__)
HOST = "127.0.0.1"
PATIENCE = 300.0
pytest.importorskip("distributed", reason="pip install 'nnsim[dask]'")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def wait_for(what: str, happened: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.05)


@dataclass
class Cluster:
    """A scheduler and its workers."""

    folder: Path
    address: str
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @classmethod
    def start(cls, folder: Path, workers: int) -> Cluster:
        port = free_port()
        scheduler = dask(folder, "scheduler", "--host", HOST, "--port", str(port), "--no-dashboard")
        found = cls(folder, f"tcp://{HOST}:{port}", scheduler)
        for _ in range(workers):
            found.add_worker()
        return found

    def add_worker(self) -> subprocess.Popen[bytes]:
        options = ("--host", HOST, "--nthreads", "1", "--no-nanny", "--no-dashboard")
        worker = dask(self.folder, "worker", self.address, *options, "--local-directory", str(self.folder))
        self.workers.append(worker)
        return worker

    def stop(self) -> None:
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()


def dask(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    with (folder / "dask.log").open("ab") as log:
        return subprocess.Popen([sys.executable, "-m", "dask", *words], stdout=log, stderr=log, cwd=folder)


def nnsim(cluster: Cluster, folder: Path, *words: str) -> subprocess.Popen[str]:
    program = "import sys; from nnsim_cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", program, *RUN, "--dask", cluster.address, "-o", str(folder), *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two workers that live as long as this file's tests."""
    found = Cluster.start(tmp_path_factory.mktemp("cluster"), workers=2)
    yield found
    found.stop()


@pytest.fixture
def mortal(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """Two workers that may be killed; the parameter is how many deaths Dask lets a chunk cause."""
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", str(getattr(request, "param", 3)))
    (tmp_path / "mortal").mkdir()
    found = Cluster.start(tmp_path / "mortal", workers=2)
    yield found
    found.stop()


def finished(folder: Path) -> int:
    return len(list((folder / "chunks").glob("*.zip")))


class TestRun:
    def test_tables_are_those_of_a_serial_run_though_a_worker_is_killed(self, tmp_path: Path, mortal: Cluster) -> None:
        axes = {"size": "1,2,3,4,5,6", "pause": "0.5"}
        run = nnsim(mortal, tmp_path / "out", "--size", axes["size"], "--pause", axes["pause"], "-q")
        wait_for("the first chunks", lambda: finished(tmp_path / "out") >= 2)
        mortal.workers[0].kill()
        kept = finished(tmp_path / "out")
        _, err = run.communicate(timeout=PATIENCE)
        assert run.returncode == 0, err
        assert kept < finished(tmp_path / "out") == 12  # it died in the middle, and no chunk is there twice
        run_study(toy.__file__, output=tmp_path / "serial", jobs=1, **axes)
        assert hashes(tmp_path / "out") == hashes(tmp_path / "serial")

    def test_every_trial_is_measured_by_the_workers_and_counted(self, tmp_path: Path, cluster: Cluster) -> None:
        seen: list[float] = []
        progress = Progress()
        progress.advance = seen.append  # type: ignore[method-assign]
        toy.measured.clear()
        result = run_study(toy.__file__, output=tmp_path, dask=cluster.address, progress=progress)
        assert len(seen) == 8
        workers = set(result.tables["timings"]["worker"])
        assert not any(f"/{os.getpid()}/" in worker for worker in workers)
        assert toy.measured == []
        assert "jobs" not in result.manifest

    def test_a_file_that_the_workers_do_not_see_travels_as_text(self, tmp_path: Path, cluster: Cluster) -> None:
        mine = tmp_path / "mine.py"
        mine.write_bytes(Path(toy.__file__).read_bytes())
        order = json.loads(make_order(str(mine), "quick", plan_study(str(mine))))
        order["study"] = str(tmp_path / "elsewhere" / "mine.py")
        plan = plan_study(str(mine))
        with connected(cluster.address) as client:
            store = ChunkStore(tmp_path / "out")
            assert run_on_cluster(client, json.dumps(order), plan.chunks, store, Progress()) == []
        assert finished(tmp_path / "out") == len(plan.chunks)

    def test_a_failed_trial_is_a_row_and_reported(self, tmp_path: Path, cluster: Cluster) -> None:
        result = run_study(toy.__file__, output=tmp_path, dask=cluster.address, shape="broken,square")
        assert result.manifest["trials"] == {"done": 4, "error": 4}
        assert [failure.settings["shape"] for failure in result.failures] == ["broken"] * 4

    def test_fail_fast_stops_at_the_first(self, tmp_path: Path, cluster: Cluster) -> None:
        with pytest.raises(threads.FailedTrialError, match="has no area"):
            run_study(toy.__file__, output=tmp_path, dask=cluster.address, shape="broken", fail_fast=True)

    def test_what_the_user_got_wrong_is_one_sentence(self, tmp_path: Path, cluster: Cluster) -> None:
        with pytest.raises(ClusterError, match=r"^Dask worker on \S+: there is no file 'missing.csv'$"):
            run_study(toy.__file__, output=tmp_path, dask=cluster.address, shape="missing")


class TestStop:
    def test_ctrl_c_keeps_what_is_finished_and_cancels_the_rest(self, tmp_path: Path, cluster: Cluster) -> None:
        from distributed import Client

        run = nnsim(cluster, tmp_path, "--size", "1,2,3,4,5,6,7,8,9", "--pause", "1.5")
        wait_for("the first chunk", lambda: finished(tmp_path) >= 1)
        run.send_signal(signal.SIGINT)
        _, err = run.communicate(timeout=PATIENCE)
        assert run.returncode == 130
        assert "nnsim: stopped; what is finished is kept, go on with: nnsim study run" in err
        assert "Traceback" not in err
        assert finished(tmp_path) < 18
        with Client(cluster.address, set_as_default=False) as client:
            wait_for("an idle scheduler", lambda: not any(client.processing().values()))

    def test_a_scheduler_that_dies_is_one_sentence(self, tmp_path: Path, mortal: Cluster) -> None:
        run = nnsim(mortal, tmp_path / "out", "--size", "1,2,3,4,5,6,7,8,9", "--pause", "1.5", "-q")
        wait_for("the first chunk", lambda: finished(tmp_path / "out") >= 1)
        mortal.scheduler.kill()
        _, err = run.communicate(timeout=PATIENCE)
        assert run.returncode == 1
        assert err.splitlines()[-1] == (
            "nnsim: error: the Dask scheduler went away: the same command goes on where it stopped"
        )
        assert "Traceback" not in err

    @pytest.mark.parametrize("kind", ["CancelledError", "CommClosedError"])
    def test_a_scheduler_that_dies_at_any_moment_is_one_sentence(self, kind: str) -> None:
        from concurrent.futures import CancelledError

        from distributed.comm import CommClosedError

        class Lost:
            def result(self) -> None:
                raise {"CancelledError": CancelledError, "CommClosedError": CommClosedError}[kind]()

        with pytest.raises(ClusterError, match=r"^the Dask scheduler went away: "):
            cluster_module._outcome(Lost())

    @pytest.mark.parametrize("mortal", [0], indirect=True)
    def test_a_chunk_whose_workers_die_is_one_sentence(self, tmp_path: Path, mortal: Cluster) -> None:
        run = nnsim(mortal, tmp_path / "out", "--size", "1,2,3,4,5,6", "--pause", "1.5", "-q")
        wait_for("the first chunk", lambda: finished(tmp_path / "out") >= 1)
        mortal.workers[0].kill()
        _, err = run.communicate(timeout=PATIENCE)
        assert run.returncode == 1
        assert re.fullmatch(
            r"nnsim: error: workers of the Dask cluster keep dying over one chunk, the last was tcp://\S+: "
            r"see its log; the same command goes on where it stopped\n",
            err,
        )


class TestRefusal:
    @pytest.mark.parametrize("listens", [False, True], ids=["nobody", "stranger"])
    def test_a_dead_address_is_one_sentence(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], listens: bool
    ) -> None:
        with socket.socket() as place:
            place.bind((HOST, 0))
            if listens:
                place.listen()
            address = f"tcp://{HOST}:{place.getsockname()[1]}"
            assert main([*RUN, "--dask", address, "-o", str(tmp_path), "-q"]) == 1
        expected = f"no Dask scheduler answers at '{address}': start one there, or name another"
        assert capsys.readouterr().err == f"nnsim: error: {expected}\n"

    @pytest.mark.parametrize(
        ("options", "sentence"),
        [
            (
                ["--dask", "localhost:8786"],
                "--dask takes the address of a scheduler, such as tcp://127.0.0.1:8786, got 'localhost:8786'",
            ),
            (
                ["--dask", "tcp://a:1", "--jobs", "2"],
                "--dask measures on the threads of its workers: leave --jobs out",
            ),
            (
                ["--dask", "tcp://a:1", "--shard", "0/2"],
                "--shard and --dask are two ways to share the work: give one of them",
            ),
        ],
        ids=["address", "jobs", "shard"],
    )
    def test_wrong_use_is_one_sentence(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], sentence: str
    ) -> None:
        assert main([*RUN, *options, "-o", str(tmp_path / "new")]) == 2
        assert capsys.readouterr().err == f"nnsim: error: {sentence}\n"
        assert not (tmp_path / "new").exists()

    def test_a_missing_package_is_one_sentence(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "distributed", None)
        with pytest.raises(UsageError, match=r"pip install 'nnsim\[dask\]'$"):
            run_study(toy.__file__, output=tmp_path / "new", dask="tcp://127.0.0.1:1")
        assert not (tmp_path / "new").exists()

    def test_a_study_that_is_no_name_cannot_travel(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="only data travel to a Dask cluster"):
            run_study(toy.study, output=tmp_path / "new", dask="tcp://127.0.0.1:1")


class TestWorker:
    """What a worker checks, tried without a cluster."""

    @pytest.fixture
    def order(self) -> dict[str, object]:
        return json.loads(make_order(toy.__file__, "quick", plan_study(toy.__file__)))

    def chunk(self, order: dict[str, object], key: str | None = None) -> dict[str, object]:
        return dask_worker.measure_chunk(
            0, key or plan_study(toy.__file__).chunks[0].key, json.dumps(order), fail_fast=False
        )

    @pytest.mark.parametrize("name", ["arithmetic_version", "schema_version"])
    def test_other_versions_are_refused(self, order: dict[str, object], name: str) -> None:
        identity: dict[str, int] = order["identity"]  # type: ignore[assignment]
        here, identity[name] = identity[name], 99
        outcome = self.chunk(order)
        assert str(outcome["refusal"]).endswith(
            f": {name} is {here} there and 99 here: install the same nnsim, study and data"
        )
        assert outcome["exit_code"] == 1

    def test_other_trials_are_refused(self, order: dict[str, object]) -> None:
        assert "lists other trials there" in str(self.chunk(order, key="0" * 16)["refusal"])

    def test_a_study_that_is_not_installed_is_refused(self, order: dict[str, object]) -> None:
        assert "unknown study 'nosuch'" in str(self.chunk(order | {"study": "nosuch", "source": None})["refusal"])

    def test_libraries_of_linear_algebra_have_one_thread(
        self, order: dict[str, object], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        set_to: list[int] = []
        monkeypatch.setattr(dask_worker, "threadpool_limits", lambda limits: set_to.append(limits))
        self.chunk(order)
        assert set_to == [1]
