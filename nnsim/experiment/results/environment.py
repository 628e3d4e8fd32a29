"""What this machine and this installation are: versions, CPU, compiled code, GPU, and what is missing."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from nnsim.experiment.executors.threads import usable_cpus
from nnsim.training.backend import look, version_text

PACKAGES = ("nnsim", "numba", "llvmlite", "numpy", "scipy", "pandas", "scikit-learn", "matplotlib")
VECTOR_BITS = {"avx512f": 512, "avx": 256, "sse2": 128, "neon": 128}
"""Width of the vectors that each feature of a CPU brings, widest first."""

REQUIREMENT = re.compile(r"(?P<package>[A-Za-z0-9._-]+).*extra == ['\"](?P<extra>[a-z0-9-]+)['\"]")


def describe() -> dict[str, Any]:
    """Return what ``nnsim info`` shows, ready for JSON; nothing in it fails because something is missing.

    Returns
    -------
    dict
        ``versions`` (package to version, None where it is missing), ``platform``, ``cpu`` (``model``,
        ``compiled_for``, ``vector_bits``, ``usable``), ``compile_cache`` (``folder``, ``bytes``, ``reason``), ``gpu``
        (``numba_cuda``, ``driver``, ``toolkit``, ``devices``, ``missing``) and ``extras`` (name to ``missing`` and
        ``install``).
    """
    return {
        "versions": versions(),
        "platform": platform.platform(),
        "cpu": {
            "model": cpu_model(),
            "compiled_for": compiled_for(),
            "vector_bits": _vector_bits(),
            "usable": usable_cpus(),
        },
        "compile_cache": _compile_cache(),
        "gpu": gpu(),
        "extras": extras(),
    }


def versions() -> dict[str, str | None]:
    """Return the version of Python and of each package in `PACKAGES`, None where it is not installed."""
    return {"python": platform.python_version(), **{name: version_of(name) for name in PACKAGES}}


def cpu_model() -> str:
    """Return the CPU's name as its maker writes it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def compiled_for() -> str:
    """Return the CPU for which Numba compiles: the host's name in LLVM, or what the environment sets."""
    from llvmlite.binding import get_host_cpu_name

    return os.environ.get("NUMBA_CPU_NAME") or get_host_cpu_name()


def gpu() -> dict[str, Any]:
    """Return the CUDA devices with what is known of each, the versions of CUDA, and what is missing to use them."""
    found = look()
    return {
        "numba_cuda": version_of("numba-cuda"),
        "driver": found.driver and version_text(found.driver),
        "toolkit": found.toolkit and version_text(found.toolkit),
        "devices": [asdict(device) for device in found.devices],
        "missing": found.missing,
    }


def extras() -> dict[str, dict[str, Any]]:
    """Return, for each extra of nnsim, the packages that are missing and the command that installs them."""
    found: dict[str, dict[str, Any]] = {}
    for requirement in _requirements():
        match = REQUIREMENT.match(requirement)
        if match is not None:
            name, package = match["extra"], match["package"]
            entry = found.setdefault(name, {"missing": [], "install": f"pip install 'nnsim[{name}]'"})
            entry["missing"] += [] if version_of(package) else [package]
    return found


def _requirements() -> list[str]:
    try:
        return requires("nnsim") or []
    except PackageNotFoundError:  # run from its sources
        return []


def version_of(package: str) -> str | None:
    """Return the version of an installed package, None of one that is not there."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _vector_bits() -> int | None:
    from llvmlite.binding import get_host_cpu_features

    features = get_host_cpu_features()
    return next((bits for feature, bits in VECTOR_BITS.items() if features.get(feature)), None)


def _compile_cache() -> dict[str, Any]:
    from nnsim.kernels.compiling.compile_cache import place, size  # numba, half a second

    here = place()
    if here.folder is None:
        return {"folder": None, "bytes": 0, "reason": here.reason}
    return {"folder": str(here.folder), "bytes": size(here.folder), "reason": ""}
