"""The GPU that kernels run on: its limits, its memory, and what goes to it and comes back.

In Numba's simulator, which runs kernels as Python threads, arrays stay where they are and a block has few threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from nnsim.core.errors import DeviceError
from nnsim.kernels.cuda.decorators import FAILURES, cuda, simulated
from nnsim.kernels.cuda.simulator import complete
from nnsim.training.block_size import Limits

SIMULATED_SHARED_BYTES = 64 * 1024
SIMULATED = Limits(
    processors=1,
    registers=2**16,
    shared_bytes=SIMULATED_SHARED_BYTES,
    blocks=4,
    threads=4,
    warp=4,
    reserved_bytes=0,
)


class Device:
    """The current GPU.

    Attributes
    ----------
    name : str
    shared_bytes : int
        Shared memory that one block can have.
    limits : Limits
        What blocks share.
    """

    def __init__(self) -> None:
        if simulated:
            complete()
            self.name, self.shared_bytes, self.limits = "simulator", SIMULATED_SHARED_BYTES, SIMULATED
            return
        with self.guarded():
            device = cuda.get_current_device()
            self.name = device.name if isinstance(device.name, str) else device.name.decode()
            self.shared_bytes = int(device.MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)
            self.limits = Limits(
                processors=int(device.MULTIPROCESSOR_COUNT),
                registers=int(device.MAX_REGISTERS_PER_MULTIPROCESSOR),
                shared_bytes=int(device.MAX_SHARED_MEMORY_PER_MULTIPROCESSOR),
                blocks=int(device.MAX_BLOCKS_PER_MULTIPROCESSOR),
                threads=int(device.MAX_THREADS_PER_BLOCK),
                warp=int(device.WARP_SIZE),
                reserved_bytes=int(device.RESERVED_SHARED_MEMORY_PER_BLOCK),
            )

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Turn what the driver says within the block into a DeviceError."""
        try:
            yield
        except FAILURES as error:
            reason = " ".join(str(error).split())
            raise DeviceError(
                f"the GPU failed ({reason}); what was finished before is kept: run the command again"
            ) from error

    def free_bytes(self) -> int:
        """Return how much of the device's memory is free."""
        return 2**30 if simulated else int(cuda.current_context().get_memory_info().free)

    def stream(self) -> Any:
        """Return a queue for launches and copies, which others do not wait for."""
        return cuda.stream()

    def put(self, array: np.ndarray, stream: Any = 0) -> Any:
        """Return a copy of an array on the device."""
        return array if simulated else cuda.to_device(np.ascontiguousarray(array), stream=stream)

    def get(self, array: Any, stream: Any = 0) -> np.ndarray:
        """Return a copy of an array of the device; it may be read after `wait`."""
        return array if simulated else array.copy_to_host(stream=stream)

    def empty(self, shape: tuple[int, ...], dtype: str) -> Any:
        """Return a new array on the device."""
        return np.zeros(shape, dtype) if simulated else cuda.device_array(shape, dtype)

    def wait(self, stream: Any) -> None:
        """Wait until a stream has nothing left to do."""
        stream.synchronize()

    def registers(self, kernel: Any, *arguments: Any) -> int:
        """Return how many registers a thread of a kernel for such arguments has."""
        return 1 if simulated else int(_code(kernel, arguments).regs_per_thread)

    def launch(self, kernel: Any, blocks: int, threads: int, stream: Any, shared: int, *arguments: Any) -> None:
        """Launch a kernel.

        Parameters
        ----------
        kernel : CUDA kernel of Numba
        blocks, threads : int
            Number of blocks, and threads of each.
        stream : object
            A queue that `stream` returned, or 0, the default one.
        shared : int
            Bytes of dynamic shared memory of each block; with the static ones at most `shared_bytes`.
        *arguments
            Of the kernel; arrays are on the device.
        """
        if not simulated:
            _allow_shared_memory(_code(kernel, arguments), shared)
        kernel[blocks, threads, stream, shared](*arguments)


def _code(kernel: Any, arguments: tuple[Any, ...]) -> Any:
    return kernel.compile(tuple(map(kernel.typeof_pyval, arguments)))


def _allow_shared_memory(code: Any, size: int) -> None:
    """Let a kernel's code have more shared memory than the 48 KiB that need no asking."""
    from numba.cuda.cudadrv.driver import binding, driver

    function = code._codelibrary.get_cufunc()
    attribute = binding.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
    driver.cuKernelSetAttribute(attribute, size, function.handle, function.device.id)


def current_device() -> Device:
    """Return the GPU that kernels run on; raises DeviceError where it fails."""
    return Device()
