"""Which names stand for more than one code in a cache of compiled kernels: ``python tests/cache_scan.py FOLDER``.

Two kernels that a process loads may both define a function under one name, of which the linker keeps the first: that is
right only if both are the same code, which is a function's bytes and what its relocations name. Kept code is an ELF
object within a pickle; it is read as bytes, nothing of it is run.
"""

from __future__ import annotations

import struct
import sys
from collections import defaultdict
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

LOCAL, FUNCTION, UNDEFINED = 0, 2, 0
SYMBOLS, RELOCATIONS = 2, 4  # types of sections


class Section(NamedTuple):
    name: int
    type: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int
    entry_size: int


class Symbol(NamedTuple):
    name: int
    info: int
    other: int
    section: int
    value: int
    size: int

    @property
    def is_shared_function(self) -> bool:
        """Whether a linker may take it for a function of another object."""
        return self.info & 15 == FUNCTION and self.info >> 4 != LOCAL and self.section != UNDEFINED


class Relocation(NamedTuple):
    place: int
    info: int
    addend: int


class Elf:
    """A 64-bit object with its symbols and relocations."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        (start,) = struct.unpack_from("<Q", data, 0x28)
        size, count = struct.unpack_from("<HH", data, 0x3A)
        self.sections = [Section(*struct.unpack_from("<IIQQQQIIQQ", data, start + size * i)) for i in range(count)]
        (table,) = (section for section in self.sections if section.type == SYMBOLS)
        self.strings = self.sections[table.link].offset
        self.symbols = [Symbol(*fields) for fields in self._entries(table, "<IBBHQQ")]
        self.relocations = {
            section.info: [Relocation(*fields) for fields in self._entries(section, "<QQq")]
            for section in self.sections
            if section.type == RELOCATIONS
        }

    def _entries(self, section: Section, layout: str) -> Iterator[tuple[int, ...]]:
        return struct.iter_unpack(layout, self.data[section.offset : section.offset + section.size])

    def name(self, symbol: Symbol) -> str:
        start = self.strings + symbol.name
        return self.data[start : self.data.index(b"\0", start)].decode()

    def code(self, symbol: Symbol) -> str:
        """Return the digest of a function's bytes and of all that they refer to."""
        start = self.sections[symbol.section].offset + symbol.value
        inside = range(symbol.value, symbol.value + symbol.size)
        refers = sorted(
            (found.place - symbol.value, found.info & 0xFFFFFFFF, self.target(found), found.addend)
            for found in self.relocations.get(symbol.section, [])
            if found.place in inside
        )
        return sha256(self.data[start : start + symbol.size] + repr(refers).encode()).hexdigest()

    def target(self, relocation: Relocation) -> str:
        """Return what a relocation refers to: a name, or the bytes of a nameless section, such as constants."""
        symbol = self.symbols[relocation.info >> 32]
        if symbol.name or symbol.section >= len(self.sections):
            return self.name(symbol)
        section = self.sections[symbol.section]
        return sha256(self.data[section.offset : section.offset + section.size]).hexdigest()


def shared_functions(elf: bytes) -> Iterator[tuple[str, str]]:
    """Yield name and digest of each function of an object that others may be linked with."""
    found = Elf(elf)
    return ((found.name(symbol), found.code(symbol)) for symbol in found.symbols if symbol.is_shared_function)


def objects(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield the file and the bytes of each object that is kept below a folder."""
    for path in sorted(folder.rglob("*.nbc")):
        data = path.read_bytes()
        start = data.find(b"\x7fELF")
        if start >= 0:  # a CUDA kernel's file holds other code
            yield path, data[start:]


def scan(folder: Path) -> tuple[int, dict[str, set[str]]]:
    """Return how many objects there are, and the digests of the codes behind each name, by state and name.

    A state is the folder ``nnsim-...`` that a process reads; code of different states never meets.
    """
    count, codes = 0, defaultdict(set)
    for path, elf in objects(folder):
        count += 1
        state = next((part for part in reversed(path.parts) if part.startswith("nnsim-")), "")
        for name, code in shared_functions(elf):
            codes[f"{state} {name}"].add(code)
    return count, codes


def ambiguous(codes: dict[str, set[str]]) -> list[str]:
    """Return the names with more than one code."""
    return sorted(name for name, found in codes.items() if len(found) > 1)


def main(folder: Path) -> int:
    count, codes = scan(folder)
    found = ambiguous(codes)
    print(
        f"{count} objects, {len(codes)} names of functions, {len(found)} with more than one code",
        *(name[:160] for name in found),
        sep="\n",
    )
    return 1 if found or not count else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
