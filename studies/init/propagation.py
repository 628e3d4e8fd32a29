"""What He's, Glorot's and PyTorch's variances do to signals in ReLU layers (A4, A5)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, Any

from nnsim.report.questions import Question
from nnsim.study.parts import Config, Part
from nnsim.study.trials import NetworkTrial

from .shared import HE, LOOKED_AT, both_ways, repeated

if TYPE_CHECKING:
    import pandas as pd


def trials(config: Config) -> Iterator[NetworkTrial]:
    """Yield networks of every scheme, activation and depth, as they are drawn."""
    for scheme, activation, depth in product(config["scheme"], config["activation"], config["probe_depth"]):
        network = {"scheme": scheme, "activation": activation, "depth": depth, "width": config["width"]}
        yield from repeated(config, "propagation", config["probe_seeds"], **network)


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask how a ReLU layer changes mean squares, at the depth that is nearest to 30."""
    layers = tables["layers"]
    depth = min(config["probe_depth"], key=lambda depth: abs(depth - 30))
    arm: dict[str, Any] = {"kind": "propagation", "activation": "relu", "depth": depth}
    for scheme, name, source, change in (
        ("he_normal", "A4-he", f"{HE}, eq. 10", "keeps its mean square (factor 1)"),
        ("xavier_normal", "A4-xavier", f"{HE}, section 2.2", "halves its mean square (factor 1/2)"),
    ):
        yield from both_ways(
            layers,
            arm | {"scheme": scheme},
            name=name,
            source=source,
            forward=f"With {scheme} a ReLU layer {change} on the way forward.",
            backward=f"With {scheme} a ReLU layer {change} on the way back.",
        )
    yield from both_ways(
        layers,
        arm | {"scheme": "torch_default"},
        name="A5",
        source="PyTorch, nn.Linear.reset_parameters; Schoenholz et al. 2017",
        backward="PyTorch's default initialization divides the gradient's mean square by 6 a ReLU layer.",
    )


PROPAGATION = Part(kinds={"propagation": LOOKED_AT}, trials=trials, questions=questions)
