"""A small model of documents: what a report says, without how any format says it.

A document is a title and a sequence of blocks. All text is plain: a format escapes it. Inside a paragraph there is
`Text`, `Code`, `Emphasis` and `Link`, nothing else. A formula is a tree of presentation mathematics.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Text:
    """Plain text."""

    text: str


@dataclass(frozen=True)
class Code:
    """Text to be typed or found in a file as it stands."""

    text: str


@dataclass(frozen=True)
class Emphasis:
    """Stressed text."""

    text: str


@dataclass(frozen=True)
class Link:
    """Text that leads to another file beside the document, named by a relative path with ``/``."""

    text: str
    target: str


Inline = Text | Code | Emphasis | Link
Spans = tuple[Inline, ...]

_MARKUP = re.compile(r"`(?P<code>[^`]+)`|\*(?P<emphasis>[^*]+)\*")


def spans(markup: str) -> Spans:
    """Return the inline elements of our own prose: `code` between backticks, *emphasis* between asterisks.

    Text that somebody else wrote is not markup: wrap it in `Text` or `Code` instead.

    Examples
    --------
    >>> spans("see `x.csv`")
    (Text(text='see '), Code(text='x.csv'))
    """
    found: list[Inline] = []
    end = 0
    for match in _MARKUP.finditer(markup):
        found.append(Text(markup[end : match.start()]))
        found.append(Code(match["code"]) if match["code"] else Emphasis(match["emphasis"]))
        end = match.end()
    found.append(Text(markup[end:]))
    return tuple(element for element in found if element.text)


@dataclass(frozen=True)
class Math:
    """A node of presentation mathematics.

    Parameters
    ----------
    kind : str
        ``identifier``, ``number``, ``operator`` or ``text`` (leaves, with `text`); ``row`` or ``subscript`` (base,
        index) (inner nodes, with `children`).
    text : str
    children : tuple of Math
    """

    kind: str
    text: str = ""
    children: tuple[Math, ...] = ()


def row(*parts: Math | str) -> Math:
    """Return `parts` side by side; a string is a number, an identifier (one letter), text (a word) or an operator."""
    return Math("row", children=tuple(_leaf(part) for part in parts))


def subscript(base: Math | str, index: Math | str) -> Math:
    """Return `base` with an index below."""
    return Math("subscript", children=(_leaf(base), _leaf(index)))


def _leaf(part: Math | str) -> Math:
    if isinstance(part, Math):
        return part
    if part.replace(".", "", 1).isdigit():
        return Math("number", part)
    if part.isalpha():
        return Math("identifier" if len(part) == 1 else "text", part)
    return Math("operator", part)


@dataclass(frozen=True)
class Heading:
    """Begins a section (level 1) or a part of one (level 2)."""

    text: str
    level: int = 1


@dataclass(frozen=True)
class Paragraph:
    """Running text."""

    spans: Spans


@dataclass(frozen=True)
class Bullets:
    """An unordered list, one entry an item."""

    items: tuple[Spans, ...]


@dataclass(frozen=True)
class Listing:
    """Lines of code or of a shell session, kept as they are."""

    text: str


@dataclass(frozen=True)
class Formula:
    """A displayed formula, with the same in words for who cannot see it."""

    tree: Math
    words: str


@dataclass(frozen=True)
class TableBlock:
    """A table.

    Parameters
    ----------
    frame : DataFrame
        Shown without its index.
    caption : str
    formats : mapping of str to str
        Format of the numbers in a column, e.g. ``{"n": "d"}``; the others are shown with ``.4g``.
    """

    frame: pd.DataFrame
    caption: str
    formats: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FigureBlock:
    """A figure by its name; the files that belong to it are the format's concern."""

    name: str
    caption: str
    alt: str


@dataclass(frozen=True)
class VerdictCounts:
    """How many claims got which verdict, at a glance; `counts` as `nnsim.report.claims.verdict_counts` returns it."""

    label: str
    counts: Mapping[str, int]


@dataclass(frozen=True)
class ClaimTable:
    """Claims with prediction, measurement and verdict; `frame` as `nnsim.report.claims.claims_frame` makes it."""

    frame: pd.DataFrame
    caption: str


@dataclass(frozen=True)
class LedgerTable:
    """Sentences of a teaching text with what was found; `frame` as `nnsim.report.text_review.ledger_frame` makes it."""

    frame: pd.DataFrame
    caption: str


@dataclass(frozen=True)
class KeyValues:
    """Names with their values, in order."""

    pairs: tuple[tuple[str, str], ...]


Block = (
    Heading
    | Paragraph
    | Bullets
    | Listing
    | Formula
    | TableBlock
    | FigureBlock
    | VerdictCounts
    | ClaimTable
    | LedgerTable
    | KeyValues
)


@dataclass(frozen=True)
class Document:
    """A report: its title, one line below it, and its blocks."""

    title: str
    subtitle: str
    blocks: tuple[Block, ...]


_SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def number_text(value: float, spec: str = ".4g") -> str:
    """Return a number as a reader wants to see it: a true minus, powers of ten, a dash for "not a number".

    Examples
    --------
    >>> number_text(-1.5e-7), number_text(float("inf")), number_text(20)
    ('−1.5 × 10⁻⁷', '∞', '20')
    """
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    mantissa, _, exponent = format(value, spec).partition("e")
    text = mantissa.replace("-", "−")
    return f"{text} × 10{str(int(exponent)).translate(_SUPERSCRIPT)}" if exponent else text


def cell_text(value: object, spec: str = ".4g") -> str:
    """Return one cell of a table as text: numbers by `number_text`, integers in full, what is missing as a dash."""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, Integral):
        return number_text(int(value), "d")
    if isinstance(value, Real):
        return number_text(float(value), spec)
    return "–" if value is None or value is pd.NA else str(value)
