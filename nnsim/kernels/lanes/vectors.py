"""Register tiles of matrix products whose every number is a vector, a network in each lane, and what fills vectors.

A tile is a block of C = start + A @ B that stays in vector registers while k runs. Lane by lane every element of it is
the chain fma(a[i, k], b[k, j], c) over k = 0, 1, 2, ..., as in `nnsim.kernels.cpu.simd`: the bits are those of a
network alone. Addresses are integers, strides count vectors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import llvmlite.ir as ir
from numba import types

from nnsim.kernels.compiling.decorators import intrinsic
from nnsim.kernels.cpu.simd import I32, I64, VECTOR_BYTES, Vectors, not_unrolled, transposed, unknown

SIDE = 4 if VECTOR_BYTES == 64 else 2
"""Rows of a tile, and 4 columns: 16 sums of 32 registers, or 8 of 16."""


def _place(builder: Any, base: Any, *steps: tuple[int, Any]) -> Any:
    """Return base and so many times so many vectors more."""
    for count, stride in steps:
        bytes_apart = builder.mul(stride, ir.Constant(I64, count * VECTOR_BYTES))
        base = builder.add(base, bytes_apart)
    return base


def make_tile(rows: int, columns: int) -> Any:
    """Return an intrinsic that computes a tile of `rows` rows and `columns` columns of vectors.

    ``tile(like, a, a_row, a_step, b, b_step, b_column, c, c_row, c_column, start, start_row, start_column, depth)``
    writes ``C = start + A @ B``; a start whose strides are 0 repeats one vector.
    """
    places = [(i, j) for i in range(rows) for j in range(columns)]

    @intrinsic
    def tile(
        typingctx: Any,
        like: Any,
        a: Any,
        a_row: Any,
        a_step: Any,
        b: Any,
        b_step: Any,
        b_column: Any,
        c: Any,
        c_row: Any,
        c_column: Any,
        start: Any,
        start_row: Any,
        start_column: Any,
        depth: Any,
    ) -> tuple[Any, Callable]:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            (_, a, a_row, a_step, b, b_step, b_column, c, c_row, c_column, start, start_row, start_column, depth) = args
            v = Vectors(builder, like)
            starts = {(i, j): v.load(_place(builder, start, (i, start_row), (j, start_column))) for i, j in places}
            left = [_place(builder, a, (i, a_row)) for i in range(rows)]
            right = [_place(builder, b, (j, b_column)) for j in range(columns)]
            sums = _add_products(v, left, a_step, right, b_step, depth, starts)
            for i, j in places:
                v.store(sums[i, j], _place(builder, c, (i, c_row), (j, c_column)))
            return context.get_dummy_value()

        return types.void(like, *[types.int64] * 13), codegen

    return tile


def _add_products(v: Vectors, left: list, a_step: Any, right: list, b_step: Any, depth: Any, starts: dict) -> dict:
    """Emit the loop over k, and return what A @ B makes of the starts of all places (row, column)."""
    builder, zero = v.builder, ir.Constant(I64, 0)
    a_bytes, b_bytes = _place(builder, zero, (1, a_step)), _place(builder, zero, (1, b_step))
    # Each row and column is the first one and a distance, which an address can hold beside it.
    a_apart = [unknown(builder, builder.sub(place, left[0])) for place in left[1:]]
    b_apart = [unknown(builder, builder.sub(place, right[0])) for place in right[1:]]
    before = builder.basic_block
    body, done = (builder.append_basic_block(name) for name in ("body", "done"))
    builder.cbranch(builder.icmp_signed(">", depth, zero), body, done)

    builder.position_at_end(body)
    k, a_place, b_place = (builder.phi(I64) for _ in range(3))
    sums = {place: builder.phi(v.type) for place in starts}
    columns = [v.load(b_place), *(v.load(builder.add(b_place, apart)) for apart in b_apart)]
    after = {}
    for i in range(len(left)):
        element = v.load(a_place if i == 0 else builder.add(a_place, a_apart[i - 1]))
        for j, column in enumerate(columns):
            after[i, j] = v.fma(element, column, sums[i, j])
    fewer = builder.sub(k, ir.Constant(I64, 1))
    steps = [(k, depth, fewer), (a_place, left[0], builder.add(a_place, a_bytes))]
    steps += [(b_place, right[0], builder.add(b_place, b_bytes))]
    steps += [(sums[place], starts[place], after[place]) for place in starts]
    for number, first, next_one in steps:
        number.add_incoming(first, before)
        number.add_incoming(next_one, body)
    again = builder.cbranch(builder.icmp_signed("!=", fewer, zero), body, done)
    again.set_metadata("llvm.loop", not_unrolled(builder.module))

    builder.position_at_end(done)
    results = {place: builder.phi(v.type) for place in starts}
    for place, result in results.items():
        result.add_incoming(starts[place], before)
        result.add_incoming(after[place], body)
    return results


def _row_of(v: Vectors, places: Any, lane: int) -> Any:
    """Load the address that a table of addresses holds for a lane."""
    place = v.builder.add(places, ir.Constant(I64, 8 * lane))
    return v.builder.load(v.builder.inttoptr(place, I64.as_pointer()))


@intrinsic
def gather_square(typingctx: Any, like: Any, places: Any, offset: Any, target: Any) -> tuple[Any, Callable]:
    """Take as many numbers from each lane's row as there are lanes, and write them as so many vectors.

    `places` is where a table of the rows' addresses is, an int64 a lane; `offset` counts bytes from there.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, places, offset, target = args
        v = Vectors(builder, like)
        rows = [v.load(builder.add(_row_of(v, places, lane), offset)) for lane in range(v.lanes)]
        for number, vector in enumerate(transposed(v, rows)):
            v.store(vector, _place(builder, target, (number, ir.Constant(I64, 1))))
        return context.get_dummy_value()

    return types.void(like, *[types.int64] * 3), codegen


@intrinsic
def gather_vector(typingctx: Any, like: Any, places: Any, offset: Any, target: Any) -> tuple[Any, Callable]:
    """Take one number from each lane's row and write them as a vector; arguments as for `gather_square`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, places, offset, target = args
        v = Vectors(builder, like)
        vector = ir.Constant(v.type, ir.Undefined)
        for lane in range(v.lanes):
            place = builder.add(_row_of(v, places, lane), offset)
            number = builder.load(builder.inttoptr(place, v.real.as_pointer()))
            number.align = v.size
            vector = builder.insert_element(vector, number, ir.Constant(I32, lane))
        v.store(vector, target)
        return context.get_dummy_value()

    return types.void(like, *[types.int64] * 3), codegen
