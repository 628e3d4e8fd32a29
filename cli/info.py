"""``nnsim info``: what this machine and this installation are."""

from __future__ import annotations

import json
from typing import Any

import click

CUDA_PARTS = {"driver": "driver for", "toolkit": "libraries", "numba_cuda": "numba-cuda"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def info(as_json: bool) -> None:
    """Show versions, CPU, compile cache, GPU and what is missing."""
    from nnsim.experiment.results.environment import describe

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
        *_gpu(gpu),
        *((f"extra {name}", _extra(extra)) for name, extra in facts["extras"].items()),
    ]


def _cache(place: dict[str, Any]) -> str:
    return f"{place['folder']} ({place['bytes'] / 1e6:.1f} MB)" if place["folder"] else f"none: {place['reason']}"


def _gpu(gpu: dict[str, Any]) -> list[tuple[str, str]]:
    versions = ", ".join(f"{name} {gpu[key]}" for key, name in CUDA_PARTS.items() if gpu[key])
    return [
        *(("GPU", _device(device)) for device in gpu["devices"]),
        ("CUDA", versions or "not installed"),
        ("backend cuda", f"cannot be used: {gpu['missing']}" if gpu["missing"] else "can be used"),
    ]


def _device(device: dict[str, Any]) -> str:
    if device["compute_capability"] is None:
        return device["name"]
    return f"{device['name']} (compute capability {device['compute_capability']}, {device['memory'] / 2**30:.1f} GiB)"


def _extra(extra: dict[str, Any]) -> str:
    missing = ", ".join(extra["missing"])
    return f"{missing} missing: {extra['install']}" if missing else "installed"
