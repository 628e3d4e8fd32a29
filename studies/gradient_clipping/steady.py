"""What clipping costs plain descent where nothing explodes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim.report.arms import rows_of
from nnsim.report.questions import Above, Question, Within
from nnsim.report.tuned_arms import ChosenArms
from nnsim.study.parts import Config, Part

from .shared import CLIPPED, PASCANU, SMALL, USUAL, ClippedTrial, arm, chosen_arms, clipped_trials

if TYPE_CHECKING:
    import pandas as pd

STEADY: dict[str, Any] = {"problem": "steady", "scheme": "he_normal", "depth": 3}
ACCURACY = 0.02  # what a seed's luck is worth on these data


def trials(config: Config) -> Iterator[ClippedTrial]:
    """Yield shallow networks of He's start under plain descent."""
    return clipped_trials(config, STEADY, "sgd", "learning_rate")


def where(config: Config) -> str:
    """Return what is said of the networks in words."""
    return f"relu, {STEADY['depth']} layers of {config['width']}, He's start, {config['data']}"


def unnoticed(arms: ChosenArms, config: Config, optimizer: str, clip: str, **asked: Any) -> Question:
    """Ask whether clipping makes no difference to an optimizer."""
    clipped, free = (arm("steady", this, optimizer) for this in (clip, "none"))
    share = arms.values("clipped", clipped).mean()
    return Question(
        kind="correction",
        source="the teaching page: clipping at a norm of 1 belongs in every training loop",
        arm=f"{where(config)}, {optimizer}, {clip}, each at its best rate",
        values=arms.lead("score", clipped, free),
        rule=Within(0.0, ACCURACY),
        note=f"test metric less that without clipping; {share:.0%} of the steps were clipped",
        at_edge=arms.at_edge(clipped, free),
        **asked,
    )


def _small_question(arms: ChosenArms, config: Config) -> Question:
    plain = arm("steady", "none")
    rate = arms.rate(plain)
    fallen = arms.values("score", plain) - arms.values("score", arm("steady", SMALL), rate)
    return Question(
        id="D4-small",
        kind="claim",
        statement="A threshold of 0.01 costs plain descent more than 0.1 of accuracy at the rate it had.",
        source=PASCANU,
        arm=f"{where(config)}, rate {rate:g}",
        values=fallen.dropna().to_numpy(),
        rule=Above(0.1),
        note="test metric without clipping less that with it",
        at_edge=arms.at_edge(plain),
    )


def _equal_products(runs: pd.DataFrame) -> np.ndarray:
    """Mean difference between a small threshold and the usual one at a hundredth of the rate, for each seed."""
    small, usual = (
        rows_of(runs, **arm("steady", clip)).pivot(index="repeat", columns="learning_rate", values="score")
        for clip in (SMALL, USUAL)
    )
    pairs = [(a, b) for a, b in product(small, usual) if math.isclose(a, 100 * b)]
    if not pairs:
        return np.empty(0)
    return (sum(small[a] - usual[b] for a, b in pairs).dropna() / len(pairs)).to_numpy()


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask what the usual threshold and a small one cost."""
    arms = chosen_arms(tables["trials"])
    yield unnoticed(
        *(arms, config, "sgd", USUAL),
        id="D4-always",
        statement="Where nothing explodes, clipping at a norm of 1 neither helps nor harms.",
    )
    yield _small_question(arms, config)
    yield Question(
        id="D4-product",
        kind="claim",
        statement="Where every step is clipped, only the product of rate and threshold matters.",
        source="theta' = theta - eta c g / ||g||, normalised descent",
        arm=f"{where(config)}, norm:0.01 against norm:1 at a hundredth",
        values=_equal_products(arms.grid),
        rule=Within(0.0, 0.01),
        note="difference of the test metrics at equal products, mean over the pairs of the grid",
    )


STEADY_DESCENT = Part(kinds=CLIPPED, trials=trials, questions=questions)
