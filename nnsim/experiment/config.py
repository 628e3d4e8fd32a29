"""From a preset and what the user set to one checked configuration."""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Iterable, Mapping
from typing import Any

from nnsim.core.errors import UnknownNameError, UsageError
from nnsim.experiment.grid import RULES, axis_called, read_excludes, read_zips
from nnsim.experiment.ranges import expand, is_range
from nnsim.study.declaration import PRESETS, Axis, Study

KIND_NAMES = {int: "a whole number", float: "a number", str: "a name"}


def resolve(study: Study, preset: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the value of every axis of `study`: those of `preset`, overridden by `given`.

    Parameters
    ----------
    study : Study
        The study whose axes are meant.
    preset : str
        One of `PRESETS`.
    given : mapping
        Axis name to one value, a sequence of values, or a text of values separated by commas; None is the preset's. In
        place of numbers there may be ranges (`nnsim.experiment.ranges.expand`). ``"zip"`` and ``"exclude"`` are lists
        of rules (`nnsim.experiment.grid`).

    Returns
    -------
    dict
        Axis name to a tuple of values, or to one value where the axis is scalar, in the study's order; then ``"zip"``
        and ``"exclude"``, where there are such rules.

    Raises
    ------
    UsageError
        A name or value that cannot be used; UnknownNameError offers the nearest.
    """
    if preset not in PRESETS:
        raise UnknownNameError("preset", preset, PRESETS)
    for name in given:
        if name not in RULES:
            axis_called(study, name)
    config = {axis.name: _axis_value(axis, preset, given.get(axis.name)) for axis in study.axes}
    if given.get("zip"):
        config["zip"] = read_zips(study, config, given["zip"])
    if given.get("exclude"):
        config["exclude"] = read_excludes(study, config, given["exclude"], _checked)
    return config


def to_json(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return `config` as JSON holds it: lists in place of tuples."""
    return json.loads(json.dumps(config, allow_nan=False))


def whole_number(name: str, value: Any, minimum: int, limit: int | None = None) -> int:
    """Return `value` as an int after a check that it is one and in range.

    Parameters
    ----------
    name : str
        What the error calls the value.
    value : int or NumPy integer
        Anything else is refused, True and 5.0, too.
    minimum : int
        The smallest number allowed.
    limit : int, optional
        The smallest number that is too large; by default none is.

    Raises
    ------
    UsageError
        If it is no whole number, or out of range.
    """
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < minimum or (limit is not None and number >= limit):
        most = "" if limit is None else f" and below {limit}"
        raise UsageError(f"{name} must be a whole number of at least {minimum}{most}, got '{value}'")
    return number


def _axis_value(axis: Axis, preset: str, given: Any) -> Any:
    chosen = axis.values[preset] if given is None else given
    whole_text = axis.scalar and axis.kind is str and isinstance(chosen, str)  # a file's name may hold a comma
    values = [_checked(axis, value) for value in ([chosen] if whole_text else _listed(axis, chosen))]
    if axis.scalar:
        if len(values) != 1:
            raise UsageError(f"{axis.option} takes exactly one value, got {len(values)}")
        return values[0]
    if not values:
        raise UsageError(f"{axis.option} is empty: give at least one value")
    for position, value in enumerate(values):
        if value in values[:position]:
            raise UsageError(f"{axis.option} names {value} twice: give each value once")
    return tuple(values)


def _listed(axis: Axis, given: Any) -> list[Any]:
    if isinstance(given, str):
        parts: list[Any] = [part.strip() for part in given.split(",") if part.strip()]
    else:
        parts = list(given) if isinstance(given, Iterable) and not isinstance(given, Mapping) else [given]
    return [value for part in parts for value in _expanded(axis, part)]


def _expanded(axis: Axis, part: Any) -> list[Any]:
    """Return the values that `part` stands for; a colon in a name, as in ``normal:0.05``, is no range."""
    return list(expand(part)) if axis.kind is not str and isinstance(part, str) and is_range(part) else [part]


def _checked(axis: Axis, value: Any) -> Any:
    converted = _converted(axis, value)
    known = axis.known()
    if known is not None and converted not in known:
        raise UnknownNameError(axis.name.replace("_", " "), converted, [str(name) for name in known])
    if axis.minimum is not None and _too_small(axis, converted):
        rule = "greater than" if axis.exclusive else "at least"
        raise UsageError(f"{axis.option} {converted} is not allowed: it must be {rule} {axis.minimum:g}")
    return converted


def _converted(axis: Axis, value: Any) -> Any:
    """Return `value` as the axis's kind; 5.0 is a whole number, 5.5 and True are not."""
    try:
        converted = axis.kind(value)
        exact = isinstance(value, str) or (converted == value and not isinstance(value, bool))
        if exact and (axis.kind is not float or math.isfinite(converted)):
            return converted
    except (TypeError, ValueError, OverflowError):
        pass
    raise UsageError(f"{axis.option} must be {KIND_NAMES[axis.kind]}, got '{value}'{_nearest(axis, value)}")


def _nearest(axis: Axis, value: Any) -> str:
    try:
        return f": the nearest is {round(float(value))}" if axis.kind is int else ""
    except (TypeError, ValueError, OverflowError):
        return ""


def _too_small(axis: Axis, value: float) -> bool:
    return value <= axis.minimum if axis.exclusive else value < axis.minimum  # type: ignore[operator]
