"""Chains of vector fma in registers, nothing loaded, nothing stored: what a core can do at most."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import llvmlite.ir as ir
from numba import types

from nnsim.kernels.compiling.decorators import intrinsic, kernel
from nnsim.kernels.cpu.simd import I64, Vectors

CHAINS = 10  # independent sums: they hide the latency of an fma on every current core, and leave registers free


@intrinsic
def _burn(typingctx: Any, like: Any, steps: Any) -> tuple[Any, Callable]:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        v = Vectors(builder, like)
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
