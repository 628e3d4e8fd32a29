"""The code of CUDA kernels on disk, for each compute capability: a first launch compiles for half a minute.

The simulator has no such code, and nothing to import this.
"""

from __future__ import annotations

from numba.cuda.dispatcher import CUDACache, CUDACacheImpl

from nnsim.kernels.compiling.checksummed_cache import Kept, OwnFolder


class _Impl(CUDACacheImpl):
    _locator_classes: list[type[object]] = [OwnFolder]  # noqa: RUF012 (numba-cuda's own attribute)


class CudaCache(Kept, CUDACache):
    """The code of a kernel for GPUs."""

    _impl_class = _Impl
