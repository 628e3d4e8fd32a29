"""Register tiles of a matrix product and register transposes, written as LLVM vector operations.

A tile is a block of C = start + A @ B that stays in vector registers while k runs. Every element of it is the chain
fma(a[i, k], b[k, j], c) over k = 0, 1, 2, ..., so its bits depend on neither the tile's shape nor the vector length,
which are chosen for the host. Addresses are integers, strides count elements.

References
----------
K. Goto and R. A. van de Geijn, "Anatomy of high-performance matrix multiplication", ACM TOMS 34 (2008) 12.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import llvmlite.binding
import llvmlite.ir as ir
import numpy as np
from numba import types
from numba.core import cgutils

from nnsim.kernels.compiling.decorators import inner, intrinsic, maker

I1, I32, I64 = ir.IntType(1), ir.IntType(32), ir.IntType(64)


def _vector_bytes() -> int:
    """Return the vector register's size of the CPU that Numba compiles for."""
    name = os.environ.get("NUMBA_CPU_NAME")
    if name is None or name == "host":
        features = llvmlite.binding.get_host_cpu_features()
        return 64 if features.get("avx512f") else (32 if features.get("avx2") else 16)
    if any(word in name for word in ("avx512", "skylake-", "icelake", "cascadelake", "sapphire", "znver4", "znver5")):
        return 64
    return 16 if name in {"generic", "x86-64"} else 32


VECTOR_BYTES = _vector_bytes()
# A tile of ROWS x WIDE vectors: 8 x 3 sums leave room for the operands among 32 registers, 6 x 2 among 16.
ROWS, WIDE = (8, 3) if VECTOR_BYTES == 64 else (6, 2)

GROUP = 3  # rows of A whose places are one register, plus once or twice the register that holds their distance


def _bytes_of(like: Any) -> int:
    return {types.float32: 4, types.float64: 8}[like]


class Vectors:
    """The LLVM types and operations for vectors of one precision."""

    def __init__(self, builder: Any, like: Any) -> None:
        self.builder = builder
        self.real = ir.FloatType() if like == types.float32 else ir.DoubleType()
        self.size = _bytes_of(like)
        self.lanes = VECTOR_BYTES // self.size
        self.type = ir.VectorType(self.real, self.lanes)
        self.index_type = ir.VectorType(I32, self.lanes)
        self.mask_type = ir.VectorType(I1, self.lanes)
        self.zero = ir.Constant(self.type, [ir.Constant(self.real, 0.0)] * self.lanes)
        self.suffix = f"v{self.lanes}f{8 * self.size}"

    def indices(self, numbers: list[int]) -> Any:
        """Return whole numbers as a vector, for shuffles."""
        return ir.Constant(self.index_type, [ir.Constant(I32, n) for n in numbers])

    def offset(self, base: Any, *terms: Any) -> Any:
        """Address of an element: base + size * (product of terms)."""
        product = ir.Constant(I64, self.size)
        for term in terms:
            product = self.builder.mul(product, ir.Constant(I64, term) if isinstance(term, int) else term)
        return self.builder.add(base, product)

    def splat(self, scalar: Any, vector_type: Any | None = None) -> Any:
        """Return a number in all lanes."""
        vector_type = vector_type or self.type
        undefined = ir.Constant(vector_type, ir.Undefined)
        first = self.builder.insert_element(undefined, scalar, ir.Constant(I32, 0))
        return self.builder.shuffle_vector(first, undefined, self.indices([0] * self.lanes))

    def broadcast(self, address: Any) -> Any:
        """Load one number into all lanes."""
        scalar = self.builder.load(self.builder.inttoptr(address, self.real.as_pointer()))
        scalar.align = self.size
        return self.splat(scalar)

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        """Return a * b + c, rounded once."""
        signature = ir.FunctionType(self.type, [self.type] * 3)
        function = cgutils.get_or_insert_function(self.builder.module, signature, f"llvm.fma.{self.suffix}")
        return self.builder.call(function, [a, b, c])

    def first(self, count: Any) -> Any:
        """Mask of the first `count` lanes; count is an i64 of at most 31 bits, and may be negative or large."""
        number = ir.IntType(8 * self.size)  # as wide as a lane, or the mask would take two registers
        lanes = ir.Constant(ir.VectorType(number, self.lanes), [ir.Constant(number, i) for i in range(self.lanes)])
        count = count if number == I64 else self.builder.trunc(count, number)
        undefined = ir.Constant(lanes.type, ir.Undefined)
        start = self.builder.insert_element(undefined, count, ir.Constant(I32, 0))
        limit = self.builder.shuffle_vector(start, undefined, self.indices([0] * self.lanes))
        return self.builder.icmp_signed("<", lanes, limit)

    def load(self, address: Any, mask: Any | None = None) -> Any:
        """Return the vector at an address, of which a mask takes the first lanes; the others are 0."""
        pointer = self.builder.inttoptr(address, self.type.as_pointer())
        if mask is None:
            value = self.builder.load(pointer)
            value.align = self.size
            return value
        signature = ir.FunctionType(self.type, [self.type.as_pointer(), I32, self.mask_type, self.type])
        function = cgutils.get_or_insert_function(self.builder.module, signature, f"llvm.masked.load.{self.suffix}.p0")
        return self.builder.call(function, [pointer, ir.Constant(I32, self.size), mask, self.zero])

    def store(self, value: Any, address: Any, mask: Any | None = None) -> None:
        """Write a vector to an address, of which a mask takes the first lanes."""
        pointer = self.builder.inttoptr(address, self.type.as_pointer())
        if mask is None:
            self.builder.store(value, pointer).align = self.size
            return
        signature = ir.FunctionType(ir.VoidType(), [self.type, self.type.as_pointer(), I32, self.mask_type])
        function = cgutils.get_or_insert_function(self.builder.module, signature, f"llvm.masked.store.{self.suffix}.p0")
        self.builder.call(function, [value, pointer, ir.Constant(I32, self.size), mask])


@inner
def address_of(array):
    """Return where an array's numbers begin, as a signed number: Numba turns the sum of uint64 and int64 to float64."""
    return np.int64(array.ctypes.data)


@maker
def aligned(size, dtype):
    """Return room for so many numbers that begins where a vector does: a load across cache lines costs two."""
    room = np.empty(size + VECTOR_BYTES, dtype)
    first = -address_of(room) % VECTOR_BYTES // room.itemsize
    return room[first : first + size]


@intrinsic
def size_of(typingctx: Any, like: Any) -> tuple[Any, Callable]:
    """Return how many bytes a number of the type of `like` takes, as a constant."""
    size = _bytes_of(like)
    return types.int64(like), lambda context, builder, signature, args: ir.Constant(I64, size)


@intrinsic
def lanes_of(typingctx: Any, like: Any) -> tuple[Any, Callable]:
    """Return how many numbers of the type of `like` a vector register holds, as a constant."""
    lanes = VECTOR_BYTES // _bytes_of(like)
    return types.int64(like), lambda context, builder, signature, args: ir.Constant(I64, lanes)


def make_tile(rows: int, vectors: int, masked: bool) -> Any:
    """Return an intrinsic that computes a tile of `rows` rows and `vectors` vectors of columns.

    ``tile(like, a, a_row, a_col, b, b_row, c, c_row, start, start_row, depth, columns)`` writes
    ``C = start + A @ B``. A may have any strides (so A.T costs nothing); the rows of B, C and start are contiguous,
    and start_row = 0 repeats one row, a bias. A masked tile touches only its first `columns` columns, of which the last
    are in its last vector.
    """
    places = [(i, j) for i in range(rows) for j in range(vectors)]

    @intrinsic
    def tile(
        typingctx: Any,
        like: Any,
        a: Any,
        a_row: Any,
        a_col: Any,
        b: Any,
        b_row: Any,
        c: Any,
        c_row: Any,
        start: Any,
        start_row: Any,
        depth: Any,
        columns: Any,
    ) -> tuple[Any, Callable]:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            _, a, a_row, a_col, b, b_row, c, c_row, start, start_row, depth, columns = args
            v, masks = Vectors(builder, like), [None] * vectors
            if masked:
                masks[-1] = v.first(builder.sub(columns, ir.Constant(I64, (vectors - 1) * v.lanes)))
            starts = {(i, j): v.load(v.offset(v.offset(start, i, start_row), j * v.lanes), masks[j]) for i, j in places}
            sums = _add_products(v, a, a_row, a_col, b, b_row, depth, starts, masks)
            for i, j in places:
                v.store(sums[i, j], v.offset(v.offset(c, i, c_row), j * v.lanes), masks[j])
            return context.get_dummy_value()

        return types.void(like, *[types.int64] * 11), codegen

    return tile


def _add_products(
    v: Vectors, a: Any, a_row: Any, a_col: Any, b: Any, b_row: Any, depth: Any, starts: dict, masks: list
) -> dict:
    """Emit the loop over k, and return what A @ B makes of the starts of all places (row, vector of columns)."""
    builder, rows = v.builder, 1 + max(i for i, _ in starts)
    row_step, a_step, b_step = (v.offset(ir.Constant(I64, 0), stride) for stride in (a_row, a_col, b_row))
    groups = [unknown(builder, v.offset(a, i, a_row)) for i in range(0, rows, GROUP)]
    before = builder.basic_block
    body, done = (builder.append_basic_block(name) for name in ("body", "done"))
    builder.cbranch(builder.icmp_signed(">", depth, ir.Constant(I64, 0)), body, done)

    builder.position_at_end(body)
    left, b_place, *a_places = (builder.phi(I64) for _ in range(2 + len(groups)))
    sums, sums_after = {place: builder.phi(v.type) for place in starts}, {}
    b_vectors = [v.load(v.offset(b_place, j * v.lanes), mask) for j, mask in enumerate(masks)]
    for i in range(rows):
        from_group = builder.mul(row_step, ir.Constant(I64, i % GROUP))
        element = v.broadcast(builder.add(a_places[i // GROUP], from_group))
        for j, b_vector in enumerate(b_vectors):
            sums_after[i, j] = v.fma(element, b_vector, sums[i, j])
    fewer = builder.sub(left, ir.Constant(I64, 1))
    steps = [(left, depth, fewer), (b_place, b, builder.add(b_place, b_step))]
    steps += [(place, group, builder.add(place, a_step)) for place, group in zip(a_places, groups, strict=True)]
    steps += [(sums[place], starts[place], sums_after[place]) for place in starts]
    for number, first, after in steps:
        number.add_incoming(first, before)
        number.add_incoming(after, body)
    again = builder.cbranch(builder.icmp_signed("!=", fewer, ir.Constant(I64, 0)), body, done)
    again.set_metadata("llvm.loop", not_unrolled(builder.module))

    builder.position_at_end(done)
    results = {place: builder.phi(v.type) for place in starts}
    for place, result in results.items():
        result.add_incoming(starts[place], before)
        result.add_incoming(sums_after[place], body)
    return results


def unknown(builder: Any, number: Any) -> Any:
    """Return a number that LLVM cannot trace: it would compute each place from the one before, in a long chain."""
    return builder.asm(ir.FunctionType(I64, [I64]), "", "=r,0", [number], side_effect=False)


def not_unrolled(module: Any) -> Any:
    """Return what tells LLVM to leave a loop as it is: unrolled, it has more addresses than registers."""
    unroll = module.add_metadata([ir.MetaDataString(module, "llvm.loop.unroll.disable")])
    loop = module.add_metadata([unroll])
    loop.operands = (loop, unroll)  # that a loop's description names itself first makes it this loop's own
    return loop


def transposed(v: Vectors, block: list) -> list:
    """Return the columns of a square block of vectors, by a butterfly of shuffles."""
    block, half = list(block), v.lanes // 2
    while half:
        low = v.indices([j if not j & half else v.lanes + j - half for j in range(v.lanes)])
        high = v.indices([j + half if not j & half else v.lanes + j for j in range(v.lanes)])
        for i in (i for i in range(v.lanes) if not i & half):
            a, b = block[i], block[i + half]
            block[i], block[i + half] = v.builder.shuffle_vector(a, b, low), v.builder.shuffle_vector(a, b, high)
        half //= 2
    return block


def make_transpose(masked: bool) -> Any:
    """Return an intrinsic that transposes one square block of lanes x lanes numbers.

    ``transpose(like, source, source_row, target, target_row, rows, columns)`` writes ``target = source.T``; a masked
    one reads only the first `rows` rows and `columns` columns of the source.
    """

    @intrinsic
    def transpose(
        typingctx: Any,
        like: Any,
        source: Any,
        source_row: Any,
        target: Any,
        target_row: Any,
        rows: Any,
        columns: Any,
    ) -> tuple[Any, Callable]:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            _, source, source_row, target, target_row, rows, columns = args
            v = Vectors(builder, like)

            def mask(i: int, count: Any, length: Any) -> Any:
                inside = builder.icmp_signed("<", ir.Constant(I64, i), count)
                return v.first(builder.select(inside, length, ir.Constant(I64, 0))) if masked else None

            block = [v.load(v.offset(source, i, source_row), mask(i, rows, columns)) for i in range(v.lanes)]
            block = transposed(v, block)
            for i in range(v.lanes):
                v.store(block[i], v.offset(target, i, target_row), mask(i, columns, rows))
            return context.get_dummy_value()

        return types.void(like, *[types.int64] * 6), codegen

    return transpose
