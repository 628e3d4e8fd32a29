"""One million tiny trials, run and merged: time and memory for several sizes, each size in processes of its own.

    python tests/extended/million_trials.py --trials 10000,100000,1000000

A trial draws the weights of one neuron as `he_normal` does and returns their mean square. Prints a line of JSON for
each size: trials, seconds and peak resident memory of the run and of the merge.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from nnsim.core.seeding import key
from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec
from nnsim.study.declaration import PRESETS, Axis, Column, Study, Table

SPEC = NetworkSpec((16, 1), "relu", None, "mse", "float64")
X = np.ones((1, 16))


def trials(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return ({"kind": "probe", "repeat": repeat} for repeat in range(config["repeats"]))


def measure(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    theta = initialize(SPEC, "he_normal", key(trial["root_seed"], "init", trial["repeat"]), X)
    row = {"kind": "probe", "repeat": trial["repeat"], "mean_square": float(np.square(theta[:16]).mean())}
    return {"trials": [row | {"status": "done", "reason": ""}]}


def summary(tables: dict[str, Any]) -> Any:
    return tables["trials"].groupby("kind", as_index=False)["mean_square"].mean()


study = Study(
    name="million",
    title="Many tiny trials",
    question="Are time and memory linear in the number of trials?",
    expect="Time is, and memory hardly grows.",
    falsify="A quadratic step.",
    misreading="None.",
    references=(),
    axes=(Axis("repeats", int, "number of trials", dict.fromkeys(PRESETS, 10_000), minimum=1, scalar=True),),
    tables=(
        Table(
            "trials",
            (
                Column("kind", "text", "", "kind of trial"),
                Column("repeat", "int", "", "number of the draw"),
                Column("mean_square", "float", "", "mean square of the weights"),
                Column("status", "text", "", "done or error"),
                Column("reason", "text", "", "why a trial is not done"),
            ),
        ),
    ),
    schema_version=1,
    trials=trials,
    measure=measure,
    cost=lambda settings: 1e-4,
    summary=summary,
    claims=lambda tables, config: [],
    figures=lambda tables, config: {},
)


def measure_in_child(*arguments: str) -> dict[str, float]:
    """Run one command in a process of its own; return its seconds and its peak memory in MB."""
    start = time.perf_counter()
    program = f"import runpy; runpy.run_path({__file__!r})['child']({list(arguments)!r})"
    done = subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, text=True)
    seconds = time.perf_counter() - start
    return {"seconds": round(seconds, 1), "peak_mb": round(json.loads(done.stdout.splitlines()[-1]) / 1024)}


def child(arguments: list[str]) -> None:
    """Run the command line and print the peak memory in KB."""
    from nnsim_cli.main import main as nnsim

    code = nnsim(arguments)
    if code:
        sys.exit(code)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", default="10000,100000,1000000")
    parser.add_argument("--jobs", default="2")
    options = parser.parse_args()
    for size in map(int, options.trials.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            place = str(Path(folder) / "out")
            run = ("study", "run", __file__, "--repeats", str(size), "--shard", "0/1", "--jobs", options.jobs)
            figures = {
                "run": measure_in_child(*run, "-o", place, "-q"),
                "merge": measure_in_child("merge", place, "--study", __file__, "-q"),
            }
        print(json.dumps({"trials": size, **figures}), flush=True)


if __name__ == "__main__":
    main()
