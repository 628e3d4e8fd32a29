"""A first run compiles on all cores: who does it, what becomes of it, and that nothing is left behind.

Run as a script, this file tells which large kernels the warm-up of every study calls.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import kept
import pytest
import small_kernels
import toy

from nnsim.core.errors import UnknownNameError
from nnsim.core.progress import Progress
from nnsim.experiment.executors import warm_up
from nnsim.study.discovery import find_study, study_names
from nnsim.training.precompile import LARGE, seconds

pytestmark = pytest.mark.crash

SMALL_COMMAND = [sys.executable, small_kernels.__file__]
BOTH = ["half_cosines float32", "half_cosines float64"]
PARENT = """
import sys
sys.path.append({tests!r})
import small_kernels, toy
from dataclasses import replace
from nnsim.experiment.executors import warm_up as warming
from nnsim.core.progress import Progress
warming.COMMAND = {command!r}
warming.LARGE.update(small_kernels.SMALL)

class Listener(Progress):
    def phase(self, text):
        print(text)

def warm(jobs, names):
    call = lambda: [small_kernels.SMALL[name].compile() for name in names]
    warming.warm_up(replace(toy.study, warm_up=call, kernels=tuple(names)), jobs, Listener())
    stats = small_kernels.schedules.half_cosines.stats
    print(sum(stats.cache_hits.values()), "loaded,", sum(stats.cache_misses.values()), "compiled")

"""
COMPILING, LOADING = "compiling kernels (first run only)", "loading kernels"


@pytest.fixture
def parent(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Return what starts a process whose cache is empty at first."""
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    for name in ("NUMBA_CACHE_DIR", "NNSIM_COMPILE_CACHE", "SLURM_JOB_ID"):
        environment.pop(name, None)

    def start(code: str, command: list[str] = SMALL_COMMAND, **variables: str) -> subprocess.Popen[str]:
        program = PARENT.format(tests=str(Path(__file__).parents[1]), command=command) + code
        words = [sys.executable, "-c", program]
        return subprocess.Popen(words, env=environment | variables, cwd=tmp_path, stdout=subprocess.PIPE, text=True)

    return start


@pytest.fixture
def said(parent: Callable[..., subprocess.Popen[str]]) -> Callable[..., list[str]]:
    """Return what runs such a process to its end, and gives the lines that it printed."""

    def run(*arguments: object, **variables: str) -> list[str]:
        out, _ = parent(*arguments, **variables).communicate(timeout=300)
        return out.splitlines()

    return run


class TestProcesses:
    def test_compile_what_the_parent_only_loads(self, said: Callable[..., list[str]]) -> None:
        code = f"warm(2, {BOTH})"
        assert said(code) == [COMPILING, "2 loaded, 0 compiled"]
        assert said(code, ["nobody"]) == [LOADING, "2 loaded, 0 compiled"]

    @pytest.mark.parametrize("command", [["/no/such/program"], [sys.executable, "-c", "0"]], ids=["none", "idle"])
    def test_that_do_nothing_leave_it_to_the_parent(self, said: Callable[..., list[str]], command: list[str]) -> None:
        assert said(f"warm(2, {BOTH})", command) == [COMPILING, "0 loaded, 2 compiled"]

    def test_one_that_is_killed_takes_no_other_along(self, said: Callable[..., list[str]]) -> None:
        names = ["fatal float32", "half_cosines float64"]
        assert said(f"warm(2, {names})") == [COMPILING, "1 loaded, 0 compiled"]

    def test_are_not_started_for_one_core(self, said: Callable[..., list[str]]) -> None:
        assert said(f"warming.Popen = None\nwarm(1, {BOTH})") == [COMPILING, "0 loaded, 2 compiled"]

    def test_are_not_started_where_nothing_is_kept(self, said: Callable[..., list[str]]) -> None:
        code = f"warming.Popen = None\nwarm(2, {BOTH})"
        assert said(code, NNSIM_COMPILE_CACHE="0") == [COMPILING, "0 loaded, 2 compiled"]

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["interrupted", "killed"])
    def test_end_with_their_parent(
        self, parent: Callable[..., subprocess.Popen[str]], tmp_path: Path, number: int
    ) -> None:
        process = parent("warm(2, ['endless float32', 'endless float64'])")
        children = when(lambda: [int(path.name) for path in tmp_path.iterdir() if path.name.isdigit()], 2)
        process.send_signal(number)
        process.communicate(timeout=300)
        when(lambda: [child for child in children if not is_running(child)], 2)

    def test_of_the_real_command_know_the_large_kernels(self) -> None:
        with subprocess.Popen([*warm_up.COMMAND, "value_and_slope float64"], stdin=subprocess.PIPE) as process:
            assert process.wait(300) == 0


def when(found: Callable[[], list[int]], count: int) -> list[int]:
    """Wait until `count` are found, and return them."""
    for _ in range(6000):
        if len(found()) == count:
            return found()
        time.sleep(0.05)
    raise TimeoutError(found())


def is_running(process: int) -> bool:
    """Tell whether a process is there, and not only waiting for somebody to ask how it ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


class TestShares:
    NAMES = ("train_epochs float32", "evaluate float32", "probe_layers float32", "train_epochs float64")

    @pytest.mark.parametrize("count", [1, 2, 3, 16])
    def test_hold_every_kernel_once(self, count: int) -> None:
        shares = warm_up.divide(self.NAMES, count)
        assert len(shares) <= count
        assert sorted(name for share in shares for name in share) == sorted(self.NAMES)

    def test_on_two_cores_are_the_two_precisions(self) -> None:
        assert sorted(map(len, warm_up.divide(self.NAMES, 2))) == [1, 3]

    def test_on_more_cores_end_earlier(self) -> None:
        longest = [max(map(seconds, warm_up.divide(self.NAMES, count))) for count in (1, 2, 3)]
        assert longest == sorted(set(longest), reverse=True)

    def test_that_save_too_little_are_not_made(self) -> None:
        assert len(warm_up.divide(["train_epochs float32", "evaluate float32"], 16)) == 1

    def test_of_nothing_are_none(self) -> None:
        assert warm_up.divide([], 16) == []


class TestStudies:
    def test_name_the_large_kernels_that_they_call(self) -> None:
        """Else a first run would compile them on one core, or some for nothing."""
        environment = os.environ | {"PYTHONPATH": kept.PATHS}
        command = [sys.executable, __file__]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, timeout=3600)
        assert json.loads(done.stdout) == {name: sorted(find_study(name).kernels) for name in study_names()}

    def test_without_a_warm_up_need_nothing(self) -> None:
        told: list[str] = []

        class Listener(Progress):
            def phase(self, text: str) -> None:
                told.append(text)

        warm_up.warm_up(replace(toy.study, warm_up=None), 2, Listener())
        assert told == []

    def test_that_name_no_large_kernel_are_told_the_nearest(self) -> None:
        wrong = replace(toy.study, warm_up=lambda: None, kernels=("train_epoch float32",))
        with pytest.raises(UnknownNameError, match="did you mean 'train_epochs float32'"):
            warm_up.warm_up(wrong, 2)


def tell_what_warm_ups_call() -> None:
    """Print the large kernels of each study: whose code is in memory after its warm-up, in a process of its own."""
    small_kernels.SMALL["half_cosines float64"].compile()  # what Numba does once, before the processes part
    found = {}
    for study in [find_study(name) for name in study_names()]:
        reader, writer = os.pipe()
        if os.fork() == 0:
            assert study.warm_up is not None
            study.warm_up()
            called = [name for name, one in LARGE.items() if one.types() in one.kernel.signatures]
            os.write(writer, json.dumps(sorted(called)).encode())
            os._exit(0)
        os.close(writer)
        with open(reader, "rb") as pipe:
            found[study.name] = json.loads(pipe.read())
    print(json.dumps(found))


if __name__ == "__main__":
    tell_what_warm_ups_call()
