"""What Numba's simulator, which runs kernels as Python threads, lacks: exact types, and arrays that threads share.

Kernels call the formulas of `nnsim.kernels` one number at a time there, and would get Python's numbers, in which
float32 is lost: `complete` puts functions around them whose results have the types that compiled code would see. And
the simulator looks for a shared array and makes it in two steps, between which another thread may make it too.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from functools import cache
from threading import Lock
from typing import Any

import numba
import numpy as np
from numba.core.dispatcher import Dispatcher
from numba.np.numpy_support import as_dtype


def _typed(kind: Any, value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_typed(kind[i], number) for i, number in enumerate(value))
    return as_dtype(kind).type(value)


class _Formula:
    """A compiled scalar function whose results are NumPy scalars of its own return type."""

    def __init__(self, dispatcher: Any) -> None:
        self._dispatcher, self.py_func = dispatcher, dispatcher.py_func
        self._kinds: dict[tuple, Any] = {}

    def __call__(self, *arguments: Any) -> Any:
        signature = tuple(map(numba.typeof, arguments))
        if signature not in self._kinds:
            self._dispatcher.compile(signature)
            self._kinds[signature] = self._dispatcher.overloads[signature].signature.return_type
        with np.errstate(all="ignore"):
            return _typed(self._kinds[signature], self._dispatcher(*arguments))


def _wrap_closure(function: Any) -> None:
    for cell in getattr(function, "__closure__", None) or ():
        if isinstance(cell.cell_contents, Dispatcher):
            cell.cell_contents = _Formula(cell.cell_contents)
        else:
            _wrap_closure(getattr(cell.cell_contents, "fn", None))  # the next case of a table


@cache
def complete() -> None:
    """Let every kernel of this package call formulas that keep their types, and the threads of a block share arrays."""
    package = importlib.import_module(__package__)
    for entry in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{__package__}.{entry.name}")
        for name, value in list(vars(module).items()):
            if isinstance(value, Dispatcher):
                setattr(module, name, _Formula(value))
            _wrap_closure(getattr(value, "fn", None))
    shared: Any = importlib.import_module("numba.cuda.simulator.kernelapi").FakeCUDAShared
    shared.array = _made_once(shared.array)


def _made_once(dynamic: Any) -> Any:
    """Return ``cuda.shared.array``, by which all threads get one array for each line that asks."""
    making = Lock()

    def array(shared: Any, shape: Any, dtype: Any) -> Any:
        if shape == 0:
            return dynamic(shared, shape, dtype)
        asking = sys._getframe(1)
        line, made = (asking.f_code, asking.f_lineno), shared._allocations
        with making:
            if line not in made:
                made[line] = np.empty(shape, as_dtype(dtype))
            return made[line]

    return array
