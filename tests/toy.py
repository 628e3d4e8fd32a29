"""A study of nothing in pure Python, milliseconds long: what the engine and the command line are tested with."""

from __future__ import annotations

import os
import time
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from nnsim.core.atomic_files import sha256_of
from nnsim.core.errors import DataError
from nnsim.study.declaration import Axis, Column, Study, Table

CANONICAL = ("trials.csv", "layers.csv")

measured: list[str] = []  # ids of the trials that this process measured


def trials(config: dict[str, Any]) -> list[dict[str, Any]]:
    cases = product(config["shape"], config["size"], config["scale"], range(config["repeats"]))
    return [
        {"kind": "solid", "shape": shape, "size": size, "scale": scale, "repeat": repeat, "pause": config["pause"]}
        for shape, size, scale, repeat in cases
    ]


def measure(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    measured.append(trial["id"])
    time.sleep(trial["pause"] * float(os.environ.get("TOY_SLOWNESS", "1")))  # which is no setting of the run
    if trial["shape"] == "missing":
        raise DataError("there is no file 'missing.csv'")
    if trial["shape"] == "broken":
        raise ZeroDivisionError("a broken shape\nhas no area")
    area = trial["scale"] / 3.0 * trial["size"] + trial["root_seed"]
    diverged = trial["scale"] > 1e300
    row = {
        "kind": "solid",
        "shape": trial["shape"],
        "size": trial["size"],
        "area": float("inf") if diverged else area,
        "even": trial["size"] % 2 == 0,
        "status": "diverged" if diverged else "done",
        "reason": "=1+1" if diverged else "",
    }
    return {"trials": [row], "layers": [{"layer": layer, "share": area / layer} for layer in range(1, 3)]}


def summary(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    return tables["trials"].groupby("shape", as_index=False)["area"].median()


def claims(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> list[Any]:
    from nnsim.report.claims import Claim

    largest = tables["trials"]["size"].max()
    verdict = "untested" if pd.isna(largest) else "holds" if largest < 10 else "fails"
    sentence = "Sizes stay under ten."
    return [Claim("T1", "claim", sentence, "nobody", "all", 5.0, 5.0, largest, 1.0, 9.0, verdict=verdict)]


def figures(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> dict[str, Any]:
    return {}


def axis(name: str, kind: type, value: Any, **options: Any) -> Axis:
    return Axis(name, kind, f"the {name}", dict.fromkeys(("quick", "standard", "paper"), value), **options)


study = Study(
    name="toy",
    title="A toy",
    question="Does the engine work?",
    expect="It does.",
    falsify="It does not.",
    misreading="That it says anything about networks.",
    references=("Nobody 2000",),
    axes=(
        axis("shape", str, ("square", "cube"), choices=("square", "cube", "broken", "missing")),
        axis("size", int, (1, 2), minimum=1),
        axis("scale", float, (0.1,), minimum=0, exclusive=True),
        axis("repeats", int, 2, minimum=1, scalar=True),
        axis("pause", float, 0.0, minimum=0, scalar=True),
    ),
    tables=(
        Table(
            "trials",
            (
                Column("kind", "text", "", "kind of trial"),
                Column("shape", "text", "", "name of the shape"),
                Column("size", "int", "m", "length of its side"),
                Column("area", "float", "m^2", "its area"),
                Column("even", "bool", "", "whether the size is even"),
                Column("status", "text", "", "done, diverged or error"),
                Column("reason", "text", "", "why a trial is not done"),
            ),
        ),
        Table("layers", (Column("layer", "int", "", "number of the layer"), Column("share", "float", "", "a part"))),
    ),
    schema_version=1,
    trials=trials,
    measure=measure,
    cost=lambda settings: 1.0,  # two trials a chunk
    summary=summary,
    claims=claims,
    figures=figures,
    statements=("Sizes stay under ten.",),
)


def hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each canonical table in `folder`."""
    return {name: sha256_of(folder / name) for name in CANONICAL}
