"""The house style of figures and the pieces that studies share: panels, theory lines, measured points, claims plot.

Figures are built on `matplotlib.figure.Figure` with the Agg canvas, without pyplot: no global list of figures to
clean up, and 0.8 s less to import. A figure is the same bytes whenever it is encoded: no dates, no versions, a fixed
salt for the ids in SVG.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from nnsim.core.atomic_files import publish
from nnsim.core.errors import UnknownNameError
from nnsim.report.claims import VERDICT_SYMBOLS

COLUMN_WIDTH = 3.4
"""Width of a figure in one column of a two-column paper, in inches."""
PAGE_WIDTH = 7.0
"""Width of a figure over both columns, in inches."""

BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILLION, PURPLE = (
    "#000000",
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#F0E442",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
)
"""Okabe & Ito 2008: eight colours that readers with any colour vision tell apart."""
SERIES_COLORS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK)
SERIES_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
SERIES_LINES = ("-", (0, (5, 1)), (0, (1, 1)), (0, (4, 1, 1, 1)), (0, (3, 2)))
THEORY_COLOR = "#222222"

FORMATS = ("png", "svg", "pdf")
_METADATA: dict[str, dict[str, str | None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
_STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": "#444444",
    "axes.grid": True,
    "axes.labelsize": 8,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 8,
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "font.family": "DejaVu Sans",  # ships with matplotlib, so every machine draws the same glyphs
    "font.size": 8,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.5,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "legend.handlelength": 2.4,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.5,
    "pdf.fonttype": 42,  # Type 3 fonts get papers rejected
    "ps.fonttype": 42,
    "savefig.dpi": 220,
    "svg.hashsalt": "nnsim",
    "xtick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.labelsize": 7,
    "ytick.major.width": 0.6,
}

_VERDICT_COLORS = {"holds": GREEN, "fails": VERMILLION, "inconclusive": BLUE, "untested": "#777777"}
_VERDICT_MARKERS = {"holds": "o", "fails": "X", "inconclusive": "D", "untested": "|"}
_FOREST_LIMIT = 3.0


@dataclass(frozen=True)
class FigureSpec:
    """A figure with the words that belong to it.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Made under `style`.
    caption : str
        What is shown and what to see in it; stands below the figure.
    alt : str
        What the picture says, for readers who cannot see it.
    """

    figure: Figure
    caption: str
    alt: str


@contextmanager
def style() -> Iterator[None]:
    """Draw what is made inside in the house style, whatever the user's matplotlibrc says."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def literal(text: object) -> str:
    r"""Return `text` as a label that shows it as it is: no mathtext, no control characters.

    Examples
    --------
    >>> print(literal("cost in $"))
    cost in \$
    """
    printable = "".join(character if character.isprintable() else " " for character in str(text))
    return printable.replace("$", r"\$")


def series_style(index: int) -> dict[str, Any]:
    """Return colour, marker and line style of series number `index`.

    The first seven differ in colour and in marker, any two of the first 56 in at least one of them.
    """
    return {
        "color": SERIES_COLORS[index % len(SERIES_COLORS)],
        "marker": SERIES_MARKERS[index % len(SERIES_MARKERS)],
        "linestyle": SERIES_LINES[index % len(SERIES_LINES)],
    }


def panel_grid(
    rows: int = 1, columns: int = 1, width: float = PAGE_WIDTH, height: float | None = None, **options: Any
) -> tuple[Figure, np.ndarray]:
    """Return a figure with a grid of panels; call it under `style`.

    Parameters
    ----------
    rows, columns : int
        Shape of the grid.
    width, height : float
        Size in inches; without a height, panels are three quarters as high as wide.
    **options
        Passed to `Figure.subplots`, e.g. ``sharex=True``.

    Returns
    -------
    figure : Figure
    panels : ndarray of Axes, shape (rows, columns)
    """
    size = (width, height if height is not None else rows * width / columns * 0.75)
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def theory_line(axes: Axes, x: ArrayLike, y: ArrayLike, label: str | None = "theory") -> None:
    """Draw a prediction: dashed, dark, without markers, above what was measured.

    Parameters
    ----------
    axes : Axes
    x, y : array_like, shape (n,)
        Points of the line.
    label : str, optional
        Text of the legend, shown as it is; None leaves the line out of it.
    """
    name = None if label is None else literal(label)
    axes.plot(x, y, color=THEORY_COLOR, linestyle=(0, (4, 2)), linewidth=0.9, zorder=3, label=name)


def measured(
    axes: Axes,
    x: ArrayLike,
    y: ArrayLike,
    interval: tuple[ArrayLike, ArrayLike] | None = None,
    label: str | None = None,
    index: int = 0,
    line: bool = False,
) -> None:
    """Draw measured points with their intervals.

    Parameters
    ----------
    axes : Axes
    x, y : array_like, shape (n,)
        The points.
    interval : (low, high), each array_like of shape (n,), optional
        Ends of the interval around each point, in data units.
    label : str, optional
        Text of the legend, shown as it is.
    index : int
        Number of the series: sets colour, marker and line style.
    line : bool
        Whether the points are joined.
    """
    look = series_style(index)
    if not line:
        look["linestyle"] = "none"
    bars = None
    if interval is not None:
        middle = np.asarray(y, dtype=float)
        bars = np.clip([middle - np.asarray(interval[0]), np.asarray(interval[1]) - middle], 0.0, None)
    name = None if label is None else literal(label)
    axes.errorbar(x, y, yerr=bars, label=name, markerfacecolor="white", elinewidth=0.8, capsize=0, zorder=2, **look)


def forest(claims: pd.DataFrame) -> Figure:
    """Return the claims plot: every claim on the scale where its prediction is 0 and its margin reaches from -1 to 1.

    Parameters
    ----------
    claims : DataFrame
        As `nnsim.report.claims.claims_frame` makes it. Claims without a margin or an estimate have no such scale: they
        keep their row and verdict, without a point.

    Returns
    -------
    Figure
        A page wide, one row a claim, first claim on top. Points beyond +-3 sit on the edge as arrows.
    """
    with style():
        figure, panels = panel_grid(width=PAGE_WIDTH, height=0.75 + 0.19 * max(len(claims), 1))
        axes = panels[0, 0]
        _forest_frame(axes, claims)
        for row, claim in enumerate(claims.itertuples()):
            _forest_row(axes, row, claim)
    return figure


def _forest_frame(axes: Axes, claims: pd.DataFrame) -> None:
    axes.axvspan(-1.0, 1.0, color="#EDEDED", zorder=0)
    axes.axvline(0.0, color=THEORY_COLOR, linestyle=(0, (4, 2)), linewidth=0.9, zorder=1)
    axes.grid(visible=False)
    axes.set_xlim(-1.03 * _FOREST_LIMIT, 1.03 * _FOREST_LIMIT)
    axes.set_ylim(max(len(claims), 1) - 0.5, -0.5)
    axes.set_yticks(range(len(claims)), [literal(name) for name in claims["id"]])
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("(measured − predicted) / margin")


def _forest_row(axes: Axes, row: int, claim: Any) -> None:
    verdict = f"{VERDICT_SYMBOLS[claim.verdict]} {claim.verdict}"
    axes.text(1.02, row, verdict, transform=axes.get_yaxis_transform(), verticalalignment="center", fontsize=7)
    scaled = (np.array([claim.low, claim.estimate, claim.high]) - claim.prediction) / (claim.margin or np.nan)
    if not np.isfinite(scaled[1]):
        reason = "not measured" if claim.verdict == "untested" else "no margin"
        axes.text(0.03, row, reason, color="#666666", fontsize=6, verticalalignment="center")
        return
    color = _VERDICT_COLORS[claim.verdict]
    low, middle, high = np.clip(scaled, -_FOREST_LIMIT, _FOREST_LIMIT)
    axes.plot([low, high], [row, row], color=color, linewidth=1.2, zorder=2)
    beyond = abs(scaled[1]) > _FOREST_LIMIT
    marker = ("<" if scaled[1] < 0 else ">") if beyond else _VERDICT_MARKERS[claim.verdict]
    axes.plot(middle, row, marker=marker, color=color, markersize=4.5, zorder=3)


def encode(figure: Figure, file_format: str) -> bytes:
    """Return `figure` as the bytes of a file; the same bytes on every call.

    Raises
    ------
    UnknownNameError
        If `file_format` is not one of `FORMATS`.
    """
    if file_format not in FORMATS:
        raise UnknownNameError("figure format", file_format, FORMATS)
    buffer = io.BytesIO()
    with style(), warnings.catch_warnings():
        # A name in a script that the font lacks is drawn as boxes; that is no reason to lose the figure.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        _lay_out(figure)
        figure.savefig(buffer, format=file_format, metadata=_METADATA[file_format])
    return buffer.getvalue()


_PLACE_DIGITS = 9
"""Decimal places of a panel's place, in widths of the figure."""


def _lay_out(figure: Figure) -> None:
    """Place the panels, once for all formats; `Figure.savefig` would draw everything for it, without showing it."""
    engine = figure.get_layout_engine()
    if engine is not None:
        figure.dpi = matplotlib.rcParams["savefig.dpi"]
        engine.execute(figure)
        figure.set_layout_engine(None)  # "none" is still an engine, for which savefig draws twice
        for axes in figure.axes:  # the last bits of the solver's places depend on the CPU, and name clips in an SVG
            axes.set_position(np.round(axes.get_position(original=True).bounds, _PLACE_DIGITS), which="original")


def save(figure: Figure, path: str | os.PathLike[str], formats: Sequence[str] = ("png",)) -> list[Path]:
    """Write `figure` as ``<path>.<format>`` for each format; each file appears whole or not at all.

    Parameters
    ----------
    figure : Figure
    path : path
        Path without suffix; its folder exists.
    formats : sequence of str
        Any of `FORMATS`.

    Returns
    -------
    list of Path
        The files, in the order of `formats`.

    Raises
    ------
    UnknownNameError
        If a format is not one of `FORMATS`.
    StoreError
        If a file cannot be written; what was there before is untouched.
    """
    base = Path(path)
    files = [base.with_name(f"{base.name}.{name}") for name in formats]
    for file, name in zip(files, formats, strict=True):
        publish(file, [encode(figure, name)])
    return files
