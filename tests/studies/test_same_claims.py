"""One verdict everywhere: claims, summaries and figures are the same bytes whatever code a CPU makes libraries choose.

Run as a script with the names of studies, this file prints as JSON what code was chosen, and the SHA-256 of what the
tiny run of each study writes.
"""

from __future__ import annotations

import functools
import hashlib
import json
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import kept
import llvmlite.binding
import numpy as np
import pandas as pd
import pytest
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__
from threadpoolctl import threadpool_info
from tiny_studies import measured, tiny

from nnsim import run_study
from nnsim.experiment.config import resolve
from nnsim.kernels.cpu.simd import VECTOR_BYTES
from nnsim.report.claims import claims_frame, summary_frame
from nnsim.report.judging import claims_of
from nnsim.report.render import frame_csv
from nnsim.study.declaration import Study
from nnsim.study.discovery import find_study, study_names

pytestmark = pytest.mark.bits

LAPACK = ("init", "generalization", "learning-rate")
"""Studies whose tables hold singular values, least squares and eigenvalues."""
SIMD = [feature for feature in __cpu_dispatch__ if __cpu_features__[feature]]
OLD = {
    "OPENBLAS_CORETYPE": "Prescott",
    "NPY_DISABLE_CPU_FEATURES": " ".join(SIMD),
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA",
}
HASWELL = {"OPENBLAS_CORETYPE": "Haswell", "NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": ""}
PLAIN = {"OPENBLAS_CORETYPE": "Prescott", "NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
SKYLAKE = {"OPENBLAS_CORETYPE": "SkylakeX"}


def digests(name: str) -> dict[str, str]:
    """Return the SHA-256 of claims, summary and figures of a study's tiny run."""
    with tempfile.TemporaryDirectory() as place:
        run_study(name, output=place, jobs=1, figure_formats=["svg"], **tiny(name))
        files = [Path(place, "claims.csv"), Path(place, "summary.csv"), *sorted(Path(place, "figures").iterdir())]
        return {f"{name} {file.name}": hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def chosen_code() -> dict[str, Any]:
    """Return what of their code the libraries run in this process."""
    blas = {library["architecture"] for library in threadpool_info() if library["internal_api"] == "openblas"}
    simd = [feature for feature in __cpu_dispatch__ if __cpu_features__[feature]]
    return {"blas": sorted(blas), "simd": simd, "vector bytes": VECTOR_BYTES}


@functools.cache
def process(choice: tuple[tuple[str, str], ...], studies: tuple[str, ...]) -> dict[str, Any]:
    """Return what this file prints as a script in a process with some variables of its own."""
    return kept.json_of("studies/test_same_claims.py", *studies, **dict(choice))


def on(variables: dict[str, str], *studies: str) -> dict[str, Any]:
    return process(tuple(variables.items()), studies)


def needs(*features: str) -> pytest.MarkDecorator:
    x86, found = platform.machine() in {"x86_64", "AMD64"}, llvmlite.binding.get_host_cpu_features()
    lacking = [feature for feature in features if not found.get(feature)]
    return pytest.mark.skipif(not x86 or bool(lacking), reason=f"this CPU lacks {', '.join(lacking) or 'x86 code'}")


AVX2, AVX512 = needs("avx2", "fma", "bmi2"), needs("avx512f", "avx512bw", "avx512dq", "avx512vl")
MACHINES = [
    pytest.param(OLD, LAPACK, id="no-vectors", marks=needs()),
    pytest.param(HASWELL, LAPACK[:1], id="haswell", marks=AVX2),
    pytest.param(PLAIN, LAPACK[:1], id="plain", marks=needs()),
    pytest.param(SKYLAKE, LAPACK, id="skylakex", marks=AVX512),
]


@pytest.mark.parametrize(("machine", "studies"), MACHINES)
def test_another_machine_writes_the_same_claims_summary_and_figures(
    machine: dict[str, str], studies: tuple[str, ...]
) -> None:
    here, there = on({}, *LAPACK)["files"], on(machine, *studies)["files"]
    assert [name for name in there if there[name] != here[name]] == []


@pytest.mark.parametrize(
    ("machine", "studies", "code"),
    [
        pytest.param(OLD, LAPACK, {"simd": []}, marks=needs()),
        pytest.param(HASWELL, LAPACK[:1], {"blas": ["Haswell"], "vector bytes": 32}, marks=AVX2),
        pytest.param(PLAIN, LAPACK[:1], {"vector bytes": 16}, marks=needs()),
        pytest.param(SKYLAKE, LAPACK, {"blas": ["SkylakeX"]}, marks=AVX512),
    ],
)
def test_the_variables_choose_other_code(
    machine: dict[str, str], studies: tuple[str, ...], code: dict[str, Any]
) -> None:
    chosen = on(machine, *studies)["code"]
    assert {name: chosen[name] for name in code} == code


@AVX2
def test_the_variables_choose_an_older_blas() -> None:
    assert on(OLD, *LAPACK)["code"]["blas"] != on({}, *LAPACK)["code"]["blas"]


# --- the last bit --------------------------------------------------------------------------------------------------

FUNCTIONS = {"log", "log2", "log10", "log1p", "exp", "exp2", "expm1", "power", "cbrt", "tanh", "sin", "cos", "arctan"}
SPECIAL = {"stdtrit", "ndtr", "ndtri", "digamma", "polygamma", "erfc", "erfcx"}
LIBRARIES = {
    "np": FUNCTIONS,
    "math": FUNCTIONS - {"log2", "exp2"} | {"erf", "erfc", "atan", "lgamma"},  # powers of two are exact there
    "beta": {"ppf"},
    "binom": {"cdf", "pmf"},
}
"""What is called by its module's name, or a distribution's, and may be wrong in the last bit."""


def erring(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function whose result is the next float above or below, or itself, as its own bits decide."""

    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        result = function(*arguments, **options)
        values = np.asarray(result)
        if values.dtype != np.float64:
            return result
        steps = (values.reshape(-1).view(np.uint64) * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(40)) % np.uint64(3)
        ways = np.choose(steps.astype(np.int64).reshape(values.shape), [-np.inf, values, np.inf])
        moved = np.where(np.isfinite(values) & (values != 0.0), np.nextafter(values, ways), values)
        return type(result)(moved, *result.axes) if isinstance(result, pd.Series | pd.DataFrame) else moved[()]

    return call


class Erring:
    """A library of which some functions err in the last bit."""

    def __init__(self, module: Any, names: set[str]) -> None:
        self._module, self._names = module, names

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._module, name)
        return erring(found) if name in self._names else found


def analysis() -> list[ModuleType]:
    """Return the modules that judge, predict and ask, all of them loaded."""
    parts = ("nnsim.report", "nnsim.theory", "nnsim.theory.signals.finite_width", "nnsim_studies")
    return [module for name, module in sorted(sys.modules.items()) if name.startswith(parts)]


def forget() -> None:
    """Empty the caches of theory."""
    for module in analysis():
        for value in vars(module).values():
            if hasattr(value, "cache_clear"):
                value.cache_clear()


@pytest.fixture
def err(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def start() -> None:
        for module in analysis():
            for name, functions in LIBRARIES.items():
                if hasattr(module, name):
                    monkeypatch.setattr(module, name, Erring(getattr(module, name), functions))
            for name in SPECIAL & vars(module).keys():
                monkeypatch.setattr(module, name, erring(getattr(module, name)))

    return start


def written(study: Study, tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> tuple[list[Any], bytes, bytes]:
    """Return a study's claims as they are judged, and claims and summary as they are written."""
    forget()
    claims = claims_of(study, dict(tables), dict(config))
    return claims, frame_csv(claims_frame(claims)), frame_csv(summary_frame(study.summary(dict(tables))))


@pytest.mark.parametrize("name", [name for name in study_names() if name != "backprop-cost"])
def test_a_library_that_errs_in_the_last_bit_changes_nothing(
    name: str, err: Callable[[], None], tmp_path: Path
) -> None:
    study = find_study(name)
    config = resolve(study, "quick", tiny(name))
    tables = measured(study, config, tmp_path)
    claims, *files = written(study, tables, config)
    err()
    others, *other_files = written(study, tables, config)
    assert files == other_files
    assert repr(claims) != repr(others)


if __name__ == "__main__":
    found = {file: digest for name in sys.argv[1:] for file, digest in digests(name).items()}
    print(json.dumps({"code": chosen_code(), "files": found}))
