"""How CSV files write numbers: the decimal sign, the sign between thousands, and the sign between columns."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from nnsim.core.errors import UsageError

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
MISSING = frozenset({"", "na", "n/a", "#n/a", "<na>", "nan", "-nan", "null", "none", "?", "-", "."})
"""What stands for a missing number, in small letters."""

_SPACES = "[ \u00a0\u202f]"
_MONEY_AND_PERCENT = " \t\u00a0\u202f%$€£¥₹"


@dataclass(frozen=True)
class Dialect:
    """How a file is written.

    Attributes
    ----------
    delimiter : str, optional
        What stands between columns; by default the comma, semicolon or tab that the header shows.
    decimal : str
        What stands before a fraction.
    thousands : str
        What stands between groups of three digits; a space stands for no-break spaces, too.
    """

    delimiter: str | None = None
    decimal: str = "."
    thousands: str = ""

    def __post_init__(self) -> None:
        for name, sign in (("delimiter", self.delimiter or ","), ("decimal", self.decimal)):
            if len(sign) != 1 or sign.isalnum() or sign in '"\r\n':
                raise UsageError(f"--{name} must be one sign, got {sign!r}")
        if len(self.thousands) > 1 or self.thousands.isalnum() or self.thousands in {*'"-+\r\n', self.decimal}:
            raise UsageError(f"--thousands must be one sign, and not the decimal sign, got {self.thousands!r}")

    @property
    def is_pythons(self) -> bool:
        """True where numbers are written as Python reads them."""
        return self.decimal == "." and not self.thousands

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        group = _SPACES if self.thousands == " " else re.escape(self.thousands)
        grouped = rf"[0-9]{{1,3}}(?:{group}[0-9]{{3}})+|" if self.thousands else ""
        fraction = rf"(?:{re.escape(self.decimal)}[0-9]*)?"
        return re.compile(rf"\s*[+-]?(?=\S?[0-9])(?:{grouped}[0-9]*){fraction}(?:[eE][+-]?[0-9]+)?\s*")

    def plain(self, cell: str) -> str:
        """Return a number's text as Python writes it; raises ValueError where the cell is none of this dialect."""
        if self.is_pythons:
            if "_" in cell:  # 1_000 is a number to Python alone
                raise ValueError(cell)
            return cell
        if not self._pattern.fullmatch(cell):
            raise ValueError(cell)
        if self.thousands:
            cell = re.sub(_SPACES, "", cell) if self.thousands == " " else cell.replace(self.thousands, "")
        return cell.replace(self.decimal, ".")

    @property
    def reader(self) -> Callable[[str], float]:
        """A function from a cell to its number, which raises ValueError; for speed Python's own where it serves."""
        return float if self.is_pythons else lambda cell: float(self.plain(cell))

    def number(self, cell: str) -> float | None:
        """Return the finite number that `cell` writes, or None."""
        try:
            value = float(self.plain(cell))
        except ValueError:
            return None
        return value if math.isfinite(value) else None


_OTHERS = [Dialect(decimal=signs[0], thousands=signs[1:]) for signs in (".,", ",", ",.", ", ", ". ", ".'", ",'")]


def is_missing(cell: str) -> bool:
    """Tell whether a cell among numbers stands for a missing one."""
    return cell.strip().lower() in MISSING


def options_for(cell: str) -> str:
    """Return the options with which `cell` is a number: ``--thousands , or --decimal ,`` for ``1,100``; or nothing."""
    return " or ".join(
        dict.fromkeys(_options(dialect, cell) for dialect in _OTHERS if dialect.number(cell) is not None)
    )


def _options(dialect: Dialect, cell: str) -> str:
    decimal, thousands = dialect.decimal, dialect.thousands
    used = ["--decimal ,"] if decimal == "," and "," in cell else []
    if Dialect(decimal=decimal).number(cell) is None:
        used.append("--thousands " + (f'"{thousands}"' if thousands in " '" else thousands))
    return " ".join(used)


def looks_like_a_number(cell: str) -> bool:
    """Tell whether any dialect reads a number, be it of money, a percentage or infinite."""
    bare = cell.strip(_MONEY_AND_PERCENT)
    return _is_infinite(bare) or any(dialect.number(bare) is not None for dialect in (Dialect(), *_OTHERS))


def _is_infinite(cell: str) -> bool:
    try:
        return math.isinf(float(cell))
    except ValueError:
        return False
