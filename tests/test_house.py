"""The rules of the house, read off the syntax trees: who may import whom, and what no module may do."""

from __future__ import annotations

import ast
import importlib.util
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {"nnsim": ROOT / "nnsim", "nnsim_cli": ROOT / "cli", "nnsim_studies": ROOT / "studies"}

# From the ground up: a module may import what stands in its own room and in those of the rows before.
ROOMS = (
    "nnsim.core",
    "nnsim.kernels",
    "nnsim.kernels.compiling",
    "nnsim.kernels.formulas",
    "nnsim.kernels.cpu",
    "nnsim.kernels.lanes",
    "nnsim.kernels.cpu_only",
    "nnsim.kernels.cuda",
    "nnsim.data",
    "nnsim.networks",
    "nnsim.theory",
    "nnsim.theory.signals",
    "nnsim.theory.expressivity",
    "nnsim.theory.training",
    "nnsim.training",
    "nnsim.probes",
    "nnsim.probes.expressivity",
    "nnsim.study",
    "nnsim.experiment",
    "nnsim.experiment.slurm",
    "nnsim.experiment.executors",
    "nnsim.experiment.results",
    "nnsim.report.statistics",
    "nnsim.report",
    "nnsim.report.plots",
    "nnsim.runs",
    "nnsim.apps",
    "nnsim.benchmarks",
    "nnsim",
    "nnsim_studies",
    "nnsim_cli",
)
FULL = 16
"""Modules that a reader takes in at a glance: more are two rooms."""
LARGE = {"nnsim.kernels.cuda": 20}
LONGEST_MODULE, LONGEST_FUNCTION = 450, 45
LONG = {"nnsim.apps.sklearn_base.__init__"}
"""Functions with a reason to be longer: scikit-learn wants each parameter of an estimator written out."""
TWINS = ("nnsim.kernels.", "nnsim_studies.", "nnsim_cli.")
"""Where modules of one name are meant: the same formulas for several machines, the parts of each study, commands."""
COMPILERS = {"njit", "jit", "vectorize", "guvectorize", "stencil", "cfunc", "generated_jit"}
# The decorators themselves, and a jit that is JAX's.
COMPILING = {"nnsim.kernels.compiling.decorators", "nnsim.kernels.cuda.decorators", "nnsim.benchmarks.jax_peers"}
DECORATORS = {"scalar", "inner", "maker", "inlined", "kernel", "intrinsic", "device"}
"""Those of `COMPILING`; what they compile is kept under a hash of the kernels' folder, where it must stand."""
PICKLES = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}


def module_name(path: Path) -> str:
    package, folder = next((name, place) for name, place in PACKAGES.items() if path.is_relative_to(place))
    parts = [part for part in path.relative_to(folder).with_suffix("").parts if part != "__init__"]
    return ".".join([package, *parts])


SOURCES = {module_name(path): path for folder in PACKAGES.values() for path in sorted(folder.rglob("*.py"))}
LIBRARY = [name for name in SOURCES if name.startswith("nnsim.")]


def room(module: str) -> str:
    """Return the innermost room that a module, or a name in one, belongs to."""
    parts = module.split(".")
    prefixes = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next(prefix for prefix in prefixes if prefix in ROOMS)


def imports(tree: ast.AST, package: str) -> Iterator[str]:
    """Yield the full name of each module of ours that is imported anywhere in the tree."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            relative = "." * node.level + (node.module or "")
            base = importlib.util.resolve_name(relative, package) if node.level else relative
            names = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] in PACKAGES)


def upward(module: str, source: str, is_package: bool = False) -> list[str]:
    package = module if is_package else module.rpartition(".")[0]
    here = ROOMS.index(room(module))
    return [name for name in imports(ast.parse(source), package) if ROOMS.index(room(name)) > here]


def names(tree: ast.AST) -> Iterator[str]:
    """Yield every name and attribute in the tree, imported ones too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.ImportFrom):
            yield from (alias.name for alias in node.names)


def compilers(source: str) -> set[str]:
    return COMPILERS.intersection(names(ast.parse(source)))


def decorators(source: str) -> set[str]:
    """Return which of the house's decorators a module imports."""
    nodes = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom))
    return {alias.name for node in nodes if node.module in COMPILING for alias in node.names} & DECORATORS


def beside_the_kernels(source: str) -> list[str]:
    """Return what a kernel's file imports of nnsim from elsewhere: an edit there would leave stale code behind."""
    found = imports(ast.parse(source), "nnsim.kernels")
    return [name for name in found if not name.startswith(("nnsim.kernels", "nnsim.core.errors."))]


def fast_maths(source: str) -> list[int]:
    tree = ast.parse(source)
    return [node.value.lineno for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "fastmath"]


def offences(source: str) -> list[str]:
    """Return what a library must not do: assert, print to standard output, pickle."""
    return [f"line {node.lineno}: {name}" for node, name in map(offence, ast.walk(ast.parse(source))) if name]


def offence(node: ast.AST) -> tuple[ast.AST, str]:
    if isinstance(node, ast.Assert):
        return node, "assert"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
        to_stderr = any(word.arg == "file" and ast.unparse(word.value) == "sys.stderr" for word in node.keywords)
        return node, "" if to_stderr else "print"
    if isinstance(node, ast.Import) and PICKLES.intersection(alias.name.split(".")[0] for alias in node.names):
        return node, "pickle"
    if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PICKLES:
        return node, "pickle"
    allows = isinstance(node, ast.keyword) and node.arg == "allow_pickle"
    return node, "pickle" if allows and ast.unparse(node.value) != "False" else ""


def unstable_sorts(source: str) -> list[int]:
    """Return the lines that sort rows so that equal ones come in an order of the CPU's: NumPy sorts by its vectors."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"argsort", "sort_values"}
        and not any(word.arg == "kind" and ast.unparse(word.value) == "'stable'" for word in node.keywords)
    ]


def folders() -> dict[str, list[str]]:
    """Return each folder of the library as a package, with the names of its modules."""
    found: dict[str, list[str]] = {}
    for name, path in SOURCES.items():
        if path.name == "__init__.py":
            found.setdefault(name, [])
        else:
            found.setdefault(name.rpartition(".")[0], []).append(name.rpartition(".")[2])
    return found


def test_every_folder_has_its_row() -> None:
    library = {name for name in folders() if name.split(".")[0] == "nnsim"}
    assert library == {name for name in ROOMS if name.split(".")[0] == "nnsim"}


@pytest.mark.parametrize("folder", ROOMS[:-2])
def test_no_room_is_too_full(folder: str) -> None:
    assert len(folders()[folder]) <= (0 if folder == "nnsim" else LARGE.get(folder, FULL))


def test_no_two_modules_have_one_name() -> None:
    homes: dict[str, list[str]] = {}
    for name, path in SOURCES.items():
        if path.name != "__init__.py" and not name.startswith(TWINS):
            homes.setdefault(name.rpartition(".")[2], []).append(name)
    assert {name: found for name, found in homes.items() if len(found) > 1} == {}


def functions(source: str) -> Iterator[tuple[str, int]]:
    """Yield each function's name, and its lines without the docstring."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first, lines = node.body[0], node.end_lineno - node.lineno + 1
            has_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
            yield node.name, lines - (first.end_lineno - first.lineno + 1 if has_text else 0)


@pytest.mark.parametrize("module", SOURCES)
def test_a_module_and_its_functions_can_be_read_at_once(module: str) -> None:
    source = SOURCES[module].read_text()
    assert source.count("\n") <= LONGEST_MODULE
    too_long = {name for name, lines in functions(source) if lines > LONGEST_FUNCTION}
    assert {name for name in too_long if f"{module}.{name}" not in LONG} == set()


def test_every_folder_is_packed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert sorted(project["tool"]["setuptools"]["packages"]) == sorted(folders())


@pytest.mark.parametrize("module", SOURCES)
def test_imports_point_down(module: str) -> None:
    path = SOURCES[module]
    assert upward(module, path.read_text(), path.name == "__init__.py") == []


@pytest.mark.parametrize("module", [name for name in SOURCES if name not in COMPILING])
def test_only_the_house_decorators_compile(module: str) -> None:
    assert compilers(SOURCES[module].read_text()) == set()


@pytest.mark.parametrize("module", [name for name in SOURCES if not name.startswith("nnsim.kernels")])
def test_nothing_is_compiled_outside_the_kernels(module: str) -> None:
    assert decorators(SOURCES[module].read_text()) == set()


@pytest.mark.parametrize("module", [name for name in SOURCES if name.startswith("nnsim.kernels")])
def test_compiled_code_is_made_of_the_kernels_alone(module: str) -> None:
    assert beside_the_kernels(SOURCES[module].read_text()) == []


@pytest.mark.parametrize("module", SOURCES)
def test_fast_math_is_nowhere(module: str) -> None:
    assert fast_maths(SOURCES[module].read_text()) == []


@pytest.mark.parametrize("module", LIBRARY)
def test_the_library_neither_asserts_nor_prints_nor_pickles(module: str) -> None:
    assert offences(SOURCES[module].read_text()) == []


@pytest.mark.parametrize("module", SOURCES)
def test_equal_rows_keep_their_order_when_they_are_sorted(module: str) -> None:
    assert unstable_sorts(SOURCES[module].read_text()) == []


class TestTheRulesBite:
    """Each rule finds what it forbids."""

    @pytest.mark.parametrize(
        ("module", "source"),
        [
            ("nnsim.kernels.formulas.losses", "from nnsim.networks.spec import NetworkSpec"),
            ("nnsim.kernels.cpu.passes", "from nnsim.theory import gaussian"),
            ("nnsim.experiment.store", "def f():\n    import nnsim.report.render"),
            ("nnsim.report.render", "from nnsim.runs.run import run_study"),
            ("nnsim.theory", "from nnsim_studies.init import study"),
            ("nnsim_studies.init", "from nnsim_cli.main import main"),
        ],
    )
    def test_upward_import(self, module: str, source: str) -> None:
        assert len(upward(module, source)) == 1

    @pytest.mark.parametrize(
        ("module", "source"),
        [
            ("nnsim_cli.study", "from .options import axis_option"),
            ("nnsim_studies.init", "from nnsim.report.claims import Claim"),
            ("nnsim.training.trainer", "import numpy, nnsim.kernels.cpu.draws"),
        ],
    )
    def test_downward_import(self, module: str, source: str) -> None:
        assert upward(module, source) == []

    @pytest.mark.parametrize("source", ["from numba import njit", "@numba.jit(nogil=True)\ndef f(): ..."])
    def test_compiler(self, source: str) -> None:
        assert compilers(source)

    @pytest.mark.parametrize("module", sorted(COMPILING - {"nnsim.benchmarks.jax_peers"}))
    def test_compiled_elsewhere(self, module: str) -> None:
        assert decorators(f"def f():\n    from {module} import kernel") == {"kernel"}

    def test_lines_of_a_function(self) -> None:
        source = 'def f():\n    """Text\n\n    in three lines."""\n    def g():\n        pass\n    return g'
        assert dict(functions(source)) == {"f": 4, "g": 2}

    def test_import_beside_the_kernels(self) -> None:
        assert beside_the_kernels("from nnsim.core.registry import look_up") == ["nnsim.core.registry.look_up"]

    def test_fast_math(self) -> None:
        assert fast_maths("kernel(f, fastmath={'contract'})") == [1]

    @pytest.mark.parametrize("source", ["np.argsort(x)", "x.argsort()", "frame.sort_values('a')"])
    def test_unstable_sort(self, source: str) -> None:
        assert unstable_sorts(source) == [1]

    def test_stable_sort(self) -> None:
        assert unstable_sorts("frame.sort_values(['a', 'b'], kind='stable')") == []

    @pytest.mark.parametrize(
        "source",
        ["assert x", "print(1)", "import pickle", "from joblib import dump", "np.load(f, allow_pickle=True)"],
    )
    def test_offence(self, source: str) -> None:
        assert len(offences(source)) == 1

    @pytest.mark.parametrize("source", ["print(1, file=sys.stderr)", "np.load(f, allow_pickle=False)"])
    def test_no_offence(self, source: str) -> None:
        assert offences(source) == []
