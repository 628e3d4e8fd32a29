"""``nnsim info``: what this machine and this installation are."""

from __future__ import annotations

import json
from typing import Any

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def info(as_json: bool) -> None:
    """Show versions, CPU, compile cache, GPU and what is missing."""
    from nnsim.experiment.machine import describe

    from .present import print_pairs

    facts = describe()
    if as_json:
        click.echo(json.dumps(facts))
    else:
        print_pairs(_rows(facts))


def _rows(facts: dict[str, Any]) -> list[tuple[str, str]]:
    cpu, gpu = facts["cpu"], facts["gpu"]
    width = f"vectors of {cpu['vector_bits']} bits" if cpu["vector_bits"] else "no vectors known"
    return [
        *((name, number or "not installed") for name, number in facts["versions"].items()),
        ("platform", facts["platform"]),
        ("CPU", f"{cpu['model']} ({cpu['compiled_for']}, {width}, {cpu['usable']} usable)"),
        ("compile cache", _cache(facts["compile_cache"])),
        ("GPU", ", ".join(gpu["devices"]) or f"none: {gpu['reason']}"),
        *((f"extra {name}", _extra(extra)) for name, extra in facts["extras"].items()),
    ]


def _cache(place: dict[str, Any]) -> str:
    return f"{place['folder']} ({place['bytes'] / 1e6:.1f} MB)" if place["folder"] else f"none: {place['reason']}"


def _extra(extra: dict[str, Any]) -> str:
    missing = ", ".join(extra["missing"])
    return f"{missing} missing: {extra['install']}" if missing else "installed"
