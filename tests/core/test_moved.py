"""Imports by the names of before: they work, or one sentence says where to."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from nnsim.core.moved import MOVED

CHANGELOG = (Path(__file__).resolve().parents[2] / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("old", "new"), MOVED.items())
def test_an_old_name_tells_the_new_one(old: str, new: str) -> None:
    package, _, module = old.rpartition(".")
    for statement in (f"import {old}", f"from {package} import {module}", f"from {old} import anything"):
        with pytest.raises(ImportError) as caught:
            exec(statement, {})
        assert str(caught.value) == f"{old} has moved: import {new}"
    assert find_spec(new)


@pytest.mark.parametrize(("old", "new"), MOVED.items())
def test_the_changelog_has_it(old: str, new: str) -> None:
    assert f"| `{old}` | `{new}` |" in CHANGELOG


@pytest.mark.parametrize(
    ("package", "home", "name"),
    [
        ("nnsim.training", "nnsim.training.trainer", "train"),
        ("nnsim.probes", "nnsim.probes.layers", "probe"),
        ("nnsim.experiment.results", "nnsim.experiment.results.tables", "load"),
    ],
)
def test_a_package_that_was_a_module_has_its_names(package: str, home: str, name: str) -> None:
    assert getattr(import_module(package), name) is getattr(import_module(home), name)
    with pytest.raises(ImportError, match="cannot import name 'nothing'"):
        exec(f"from {package} import nothing", {})
