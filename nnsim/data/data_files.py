"""The user's data files as bytes: on disk or from standard input, plain or gzipped; and how sentences quote them."""

from __future__ import annotations

import gzip
import hashlib
import io
import sys
import unicodedata
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from nnsim.core.errors import DataError, UsageError

STANDARD_INPUT = "-"
FORMATS = {".csv": "csv", ".tsv": "csv", ".npz": "npz"}
_QUOTED_CHARACTERS = 40
_GZIP_MAGIC = b"\x1f\x8b"
_NO_TEXT = {"Cc", "Cs", "Zl", "Zp"}  # control codes, surrogates, ends of lines and paragraphs


@dataclass(frozen=True)
class DataFile:
    """A file on disk or, with its content, what came through standard input, which can be read only once.

    Attributes
    ----------
    path : Path
    content : bytes, optional
        Of standard input, which is CSV.
    """

    path: Path
    content: bytes | None = None

    def __str__(self) -> str:
        return str(self.path) if self.content is None else "standard input"

    @property
    def suffix(self) -> str:
        """The ending of the name, without that of a compressed file."""
        return Path(self.path.name.lower().removesuffix(".gz")).suffix

    @property
    def format(self) -> str:
        """Format of the content, ``"csv"``, ``"npz"`` or ``"idx"``; raises DataError where the name tells none."""
        if self.content is not None:
            return "csv"
        if self.suffix in FORMATS:
            return FORMATS[self.suffix]
        if "idx" in self.path.name.lower():
            return "idx"
        raise DataError(
            f"the format of '{self}' is unknown: its name must end in .csv, .tsv or .npz, or contain idx (as MNIST's)"
        )

    def sha256(self) -> str:
        """Return the SHA-256 of the file as it is."""
        content = self.path.read_bytes() if self.content is None else self.content
        return hashlib.sha256(content).hexdigest()

    def check(self) -> None:
        """Raise DataError where there is nothing to read."""
        if self.content is None:
            _check_on_disk(self.path)
        elif not self.content:
            raise DataError(f"'{self}' is empty")

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """Open for reading, decompressed where the content is gzipped; what is damaged in that is a DataError."""
        with self.path.open("rb") if self.content is None else io.BytesIO(self.content) as raw:
            compressed = raw.read(2) == _GZIP_MAGIC
            raw.seek(0)
            if not compressed:
                yield raw
                return
            try:
                with gzip.GzipFile(fileobj=raw) as stream:
                    yield stream  # type: ignore[misc]
            except (gzip.BadGzipFile, EOFError, zlib.error) as error:
                raise DataError(f"'{self}' is a damaged gzip file: {error}") from None


def data_file(name: str | Path) -> DataFile:
    """Return the file of that name; ``-`` is standard input, which is read to its end.

    Raises
    ------
    UsageError
        Nothing is piped in.
    """
    if str(name) != STANDARD_INPUT:
        return DataFile(Path(name))
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("'-' stands for standard input, and nothing is piped in: as in zcat my.csv.gz | nnsim train")
    return DataFile(Path(STANDARD_INPUT), sys.stdin.buffer.read())


def _check_on_disk(path: Path) -> None:
    if path.is_dir():
        raise DataError(f"'{path}' is a folder: give a CSV, NPZ or IDX file inside it")
    if not path.exists():
        raise DataError(f"there is no file '{path}'")
    if not path.is_file():
        raise DataError(f"'{path}' is not a regular file: pipe CSV in, with - in place of its name")
    if path.stat().st_size == 0:
        raise DataError(f"'{path}' is empty")


def is_plain_text(text: str) -> bool:
    """Tell whether `text` is one line without control codes; joiners, marks and spaces of any script are text."""
    return text.isprintable() or not any(unicodedata.category(character) in _NO_TEXT for character in text)


def quoted(text: str) -> str:
    """Return `text` as a sentence shows it: in quotes, with escapes, and not much of it."""
    return repr(text if len(text) <= _QUOTED_CHARACTERS else text[:_QUOTED_CHARACTERS] + "...")
