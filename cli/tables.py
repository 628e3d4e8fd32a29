"""Tables on standard output, as wide as the terminal or a page."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

PAGE_WIDTH = 120


def console(page: int = PAGE_WIDTH) -> Console:
    """Return where results are printed, without markup: as wide as the terminal, or `page` where there is none."""
    width = None if sys.stdout.isatty() else page
    return Console(file=sys.stdout, width=width, highlight=False, markup=False)


def print_table(header: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> None:
    """Print rows under a header."""
    table = Table(*header, box=SIMPLE_HEAD)
    table.columns[0].no_wrap = len(header) > 1  # a name that is cut short cannot be looked up
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
    console().print(table)
