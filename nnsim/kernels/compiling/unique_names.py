"""Names of compiled functions of which each means one code, in all processes that share a cache.

Numba names a function by its qualified name, the types of its arguments and a number that the process counts. A
closure made twice, as `nnsim.kernels.cpu.gemm` makes its tiles, has two codes under one qualified name; where two
processes count differently, one full name stands for both, and in a third that loads what they kept the linker takes
the first for either. So

- the count begins at a random number: what this process compiles from now on has names of its own, and
- what a kernel calls is named anew when the kernel is complete, by a hash of the kernel's whole code: it may hold
  functions that were compiled before, under numbers from 1. Two kernels with one hash are the same code.

Numba's own reference counting (``NRT_...``) keeps its names; its code is the same in all processes of one version. On a
GPU the first is enough: each kernel is linked by itself, so that its names meet no other's.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import secrets
from typing import Any

from llvmlite.binding import Linkage
from numba.core.bytecode import FunctionIdentity
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler

SHARED = {Linkage.linkonce_odr, Linkage.linkonce_any, Linkage.weak_odr, Linkage.weak_any}
"""Functions for which a linker looks whether another file has one of the same name."""


def count_from_anywhere(identities: Any) -> None:
    """Let a class of Numba's that numbers functions count from a random number, in a forked process from another one.

    Of 2^96 numbers each process takes a stretch of some thousand; that two of a million processes overlap has a chance
    under 10^-13.
    """
    identities._unique_ids = itertools.count(secrets.randbits(96))


def number_functions(identities: Any) -> None:
    """Do so now, and in each process that is forked from this one."""
    count_from_anywhere(identities)
    os.register_at_fork(after_in_child=lambda: count_from_anywhere(identities))


class KernelLibrary(JITCodeLibrary):
    """The code of a kernel, whose callees bear names that no other kernel's do."""

    def _optimize_final_module(self) -> None:
        super()._optimize_final_module()
        suffix = "_" + hashlib.sha256(self._final_module.as_bitcode()).hexdigest()[:24]
        for function in list(self._final_module.functions):
            if function.linkage in SHARED and not function.is_declaration and not function.name.startswith("NRT_"):
                function.name += suffix


class KernelCompiler(Compiler):
    """Numba's compiler, but for the library that it fills."""

    def __init__(self, typingctx: Any, targetctx: Any, library: Any, *rest: Any) -> None:
        kernel = KernelLibrary(targetctx.codegen(), "kernel")
        kernel.enable_object_caching()
        super().__init__(typingctx, targetctx, kernel, *rest)


number_functions(FunctionIdentity)
