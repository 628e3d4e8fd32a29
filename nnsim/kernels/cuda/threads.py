"""How the threads of a block share what is to be done, whatever their number, and keep their registers free.

``for i in thread_range(0, size)`` takes, in every thread, the numbers of ``range(size)`` that are its own. Numba's
``range`` counts its steps before the first, which costs a division where the step is no constant. The compiler moves
such counts, and all else that is the same in every step of training, to the front of the kernel, where hundreds of
numbers wait in registers for their turn until some must leave. So `thread_range` counts nothing, `thread` is asked each
time, and what follows from `opaque` of a number is computed where it is needed.
"""

from __future__ import annotations

import importlib
from typing import Any

from llvmlite import ir

from nnsim.kernels.cuda.decorators import cuda, device, simulated

if simulated:

    @device
    def thread():
        """Return the number of this thread in its block."""
        return cuda.threadIdx.x

    @device
    def thread_range(start, stop):
        """Iterate over the numbers of ``range(start, stop)`` that are this thread's."""
        return range(start + cuda.threadIdx.x, stop, cuda.blockDim.x)

    @device
    def opaque(number):
        """Return the number."""
        return number

else:
    # Modules of numba-cuda that Numba's own numba.cuda, which a type checker sees, does not have.
    types: Any = importlib.import_module("numba.cuda.types")
    cgutils: Any = importlib.import_module("numba.cuda.cgutils")
    extending: Any = importlib.import_module("numba.cuda.extending")
    imputils: Any = importlib.import_module("numba.cuda.core.imputils")

    MOVES = {types.int64: ("b64", "l"), types.float32: ("f32", "f"), types.float64: ("f64", "d")}
    """How PTX moves a number, and the letter of its registers."""

    class Numbers(types.SimpleIteratorType):
        """The type of what `thread_range` returns."""

        def __init__(self) -> None:
            super().__init__("Numbers", types.int64)

    @extending.register_model(Numbers)
    class NumbersModel(extending.models.StructModel):
        """The place of the next number, the end, the step."""

        def __init__(self, manager: Any, kind: Any) -> None:
            members = [("place", types.EphemeralPointer(types.int64)), ("stop", types.int64), ("step", types.int64)]
            super().__init__(manager, kind, members)

    def _special(builder: Any, register: str) -> Any:
        """Read a special register where the builder stands: assembly with side effects is not moved out of a loop."""
        asked = ir.FunctionType(ir.IntType(32), [])
        return builder.zext(builder.asm(asked, f"mov.u32 $0, %{register};", "=r", [], True), ir.IntType(64))

    @extending.intrinsic
    def thread(typingctx: Any) -> Any:
        """Return the number of this thread in its block."""
        return types.int64(), lambda context, builder, signature, args: _special(builder, "tid.x")

    @extending.intrinsic
    def thread_range(typingctx: Any, start: Any, stop: Any) -> Any:
        """Iterate over the numbers of ``range(start, stop)`` that are this thread's."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            first, end = (context.cast(builder, *pair, types.int64) for pair in zip(args, signature.args, strict=True))
            numbers = cgutils.create_struct_proxy(signature.return_type)(context, builder)
            numbers.place = cgutils.alloca_once_value(builder, builder.add(first, _special(builder, "tid.x")))
            numbers.stop, numbers.step = end, _special(builder, "ntid.x")
            return numbers._getvalue()

        return Numbers()(start, stop), codegen

    @extending.lower_builtin("iternext", Numbers)
    @imputils.iternext_impl(imputils.RefType.UNTRACKED)
    def _next(context: Any, builder: Any, signature: Any, args: Any, result: Any) -> None:
        numbers = cgutils.create_struct_proxy(signature.args[0])(context, builder, args[0])
        number = builder.load(numbers.place)
        inside = builder.icmp_signed("<", number, numbers.stop)
        result.set_valid(inside)
        with builder.if_then(inside):
            result.yield_(number)
            builder.store(builder.add(number, numbers.step), numbers.place)

    @extending.intrinsic
    def opaque(typingctx: Any, number: Any) -> Any:
        """Return the number, of which the compiler does not know then that it is the same as in the step before."""
        move, letter = MOVES[number]

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            moved = ir.FunctionType(args[0].type, [args[0].type])
            return builder.asm(moved, f"mov.{move} $0, $1;", f"={letter},{letter}", args, True)

        return number(number), codegen
