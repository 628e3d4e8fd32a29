"""The project's only compilation decorators, each option with its reason.

- ``error_model="numpy"``: a division by zero is inf or nan, not an exception; loops with a division vectorise.
- ``nogil=True``: threads run kernels at the same time.
- ``cache=True``: only entry points, which are called from Python, are kept on disk; they hold their callees' code.
- ``forceinline=True``: a loop over a scalar function becomes vector code only when no call is left in it.
- ``_nrt=False``: no reference counting, which costs two atomic operations for every array that a call or slice touches.
- ``inline="always"``: for functions that take a workspace; they are compiled with their callers, not once more.
- ``no_cpython_wrapper``, ``no_cfunc_wrapper``: callers that do not exist need no entry, which saves compile time.
- ``pipeline_class=CalleeCompiler``: such functions become machine code with their callers only, see `callees`.
- ``pipeline_class=KernelCompiler``: names of what a kernel calls are its own, see `unique_names`.
- ``fastmath`` is never used: it lets the compiler reorder sums, and results would differ between CPUs.
- no explicit signatures: they would compile at import, and bar scalar functions from CUDA kernels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numba.extending

from nnsim.kernels.compiling.checksummed_cache import KernelCache
from nnsim.kernels.compiling.compile_cache import keeps
from nnsim.kernels.compiling.deferred_codegen import CalleeCompiler
from nnsim.kernels.compiling.unique_names import KernelCompiler

# What Numba compiles is called without the arguments that its type hints count: to a type checker it is Any.
njit: Any = numba.njit
intrinsic: Any = numba.extending.intrinsic


def scalar(function: Callable) -> Any:
    """Compile a scalar formula, which CPU loops and CUDA kernels both call."""
    return njit(error_model="numpy", forceinline=True, no_cfunc_wrapper=True)(function)


_CALLEE: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "no_cfunc_wrapper": True,
    "no_cpython_wrapper": True,
    "pipeline_class": CalleeCompiler,
}


def inner(function: Callable) -> Any:
    """Compile a loop that other kernels call: it makes no array, and cannot be called from Python."""
    return njit(_nrt=False, **_CALLEE)(function)


def maker(function: Callable) -> Any:
    """Compile a function that makes arrays for other kernels; it cannot be called from Python."""
    return njit(**_CALLEE)(function)


def inlined(function: Callable) -> Any:
    """Put a function's statements into its callers: a call would count a reference for every array that it takes."""
    return njit(inline="always", **_CALLEE)(function)


def kernel(function: Callable) -> Any:
    """Compile an entry point: called from Python, releases the GIL, and is kept on disk."""
    dispatcher = njit(nogil=True, error_model="numpy", no_cfunc_wrapper=True, pipeline_class=KernelCompiler)(function)
    if keeps(function):
        dispatcher._cache = KernelCache(function)
    return dispatcher
