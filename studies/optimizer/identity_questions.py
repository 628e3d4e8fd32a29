"""What steps and losses are exactly."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from . import settings

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.old_questions import Question

ROUNDING = 1e-9  # relative, of double precision; the nearest wrong formula is off by more than 1e-3


def _of(identities: pd.DataFrame, **arm: Any) -> np.ndarray:
    from nnsim.report.arms import rows_of

    return rows_of(identities, **arm).sort_values("repeat", kind="stable")["value"].to_numpy(dtype=float)


def step_questions(identities: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    """Ask whether steps are what the papers' algorithms say."""
    from nnsim.report.old_questions import Question

    rate, decay, steps = settings.DECAY["learning_rate"], settings.DECAY["weight_decay"], settings.DECAY["steps"]
    expected, where = (1 - rate * decay) ** steps, f"eta {rate:g}, decay {decay:g}, {steps} steps of zero gradient"
    decoupled = "Loshchilov and Hutter 2019, algorithm 2"
    for end in ("smallest", "largest"):
        yield Question(
            f"D5-adamw-decay-{end}", "check", "Without a gradient AdamW shrinks every weight by (1 - eta wd)^t.",
            decoupled, f"adamw, {where}", _of(identities, kind="decay", optimizer="adamw", quantity=end), expected,
            margin=ROUNDING, note=f"{end} ratio of a weight to its start",
        )  # fmt: skip
    spread = _of(identities, kind="decay", optimizer="adam", quantity="largest")
    spread = spread - _of(identities, kind="decay", optimizer="adam", quantity="smallest")
    yield Question(
        "D5-adam-l2", "claim", "Adam with an L2 penalty does not decay: it moves weights by the rate, not by a share.",
        decoupled, f"adam, {where}", spread, 0.1, "at_least", note="largest minus smallest ratio of a weight to start",
    )  # fmt: skip
    for data in config["data"]:
        yield Question(
            f"D5-adam-first-step-{data}", "check", "Adam's first step is -eta g / (|g| + eps) in every coordinate.",
            "Kingma and Ba 2015, algorithm 1", f"adam, eps {settings.FIRST_STEP['epsilon']:g}, {data}",
            _of(identities, kind="first_step", data=data), ROUNDING, "at_most",
            note="largest error of a coordinate, relative to eta",
        )  # fmt: skip


def start_questions(identities: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    """Ask what the loss is with a zero readout, and what dropout keeps."""
    from nnsim.report.old_questions import Question

    for data in config["data"]:
        where, classes = f"he_normal, zero readout, {data}", _of(identities, data=data, quantity="classes")
        binary = _of(identities, data=data, quantity="bce")
        if classes.size or not binary.size:  # a regression has no classes
            yield Question(
                f"D8-softmax-{data}", "check", "With a zero readout the softmax loss of C classes is ln C.",
                "the definition of cross-entropy", where, _of(identities, data=data, quantity="cross_entropy"),
                math.log(classes[0]) if classes.size else math.nan, margin=ROUNDING,
            )  # fmt: skip
        yield Question(
            f"D8-bce-{data}", "check", "With a zero readout the binary cross-entropy is ln 2.",
            "the definition of cross-entropy", where, binary, math.log(2), margin=ROUNDING,
        )  # fmt: skip
    for rate in settings.DROPOUT_RATES:
        source, where = "Srivastava et al. 2014, section 10", f"unit of activation 1, p = {rate:g}"
        yield Question(
            f"D8-dropout-mean-{rate:g}", "check", "Inverted dropout keeps the mean.", source, where,
            _of(identities, dropout=rate, quantity="mean"), 1.0, margin=0.01,
        )  # fmt: skip
        yield Question(
            f"D8-dropout-square-{rate:g}", "check", "Inverted dropout multiplies the second moment by 1 / (1 - p).",
            source, where, _of(identities, dropout=rate, quantity="mean_square"), 1 / (1 - rate), margin=0.02,
        )  # fmt: skip
