"""Registries are plain dicts; an unknown name is an error that offers the nearest one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from nnsim.core.errors import UnknownNameError

Entry = TypeVar("Entry")


def look_up(registry: Mapping[str, Entry], kind: str, name: str) -> Entry:
    """Return the entry called `name`; raises UnknownNameError that says what a `kind` may be."""
    try:
        return registry[name]
    except KeyError:
        raise UnknownNameError(kind, name, registry) from None
