"""How many multiply-adds a CPU can do: vectors in registers, nothing loaded, nothing stored."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import llvmlite.ir as ir
import numpy as np
from numba import types

from nnsim.kernels.options import intrinsic, kernel
from nnsim.kernels.vector import I64, VECTOR_BYTES, _Vectors

CHAINS = 10  # independent sums: they hide the latency of an fma on every current core, and leave registers free
STEPS = 1_000_000  # some milliseconds
TRIES = 10


@intrinsic
def _burn(typingctx: Any, like: Any, steps: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        v = _Vectors(builder, like)
        half = ir.Constant(v.type, [ir.Constant(v.real, 0.5)] * v.lanes)
        before = builder.basic_block
        head, body, done = (builder.append_basic_block(name) for name in ("head", "body", "done"))
        builder.branch(head)
        builder.position_at_end(head)
        k = builder.phi(I64)
        k.add_incoming(ir.Constant(I64, 0), before)
        sums = [builder.phi(v.type) for _ in range(CHAINS)]
        for number, value in enumerate(sums):
            value.add_incoming(ir.Constant(v.type, [ir.Constant(v.real, float(number))] * v.lanes), before)
        builder.cbranch(builder.icmp_signed("<", k, args[1]), body, done)
        builder.position_at_end(body)
        for value in sums:
            value.add_incoming(v.fma(value, half, half), body)
        k.add_incoming(builder.add(k, ir.Constant(I64, 1)), body)
        builder.branch(head)
        builder.position_at_end(done)
        total = sums[0]
        for value in sums[1:]:
            total = builder.fadd(total, value)
        return builder.extract_element(total, ir.Constant(ir.IntType(32), 0))

    return like(like, types.int64), codegen


@kernel
def burn(like, steps):
    """Do ``steps * CHAINS`` vector fma."""
    return _burn(like, steps)


@cache
def multiply_adds(dtype: Any, cores: int = 1) -> float:
    """Return the most multiply-adds a second that so many cores do side by side, best of ten."""
    lanes, best = VECTOR_BYTES // np.dtype(dtype).itemsize, np.inf
    burn(dtype(1), 10)
    with ThreadPoolExecutor(cores) as pool:
        for _ in range(TRIES):
            start = time.perf_counter()
            list(pool.map(burn, [dtype(1)] * cores, [STEPS] * cores))
            best = min(best, time.perf_counter() - start)
    return STEPS * CHAINS * lanes * cores / best
