"""What ``import nnsim`` offers."""

from __future__ import annotations

import subprocess
import sys

import pytest

import nnsim


@pytest.mark.parametrize("name", nnsim.__all__)
def test_every_public_name_is_there(name):
    assert getattr(nnsim, name) is not None


def test_dir_shows_the_public_names_and_imports_none():
    code = "import sys, nnsim; print(dir(nnsim) == sorted(nnsim.__all__), 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "True False\n"


def test_importing_nnsim_imports_nothing_heavy():
    code = "import sys, nnsim, nnsim.apps.settings; print([name for name in ('numba', 'numpy') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_a_network_is_trained_with_the_public_names_alone():
    parts = nnsim.split(nnsim.load_data("iris", key=1), key=2)
    spec = nnsim.NetworkSpec((parts.n_features, 8, parts.n_outputs))
    data = nnsim.batches(parts, spec.numpy_dtype)
    recipe = nnsim.Recipe(0.01, optimizer="adam", batch_size=16, epochs=30)
    run = nnsim.train(spec, nnsim.initialize(spec, "he_normal", 3), data, recipe, 4)
    assert nnsim.evaluate(spec, run.theta, data.X_validation, data.Y_validation).metric > 0.8
