"""What is written ``name:key=value,key=value``: frozen dataclasses in a registry, whose fields know their domain.

A field that text can set has a domain in its metadata (``field(default=0.1, metadata=number(...))``) and every class
has a ``name``, the one that the registry knows it by.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from nnsim.core.errors import UsageError
from nnsim.core.registry import look_up


class Domain(NamedTuple):
    """The reading of a value from text, the test whether it is allowed, and the words of a sentence for the allowed."""

    read: Callable[[str], Any]
    allows: Callable[[Any], bool]
    wanted: str


Metadata = dict[str, Domain]


def domain(read: Callable[[str], Any], allows: Callable[[Any], bool], wanted: str) -> Metadata:
    """Return a domain as metadata of a field.

    Parameters
    ----------
    read : callable
        From text to the value; raises KeyError or ValueError where it cannot be read.
    allows : callable
        From a value to whether it is allowed.
    wanted : str
        Words for what is allowed; they end a sentence such as "rate must be a number above 0".
    """
    return {"domain": Domain(read, allows, wanted)}


def number(allows: Callable[[Any], bool], wanted: str) -> Metadata:
    """Return the domain of real numbers for which `allows` holds."""
    return domain(float, lambda value: isinstance(value, Real) and allows(value), f"a number {wanted}")


def whole(least: int, most: int) -> Metadata:
    """Return the domain of whole numbers from `least` to `most`."""

    def allows(value: Any) -> bool:
        return isinstance(value, int | np.integer) and bool(least <= value <= most)

    return domain(int, allows, f"a whole number from {least} to {most:g}")


def choice(*names: str) -> Metadata:
    """Return the domain of these names."""
    return domain(str, lambda value: value in names, " or ".join(names))


FLAG = domain({"yes": True, "no": False}.__getitem__, lambda value: isinstance(value, bool), "yes or no")


def keys(entry: type) -> dict[str, Field]:
    """Return the fields of a dataclass that text can set."""
    return {key.name: key for key in fields(entry) if "domain" in key.metadata}


def _wrong(kind: str, name: str, key: Field, value: object) -> UsageError:
    return UsageError(f"{kind} '{name}': {key.name} must be {key.metadata['domain'].wanted}, got {value!r}")


def check(kind: str, instance: Any) -> None:
    """Raise UsageError if a field of a `kind` ("schedule") is neither in its domain nor its default."""
    for key in keys(type(instance)).values():
        value = getattr(instance, key.name)
        if value is not key.default and not key.metadata["domain"].allows(value):
            raise _wrong(kind, instance.name, key, value)


def _read(kind: str, entry: Any, assignment: str) -> tuple[str, Any]:
    name, equals, text = (part.strip() for part in assignment.partition("="))
    key = look_up(keys(entry), f"key of {kind} '{entry.name}',", name.lower())
    if not equals:
        raise UsageError(f"{kind} '{entry.name}': {key.name} needs a value, as in '{entry.name}:{key.name}=...'")
    try:
        return key.name, key.metadata["domain"].read(text)
    except (KeyError, ValueError):
        raise _wrong(kind, entry.name, key, text) from None


def parse(registry: Mapping[str, Any], kind: str, text: str) -> Any:
    """Return the instance that ``name:key=value,...`` describes.

    Parameters
    ----------
    registry : mapping of str to class
        Dataclasses whose fields have domains, by their names.
    kind : str
        Word of the errors for what the registry holds, such as "schedule".
    text : str
        A name alone, or followed by values for some of the keys.

    Raises
    ------
    UnknownNameError
        If the registry does not hold the name, or the class has no such key.
    UsageError
        If a value is missing, cannot be read or is not allowed, or a key stands twice.
    """
    name, colon, rest = text.partition(":")
    entry = look_up(registry, kind, name.strip())
    pairs = [_read(kind, entry, assignment) for assignment in rest.split(",")] if colon else []
    given = dict(pairs)
    if len(given) < len(pairs):
        raise UsageError(f"{kind} '{text}' gives a key twice")
    for key in keys(entry).values():
        if key.default is MISSING and key.name not in given:
            wanted = key.metadata["domain"].wanted
            raise UsageError(f"{kind} '{name}' needs {key.name}, {wanted}: '{name}:{key.name}=...'")
    return entry(**given)
