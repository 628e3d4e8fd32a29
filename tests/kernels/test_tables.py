"""Tables of formulas: one entry adds an activation or an optimizer, from outside too, and every kernel follows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from nnsim.kernels.compiling.tables import Table
from nnsim.kernels.formulas.activations import ACTIVATIONS
from nnsim.kernels.formulas.optimizers import OPTIMIZERS

MINE = '''
"""A new activation and a new optimizer, outside of nnsim."""
import json

import numpy as np

from nnsim.kernels.compiling.decorators import scalar
from nnsim.kernels.formulas.activations import ACTIVATIONS, Activation
from nnsim.kernels.formulas.optimizers import OPTIMIZERS, Optimizer
from nnsim.kernels.formulas.scalar_math import fma


@scalar
def cube(z, p):
    """z^3."""
    return z * z * z


@scalar
def cube_slope(z, a, p):
    """3 z^2."""
    return type(z)(3) * z * z


@scalar
def half_step(theta, gradient, first, second, rate, momentum, beta2, correction, epsilon):
    """Half the usual step."""
    return fma(-rate * type(rate)(FACTOR), gradient, theta), first, second


ACTIVATIONS.add("cube", Activation(cube, cube_slope))
OPTIMIZERS.add("half", Optimizer(half_step))

import nnsim
from nnsim.kernels.compiling import compile_cache
from nnsim.networks.activations import evaluate
from nnsim.training.trainer import Batches

spec = nnsim.NetworkSpec((2, 3, 1), "cube", loss="mse", dtype="float64")
X, Y = np.linspace(-1, 1, 8).reshape(4, 2), np.linspace(-1, 1, 4).reshape(4, 1)
data = Batches(X, Y, X, Y)
theta = np.linspace(-0.5, 0.5, spec.n_parameters)


def after(optimizer, rate):
    recipe = nnsim.Recipe(rate, optimizer=optimizer, batch_size=4, epochs=1, momentum=0.0)
    return (nnsim.train(spec, theta, data, recipe, 1).theta - theta).tolist()


values, slopes = evaluate("cube", np.array([-2.0, 0.5]))
print(json.dumps({
    "values": values.tolist(), "slopes": slopes.tolist(), "half": after("half", 0.1), "plain": after("sgd", 0.05),
    "state": compile_cache.folder().name,
}))
'''


def run(folder: Path, factor: str) -> dict:
    """Return what a process finds that adds entries of its own."""
    program = folder / f"mine_{factor.replace('.', '_')}.py"
    program.write_text(MINE.replace("FACTOR", factor))
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_an_entry_from_outside_is_trained(tmp_path: Path) -> None:
    found = run(tmp_path, "0.5")
    assert (found["values"], found["slopes"]) == ([-8.0, 0.125], [12.0, 0.75])
    assert found["half"] == pytest.approx(found["plain"], rel=1e-12)
    assert any(found["half"])


def test_what_is_added_has_a_cache_of_its_own(tmp_path: Path) -> None:
    paths = {factor: tmp_path / f"{factor}.py" for factor in ("0.5", "0.25")}
    for factor, path in paths.items():
        head = MINE.split("import nnsim\n")[0].replace("FACTOR", factor)
        path.write_text(
            f"{head}\nfrom nnsim.kernels.compiling import compile_cache\nprint(compile_cache.folder().name)\n"
        )
    states = [subprocess.check_output([sys.executable, str(path)], text=True).strip() for path in paths.values()]
    plain = "from nnsim.kernels.compiling import compile_cache; print(compile_cache.folder().name)"
    states.append(subprocess.check_output([sys.executable, "-c", plain], text=True).strip())
    assert len(set(states)) == 3


def test_an_entry_that_comes_too_late_is_refused() -> None:
    import nnsim.kernels.cpu.activations  # noqa: F401 (the kernels are there now)

    entry = ACTIVATIONS["relu"]
    with pytest.raises(ValueError, match=r"^activation 'mine' comes too late: add it before nnsim's kernels are"):
        ACTIVATIONS.add("mine", entry)
    with pytest.raises(ValueError, match=r"^activation 'relu' exists already$"):
        ACTIVATIONS.add("relu", entry)


def test_names_of_one_formula_have_one_number() -> None:
    assert OPTIMIZERS.code("adamw") == OPTIMIZERS.code("adam")
    assert sorted({OPTIMIZERS.code(name) for name in OPTIMIZERS}) == list(range(len(OPTIMIZERS) - 1))


def test_a_chain_runs_the_case_that_is_asked_for() -> None:
    table = Table("thing", {"one": 10, "two": 20}, formulas=lambda entry: (entry,))
    chain = table.chained(
        lambda code, entry, rest: lambda wanted: entry if wanted == code else rest(wanted), lambda _: 0
    )
    assert [chain(table.code(name)) for name in table] == [10, 20]
    assert chain(7) == 0
