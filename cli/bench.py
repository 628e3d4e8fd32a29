"""``nnsim bench``: how fast nnsim trains here, beside its peers and the machine's own limits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .network_options import quiet_option
from .paths import OutputPath

if TYPE_CHECKING:
    from nnsim.benchmarks.record import Measurement
    from nnsim.benchmarks.workloads import Workload

LOSSES_DIFFER = 4
HEADER = (
    "workload", "contender", "on", "networks", "µs", "IQR", "to nnsim", "floor", "share", "madds", "bytes"
)  # fmt: skip


@click.command()
@click.argument("names", nargs=-1, metavar="[WORKLOAD]...")
@click.option("--networks", type=click.IntRange(2), metavar="N", help="Networks of each population.  [default: 64]")
@click.option(
    "--backend",
    type=click.Choice(["cpu", "cuda", "auto"]),
    default="auto",
    show_default=True,
    help="Where; auto is the CPU and, where there is one, the GPU, too.",
)
@click.option("--peers/--no-peers", default=True, show_default=True, help="Time PyTorch and JAX, too, if installed.")
@click.option("--rounds", type=click.IntRange(1), default=7, show_default=True, help="How often each is timed.")
@click.option("-o", "--output", type=OutputPath(), metavar="FILE.csv", help="Write the result here, too.")
@click.option("--list", "listed", is_flag=True, help="Show the workloads and stop.")
@quiet_option
def bench(
    names: tuple[str, ...],
    networks: int | None,
    backend: str,
    peers: bool,
    rounds: int,
    output: Path | None,
    listed: bool,
    quiet: bool,
) -> int:
    """Time whole trainings of nnsim, PyTorch and JAX side by side, after a check that all come to the same losses.

    Without a name all workloads are timed, which takes minutes. Exits with 4 if losses differ.

    nnsim bench W6 --networks 4096 --backend cuda
    """
    from nnsim.benchmarks.workloads import choose

    workloads = choose(names, networks)
    if listed:
        _print_workloads(workloads)
        return 0
    from nnsim.benchmarks.measure import bench as measure
    from nnsim.benchmarks.record import csv_lines
    from nnsim.core.atomic_files import publish
    from nnsim.core.output_folders import check_file

    if output is not None:
        check_file(output)
    rows = measure(workloads, backend, peers, rounds, _silent if quiet else _tell_once())
    _print(rows)
    if output is not None:
        publish(output, csv_lines(rows))
        click.echo(output)
    return _verdict(rows)


def _silent(line: str) -> None:
    pass


def _tell_once() -> Callable[[str], None]:
    """Return what writes each line on standard error, but none twice: a peer is left out of every workload alike."""
    told: set[str] = set()

    def tell(line: str) -> None:
        if line not in told:
            told.add(line)
            click.echo(line, err=True)

    return tell


def _print_workloads(workloads: list[Workload]) -> None:
    from .tables import print_table

    print_table(
        ("workload", "networks", "steps", "what is trained"),
        [(it.name, str(it.networks), str(it.steps), it.about) for it in workloads],
    )


def _print(rows: list[Measurement]) -> None:
    from .tables import print_table

    print_table(HEADER, map(_cells, rows))
    click.echo(
        "µs: median time of one step of one network; floor: the least that the device could take for its madds "
        "(multiply-adds) and bytes"
    )
    for device, cores, name in dict.fromkeys((row.device, row.cores, row.device_name) for row in rows):
        click.echo(f"{device}: {name}" + (f", cores used: {cores}" if device == "cpu" else ""))


def _cells(row: Measurement) -> tuple[str, ...]:
    times = (row.microseconds, row.spread, row.ratio, row.floor)
    shown = [f"{number:.3g}" for number in times] if row.agrees else ["losses differ", "", "", f"{row.floor:.3g}"]
    share = f"{row.floor_share:.1%}" if row.agrees else ""
    needs = (str(row.multiply_adds), str(row.bytes))
    return (row.workload, row.contender, row.device, str(row.networks), *shown, share, *needs)


def _verdict(rows: list[Measurement]) -> int:
    differing = [row for row in rows if not row.agrees]
    for row in differing:
        click.echo(
            f"nnsim: error: the losses of {row.contender} on {row.device} differ from nnsim's on {row.workload} "
            f"by {row.brief_difference:.2g} at first, later by {row.whole_difference:.2g}: it was not timed",
            err=True,
        )
    return LOSSES_DIFFER if differing else 0
