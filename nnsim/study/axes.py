"""Axes that many studies have: what the data are, and how many rows a step takes."""

from __future__ import annotations

from nnsim.study.declaration import Axis, presets


def data_axes(data: str = "digits", samples: tuple[int, int, int] = (0, 0, 0)) -> tuple[Axis, ...]:
    """Return the axes ``data``, ``target`` and ``samples`` of a study on one data set.

    Parameters
    ----------
    data : str
        The data set of every preset.
    samples : tuple of int
        Rows to use in each preset; 0 is all.
    """
    return (
        Axis(
            *("data", str, "data set, or a CSV, NPZ or IDX file", presets(data, data, data)),
            scalar=True,
            names="datasets",
            file=True,
        ),
        Axis("target", str, "target column of a CSV file", presets("", "", ""), scalar=True, file=True),
        Axis("samples", int, "rows to use; 0 is all", presets(*samples), minimum=0, scalar=True),
    )


def batch_axis(rows: int) -> Axis:
    """Return the axis ``batch_size``, the same in every preset."""
    return Axis("batch_size", int, "rows a step", presets(rows, rows, rows), minimum=1, scalar=True)
