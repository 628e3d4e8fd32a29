"""The only decorators of GPU code, each option with its reason.

Of numba-cuda's inside only this file, `threads`, `checksummed_cuda_cache` (in `nnsim.kernels.compiling`) and
`nnsim.training.device` know.

- ``lto=False``: code linked at link time is compiled by another compiler, which contracts products into sums.
- ``fma=False`` for NVVM, for which numba-cuda has no option: ``mul.rn`` and ``add.rn`` instead of ``mul`` and ``add``,
  which ptxas would contract. What is to be one rounding is spelled `nnsim.kernels.formulas.scalar_math.fma`.
- functions have numbers of which each means one code, see `nnsim.kernels.compiling.unique_names`.
- ``fastmath`` is never used, see `nnsim.kernels.compiling.decorators`.

Every thread of a block calls every function here. A function that writes what other threads read ends with `barrier`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numba
import numba.cuda
import numpy as np

from nnsim.kernels.compiling.compile_cache import keeps
from nnsim.kernels.compiling.unique_names import number_functions

cuda: Any = numba.cuda
settings: Any = numba.config
simulated: bool = settings.ENABLE_CUDASIM
"""Whether kernels run as Python threads, which shows their logic and no speed."""


def _without_contraction(compile_ir: Callable) -> Callable:
    """Return NVVM's compiler, which contracts nothing in the modules of nnsim."""

    def compiled(modules: Any, **options: Any) -> Any:
        texts = [modules] if isinstance(modules, str) else modules
        if any("nnsim" in text for text in texts):
            options["fma"] = False
        return compile_ir(modules, **options)

    return compiled


FAILURES: tuple[type[Exception], ...] = ()
"""What a device or its driver raises when it fails; numba-cuda calls the driver itself and through ``cuda.core``."""

if not simulated:
    nvvm: Any = importlib.import_module("numba.cuda.cudadrv.nvvm")
    number_functions(importlib.import_module("numba.cuda.core.bytecode").FunctionIdentity)
    nvvm.compile_ir = _without_contraction(nvvm.compile_ir)
    FAILURES = (
        importlib.import_module("numba.cuda.cudadrv.error").CudaDriverError,
        importlib.import_module("cuda.core._utils.cuda_utils").CUDAError,
    )


def device(function: Callable) -> Any:
    """Compile a function that kernels call, with all the threads of a block."""
    return cuda.jit(device=True)(function)


def kernel(function: Callable) -> Any:
    """Compile an entry point, launched from Python with a number of blocks and of threads in each; kept on disk."""
    if simulated:
        return cuda.jit(function)
    dispatcher = cuda.jit(function, lto=False)  # as a decorator, jit would lose this option
    if keeps(function):
        dispatcher._cache = importlib.import_module("nnsim.kernels.compiling.checksummed_cuda_cache").CudaCache(
            function
        )
    return dispatcher


@device
def barrier():
    """Wait until every thread of the block is here; what they wrote can be read then."""
    cuda.syncthreads()


@device
def cast_like(memory, value):
    """Return a number in the precision of an array."""
    return memory.dtype.type(value)


@device
def divmod32(number, divisor):
    """Return quotient and rest of two whole numbers under 2^32; with 64 bits it takes a hundred instructions."""
    quotient = np.int64(np.uint32(number) // np.uint32(divisor))
    return quotient, number - quotient * divisor


@device
def load_unchecked(memory, place):
    """Return ``memory[place]``, without the check for places counted from the end that signed numbers have."""
    return memory[np.uint64(place)]
