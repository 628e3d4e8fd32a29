from __future__ import annotations

import errno
import os
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest

from nnsim.core.errors import StoreError, UnknownNameError
from nnsim.report import figures
from nnsim.report.claims import Claim, claims_frame

SIGNATURES = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}


def drawn(label: str = "he-normal") -> figures.Figure:
    with figures.style():
        figure, panels = figures.panel_grid(1, 2, width=figures.COLUMN_WIDTH)
        x = np.arange(1, 6)
        figures.measured(panels[0, 0], x, 0.5**x, (0.4**x, 0.6**x), label)
        figures.theory_line(panels[0, 0], x, 0.5**x)
        panels[0, 0].set_yscale("log")
        panels[0, 0].legend()
    return figure


def a_claim(name: str, **values: float | str) -> Claim:
    return Claim(name, "claim", "a statement", "a paper", "an arm", **values)  # type: ignore[arg-type]


@pytest.mark.parametrize("file_format", figures.FORMATS)
def test_each_format_is_written_as_such(tmp_path, file_format):
    (file,) = figures.save(drawn(), tmp_path / "signal", [file_format])
    assert file.name == f"signal.{file_format}"
    assert file.read_bytes().startswith(SIGNATURES[file_format])


@pytest.mark.parametrize("file_format", figures.FORMATS)
def test_the_same_drawing_gives_the_same_bytes(file_format):
    assert figures.encode(drawn(), file_format) == figures.encode(drawn(), file_format)


def test_places_of_panels_hold_no_last_bits_of_the_solver():
    with figures.style():
        figure, _ = figures.panel_grid(3, 2)
    figures.encode(figure, "svg")
    for axes in figure.axes:
        bounds = axes.get_position().bounds
        assert bounds == tuple(np.round(bounds, 9))


@pytest.mark.parametrize("file_format", figures.FORMATS)
def test_no_date_and_no_version_in_a_file(file_format):
    data = figures.encode(drawn(), file_format)
    traces = (b"CreationDate", b"dc:date", b"tIME", b"Matplotlib v", b"Matplotlib pdf")
    assert [trace for trace in traces if trace in data] == []


def test_pdf_fonts_are_not_type_3():
    data = figures.encode(drawn(), "pdf")
    assert b"/Type3" not in data
    assert b"/TrueType" in data or b"/CIDFontType2" in data


def test_unknown_format_offers_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'pdf'"):
        figures.encode(drawn(), "pdff")


def test_full_disk_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    old = tmp_path / "signal.png"
    old.write_bytes(b"old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="full"):
        figures.save(drawn(), tmp_path / "signal", ["png"])
    assert [file.name for file in tmp_path.iterdir()] == ["signal.png"]
    assert old.read_bytes() == b"old"


def test_style_leaves_no_trace():
    before = dict(matplotlib.rcParams)
    drawn()
    assert dict(matplotlib.rcParams) == before


def test_style_does_not_depend_on_the_users_settings():
    expected = figures.encode(drawn(), "svg")
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "red", "text.usetex": True}):
        assert figures.encode(drawn(), "svg") == expected


@pytest.mark.parametrize(
    "label",
    [
        "$x^2$",
        "$",
        r"\$",
        r"$\undefined{$",
        "a_b^c",
        "<script>alert(1)</script>",
        "--><script>",
        "line\nbreak\x00\x1b",
        "数据",
    ],
)
def test_any_text_is_a_label_and_the_svg_stays_well_formed(label):
    svg = figures.encode(drawn(label), "svg")
    tags = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(svg).iter()}
    assert "script" not in tags


def test_literal_shows_dollars_instead_of_mathematics():
    with figures.style():
        figure, panels = figures.panel_grid()
        text = panels[0, 0].text(0.5, 0.5, figures.literal("$x^2$"))
        plain = panels[0, 0].text(0.5, 0.5, "$x^2$", parse_math=False)
        assert text.get_window_extent(figure.canvas.get_renderer()).width == pytest.approx(
            plain.get_window_extent(figure.canvas.get_renderer()).width
        )


def test_first_seven_series_differ_in_colour_and_in_marker():
    looks = [figures.series_style(index) for index in range(7)]
    assert len({look["color"] for look in looks}) == 7
    assert len({look["marker"] for look in looks}) == 7


def test_first_56_series_differ():
    assert len({(look["color"], look["marker"]) for look in map(figures.series_style, range(56))}) == 56


def test_measured_draws_the_interval_it_is_given():
    with figures.style():
        _, panels = figures.panel_grid()
        figures.measured(panels[0, 0], [1.0], [5.0], ([3.0], [9.0]))
    (bar,) = panels[0, 0].collections
    np.testing.assert_allclose(bar.get_segments(), [[[1.0, 3.0], [1.0, 9.0]]])


def test_panel_grid_keeps_its_shape():
    with figures.style():
        figure, panels = figures.panel_grid(1, 3)
    assert panels.shape == (1, 3)
    assert tuple(figure.get_size_inches()) == pytest.approx((7.0, 1.75))


def test_forest_puts_a_claim_at_its_distance_in_margins():
    frame = claims_frame([a_claim("A1", prediction=2.0, margin=0.5, estimate=2.25, low=2.0, high=2.5, verdict="holds")])
    axes = figures.forest(frame).axes[0]
    interval, point = axes.lines[-2:]
    np.testing.assert_allclose(interval.get_xdata(), [0.0, 1.0])
    np.testing.assert_allclose(point.get_xdata(), [0.5])


def test_forest_shows_a_far_claim_as_an_arrow_on_the_edge():
    frame = claims_frame([a_claim("A1", prediction=0.0, margin=1.0, estimate=-50.0, low=-60.0, high=-40.0)])
    point = figures.forest(frame).axes[0].lines[-1]
    assert point.get_marker() == "<"
    np.testing.assert_allclose(point.get_xdata(), [-3.0])


@pytest.mark.parametrize(
    "claim",
    [
        a_claim("no margin", prediction=0.0, estimate=0.0, low=0.0, high=0.0, verdict="holds"),
        a_claim("zero margin", prediction=0.0, margin=0.0, estimate=0.0, low=0.0, high=0.0, verdict="holds"),
        a_claim("untested", prediction=0.0, margin=1.0),
        a_claim("endless", prediction=0.0, margin=1.0, estimate=0.5, low=-np.inf, high=np.inf, verdict="inconclusive"),
        a_claim("no interval", prediction=0.0, margin=1.0, estimate=0.5, verdict="inconclusive"),
    ],
    ids=lambda claim: claim.id,
)
def test_forest_says_every_verdict_in_words(claim):
    axes = figures.forest(claims_frame([claim])).axes[0]
    assert any(claim.verdict in text.get_text() for text in axes.texts)


def test_forest_is_drawn_without_claims():
    assert figures.encode(figures.forest(claims_frame([])), "png").startswith(SIGNATURES["png"])
