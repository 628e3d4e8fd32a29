"""What clipping saves where gradients explode, by their start or by their rate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nnsim.report.arms import rows_of
from nnsim.report.questions import Above, AtLeast, AtMost, Question
from nnsim.report.tuned_arms import ChosenArms
from nnsim.study.parts import Config, Part

from .shared import BY_VALUE, CLIPPED, PASCANU, USUAL, ClippedTrial, arm, chosen_arms, clipped_trials

if TYPE_CHECKING:
    import pandas as pd

SCHEMES = {
    "deep": "he_normal",
    "exploding": "mean_field:1.8",  # weights of variance 3.24 / fan_in: gradients grow by 1.62 a ReLU layer
}


def trials(config: Config) -> Iterator[ClippedTrial]:
    """Yield deep networks of either start under plain descent."""
    for problem, scheme in SCHEMES.items():
        network = {"problem": problem, "scheme": scheme, "depth": config["depth"]}
        yield from clipped_trials(config, network, "sgd", "learning_rate")


def _where(config: Config) -> str:
    return f"relu, {config['depth']} layers of {config['width']}, variance 3.24 / fan_in, SGD, {config['data']}"


def _survivors(arms: ChosenArms, config: Config, clip: str, **asked: Any) -> Question:
    """Ask how many survive, under a clipping, the rate at which clipped networks learn best."""
    rate = arms.rate(arm("exploding", USUAL))
    return Question(
        kind="claim",
        source=f"{PASCANU}, section 3.2",
        arm=f"{_where(config)}, rate {rate:g}, {clip}",
        values=arms.values("survived", arm("exploding", clip), rate).to_numpy(),
        interval="proportion",
        note="share of the runs whose loss stays finite",
        **asked,
    )


def _share_survived(runs: pd.DataFrame, clip: str) -> pd.Series:
    """Share of the rates that each seed survives."""
    return rows_of(runs, **arm("exploding", clip)).groupby("repeat")["survived"].mean()


def _survived_rates(arms: ChosenArms, config: Config) -> Iterator[Question]:
    """Ask how many rates clipping makes survivable."""
    for name, clip in (("norm", USUAL), ("value", BY_VALUE)):
        gain = _share_survived(arms.grid, clip) - _share_survived(arms.grid, "none")
        yield Question(
            id=f"D4-survival-{name}",
            kind="claim",
            statement=f"Exploding networks survive more rates of the grid with {clip}.",
            source=PASCANU,
            arm=_where(config),
            values=gain.dropna().to_numpy(),
            rule=Above(0.0),
            note="share of the rates survived, less that without clipping, same seed",
        )


def _learning(arms: ChosenArms, config: Config) -> Question:
    exploding, chance = arm("exploding", USUAL), float(arms.grid["chance"].max())
    return Question(
        id="D4-learns",
        kind="claim",
        statement="Clipped at a norm of 1, exploding networks leave chance behind by more than 0.1.",
        source=PASCANU,
        arm=_where(config),
        values=arms.values("score", exploding).to_numpy(),
        rule=AtLeast(chance + 0.1),
        note=f"test metric; chance is {chance:.3g}",
        at_edge=arms.at_edge(exploding),
    )


def _leads(arms: ChosenArms, config: Config) -> Iterator[Question]:
    """Ask what clipping is worth from He's start, and what He's start is worth without it."""

    def lead(first: dict[str, str], second: dict[str, str]) -> dict[str, Any]:
        return {"values": arms.lead("score", first, second), "at_edge": arms.at_edge(first, second)}

    deep, plain = arm("deep", USUAL), arm("deep", "none")
    yield Question(
        id="D4-deep",
        kind="claim",
        statement="Deep networks get further with clipping at a norm of 1 even from He's start.",
        source=PASCANU,
        arm=f"relu, {config['depth']} layers of {config['width']}, He's start, SGD, {config['data']}",
        rule=Above(0.0),
        note="test metric less that without clipping, each at its best rate",
        **lead(deep, plain),
    )
    yield Question(
        id="D4-cure",
        kind="correction",
        statement="Clipping does not replace a good start: He's, unclipped, ends above it.",
        source="the teaching page: clip against exploding gradients; He et al. 2015",
        arm=_where(config),
        rule=Above(0.0),
        note="test metric of He's start without clipping less that of the exploding one with norm:1",
        **lead(plain, arm("exploding", USUAL)),
    )


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask who survives, and what is reached."""
    arms = chosen_arms(tables["trials"])
    yield _survivors(
        *(arms, config, "none"),
        id="D4-without",
        statement="At the rate that clipped networks learn best with, most exploding networks diverge if not clipped.",
        rule=AtMost(0.5),
    )
    yield _survivors(
        *(arms, config, USUAL),
        id="D4-with",
        statement="At that rate most exploding networks survive with clipping at a norm of 1.",
        rule=AtLeast(0.5),
    )
    yield from _survived_rates(arms, config)
    yield _learning(arms, config)
    yield from _leads(arms, config)


EXPLODING = Part(kinds=CLIPPED, trials=trials, questions=questions)
