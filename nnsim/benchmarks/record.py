"""A row of the result, and its CSV."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields, replace

from nnsim.experiment.csv_rows import text_line


@dataclass(frozen=True)
class Measurement:
    """One contender on one workload; where its losses are not nnsim's it is not timed, and its times are NaN.

    Attributes
    ----------
    workload, contender, device : str
        ``device`` is "cpu" or "cuda".
    networks, cores, steps, rounds : int
        Networks that were trained at once, CPUs of the process, steps of each network, times that it was done.
    microseconds, spread : float
        Median over the rounds, and the distance between their quartiles, for one step of one network.
    ratio : float
        To nnsim's median on the same device, or on the CPU where nnsim does not train the workload on the device.
    brief_difference, whole_difference : float
        Largest relative difference from nnsim's losses in a brief training in double precision, and in the whole one.
    agrees : bool
        Whether these are small enough, see `nnsim.benchmarks.agreement`.
    multiply_adds, bytes : int
        That a step of a network needs.
    floor, floor_share : float
        Microseconds in which the device could do that at best, and the part of the median that they are.
    device_name, machine, version, nnsim, python, date : str
        ``version`` is the contender's.
    """

    workload: str
    contender: str
    device: str
    networks: int
    cores: int
    steps: int
    rounds: int
    microseconds: float
    spread: float
    ratio: float
    brief_difference: float
    whole_difference: float
    agrees: bool
    multiply_adds: int
    bytes: int
    floor: float
    floor_share: float
    device_name: str
    machine: str
    version: str
    nnsim: str
    python: str
    date: str


COLUMNS = tuple(field.name for field in fields(Measurement))


def with_ratios(rows: Sequence[Measurement]) -> list[Measurement]:
    """Return the rows of a workload with their ratios to the contender of the first row, which is nnsim."""
    ours = {row.device: row.microseconds for row in rows if row.contender == rows[0].contender}
    return [replace(row, ratio=row.microseconds / ours.get(row.device, rows[0].microseconds)) for row in rows]


def csv_lines(rows: Iterable[Measurement]) -> list[bytes]:
    """Return a header and a line a row; what is not a number is an empty cell."""
    return [text_line(COLUMNS), *(text_line(map(_cell, astuple(row))) for row in rows)]


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if isinstance(value, float) and math.isnan(value) else str(value)
