"""Runs that die: killed, or refused by the disk, at any single system call that changes a file.

Each point is a child forked from this process, which has imported everything already. Run as a script, this file
tries every point of a study of the given number of chunks and prints a JSON summary; it exits with 1 at the first
point where something is lost, computed twice or different.
"""

from __future__ import annotations

import argparse
import dataclasses
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import toy
from toy import hashes

import nnsim.report.render  # noqa: F401  imported once, here, instead of in every child
from nnsim.core.atomic_files import sha256_of
from nnsim.core.errors import StoreError
from nnsim.experiment.plan import Plan
from nnsim.experiment.store import ChunkStore
from nnsim.runs.merge import merge_study
from nnsim.runs.run import plan_study, run_shard

FAULTS = ("kill-before", "kill-after", "ENOSPC", "EIO")
PHASES = ("measure", "merge", "again")
CALLS = ("write", "fsync", "replace", "link")
MEMORY = Path("/dev/shm")  # a folder that is not on a disk, so that thousands of fsync cost nothing
SENTENCES = {"ENOSPC": "is full: free some space", "EIO": ": input/output error"}


def outcome(script: str, *arguments: str) -> dict[str, Any]:
    """Run one of the scripts beside this file; return what it printed."""
    command = [sys.executable, str(Path(__file__).with_name(script)), *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    result = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 0, result
    return result


class Switch:
    """Counts the calls of `CALLS`, and lets `fault` happen at the one numbered `point` (from 0)."""

    def __init__(self, point: int | None, fault: str = "") -> None:
        self.count = 0
        self.point = point
        self.fault = fault
        self.lock = threading.Lock()
        for name in CALLS:
            setattr(os, name, self.wrapped(name, getattr(os, name)))

    def wrapped(self, name: str, usual: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            with self.lock:
                now = self.count == self.point
                self.count += 1
            return self.happen(name, usual, arguments) if now else usual(*arguments)

        return call

    def happen(self, name: str, usual: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        if self.fault != "kill-before":
            self.do_some(name, usual, arguments)
        if self.fault.startswith("kill"):
            os.kill(os.getpid(), signal.SIGKILL)
        raise OSError(getattr(errno, self.fault), os.strerror(getattr(errno, self.fault)))

    def do_some(self, name: str, usual: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        """Half a write; the whole of another call, but only if the process is killed after it."""
        if name == "write":
            usual(arguments[0], arguments[1][: len(arguments[1]) // 2])
        elif self.fault == "kill-after":
            usual(*arguments)


def in_child(action: Callable[[], Any]) -> tuple[int, Any]:
    """Return the status and the JSON value of `action` in a forked child; its status is 0 or minus a signal."""
    reader, writer = os.pipe()
    usual = os.write
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            value = action()
        except StoreError as error:
            value = f"refused: {error}"
        except BaseException as error:
            value = f"{type(error).__name__}: {error}"
        usual(writer, json.dumps(value).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        text = file.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status, json.loads(text) if text else None


class Laboratory:
    """A toy study of so many chunks, what it gives undisturbed, and a place for its runs."""

    def __init__(self, place: Path, chunks: int, jobs: int = 1, pause: float = 0.0, figures: bool = False) -> None:
        self.place = place
        self.study = toy.study if figures else dataclasses.replace(toy.study, claims=lambda tables, config: [])
        self.jobs = jobs
        self.axes = {"size": list(range(1, chunks + 1)), "shape": ["cube"], "pause": pause}
        self.plan: Plan = plan_study(self.study, **self.axes)
        self.whole = place / "whole"
        self.measured = place / "measured"
        in_child(lambda: self.measure(self.measured))
        shutil.copytree(self.measured, self.whole)
        in_child(lambda: self.merge(self.whole))
        self.hashes = hashes(self.whole)

    def measure(self, folder: Path) -> None:
        run_shard(self.study, shard="0/1", output=folder, jobs=self.jobs, **self.axes)

    def merge(self, folder: Path) -> None:
        merge_study(folder, study=self.study)

    again = merge  # over the results of an earlier one

    def start(self, phase: str, name: str) -> Path:
        """Return a folder in which `phase` can begin."""
        folder = self.place / name
        shutil.rmtree(folder, ignore_errors=True)
        if phase != "measure":
            shutil.copytree(self.measured if phase == "merge" else self.whole, folder)
        return folder

    def count(self, phase: str) -> int:
        """Return how many calls `phase` makes."""
        folder = self.start(phase, "count")

        def action() -> int:
            switch = Switch(None)
            getattr(self, phase)(folder)
            return switch.count

        return in_child(action)[1]

    def try_point(self, phase: str, point: int, fault: str) -> None:
        """Let `fault` happen, look at what is left, go on, and look at the result; raises AssertionError."""
        folder = self.start(phase, "point")

        def action() -> None:
            Switch(point, fault)
            getattr(self, phase)(folder)

        status, value = in_child(action)
        if fault.startswith("kill"):
            assert status == -signal.SIGKILL, (status, value)
        else:
            assert SENTENCES[fault] in str(value), value
            assert str(value).startswith("refused: "), value
        self.check_what_is_left(folder)
        self.check_recovery(folder)

    def check_what_is_left(self, folder: Path) -> None:
        """Whatever is there is whole: each table, and each file that a manifest vouches for."""
        for name, digest in self.hashes.items():
            assert not (folder / name).exists() or sha256_of(folder / name) == digest, f"{name} is wrong"
        if (folder / "manifest.json").exists():
            files = json.loads((folder / "manifest.json").read_text())["files"]
            assert all(sha256_of(folder / name) == digest for name, digest in files.items())

    def check_recovery(self, folder: Path) -> None:
        """The same command measures what is missing, nothing else, and gives the same bytes."""
        kept = self.kept(folder)
        missing = sorted(trial.id for chunk in self.plan.chunks if chunk.number not in kept for trial in chunk.trials)

        def action() -> list[str]:
            toy.measured.clear()
            self.measure(folder)
            self.merge(folder)
            return sorted(toy.measured)

        status, value = in_child(action)
        assert (status, value) == (0, missing), (status, value)
        assert hashes(folder) == self.hashes
        assert len(list((folder / "chunks").iterdir())) == len(self.plan.chunks), "a chunk is there twice"
        assert not list(folder.rglob("*.nnsim-tmp")), "an unfinished file is left"
        self.check_what_is_left(folder)

    def kept(self, folder: Path) -> set[int]:
        if not (folder / "chunks").is_dir():
            return set()
        store = ChunkStore(folder)
        return {chunk.number for chunk in self.plan.chunks if store.find(chunk)}


def points(laboratory: Laboratory, phases: Sequence[str]) -> Iterator[tuple[str, int, str]]:
    """Yield every phase, call and fault."""
    for phase in phases:
        for point in range(laboratory.count(phase)):
            yield from ((phase, point, fault) for fault in FAULTS)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=6)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--phases", default=",".join(PHASES))
    parser.add_argument("--figures", action="store_true", help="draw in every merge, which takes most of the time")
    options = parser.parse_args()
    tried = 0
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as place:
        laboratory = Laboratory(Path(place), options.chunks, options.jobs, figures=options.figures)
        for phase, point, fault in points(laboratory, options.phases.split(",")):
            try:
                laboratory.try_point(phase, point, fault)
            except AssertionError as error:
                print(json.dumps({"phase": phase, "point": point, "fault": fault, "error": str(error)}))
                return 1
            tried += 1
    print(json.dumps({"points": tried}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
