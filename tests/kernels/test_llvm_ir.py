"""The LLVM IR of every kernel, compiled afresh: no fast-math, fma where products are added, no call to libm.

Run as a script with a folder and "float32" or "float64", this file compiles all kernels and writes their IR there. Code
from the cache has none, so nothing is read from it; what is compiled is kept there for others.
"""

from __future__ import annotations

import importlib
import math
import pkgutil
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import numba
import numpy as np
import pytest
from numba.core import caching
from numba.core.registry import CPUDispatcher

import nnsim.kernels
from nnsim.kernels.compiling import compile_cache
from nnsim.kernels.cpu.optimizers import Moments
from nnsim.kernels.cpu.training import Data, State
from nnsim.kernels.formulas import scalar_math
from nnsim.kernels.formulas.columns import N_HISTORY
from nnsim.networks.spec import NetworkSpec
from nnsim.training.lane_populations import arguments_of, lanes_of
from nnsim.training.populations import members_of
from nnsim.training.recipe import Recipe
from nnsim.training.trainer import Batches, TrainRequest

pytestmark = pytest.mark.bits

KINDS = {"float32": np.float32, "float64": np.float64}
SCALARS = ["exp", "expm1", "log", "log1p", "tanh", "sigmoid", "erf", "sin", "cos", "fma"]
IN_DOUBLE = {"orthonormal_columns", "total_sum_of_squares_of"}
WITHOUT_PRODUCTS = {"fill_uniform", "fill_permutation", "kept_bytes"}


def is_entry_point(entry, module):
    """Tell a kernel, called from Python, from scalar functions and from loops that only kernels call."""
    if not isinstance(entry, CPUDispatcher) or entry.py_func.__module__ != module.__name__:
        return False
    return not (entry.targetoptions.get("forceinline") or entry.targetoptions.get("no_cpython_wrapper"))


def shown(name, module):
    """Return a kernel's name, which its twin in lanes shares."""
    return f"lanes.{name}" if module.__name__.startswith("nnsim.kernels.lanes.") else name


def entry_points():
    """Return every CPU kernel below nnsim.kernels by name."""
    found = (info.name for info in pkgutil.walk_packages(nnsim.kernels.__path__, "nnsim.kernels."))
    names = [name for name in found if not name.startswith("nnsim.kernels.cuda")]  # whose PTX is tested instead
    modules = [importlib.import_module(name) for name in names]
    return {
        shown(name, module): entry
        for module in modules
        for name, entry in vars(module).items()
        if is_entry_point(entry, module)
    }


# --- sample arguments ----------------------------------------------------------------------------------------------


def network(kind):
    """Return a tanh network with its parameters, inputs and labels."""
    spec = NetworkSpec((3, 4, 2), "tanh", dtype=np.dtype(kind).name)
    theta = np.linspace(-1, 1, 26).astype(kind)
    X, Y = np.linspace(-1, 1, 15).reshape(5, 3).astype(kind), np.zeros((5, 1), kind)
    return spec, theta, X, Y


def architecture(kind):
    spec, *arrays = network(kind)
    return spec.architecture, *arrays


def answering(kind):
    """Return a network that is trained, its inputs and labels."""
    net, theta, X, Y = architecture(kind)
    return net, theta, np.empty(0, kind), X, Y


def training(kind):
    spec, theta, X, Y = network(kind)
    recipe, none = Recipe(0.1, batch_size=2, epochs=1), np.empty(0, kind)
    state = State(theta, none, Moments(np.zeros_like(theta), none, np.ones(2)), np.ones(4), np.ones(3), none, none)
    rest = Data(X, Y, X, Y), recipe.rates(5), np.uint64(1), 0, np.zeros((1, N_HISTORY))
    return spec.architecture, state, recipe.optimizer_params(spec), recipe.run_options(), *rest


def training_in_lanes(kind):
    spec, theta, X, Y = network(kind)
    recipe = Recipe(0.1, batch_size=2, epochs=1)
    return arguments_of(members_of([TrainRequest(spec, theta, Batches(X, Y, X, Y), recipe, 1, 1, False)]), 1)


def cube(kind):
    return np.ones((3, 3, lanes_of(NetworkSpec((1, 2), dtype=np.dtype(kind).name))), kind)


def probe(kind):
    return *architecture(kind), np.empty((0, 0), kind), 1e-3


def square(kind):
    return np.linspace(-1, 1, 9).reshape(3, 3).astype(kind)


SAMPLES = {
    "evaluate": lambda kind: (*answering(kind), 2, False),
    "burn": lambda kind: (kind(1), 3),
    "difference_gradient": lambda kind: (*architecture(kind), 1e-6, True, np.empty(26, kind)),
    "fill_normal": lambda kind: (np.empty(9, kind), np.uint64(1), 1, 0),
    "fill_permutation": lambda kind: (np.empty(9, np.int64), np.uint64(1), 1, 0),
    "fill_uniform": lambda kind: (np.empty(9, kind), np.uint64(1), 1, 0),
    "half_cosines": lambda kind: (np.zeros(9, kind), np.zeros(9, kind)),
    "lanes.matrix_product": lambda kind: (cube(kind),) * 3,
    "lanes.train_epochs": training_in_lanes,
    "kept_bytes": lambda kind: (*architecture(kind)[:2], 5),
    "logits": lambda kind: (*answering(kind)[:4], 2),
    "loss_and_gradient": lambda kind: (*architecture(kind), np.empty(26, kind), np.uint64(1), 0),
    "mean_and_deviation": lambda kind: (square(kind), np.empty(3, kind), np.empty(3, kind)),
    "matrix_product": lambda kind: (square(kind), square(kind), square(kind), False, True),
    "orthonormal_columns": lambda kind: (square(np.float64),),
    "perceptron_rule": lambda kind: (square(kind), np.ones(3, kind), np.zeros(3, kind), 9),
    "powers": lambda kind: (np.zeros(9, kind), kind(0.5), np.zeros(9, kind)),
    "probe_layers": probe,
    "repeat_passes": lambda kind: (*architecture(kind), np.empty(26, kind), 2, True),
    "scale_to_unit_variance": lambda kind: architecture(kind)[:3],
    "scores": lambda kind: (square(kind), np.ones(3, kind), np.empty(3, kind)),
    "sum_of_waves": lambda kind: (square(kind), square(kind), np.zeros(3, kind), np.zeros(3, kind)),
    "teacher": lambda kind: (square(kind), square(kind), np.ones(3, kind), np.empty(3, kind)),
    "train_epochs": training,
    "unit_facts": lambda kind: (*answering(kind)[:4], True),
    "sines": lambda kind: (np.zeros(9, kind), np.empty(9, kind), np.empty(9, kind)),
    "total_sum_of_squares_of": lambda kind: (np.zeros((3, 2), kind),),
    "value_and_slope": lambda kind: (3, np.zeros(9, kind), kind(0)),
}


def scalar_samples(kind):
    return {name: (kind(0.5),) * (3 if name == "fma" else 1) for name in SCALARS}


def llvm_of(function, arguments):
    """Return the optimised IR of a dispatcher for these arguments, all that it calls included."""
    signature = tuple(numba.typeof(argument) for argument in arguments)
    function.compile(signature)
    return function.inspect_llvm(signature)


def write_all(folder, label):
    caching.Cache.load_overload = lambda *_: None
    for name, entry in entry_points().items():
        (folder / f"{name}-{label}.ll").write_text(llvm_of(entry, SAMPLES[name](KINDS[label])))
    for name, arguments in scalar_samples(KINDS[label]).items():
        (folder / f"scalar_{name}-{label}.ll").write_text(llvm_of(getattr(scalar_math, name), arguments))


# --- what the IR must hold -----------------------------------------------------------------------------------------

FLAG = re.compile(r"\b(fast|reassoc|nnan|ninf|nsz|arcp|contract|afn)\b")
UNSAFE_ATTRIBUTE = re.compile(r'"(unsafe-fp-math|no-nans-fp-math|no-infs-fp-math|approx-func-fp-math)"="true"')
CALL = re.compile(r'\bcall\b[^@"]*@"?([\w.$]+)')
INEXACT = (  # intrinsics that become calls to libm, or that may round once or twice
    "exp|exp2|exp10|log|log2|log10|pow|powi|sin|cos|tan|asin|acos|atan|atan2|sinh|cosh|tanh|sincos|sincospi|ldexp|frexp"
    "|modf|fmuladd"
)
ALLOWED = re.compile(
    rf"llvm\.(?!({INEXACT})\.)"
    r"|sqrtf?$"  # correctly rounded by IEEE 754; called for the error number of negative arguments
    r"|NRT_|numba_|Py|_Py|mem(set|cpy|move|cmp)$"
)


def fast_math(text):
    """Return the instructions and attributes that give arithmetic away."""
    instructions = [line.strip() for line in text.splitlines() if " = " in line or "call" in line]
    flagged = [line for line in instructions if FLAG.search(re.sub(r'"[^"]*"|[@%!][\w.$]+', "", line))]
    return flagged + UNSAFE_ATTRIBUTE.findall(text)


def foreign_calls(text):
    """Return the functions that are called, not defined here and not allowed."""
    defined = set(re.findall(r'^define [^@]*@"?([\w.$]+)', text, re.MULTILINE))
    return {name for name in set(CALL.findall(text)) - defined if not ALLOWED.match(name)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Compile everything in processes of their own; the same sources give the same IR, so it is kept."""
    place = tmp_path_factory.mktemp("llvm")
    kept = None if compile_cache.folder() is None else compile_cache.folder() / "llvm" / source_digest()
    if kept is not None and kept.is_dir():
        return kept
    with ThreadPoolExecutor() as pool:
        commands = [[sys.executable, __file__, str(place), label] for label in KINDS]
        list(pool.map(lambda command: subprocess.run(command, check=True, timeout=3600), commands))
    if kept is None:
        return place
    kept.parent.mkdir(exist_ok=True)
    beside = Path(tempfile.mkdtemp(dir=kept.parent))
    shutil.copytree(place, beside / "all")
    with suppress(OSError):  # another process was faster
        (beside / "all").rename(kept)
    shutil.rmtree(beside)
    return kept


def source_digest():
    """Return the digest of this file, whose samples decide what is compiled."""
    return sha256(Path(__file__).read_bytes()).hexdigest()[:16]


all_kinds = pytest.mark.parametrize("kind", KINDS)
all_functions = pytest.mark.parametrize("name", [*sorted(SAMPLES), *(f"scalar_{name}" for name in SCALARS)])


def test_every_kernel_has_sample_arguments():
    assert sorted(entry_points()) == sorted(SAMPLES)


@all_kinds
@all_functions
def test_no_fast_math(folder, name, kind):
    assert fast_math((folder / f"{name}-{kind}.ll").read_text()) == []


@all_kinds
@all_functions
def test_only_known_functions_are_called(folder, name, kind):
    assert foreign_calls((folder / f"{name}-{kind}.ll").read_text()) == set()


@all_kinds
@pytest.mark.parametrize("name", [*sorted(set(SAMPLES) - WITHOUT_PRODUCTS), *(f"scalar_{name}" for name in SCALARS)])
def test_products_are_added_by_fma(folder, name, kind):
    text = (folder / f"{name}-{kind}.ll").read_text()
    suffix = "f64" if name in IN_DOUBLE else f"f{kind[-2:]}"
    assert re.search(rf"call [^@]*@llvm\.fma\.(v\d+)?{suffix}\(", text)


@pytest.mark.parametrize("name", ["matrix_product", "train_epochs", "lanes.matrix_product", "lanes.train_epochs"])
@all_kinds
def test_products_of_matrices_are_vector_code(folder, name, kind):
    assert re.search(rf"@llvm\.fma\.v\d+f{kind[-2:]}\(", (folder / f"{name}-{kind}.ll").read_text())


# --- the checks can fail -------------------------------------------------------------------------------------------


def test_a_fast_math_function_is_found():
    reckless = numba.njit(fastmath=True)(lambda x, y: x * y + x)
    assert fast_math(llvm_of(reckless, (1.0, 2.0)))


@pytest.mark.parametrize("intrinsic", ["fmuladd.f32", "exp.v8f32", "sin.f64"])
def test_an_inexact_intrinsic_is_found(intrinsic):
    assert foreign_calls(f"%1 = tail call float @llvm.{intrinsic}(float %0)")


@pytest.mark.parametrize("function", [math.exp, math.tanh, math.log, math.sin, math.pow], ids=lambda f: f.__name__)
def test_a_call_to_libm_is_found(function):
    count = 2 if function is math.pow else 1
    library = numba.njit((lambda x, y: function(x, y)) if count == 2 else (lambda x: function(x)))
    assert foreign_calls(llvm_of(library, (1.5,) * count))


if __name__ == "__main__":
    write_all(Path(sys.argv[1]), sys.argv[2])
