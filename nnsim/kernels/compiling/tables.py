"""Tables of formulas: one entry adds a formula, and every kernel that runs over the table follows.

Kernels know an entry by its number. What is added from outside comes before the kernels are compiled, and is part of
the state that their code is kept under.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

Entry = TypeVar("Entry")
_added: list[tuple[str, str, str]] = []


class Table(Mapping[str, Entry], Generic[Entry]):
    """Entries by name, in the order of their numbers.

    Parameters
    ----------
    what : str
        What an entry is, in a word, for sentences.
    entries : mapping of str to entry
        Those of nnsim.
    formulas : callable
        ``formulas(entry) -> tuple of compiled scalar functions``, by which kernels tell entries apart: two names of
        the same formulas have one number.
    """

    def __init__(self, what: str, entries: Mapping[str, Entry], formulas: Callable[[Entry], tuple]) -> None:
        self._what, self._entries, self._formulas = what, dict(entries), formulas
        self._closed = False

    def __getitem__(self, name: str) -> Entry:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def code(self, name: str) -> int:
        """Return the number that kernels know an entry by."""
        return list(self._distinct()).index(self._formulas(self[name]))

    def add(self, name: str, entry: Entry) -> None:
        """Add an entry from outside.

        Raises
        ------
        ValueError
            If the name is taken, or kernels over the table exist already.
        """
        if name in self:
            raise ValueError(f"{self._what} '{name}' exists already")
        if self._closed:
            raise ValueError(f"{self._what} '{name}' comes too late: add it before nnsim's kernels are imported")
        self._entries[name] = entry
        _added.append((self._what, name, _digest(self._formulas(entry))))

    def chained(self, case: Callable[[int, Entry, Any], Any], last: Any) -> Any:
        """Return one function for the whole table, which no entry can be added to from then on.

        ``case(code, entry, rest)`` returns a function that does what `entry` says where it is asked for `code`, and
        else calls `rest`; the last of them calls `last`.
        """
        self._closed = True
        chain = last
        for code, entry in reversed(list(enumerate(self._distinct().values()))):
            chain = case(code, entry, chain)
        return chain

    def _distinct(self) -> dict[tuple, Entry]:
        found: dict[tuple, Entry] = {}
        for entry in self._entries.values():
            found.setdefault(self._formulas(entry), entry)
        return found


def added() -> tuple[tuple[str, str, str], ...]:
    """Return what was added to any table: table, name and digest of the formulas' sources."""
    return tuple(_added)


def _digest(formulas: tuple) -> str:
    """Return the digest of the files that formulas stand in, with all that they may call there, or of their code."""
    sha = hashlib.sha256()
    for formula in formulas:
        code = getattr(formula, "py_func", formula).__code__
        path = Path(code.co_filename)
        sha.update(path.read_bytes() if path.is_file() else repr((code.co_code, code.co_consts)).encode())
    return sha.hexdigest()
