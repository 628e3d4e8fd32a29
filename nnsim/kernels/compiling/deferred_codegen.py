"""Functions that only kernels call are optimised and turned to machine code with their callers, not by themselves.

Numba does both for every function that it compiles, and again for each of its callers, whose code holds a copy. For
the functions between a kernel and its scalar formulas that is work for nothing, half of all that the compiler does: a
first run waits for it.
"""

from __future__ import annotations

from typing import Any

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler


class CalleeLibrary(JITCodeLibrary):
    """Code that is complete as soon as it is linked; it has no address, so that Python cannot call it."""

    def _optimize_final_module(self) -> None:
        """Leave it to the kernel."""

    def _finalize_final_module(self) -> None:
        """Hand nothing to the execution engine."""
        self._finalize_dynamic_globals()
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        """Return the null pointer, Numba's answer for a function that is not there."""
        return 0

    @property
    def codegen(self) -> CalleeLibrary:
        """What Numba asks to set the environment of the finished code, which has none."""
        return self

    def set_env(self, name: str, environment: Any) -> None:
        """Do nothing."""


class CalleeCompiler(Compiler):
    """Numba's compiler, but for the library that it fills."""

    def __init__(self, typingctx: Any, targetctx: Any, library: Any, *rest: Any) -> None:
        callee = CalleeLibrary(targetctx.codegen(), "callee")
        super().__init__(typingctx, targetctx, callee, *rest)
