"""What each activation does to signals at its variance-preserving gain (A1)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nnsim.report.questions import Question
from nnsim.study.parts import Config, Part
from nnsim.study.trials import NetworkTrial

from .shared import LOOKED_AT, both_ways, repeated

if TYPE_CHECKING:
    import pandas as pd

DEPTH, WIDTH = 20, 128
SCHEME = "preserving_normal"


def trials(config: Config) -> Iterator[NetworkTrial]:
    """Yield networks of each activation, as they are drawn."""
    for activation in config["gain_activation"]:
        network = {"scheme": SCHEME, "activation": activation, "depth": DEPTH, "width": WIDTH}
        yield from repeated(config, "gain", config["probe_seeds"], **network)


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask whether each activation changes signals as the recursion says."""
    for activation in config["gain_activation"]:
        arm: dict[str, Any] = {"kind": "gain", "scheme": SCHEME, "activation": activation, "depth": DEPTH}
        yield from both_ways(
            tables["layers"],
            arm,
            name=f"A1-{activation}",
            source="Poole et al. 2016, eq. 3; Schoenholz et al. 2017",
            forward=f"Through {activation} layers the variance changes as q' = sw2 E f^2 + sb2.",
            backward=f"Through {activation} layers the gradient's mean square changes by chi = sw2 E f'^2.",
        )


GAINS = Part(kinds={"gain": LOOKED_AT}, trials=trials, questions=questions)
