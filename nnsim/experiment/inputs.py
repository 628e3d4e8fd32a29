"""The data files of a study: read by their paths, known to identities, tables and reports by their names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnsim.core.errors import UsageError
from nnsim.data.data_paths import is_data_file, label
from nnsim.study.declaration import Study


def data_files(study: Study, config: Mapping[str, Any]) -> dict[str, str]:
    """Return the name of each data file of a configuration by its path.

    Raises
    ------
    UsageError
        Two paths end in one name, so that a table could not tell them apart.
    """
    chosen = [config[axis.name] for axis in study.axes if axis.file]
    values = [value for values in chosen for value in ([values] if isinstance(values, str) else values)]
    found = {value: label(value) for value in values if _looks_like_data(value) and is_data_file(value)}
    name, times = Counter(found.values()).most_common(1)[0] if found else ("", 1)
    if times > 1:
        raise UsageError(f"{times} data files are called '{name}': give each a name of its own")
    return found


def _looks_like_data(value: str) -> bool:
    """Return whether `value` can be the name of a data file: a column's may be that of any file beside it."""
    return Path(value).suffix != "" or "idx" in value.lower()


def renamed(value: Any, names: Mapping[str, str]) -> Any:
    """Return JSON or a configuration in which each text of `names`, at any depth, is what it stands for there."""
    if not names:
        return value
    if isinstance(value, str):
        return names.get(value, value)
    if isinstance(value, Mapping):
        return {key: renamed(entry, names) for key, entry in value.items()}
    return type(value)(renamed(entry, names) for entry in value) if isinstance(value, (list, tuple)) else value
