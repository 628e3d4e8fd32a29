"""Registries are plain dicts; an unknown name is an error that offers the nearest one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from nnsim.core.errors import UnknownNameError

Entry = TypeVar("Entry")


def look_up(registry: Mapping[str, Entry], kind: str, name: str) -> Entry:
    """Return the entry of a registry by its name.

    Parameters
    ----------
    registry : mapping of str to entry
    kind : str
        Word of the error for what the registry holds, such as "loss".
    name : str

    Raises
    ------
    UnknownNameError
        If there is no such entry; it offers the nearest.
    """
    try:
        return registry[name]
    except KeyError:
        raise UnknownNameError(kind, name, registry) from None
