"""Text in CSV files that people open in a spreadsheet: what it would run as a formula is shielded, and read back."""

from __future__ import annotations

import re

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def shielded(text: str) -> str:
    """Return `text` with an apostrophe in front where a spreadsheet would take it for a formula.

    A number such as -1 is none. Text that begins with apostrophes and goes on as a formula gets one more, so that
    `unshielded` always finds the text as it was.
    """
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def unshielded(cell: str) -> str:
    """Return the text that `shielded` has written as `cell`."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
