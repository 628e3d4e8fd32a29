"""Ranges of numbers as texts: ``log:1e-4:1:9``, ``lin:0:1:5`` and ``range:0:10``, the same floats on every machine.

Python's `decimal` computes to a stated number of digits in software; no library of the machine has a hand in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Context, Decimal

from nnsim.core.errors import UnknownNameError, UsageError

EXACT = Context(prec=50)
"""Three times the digits of a float: what is rounded here never shows there."""

LONGEST = 100_000
"""Most values in one range; a grid beyond it is a slip of the finger."""


def is_range(text: str) -> bool:
    """Return whether `text` has the form of a range, known or not."""
    return ":" in text


def expand(text: str) -> list[float] | list[int]:
    """Return the numbers that `text` stands for.

    ``log:FIRST:LAST:COUNT`` and ``lin:FIRST:LAST:COUNT`` hold both ends, with constant ratios or constant differences;
    ``range:START:STOP`` and ``range:START:STOP:STEP`` are whole numbers without STOP, as in Python.

    Returns
    -------
    list
        Floats, each the nearest to the exact value, or ints.

    Raises
    ------
    UsageError
        A range that does not exist, is not written as above, or cannot be taken.

    Examples
    --------
    >>> expand("log:1e-3:1:4"), expand("range:0:3")
    ([0.001, 0.01, 0.1, 1.0], [0, 1, 2])
    """
    name, *parts = text.split(":")
    if name not in RANGES:
        raise UnknownNameError("range", name, RANGES)
    form, function = RANGES[name]
    try:
        return function(parts)
    except ValueError as error:
        reason = f": {error.args[0]}" if isinstance(error, _RangeError) else ""
        raise UsageError(f"the range '{text}' is not of the form {form}{reason}") from None


class _RangeError(ValueError):
    """A range whose numbers can be read and not used; its text says why."""


def _logarithmic(parts: list[str]) -> list[float]:
    first, last, count = _ends(parts)
    if min(first, last) <= 0:
        raise _RangeError("both ends must be greater than 0")
    low, high = EXACT.ln(first), EXACT.ln(last)
    inner = [float(EXACT.exp(_between(low, high, step, count))) for step in range(1, count - 1)]
    return [float(first), *inner, float(last)]


def _linear(parts: list[str]) -> list[float]:
    first, last, count = _ends(parts)
    return [float(_between(first, last, step, count)) for step in range(count)]


def _between(first: Decimal, last: Decimal, step: int, count: int) -> Decimal:
    weighted = EXACT.add(EXACT.multiply(first, count - 1 - step), EXACT.multiply(last, step))
    return EXACT.divide(weighted, count - 1)


def _ends(parts: list[str]) -> tuple[Decimal, Decimal, int]:
    first, last, count = parts
    ends = float(first), float(last)
    if not all(map(math.isfinite, ends)):
        raise ValueError
    if not 2 <= int(count) <= LONGEST:
        raise _RangeError(f"COUNT must be from 2 to {LONGEST}")
    low, high = (Decimal(repr(end)) for end in ends)
    return low, high, int(count)


def _whole(parts: list[str]) -> list[int]:
    if len(parts) not in {2, 3}:
        raise ValueError
    start, stop, step = [*map(int, parts), 1][:3]
    if step == 0:
        raise _RangeError("STEP must not be 0")
    numbers = range(start, stop, step)
    if not 1 <= math.ceil((stop - start) / step) <= LONGEST:
        raise _RangeError(f"it must hold from 1 to {LONGEST} numbers")
    return list(numbers)


RANGES: dict[str, tuple[str, Callable[[list[str]], list[float] | list[int]]]] = {
    "log": ("log:FIRST:LAST:COUNT", _logarithmic),
    "lin": ("lin:FIRST:LAST:COUNT", _linear),
    "range": ("range:START:STOP[:STEP]", _whole),
}
