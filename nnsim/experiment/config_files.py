"""Where settings come from besides flags: a TOML file, and assignments; and how a resolved configuration is written."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nnsim.core.errors import UsageError
from nnsim.data.data_paths import from_folder, into_path
from nnsim.experiment.grid import axis_called
from nnsim.experiment.inputs import renamed
from nnsim.experiment.plan import Plan
from nnsim.study.declaration import Axis, Study

CONFIG_FILE = "config.toml"
"""The resolved configuration in a result folder, ready for ``--config``."""


def read_toml(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file, with ``-`` in top-level keys as ``_``.

    Raises
    ------
    UsageError
        A file that is not there, cannot be read, or is no TOML.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError(f"cannot read the configuration '{path}': {(error.strerror or str(error)).lower()}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"the configuration '{path}' is not UTF-8 text (byte {error.start})") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"the configuration '{path}' is no TOML: {' '.join(str(error).split())}") from error
    return {name.replace("-", "_"): value for name, value in content.items()}


def read_assignments(study: Study, texts: Iterable[str]) -> dict[str, str]:
    """Return axis name to value for texts such as ``"depth=5,30"``.

    Raises
    ------
    UsageError
        A text that is no assignment, an axis that does not exist, or one that is set twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign:
            raise UsageError(f"--set takes an axis and its value, as in --set depth=5,30, got '{text}'")
        axis = axis_called(study, name)
        if axis.name in found:
            raise UsageError(f"--set gives the axis {axis.name} twice: give it once, with all its values")
        found[axis.name] = value
    return found


def from_file(study: Study, settings: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return the settings of a file, with paths from its folder turned into paths from the working folder.

    Parameters
    ----------
    study : Study
        Its axes tell which settings may be paths; ``output`` is one, too.
    settings : dict
        Name to value, as `read_toml` returns them.
    folder : Path
        Where the file lies.
    """
    axes = {axis.name: axis for axis in study.axes if axis.file}
    found = {name: _located(axes.get(name), value, folder) for name, value in settings.items()}
    if isinstance(found.get("output"), str) and found["output"]:
        found["output"] = os.path.join(folder, found["output"])
    if isinstance(found.get("exclude"), list):
        found["exclude"] = [_located_rule(axes, rule, folder) for rule in found["exclude"]]
    return found


def _located(axis: Axis | None, value: Any, folder: Path) -> Any:
    """Return the value of an axis with paths as the working folder calls them; several may be a text with commas."""
    if axis is None:
        return value
    if isinstance(value, list):
        return [_located(axis, entry, folder) for entry in value]
    if not isinstance(value, str):
        return value
    parts = [value] if axis.scalar else [part.strip() for part in value.split(",")]
    return ",".join(into_path(part, folder) for part in parts)


def _located_rule(axes: Mapping[str, Axis], rule: Any, folder: Path) -> Any:
    if not isinstance(rule, dict):
        return rule
    return {name: _located(axes.get(name), value, folder) for name, value in rule.items()}


def to_toml(plan: Plan, preset: str, folder: Path) -> bytes:
    """Return everything that decides on the trials of `plan` as TOML, which ``--config`` reads.

    Parameters
    ----------
    plan : Plan
    preset : str
        One of `nnsim.study.declaration.PRESETS`.
    folder : Path
        Where the TOML file will lie: data files are told by their paths from there.

    Returns
    -------
    bytes
        The file's content, UTF-8.
    """
    config = renamed(plan.config, {path: from_folder(path, folder) for path in plan.files})
    settings = {"study": plan.study.name, "preset": preset, "seed": plan.seed, **config}
    lines = [f"{name} = {_toml(value)}" for name, value in settings.items()]
    return "\n".join(["# What was run, in full; --config reads it.", *lines, ""]).encode()


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name} = {_toml(entry)}" for name, entry in value.items()) + "}"
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # JSON's escapes are TOML's but for DEL
    return repr(value)
