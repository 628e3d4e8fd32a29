"""One cache, filled by several processes and used by others: every kernel gives its own results, in every order."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cache_scan
import kept
import llvmlite.binding as llvm
import pytest

pytestmark = pytest.mark.crash

WORKER = Path(__file__).parents[1] / "shared_cache.py"
WORKS = ("tables", "batch_normalized float32", "layer_normalized float32", "pickles", "answers", "units", "activations")


def environment(cache: Path) -> dict[str, str]:
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("NUMBA_", "NNSIM_", "SLURM_"))
    }
    return inherited | {"XDG_CACHE_HOME": str(cache), "PYTHONPATH": kept.PATHS}


def worker(cache: Path, *words: object) -> str:
    """Return what a process prints that uses this cache."""
    command = [sys.executable, WORKER, *map(str, words)]
    return subprocess.run(command, env=environment(cache), check=True, timeout=3600, stdout=subprocess.PIPE).stdout


def fill(cache: Path, works: Sequence[str], seed: int) -> None:
    """Let three processes, two at a time, compile what these works need, each its random share."""
    mixed = random.Random(seed).sample(works, len(works))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda part: worker(cache, "fill", seed + part, ",".join(mixed[part::3]), 0), range(3)))


def failures(cache: Path, works: Sequence[str], seed: int, orders: int) -> list[int]:
    """Let a process for each of so many random orders use what the cache holds; return the seeds of those that fail."""
    half = orders // 2

    def use(first: int) -> list[int]:
        found = json.loads(worker(cache, "use", first, ",".join(works), half))
        assert found["orders"] == half
        return found["failed"]

    with ThreadPoolExecutor(2) as pool:
        return [failed for found in pool.map(use, (seed, seed + half)) for failed in found]


def use(place: Path) -> None:
    """Fill a cache, load it in twenty orders, scan it, and write what was found into the folder `place`."""
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        fill(cache, WORKS, seed=1)
        failed = failures(cache, WORKS, seed=100, orders=20)
        count, codes = cache_scan.scan(cache)
    found = {"failed": failed, "files": count, "ambiguous": cache_scan.ambiguous(codes)}
    (place / "found.json").write_text(json.dumps(found))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what went wrong in a cache that three processes have filled."""
    place = kept.folder(use, "shared cache", WORKS)
    if place is None:
        place = tmp_path_factory.mktemp("found")
        use(place)
    return dict(json.loads((place / "found.json").read_text()))


def test_every_order_of_loading_gives_the_right_results(found: dict[str, Any]) -> None:
    assert found["failed"] == []


def test_no_name_in_it_stands_for_two_codes(found: dict[str, Any]) -> None:
    assert found["files"] > 10
    assert found["ambiguous"] == []


class TestTheScan:
    """It finds what it looks for."""

    CODE = "define linkonce_odr i32 @shared(i32 %x) noinline {{ %y = {} i32 %x, {}\n ret i32 %y }}\n"
    CALLER = "define i32 @caller(i32 %x) {{ %y = call i32 @{}(i32 %x)\n ret i32 %y }}\ndeclare i32 @{}(i32)\n"

    def keep(self, folder: Path, *modules: str) -> list[str]:
        """Compile some modules, keep their objects as Numba does, and return the names with more than one code."""
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        machine = llvm.Target.from_default_triple().create_target_machine()
        state = folder / "nnsim-0123456789abcdef"
        state.mkdir(exist_ok=True)
        for number, text in enumerate(modules):
            elf = machine.emit_object(llvm.parse_assembly(text))
            (state / f"{number}.nbc").write_bytes(b"some pickle" + elf + b"its end")
        count, codes = cache_scan.scan(folder)
        assert count == len(list(folder.rglob("*.nbc")))
        return [name.split()[1] for name in cache_scan.ambiguous(codes)]

    def test_one_code_in_two_files_is_no_fault(self, tmp_path: Path) -> None:
        assert self.keep(tmp_path, *[self.CODE.format("add", 1)] * 2) == []

    def test_two_codes_are_found(self, tmp_path: Path) -> None:
        assert self.keep(tmp_path, self.CODE.format("add", 1), self.CODE.format("mul", 7)) == ["shared"]

    def test_calls_of_two_functions_are_two_codes(self, tmp_path: Path) -> None:
        assert self.keep(tmp_path, *[self.CALLER.format(name, name) for name in ("f", "g")]) == ["caller"]

    def test_states_of_the_program_are_told_apart(self, tmp_path: Path) -> None:
        self.keep(tmp_path, self.CODE.format("add", 1))
        (tmp_path / "nnsim-0123456789abcdef").rename(tmp_path / "nnsim-fedcba9876543210")
        assert self.keep(tmp_path, self.CODE.format("mul", 7)) == []


def test_a_forked_process_counts_from_elsewhere() -> None:
    code = (
        "import os, numba.core.bytecode as bytecode, nnsim.kernels.compiling.decorators\n"
        "fork = os.fork()\n"
        "status = os.waitpid(fork, 0)[1] if fork else 0\n"
        "os.write(1, f'{next(bytecode.FunctionIdentity._unique_ids)}\\n'.encode())\n"
        "os._exit(1 if status else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=300)
    first, second = map(int, done.stdout.split())
    assert abs(first - second) > 2**64
