"""What a grid leaves out of the product of its axes: axes that vary together, and combinations that are excluded.

A grid is a union of smaller products, the boxes. A study lists the trials of a box as it lists those of any
configuration, so it never hears of these rules, and a trial that several boxes share is one trial.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from nnsim.core.errors import UnknownNameError, UsageError
from nnsim.study.declaration import Axis, Study

RULES = ("zip", "exclude")
"""Names beside those of the axes in a configuration."""

Box = dict[str, Any]


def axis_called(study: Study, name: str) -> Axis:
    """Return the axis called `name`, with ``-`` or ``_``; raises UnknownNameError that offers the nearest."""
    axes = {axis.name: axis for axis in study.axes}
    try:
        return axes[name.strip().replace("-", "_")]
    except KeyError:
        raise UnknownNameError(f"axis of study '{study.name}'", name.strip(), axes) from None


def read_zips(study: Study, axes: Box, given: Any) -> tuple[tuple[str, ...], ...]:
    """Return the groups of axes that vary together.

    Parameters
    ----------
    study : Study
    axes : dict
        The values of every axis.
    given : iterable
        Each entry ``"depth,width"`` or a list of names.

    Raises
    ------
    UsageError
        Axes that do not exist, take one value, stand in two groups, or have different numbers of values.
    """
    groups = [[_list_axis(study, name, "zipped") for name in _names(entry)] for entry in _entries("zip", given)]
    names = [name for group in groups for name in group]
    for group in groups:
        if len(group) < 2:
            raise UsageError(f"--zip needs at least two axes, as in --zip depth,width, got '{','.join(group)}'")
        lengths = [len(axes[name]) for name in group]
        if len(set(lengths)) > 1:
            counts = ", ".join(f"{name} has {length}" for name, length in zip(group, lengths, strict=True))
            raise UsageError(f"--zip {','.join(group)} needs axes with equally many values: {counts}")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"--zip names the axis {twice} twice: it can vary together with others once only")
    return tuple(map(tuple, groups))


def read_excludes(study: Study, axes: Box, given: Any, check: Callable[[Axis, Any], Any]) -> tuple[Box, ...]:
    """Return the combinations that are left out, each as axis name to value.

    Parameters
    ----------
    study : Study
    axes : dict
        The values of every axis, and ``zip`` where axes vary together.
    given : iterable
        Each entry ``"activation=relu,depth=100"`` or a mapping.
    check : callable
        ``check(axis, value)`` returns the value as the axis's kind.

    Raises
    ------
    UsageError
        An axis or value that does not exist, or a combination that the grid does not have.
    """
    rules = []
    for entry in _entries("exclude", given):
        rule = {}
        for name, value in _pairs(entry).items():
            axis = _list_axis(study, name, "excluded")
            rule[axis] = check(axis_called(study, axis), value)
        if not rule:
            raise UsageError("--exclude needs at least one value, as in --exclude activation=relu,depth=100")
        if not any(_meets(rule, box) for box in boxes(axes)):
            raise UsageError(f"--exclude {rule_text(rule)} leaves nothing out: the grid has no such combination")
        rules.append(rule)
    return tuple(rules)


def boxes(config: Mapping[str, Any]) -> list[Box]:
    """Return the products whose union is the grid of `config`; none holds an excluded combination."""
    found: list[Box] = [{name: values for name, values in config.items() if name not in RULES}]
    for group in config.get("zip", ()):
        points = list(zip(*(config[name] for name in group), strict=True))
        found = [{**box, **_single(group, point)} for box in found for point in points]
    for rule in config.get("exclude", ()):
        found = [part for box in found for part in _without(box, rule)]
    return found


def settings_of(study: Study, config: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the settings of the trials of each box in turn, without those that an earlier box had."""
    found = boxes(config)
    if len(found) == 1:  # as without rules: nothing to remember, however many trials there are
        yield from study.trials(found[0])
        return
    earlier: set[str] = set()
    for box in found:
        here = set()
        for settings in study.trials(box):
            text = json.dumps(settings, sort_keys=True)
            if text not in earlier:
                here.add(text)
                yield settings
        earlier |= here


def rule_text(rule: Mapping[str, Any] | Iterable[str]) -> str:
    """Return a rule as one types it: ``depth,width`` or ``activation=relu,depth=100``."""
    return ",".join(f"{name}={value}" for name, value in rule.items()) if isinstance(rule, Mapping) else ",".join(rule)


def rule_options(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the option and the text of each rule of `config`."""
    return [(f"--{name}", rule_text(rule)) for name in RULES for rule in config.get(name, ())]


def _single(names: Iterable[str], values: Iterable[Any]) -> Box:
    return {name: (value,) for name, value in zip(names, values, strict=True)}


def _meets(rule: Box, box: Box) -> bool:
    return all(value in box[name] for name, value in rule.items())


def _without(box: Box, rule: Box) -> list[Box]:
    """Return products that together hold all of `box` but the combinations of `rule`, and share none."""
    if not _meets(rule, box):
        return [box]
    parts = []
    for name, value in rule.items():
        others = tuple(other for other in box[name] if other != value)
        if others:
            parts.append(box | {name: others})
        box = box | {name: (value,)}
    return parts


def _entries(rule: str, given: Any) -> list[Any]:
    if isinstance(given, (str, Mapping)):
        return [given]
    if isinstance(given, Iterable):
        return list(given)
    raise UsageError(f"'{rule}' must be a list of rules, got '{given}'")


def _names(entry: Any) -> list[str]:
    names = entry.split(",") if isinstance(entry, str) else entry
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise UsageError(f"--zip takes names of axes, as in --zip depth,width, got '{entry}'")
    return list(names)


def _pairs(entry: Any) -> Mapping[str, Any]:
    if isinstance(entry, Mapping):
        return entry
    parts = entry.split(",") if isinstance(entry, str) else [""]
    if not all("=" in part for part in parts):
        raise UsageError(f"--exclude takes values of axes, as in --exclude activation=relu,depth=100, got '{entry}'")
    return dict(part.split("=", 1) for part in parts)


def _list_axis(study: Study, name: str, what: str) -> str:
    axis = axis_called(study, name)
    if axis.scalar:
        raise UsageError(f"{axis.option} takes one value for the whole study, so it cannot be {what}")
    return axis.name
