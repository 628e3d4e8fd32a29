"""The cache of compiled code: whatever becomes of its files, the next call gives the right result.

Each test works on a copy of the library with one more kernel, ``entry``, and a function of another file that it calls.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import needs
import pytest

import nnsim
from nnsim.kernels.compiling import compile_cache

pytestmark = pytest.mark.crash

HELPER = "from nnsim.kernels.compiling.decorators import scalar\n\n\n@scalar\ndef helper(x):\n    return x + {}\n"
ENTRY = (
    "from nnsim.kernels.helper import helper\nfrom nnsim.kernels.compiling.decorators import kernel\n\n\n"
    "@kernel\ndef entry(x):\n    return helper(x)\n"
)
CUDA_ENTRY = (
    "from nnsim.kernels.helper import helper\nfrom nnsim.kernels.cuda.decorators import kernel\n\n\n"
    "@kernel\ndef entry(out):\n    out[0] = helper(1)\n"
)
# What numba-cuda does at a first launch, on a device that need not be there; prints what is added and "kept" or "new".
CUDA_CALL = """
import re
from types import SimpleNamespace
import numba
from numba.cuda import codegen, dispatcher
device = SimpleNamespace(compute_capability={})
dispatcher.get_current_device = lambda: device
codegen.devices = SimpleNamespace(get_context=lambda: SimpleNamespace(device=device))
from nnsim.kernels.cuda.entry import entry
signature = (numba.int64[::1],)
code, found = entry._cache.load_overload(signature, entry.targetctx), "kept"
if code is None:
    code, found = dispatcher._Kernel(entry.py_func, signature, **entry.targetoptions), "new"
    code._codelibrary.get_cubin()
    entry._cache.save_overload(signature, code)
assert len(code._codelibrary.get_cubin().code) > 100
print(*re.findall(r"mov\\.u64\\s+%rd\\d+, (\\d+);", code._codelibrary.get_asm_str()), found)
"""
CUDA_NAMES = 'print(*re.findall(r"[.](?:entry|func) *([\\w$]+)", code._codelibrary.get_asm_str()))\n'
CALL = "from nnsim.kernels.entry import entry\nprint(entry(1), sum(entry.stats.cache_hits.values()))\n"
DIE = """
import os, signal
usual, left = os.replace, [{}]
def replace(source, target):
    left[0] -= 1
    if left[0] < 0:
        {}
        os.kill(os.getpid(), signal.SIGKILL)
    usual(source, target)
os.replace = replace
"""
SETTINGS = ("NUMBA_CACHE_DIR", "NNSIM_COMPILE_CACHE", "SLURM_JOB_ID", "SLURM_TMPDIR", "XDG_CACHE_HOME")


class Laboratory:
    """A copy of the library and a cache of its own."""

    def __init__(self, folder: Path) -> None:
        self.sources = folder / "sources"
        self.cache = folder / "cache"
        self.environment = {name: value for name, value in os.environ.items() if name not in SETTINGS}
        self.environment |= {"PYTHONPATH": str(self.sources), "XDG_CACHE_HOME": str(self.cache)}
        ignored = shutil.ignore_patterns("__pycache__", "report", "experiment", "cpu")
        shutil.copytree(Path(nnsim.__file__).parent, self.sources / "nnsim", ignore=ignored)
        (self.sources / "nnsim" / "kernels" / "entry.py").write_text(ENTRY)
        (self.sources / "nnsim" / "kernels" / "cuda" / "entry.py").write_text(CUDA_ENTRY)
        self.edit_callee(10)

    def edit_callee(self, number: int) -> None:
        (self.sources / "nnsim" / "kernels" / "helper.py").write_text(HELPER.format(number))

    def python(self, code: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-B", "-c", code]
        environment = self.environment | variables
        return subprocess.run(
            command, cwd=self.sources, env=environment, capture_output=True, text=True, check=False, timeout=600
        )

    def call(self, code: str = CALL, **variables: str) -> tuple[str, str]:
        """Return what ``entry(1)`` gives, how often the cache was hit, and what was said on standard error."""
        done = self.python(code, **variables)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip(), done.stderr

    def files(self, pattern: str = "*.nb?") -> list[Path]:
        return sorted(self.cache.rglob(pattern))


@pytest.fixture
def laboratory(tmp_path: Path) -> Laboratory:
    return Laboratory(tmp_path)


def truncate(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flip_a_bit(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "truncated": truncate,
    "one-bit": flip_a_bit,
    "junk": lambda content: b"\x93junk" * 100,
    "another-pickle": lambda content: b"\x80\x04K\x01.",
}


class TestUse:
    def test_the_second_process_compiles_nothing(self, laboratory: Laboratory) -> None:
        assert laboratory.call() == ("11 0", "")
        assert laboratory.call() == ("11 1", "")

    def test_an_edited_callee_is_seen(self, laboratory: Laboratory) -> None:
        laboratory.call()
        laboratory.edit_callee(20)
        assert laboratory.call() == ("21 0", "")
        laboratory.edit_callee(10)
        assert laboratory.call() == ("11 1", "")

    def test_an_edit_beside_the_kernels_keeps_their_code(self, laboratory: Laboratory) -> None:
        laboratory.call()
        with (laboratory.sources / "nnsim" / "training" / "trainer.py").open("a") as file:
            file.write("NEW = 1\n")
        assert laboratory.call() == ("11 1", "")

    def test_code_outside_the_library_is_not_kept(self, laboratory: Laboratory) -> None:
        mine = laboratory.sources / "mine.py"
        mine.write_text(ENTRY.replace("nnsim.kernels.helper", "helper"))
        code = "from mine import entry; print(entry(1))"
        for number in (10, 20):
            (laboratory.sources / "helper.py").write_text(HELPER.format(number))
            assert laboratory.call(code) == (str(number + 1), "")
        assert laboratory.files() == []

    def test_what_changes_the_code_has_a_folder_of_its_own(self, laboratory: Laboratory) -> None:
        laboratory.call()
        assert laboratory.call(NUMBA_BOUNDSCHECK="1") == ("11 0", "")
        assert laboratory.call(NUMBA_NUM_THREADS="1") == ("11 1", "")

    def test_the_switch(self, laboratory: Laboratory) -> None:
        assert laboratory.call(NNSIM_COMPILE_CACHE="0") == ("11 0", "")
        assert laboratory.files() == []

    def test_numbas_own_variable_is_respected(self, laboratory: Laboratory, tmp_path: Path) -> None:
        laboratory.call(NUMBA_CACHE_DIR=str(tmp_path / "mine"))
        assert len(list((tmp_path / "mine").rglob("*.nbc"))) == 1
        assert laboratory.files() == []

    def test_in_a_batch_job_it_stays_on_the_node(self, laboratory: Laboratory, tmp_path: Path) -> None:
        (tmp_path / "node").mkdir()
        laboratory.call(SLURM_JOB_ID="1", SLURM_TMPDIR=str(tmp_path / "node"))
        assert len(list((tmp_path / "node").rglob("*.nbc"))) == 1
        assert laboratory.files() == []


class TestDamage:
    @pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
    @pytest.mark.parametrize("pattern", ["*.nbi", "*.nbc"], ids=["index", "data"])
    def test_a_damaged_file_is_compiled_again_and_mended(
        self, laboratory: Laboratory, pattern: str, damage: Callable[[bytes], bytes]
    ) -> None:
        laboratory.call()
        (path,) = laboratory.files(pattern)
        path.write_bytes(damage(path.read_bytes()))
        assert laboratory.call() == ("11 0", "nnsim: a file of compiled code was damaged: compiling again\n")
        assert laboratory.call() == ("11 1", "")

    @pytest.mark.parametrize("pattern", ["*.nbi", "*.nbc"], ids=["index", "data"])
    def test_a_lost_file_is_compiled_again(self, laboratory: Laboratory, pattern: str) -> None:
        laboratory.call()
        laboratory.files(pattern)[0].unlink()
        assert laboratory.call() == ("11 0", "")
        assert laboratory.call() == ("11 1", "")

    def test_whole_files_that_cannot_be_loaded_are_compiled_again(self, laboratory: Laboratory) -> None:
        laboratory.call()
        code = (
            "from numba.core.caching import CompileResultCacheImpl as Impl\n"
            "def fail(*arguments): raise RuntimeError('LLVM')\nImpl.rebuild = fail\n"
        )
        said = "nnsim: compiled code cannot be loaded (RuntimeError): compiling again\n"
        assert laboratory.call(code + CALL) == ("11 0", said)

    def test_the_code_of_another_signature_is_not_taken(self, laboratory: Laboratory) -> None:
        """As two processes leave it that compile two signatures at once, each unaware of the other's index."""
        laboratory.call("from nnsim.kernels.entry import entry; entry(1.5)")
        (data,) = laboratory.files("*.nbc")
        wrong = data.read_bytes()
        laboratory.files("*.nbi")[0].unlink()
        laboratory.call()
        laboratory.files("*.nbc")[0].write_bytes(wrong)
        assert laboratory.call() == ("11 0", "")
        assert laboratory.call() == ("11 1", "")


class TestKilled:
    @pytest.mark.parametrize("half", [False, True], ids=["before-the-rename", "half-written-in-place"])
    @pytest.mark.parametrize("renames", [0, 1], ids=["index", "data"])
    def test_killed_while_writing(self, laboratory: Laboratory, renames: int, half: bool) -> None:
        action = "open(target, 'wb').write(open(source, 'rb').read()[:99])" if half else "pass"
        assert laboratory.python(DIE.format(renames, action) + CALL).returncode == -9
        assert laboratory.call()[0] == "11 0"
        assert laboratory.call() == ("11 1", "")

    def test_killed_between_index_and_data_after_an_edit(self, laboratory: Laboratory) -> None:
        laboratory.call()
        laboratory.edit_callee(20)
        assert laboratory.python(DIE.format(1, "pass") + CALL).returncode == -9
        assert laboratory.call() == ("21 0", "")


@needs.numba_cuda
class TestCuda:
    CALL = CUDA_CALL.format("(8, 0)")

    def test_the_second_process_compiles_nothing(self, laboratory: Laboratory) -> None:
        assert laboratory.call(self.CALL) == ("11 new", "")
        assert laboratory.call(self.CALL) == ("11 kept", "")

    def test_an_edited_callee_is_seen(self, laboratory: Laboratory) -> None:
        laboratory.call(self.CALL)
        laboratory.edit_callee(20)
        assert laboratory.call(self.CALL) == ("21 new", "")

    def test_another_compute_capability_has_its_own_code(self, laboratory: Laboratory) -> None:
        laboratory.call(self.CALL)
        assert laboratory.call(CUDA_CALL.format("(8, 6)")) == ("11 new", "")

    def test_damaged_code_is_compiled_again(self, laboratory: Laboratory) -> None:
        laboratory.call(self.CALL)
        (path,) = laboratory.files("*.nbc")
        path.write_bytes(flip_a_bit(path.read_bytes()))
        said = "nnsim: a file of compiled code was damaged: compiling again\n"
        assert laboratory.call(self.CALL) == ("11 new", said)

    def test_names_of_two_processes_differ(self, laboratory: Laboratory) -> None:
        """Numba alone numbers functions from 1 in each."""
        caches = [str(laboratory.cache / name) for name in ("one", "other")]
        one, other = (laboratory.call(self.CALL + CUDA_NAMES, XDG_CACHE_HOME=cache)[0].split()[2:] for cache in caches)
        assert "entry" in one[0]
        assert set(one).isdisjoint(other)


class TestNoRoom:
    """A disk that refuses, by a limit on the size of files: the error of a full disk, without one."""

    LIMIT = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0}))\n"

    @pytest.mark.parametrize("room", [0, 100, 4096])
    def test_a_full_disk_is_said_and_nothing_is_lost(self, laboratory: Laboratory, room: int) -> None:
        said = "nnsim: compiled code cannot be kept (file too large): it works without\n"
        assert laboratory.call(self.LIMIT.format(room) + CALL) == ("11 0", said)
        assert laboratory.files("*.tmp*") == []
        assert laboratory.call() == ("11 0", "")
        assert laboratory.call() == ("11 1", "")

    def test_a_place_that_cannot_be_made(self, laboratory: Laboratory) -> None:
        assert laboratory.call(XDG_CACHE_HOME="/proc/nnsim") == ("11 0", "")
        assert list(laboratory.sources.rglob("*.nb?")) == []

    def test_a_folder_that_cannot_be_made_within_the_place(self, laboratory: Laboratory) -> None:
        laboratory.call()
        folder = laboratory.files("*.nbc")[0].parent
        shutil.rmtree(folder)
        folder.write_text("in the way")
        said = "nnsim: compiled code cannot be kept (file exists): it works without\n"
        assert laboratory.call() == ("11 0", said)
        assert list(laboratory.sources.rglob("*.nb?")) == []  # Numba's next choice, which would serve stale code


class TestTrust:
    """Compiled code runs: a folder in which somebody else can write is not read."""

    @pytest.fixture
    def refusal(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
        for name in SETTINGS:
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

        def ask() -> str:
            found = compile_cache.place.__wrapped__()
            assert (found.folder is None) == bool(found.reason)
            return found.reason

        return ask

    def test_a_new_folder_is_closed_to_others(self, tmp_path: Path, refusal: Callable[[], str]) -> None:
        assert refusal() == ""
        assert {path.stat().st_mode & 0o777 for path in [tmp_path / "nnsim", *(tmp_path / "nnsim").iterdir()]} == {
            0o700
        }

    def test_a_folder_that_others_can_write_is_refused(self, tmp_path: Path, refusal: Callable[[], str]) -> None:
        (tmp_path / "nnsim").mkdir()
        (tmp_path / "nnsim").chmod(0o777)
        assert refusal() == f"'{tmp_path / 'nnsim'}' can be written by others"

    def test_somebody_elses_folder_is_refused(
        self, tmp_path: Path, refusal: Callable[[], str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "nnsim").mkdir()
        monkeypatch.setattr(os, "getuid", lambda: 12345)
        assert refusal() == f"'{tmp_path / 'nnsim'}' belongs to somebody else"

    def test_a_file_in_the_way_is_refused(self, tmp_path: Path, refusal: Callable[[], str]) -> None:
        (tmp_path / "nnsim").write_text("mine")
        assert refusal() == f"'{tmp_path / 'nnsim'}' cannot be written: file exists"
        assert (tmp_path / "nnsim").read_text() == "mine"
