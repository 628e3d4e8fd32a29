"""A real Slurm: workers killed, requeued, told of their time limit and preempted, and the bytes of a serial run."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import toy

from nnsim.core.atomic_files import sha256_of

sys.path.insert(0, str(Path(__file__).parent))
import cluster
from cluster import wait_for

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(
        bool(cluster.missing_programs()),
        reason=f"REAL SLURM IS NOT TESTED: no {', '.join(cluster.missing_programs())} here",
    ),
]
OPTIONS = ("--size", "range:1:9", "--pause", "2.5", "--seed", "3")  # 8 shards of 2 chunks of 2 trials


class Queue:
    """What the test does in the queue."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment

    def run(self, *words: str) -> str:
        """Return what a command says on standard output."""
        done = subprocess.run(words, env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    def nnsim(self, *words: str) -> str:
        return self.run(sys.executable, "-P", "-m", "nnsim_cli", *words)

    def field(self, job: str, name: str) -> str:
        found = re.search(rf"\b{name}=(\S+)", self.run("scontrol", "show", "job", job))
        assert found is not None, (job, name)
        return found[1]

    def release_requeued(self) -> None:
        """Let start now what Slurm would hold for two minutes."""
        for line in self.run("squeue", "--array", "--noheader", "--states=PD", "--format=%i %r").splitlines():
            job, _, reason = line.partition(" ")
            if reason == "BeginTime":
                subprocess.run(
                    ["scontrol", "update", f"JobId={job}", "StartTime=now"], env=self.environment, check=False
                )

    def wait_until_empty(self) -> None:
        def empty() -> bool:
            self.release_requeued()
            return not self.run("squeue", "--noheader")

        wait_for(empty, f"the queue to be empty: {self.run('squeue')}", 150)


@pytest.fixture
def queue() -> Iterator[Queue]:
    root = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))  # a short path: sockets are in it
    try:
        with cluster.running(root) as environment:
            yield Queue(environment)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def workers(shard: int) -> list[int]:
    """Return the processes that measure this shard."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"nnsim_cli" in words and f"{shard}/8".encode() in words:
            found.append(int(path.parent.name))
    return found


def parent(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def tables(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every CSV but that of the times, which no two runs share."""
    return {path.name: sha256_of(path) for path in sorted(folder.glob("*.csv")) if path.name != "timings.csv"}


def test_a_disturbed_array_and_its_merge_give_the_bytes_of_a_serial_run(queue: Queue, tmp_path: Path) -> None:
    folder = tmp_path / "it's 100 % mine"
    study = ("--partition", "work", "--time", "10", "--shards", "8", *OPTIONS, "-o", str(folder))
    said = queue.nnsim("submit", toy.__file__, *study)
    array, merge = re.findall(r"job (\d+)", said)

    wait_for(lambda: workers(0), "the first shard")
    os.kill(workers(0)[0], signal.SIGKILL)
    wait_for(lambda: workers(1), "the second shard")
    queue.run("scontrol", "requeue", f"{array}_1")
    wait_for(lambda: workers(2), "the third shard")
    os.kill(parent(workers(2)[0]), signal.SIGUSR1)  # to the script alone, as Slurm does before the time limit
    wait_for(lambda: queue.field(f"{array}_2", "Restarts") == "1", "the third shard to requeue itself")
    wait_for(lambda: any(map(workers, range(3, 8))), "a shard to preempt")
    queue.run("sbatch", "--partition=urgent", "--exclusive", "--output=/dev/null", "--wrap=sleep 1")
    queue.wait_until_empty()

    assert queue.field(f"{array}_0", "JobState") == "FAILED"
    assert queue.field(f"{array}_1", "Restarts") >= "1"
    assert any(queue.field(f"{array}_{task}", "Restarts") >= "1" for task in range(3, 8))
    assert queue.field(merge, "ExitCode") == "3:0"
    assert not list(folder.glob("*.csv"))

    again = queue.nnsim("submit", "--missing", str(folder), "--study", toy.__file__)
    assert again.startswith("shards 0 are job ")
    queue.wait_until_empty()
    assert queue.field(re.findall(r"job (\d+)", again)[1], "JobState") == "COMPLETED"
    assert queue.nnsim("submit", "--missing", str(folder)) == f"nothing is missing in {folder}\n"

    queue.nnsim("study", "run", toy.__file__, *OPTIONS, "--jobs", "16", "-o", str(tmp_path / "serial"))
    assert tables(folder) == tables(tmp_path / "serial")


def test_a_cancelled_shard_stays_cancelled(queue: Queue, tmp_path: Path) -> None:
    said = queue.nnsim("submit", toy.__file__, "--shards", "8", *OPTIONS, "-o", str(tmp_path / "out"))
    array = re.findall(r"job (\d+)", said)[0]
    wait_for(lambda: workers(0), "the first shard")
    queue.run("scancel", array)
    queue.wait_until_empty()
    assert queue.field(f"{array}_0", "JobState") == "CANCELLED"
