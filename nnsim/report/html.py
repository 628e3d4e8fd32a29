"""Documents as one self-contained HTML page: no script, nothing loaded from anywhere, everything escaped."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from functools import cache
from typing import NoReturn

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from nnsim.report.claims import VERDICT_SYMBOLS, verdict_word
from nnsim.report.document import Document, FigureBlock, TableBlock, cell_text, number_text

MATHML_TAGS = {
    "identifier": "mi",
    "number": "mn",
    "operator": "mo",
    "text": "mtext",
    "row": "mrow",
    "subscript": "msub",
}

FINDING_CLASSES = {
    "right": "holds",
    "right with a condition": "holds",
    "wrong": "fails",
    "undecided": "inconclusive",
    "not tested": "untested",
}
"""How a ledger's finding looks: as the verdict that it resembles."""


def to_html(document: Document, images: Mapping[str, bytes]) -> str:
    """Return `document` as an HTML page.

    Parameters
    ----------
    document : Document
    images : mapping of str to bytes
        The SVG or PNG of each figure that the document names.

    Returns
    -------
    str
        Self-contained HTML5: style inline, images as data, a Content-Security-Policy that forbids everything else.

    Raises
    ------
    KeyError
        If the document names a figure that `images` lacks.
    TypeError
        If the document holds a part that the template does not show.
    """
    sources = {block.name: _data_uri(images[block.name]) for block in document.blocks if isinstance(block, FigureBlock)}
    return _environment().get_template("report.html").render(document=document, images=sources)


def _data_uri(image: bytes) -> str:
    kind = "png" if image.startswith(b"\x89PNG") else "svg+xml"
    return f"data:image/{kind};base64,{base64.b64encode(image).decode('ascii')}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("nnsim.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "number": number_text,
        "kind": lambda block: type(block).__name__,
        "cells": _cells,
        "said_of": verdict_word,
    }
    environment.globals |= {"mathml_tags": MATHML_TAGS, "symbols": VERDICT_SYMBOLS, "finding_classes": FINDING_CLASSES}
    environment.globals["refuse"] = _refuse
    return environment


def _refuse(part: object) -> NoReturn:
    """Raise TypeError: what a template leaves out would be missed by nobody."""
    raise TypeError(f"no template shows a {type(part).__name__}")


def _cells(table: TableBlock) -> list[list[tuple[str, bool]]]:
    """Return the body of a table: rows of (text, whether the column holds numbers)."""
    frame = table.frame
    numeric = [pd.api.types.is_numeric_dtype(frame[name]) for name in frame.columns]
    specs = [table.formats.get(name, ".4g") for name in frame.columns]
    return [
        [(cell_text(value, spec), number) for value, spec, number in zip(values, specs, numeric, strict=True)]
        for values in frame.itertuples(index=False, name=None)
    ]
