"""Which functions of two bits one unit computes, and which a layer of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnsim.probes import threshold_unit
from nnsim.report.arms import rows_of
from nnsim.report.questions import Exactly, Question
from nnsim.study.parts import Config, Kind, Measured, Part
from nnsim.study.trials import Trial

from .shared import COVER, MINSKY

if TYPE_CHECKING:
    import pandas as pd


def trials(config: Config) -> Iterator[Trial]:
    """Yield one trial: nothing is drawn."""
    yield Trial(kind="logic", repeat=0)


def measure(trial: Trial) -> Measured:
    """Try every Boolean function of two inputs: on one unit, and on a layer of one or two with a unit on top."""
    single = threshold_unit.threshold_functions(2)
    agreements = [sum(a == b for a, b in zip(one, threshold_unit.XOR, strict=True)) for one in single]
    found = {"threshold_functions": len(single), "best_on_xor": max(agreements)}
    for hidden in (1, 2):
        reached = threshold_unit.reachable_functions(2, hidden)
        found |= {f"reachable_{hidden}": len(reached), f"xor_{hidden}": threshold_unit.XOR in reached}
    return {"answers": [{"draw": 0, "quantity": name, "value": float(value)} for name, value in found.items()]}


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask how many functions are computed, and whether XOR is one of them."""
    texts = {
        "functions": ("threshold_functions", 14.0, "One threshold unit computes 14 of the 16 functions of two bits."),
        "xor-best": ("best_on_xor", 3.0, "The best threshold unit has three of XOR's four corners right."),
        "hidden-1": ("reachable_1", 14.0, "One hidden unit adds nothing: still 14 of the 16 functions."),
        "xor-1": ("xor_1", 0.0, "No network with one hidden threshold unit computes XOR."),
        "hidden-2": ("reachable_2", 16.0, "Two hidden threshold units are enough for all 16 functions."),
        "xor-2": ("xor_2", 1.0, "Two hidden threshold units compute XOR."),
    }
    for name, (quantity, prediction, statement) in texts.items():
        rows = rows_of(tables["answers"], kind="logic", quantity=quantity)
        yield Question(
            id=f"C8-{name}",
            kind="check",
            statement=statement,
            source=f"{MINSKY}; {COVER}",
            arm="every choice of units tried by linear programming",
            values=rows["value"].dropna().to_numpy(dtype=float),
            rule=Exactly(prediction),
        )


LOGIC = Part(kinds={"logic": Kind(Trial, measure, lambda trial: 1.001)}, trials=trials, questions=questions)
