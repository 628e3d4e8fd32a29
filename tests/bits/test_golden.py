"""The bytes of the init study and of training, committed: on every machine, with any number of jobs, for any CPU.

Run as a script with "quick", "small" or "tiny", this file prints the SHA-256 of every canonical table as JSON, with
"training" those of whole runs; with "write" it writes all into the folder ``golden``.
"""

from __future__ import annotations

import hashlib
import json
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

import kept
import llvmlite.binding
import pytest
import reference_runs
from nnsim_studies.init import study

from nnsim.core.versions import ARITHMETIC_VERSION
from nnsim.experiment.config import resolve
from nnsim.experiment.executors.threads import run_chunks
from nnsim.experiment.plan import make_plan
from nnsim.experiment.results.tables import write_tables
from nnsim.experiment.store import ChunkStore, open_folder

pytestmark = pytest.mark.bits

GOLDEN = Path(__file__).parents[1] / "golden"
TABLES = ("trials.csv", "layers.csv", "history.csv", "lsuv.csv")
SMALL = {
    "scheme": "he_normal,xavier_uniform,torch_default,orthogonal,lsuv,truncated_normal:0.2,sparse:3,asymmetric",
    "activation": "relu,gelu",
    "depth": "2",
    "probe_depth": "7",
    "width": 13,
    "learning_rate": "0.03,1e10",
    "seeds": 2,
    "probe_seeds": 2,
    "epochs": 2,
    "probe_epoch": "0,1",
    "batch_size": 24,
    "momentum": 0.9,
    "data": "digits",
    "fluctuation_nets": 30,
    "samples": 200,
}
TINY = SMALL | {
    "scheme": "he_normal,torch_default",
    "activation": "tanh",
    "learning_rate": "0.03",
    "seeds": 1,
    "probe_seeds": 1,
    "fluctuation_nets": 5,
    "gain_activation": "relu,gelu",
}
CONFIGURATIONS: dict[str, dict[str, Any]] = {"quick": {}, "small": SMALL, "tiny": TINY}  # quick: the preset itself


def digests(axes: dict[str, Any], jobs: int = 1, execute: Any = run_chunks) -> dict[str, str]:
    """Return the SHA-256 of each canonical table; chunks are short, so that jobs finish them in any order."""
    plan = make_plan(study, resolve(study, "quick", axes), 0, chunk_seconds=0.05)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        open_folder(folder, plan.identity)
        store = ChunkStore(folder)
        execute(plan, plan.chunks, store, jobs)
        paths = [path for path in map(store.find, plan.chunks) if path is not None]
        assert len(paths) == len(plan.chunks)
        written = write_tables(folder, study, store, paths)
    return {table: written[table] for table in TABLES}


def training_names() -> list[str]:
    """Return which runs leave something to compare."""
    parts = (reference_runs.batch_normalized, reference_runs.layer_normalized)
    return [f"{part.__name__} {dtype}" for part in parts for dtype in ("float32", "float64")]


def training_digest(name: str) -> str:
    """Return the SHA-256 of all that a run leaves, with norms, dropout, optimizers, clipping and schedules."""
    part, dtype = name.split()
    sha = hashlib.sha256()
    for array in getattr(reference_runs, part)(dtype):
        sha.update(array.tobytes())
    return sha.hexdigest()


def training_digests() -> dict[str, str]:
    """Return the digest of every run."""
    return {name: training_digest(name) for name in training_names()}


def content(name: str) -> dict[str, Any]:
    """Return what the golden file of a configuration should hold."""
    versions = {"arithmetic_version": ARITHMETIC_VERSION, "schema_version": study.schema_version}
    return {**versions, "files": digests(CONFIGURATIONS[name])}


def training_content() -> dict[str, Any]:
    """Return what the golden file of training should hold."""
    return {"arithmetic_version": ARITHMETIC_VERSION, "runs": training_digests()}


# --- the tests -----------------------------------------------------------------------------------------------------


def golden(name: str) -> dict[str, Any]:
    return json.loads((GOLDEN / f"init-{name}.json").read_text())


def expect_golden(name: str, found: dict[str, str]) -> None:
    changed = [table for table, digest in golden(name)["files"].items() if found[table] != digest]
    assert not changed, (
        f"{', '.join(changed)} of the {name} init study differ from tests/golden/init-{name}.json. If nobody meant to "
        "change a result, this is a bug: find it. If it is meant, raise ARITHMETIC_VERSION in "
        "nnsim/core/versions.py (for other bits) or the study's schema_version (for other rows, columns or "
        "settings), so that old and new results are never mixed; then run `python tests/bits/test_golden.py write`, "
        "commit the files it writes and say why in the change log."
    )


def compiled_for(cpu: str, name: str) -> dict[str, str]:
    """Return the digests of a process that compiles for `cpu`."""
    return kept.json_of("bits/test_golden.py", name, NUMBA_CPU_NAME=cpu, NUMBA_CPU_FEATURES="")


x86 = pytest.mark.skipif(platform.machine() not in {"x86_64", "AMD64"}, reason="names of x86 CPUs")
avx2 = pytest.mark.skipif(
    not all(llvmlite.binding.get_host_cpu_features().get(feature) for feature in ("avx2", "fma", "bmi2")),
    reason="this machine cannot run AVX2 code",
)


@pytest.mark.parametrize("name", CONFIGURATIONS)
@pytest.mark.parametrize(
    ("version", "current"), [("arithmetic_version", ARITHMETIC_VERSION), ("schema_version", study.schema_version)]
)
def test_golden_files_are_of_this_version(name: str, version: str, current: int) -> None:
    assert golden(name)[version] == current, "the version was raised: run `python tests/bits/test_golden.py write`"


@pytest.mark.parametrize("name", ["small", "tiny"])
@pytest.mark.parametrize("jobs", [1, 2])
def test_this_machine(name: str, jobs: int) -> None:
    expect_golden(name, digests(CONFIGURATIONS[name], jobs))


def test_the_quick_preset_on_this_machine() -> None:
    """Its trials take a minute: they are measured once."""
    kept.passed(lambda: expect_golden("quick", digests(CONFIGURATIONS["quick"], jobs=2)), "golden", "quick")


@x86
@avx2
def test_avx2_code() -> None:
    expect_golden("small", compiled_for("haswell", "small"))


@x86
def test_plain_code() -> None:
    expect_golden("tiny", compiled_for("generic", "tiny"))


class TestTraining:
    """Runs with batch normalisation, dropout, AdamW, clipping and a schedule, and their opposites."""

    def expect(self, found: dict[str, str]) -> None:
        golden = json.loads((GOLDEN / "training.json").read_text())
        assert golden["arithmetic_version"] == ARITHMETIC_VERSION
        changed = [name for name, digest in golden["runs"].items() if found[name] != digest]
        assert not changed, f"{', '.join(changed)} differ from tests/golden/training.json: is another result meant?"

    def test_this_machine(self) -> None:
        self.expect(training_digests())

    @x86
    @avx2
    def test_avx2_code(self) -> None:
        self.expect(compiled_for("haswell", "training"))

    @x86
    def test_plain_code(self) -> None:
        self.expect(compiled_for("generic", "training"))

    def test_a_changed_run_is_named(self) -> None:
        golden = json.loads((GOLDEN / "training.json").read_text())["runs"]
        with pytest.raises(AssertionError, match=r"^batch_normalized float32 differ from"):
            self.expect(golden | {"batch_normalized float32": "0" * 64})


def test_a_changed_table_is_named_with_what_to_do() -> None:
    found = golden("tiny")["files"] | {"layers.csv": "0" * 64}
    with pytest.raises(AssertionError, match=r"^layers\.csv of the tiny init study differ.*raise ARITHMETIC_VERSION"):
        expect_golden("tiny", found)


if __name__ == "__main__":
    if sys.argv[1] == "write":
        for chosen in CONFIGURATIONS:
            (GOLDEN / f"init-{chosen}.json").write_text(json.dumps(content(chosen), indent=2) + "\n")
        (GOLDEN / "training.json").write_text(json.dumps(training_content(), indent=2) + "\n")
    elif sys.argv[1] == "training":
        print(json.dumps(training_digests()))
    else:
        print(json.dumps(digests(CONFIGURATIONS[sys.argv[1]])))
