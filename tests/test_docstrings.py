"""Docstrings: what a public function of three or more parameters takes is told, name by name; none is a riddle."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

LIBRARY = Path(__file__).resolve().parents[1] / "nnsim"
FEW = 3
"""Parameters from which on each is told under ``Parameters``."""
OPENINGS = re.compile(r"(What|How|Whether|Who|Where|When)\b")
"""Words with which a docstring asks instead of telling."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def documented(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, Function]]:
    """Yield the public functions and methods of a module, not those inside of functions, by their names."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from documented(node, f"{prefix}{node.name}.")
        elif isinstance(node, Function) and not node.name.startswith("_"):
            yield f"{prefix}{node.name}", node


def parameters(function: Function) -> list[str]:
    given = function.args
    names = [argument.arg for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return [name for name in names if name not in {"self", "cls"}]


def told(text: str) -> set[str]:
    """Return the names under ``Parameters``."""
    found = re.search(r"^Parameters\n-+\n(.*?)(?=^\w+\n-+\n|\Z)", text, re.MULTILINE | re.DOTALL)
    lines = re.findall(r"^(\S.*)$", found.group(1), re.MULTILINE) if found else []
    return {name.strip("* ") for line in lines for name in line.split(" : ")[0].split(",")}


def untold(source: str) -> dict[str, set[str]]:
    """Return the parameters that public functions of many do not tell."""
    found = {}
    for name, function in documented(ast.parse(source)):
        names = parameters(function)
        missing = set(names) - told(ast.get_docstring(function) or "")
        if len(names) >= FEW and missing:
            found[name] = missing
    return found


def riddles(source: str) -> list[str]:
    texts = {name: ast.get_docstring(function) or "" for name, function in documented(ast.parse(source))}
    return [name for name, text in texts.items() if OPENINGS.match(text)]


MODULES = [path for path in sorted(LIBRARY.rglob("*.py")) if "kernels" not in path.parts]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(LIBRARY).as_posix())
def test_many_parameters_are_told(path: Path) -> None:
    assert untold(path.read_text(encoding="utf-8")) == {}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(LIBRARY).as_posix())
def test_a_docstring_tells(path: Path) -> None:
    assert riddles(path.read_text(encoding="utf-8")) == []


def test_the_rules_bite() -> None:
    text = "What?\n\n    Parameters\n    ----------\n    a, b : int\n        Numbers.\n    "
    source = f'def f(a, b, *, c):\n    """{text}"""\n'
    assert untold(source) == {"f": {"c"}}
    assert riddles(source) == ["f"]
    assert untold(source.replace("a, b : int", "a, b, c : int")) == {}
