"""What the study depth-width asks of its tables: the questions behind its claims, an item of the theory each."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nnsim.probes.expressivity.ridge_functions import FREQUENCY, WAVES
from nnsim.theory.expressivity import approximation
from nnsim.theory.expressivity import regions as laws

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.old_questions import Question
    from nnsim.report.tuned_arms import ChosenArms

TEETH_BLOCKS = 3
"""Tent blocks of the data set ``target_sawtooth``: four teeth are eight pieces."""
SAWTOOTH = ((3, 2), (1, 6), (3, 16), (1, 197))
"""(depth, width) of the networks trained on it: 19 parameters each, the least that suffice, and 593 and 592."""
ENCLOSURE = ((1, 2), (3, 2), (1, 3), (3, 3))
"""(depth, width) of the networks that shall close a disc."""
GRIDS = ("digits", "spirals")
ARM_NAMES = {
    "sawtooth": ["depth", "width"],
    "grid": ["data", "depth"],
    "enclosure": ["depth", "width"],
    "ridge": ["activation", "dimension", "width"],
}
"""Columns that tell the trained arms of each kind apart."""
BIAS = 1.0
"""Standard deviation of the biases of networks that are only looked at; the segment reaches from -1 to 1."""

PAGE = "the teaching page: depth is compression, one layer would need O(2^n) neurons"
LIBERTY = 0.03  # of a relative count: biases of 1.1 instead of 1 would be off by 0.05
SLOPE_MARGIN = 0.05
GAIN_MARGIN = 0.01  # of accuracy: what more than this is worth is called better
LITTLE = 0.05  # share of the variance
TOLD = {"relu": "ReLU", "sigmoid": "sigmoid"}
RIDGE = f"{WAVES} plane waves of frequency {FREQUENCY:g}"


def written_questions(trials: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    """Ask for what is written down, exactly: C1, C2, C4 and C7."""
    yield from _tents_questions(trials, config)
    yield from _square_questions(trials, config)
    yield from _folded_and_parity_questions(trials, config)


def _tents_questions(trials: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    from nnsim.report.arms import rows_of
    from nnsim.report.old_questions import Question

    zigzags = rows_of(trials, kind="zigzag", status="done")
    tents = rows_of(zigzags, width=2)
    telgarsky = "Telgarsky 2016, section 4"
    yield Question(
        "C1-tents", "check", "k blocks of two ReLU units make exactly 2^k affine pieces.", telgarsky,
        f"written networks, 1 to {config['blocks']} blocks",
        (tents["pieces"] / 2.0 ** tents["depth"]).to_numpy(), 1.0, "exact",
        note="pieces over 2^k; one hidden layer needs 2^k - 1 units for as many, a billion at k = 30",
    )  # fmt: skip
    growth = [
        round(math.log2(many / few) - depth, 9)
        for depth, group in rows_of(zigzags, depth=2).groupby("depth")
        for (_, few), (_, many) in pairwise(
            group.sort_values("width", kind="stable")[["width", "pieces"]].itertuples(index=False)
        )
    ]
    yield Question(
        "C1-power", "correction",
        "At two layers, twice the width makes four times the pieces: the count is n^L, not exponential in the width.",
        PAGE, "written sawtooth networks of width 2, 4, 8, 16", np.array(growth), 0.0, "exact",
        note="log2 of the growth minus the depth; no network of this depth has more than (n + 1)^L (C1-bound)",
    )  # fmt: skip


def _square_questions(trials: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    from nnsim.report.arms import rows_of
    from nnsim.report.old_questions import Question

    squares = rows_of(trials, kind="square", status="done")
    yarotsky, written = "Yarotsky 2017, proposition 2", f"written networks, 1 to {config['tents']} tents"
    expected = np.array([approximation.square_error(depth) for depth in squares["depth"]])
    yield Question(
        "C2-error", "check", "m tents approximate x^2 to exactly 2^(-2m - 2).", yarotsky, written,
        squares["error"].to_numpy(dtype=float) / expected, 1.0, "exact", note="measured over predicted",
    )  # fmt: skip
    needed = np.array([approximation.lines_for_error(error) for error in expected])
    yield Question(
        "C2-lines", "check", "The best n straight lines miss x^2 by 1 / (8 n^2): that error takes 2^m / sqrt 2 lines.",
        yarotsky, f"lines laid end to end against {written}", squares["lines"].to_numpy(dtype=float) - needed, 0.0,
        "exact", note="lines needed minus predicted; one hidden layer of n units has at most n + 1",
    )  # fmt: skip


def _folded_and_parity_questions(trials: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    from nnsim.report.arms import rows_of
    from nnsim.report.old_questions import Question

    folded = rows_of(trials, kind="folded", status="done")
    bounds = [laws.folded_regions([row.width] * row.depth, row.dimension) for row in folded.itertuples()]
    yield Question(
        "C4-folded", "check", "Folding layers reach the lower bound prod floor(n/d)^d times sum C(n, j) on regions.",
        "Montúfar et al. 2014, theorem 5", "written networks of one and two inputs",
        folded["pieces"].to_numpy(dtype=float) / np.array(bounds, dtype=float), 1.0, "exact",
        note="regions over the bound, counted in rational arithmetic",
    )  # fmt: skip
    parity = rows_of(trials, kind="parity", status="done")
    yield Question(
        "C7-parity", "correction",
        "Parity does not separate deep from shallow: one layer of n threshold units computes it.",
        "Rumelhart, Hinton and Williams 1986", f"all inputs of 1 to {config['parity_bits']} bits",
        parity["error"].to_numpy(dtype=float), 0.0, "exact", note="share of wrong answers over all 2^n inputs",
    )  # fmt: skip


def random_questions(trials: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    """Ask for the breakpoints of drawn networks (C3)."""
    from nnsim.report.arms import rows_of
    from nnsim.report.old_questions import Question
    from nnsim.report.statistics.slopes import log_slopes, side_by_side

    source, rows = "Hanin and Rolnick 2019", rows_of(trials, kind="random", status="done")
    most, shallow, deep = max(config["neurons"]), min(config["line_depth"]), max(config["line_depth"])
    where = f"He weights, biases N(0, {BIAS:g}), inputs from -1 to 1"
    law = laws.layer_breaks(1, 1.0, 2.0, BIAS**2)
    yield Question(
        "C3-first", "claim", "A first layer of n units has n (2/pi) arctan(a sw/sb) breakpoints on [-a, a].", source,
        f"{where}, all depths", (rows["first_breaks"] / (rows["width"] * law)).to_numpy(dtype=float), 1.0,
        margin=LIBERTY, note="measured over predicted",
    )  # fmt: skip
    by_arm = {
        (neurons, depth): rows_of(rows, neurons=neurons // depth * depth, depth=depth).set_index("repeat")["pieces"] - 1
        for neurons, depth in product(config["neurons"], config["line_depth"])
    }
    for depth in sorted({shallow, deep}):
        expected = laws.random_breaks([most // depth] * depth, 1.0, BIAS**2)
        yield Question(
            f"C3-count-{depth}", "claim", "A random network has as many breakpoints as Kac and Rice's formula says.",
            source, f"{where}, {most} neurons in {depth} layers", by_arm[most, depth].to_numpy(dtype=float) / expected,
            1.0, margin=LIBERTY, note="over the prediction for infinite width; 4 layers of 96 lack 1 %",
        )  # fmt: skip
    wide = side_by_side({neurons: by_arm[neurons, shallow] for neurons in sorted(set(config["neurons"]))})
    yield Question(
        "C3-neurons", "claim", "The number of breakpoints grows in proportion to the number of neurons.", source,
        f"{where}, {shallow} layers, {', '.join(map(str, config['neurons']))} neurons", log_slopes(wide), 1.0,
        margin=SLOPE_MARGIN, note="log-log slope",
    )  # fmt: skip
    pair = side_by_side({depth: by_arm[most, depth] for depth in (shallow, deep)})
    difference = (pair[deep] - pair[shallow]).to_numpy(dtype=float) if deep > shallow else np.empty(0)
    yield Question(
        "C3-depth", "correction", "Depth does not multiply the pieces of a random network: equal neurons, no more.",
        PAGE, f"{where}, {most} neurons in {deep} minus in {shallow} layers", difference, 0.0, "at_most",
        note=f"{source}: what weights can do is not what they do",
    )  # fmt: skip


def region_questions(trials: pd.DataFrame) -> Iterator[Question]:
    """Ask for the regions of drawn layers (C4), and for the bound of C1 on everything counted."""
    from nnsim.report.arms import rows_of
    from nnsim.report.old_questions import Question

    for kind, text, count in (
        ("general", "sum over j <= d of C(n, j)", laws.arrangement_regions),
        ("central", "2 sum over j < d of C(n - 1, j), without biases,", laws.central_regions),
    ):
        planes = rows_of(trials, kind=kind, status="done")
        expected_regions = [count(row.width, row.dimension) for row in planes.itertuples()]
        yield Question(
            f"C4-{kind}", "check", f"A layer of n units cuts R^d into {text} regions.",
            "Zaslavsky 1975; Cover 1965", "Gaussian layers of 6 to 8 units, 1 to 4 inputs",
            planes["pieces"].to_numpy(dtype=float) / np.array(expected_regions, dtype=float), 1.0, "exact",
            note="counted over predicted; counted by deletion and restriction in rational arithmetic",
        )  # fmt: skip
    counted = trials[trials["kind"].isin(["random", "sawtooth", "zigzag"]) & (trials["status"] == "done")]
    beyond = [row.pieces > laws.most_pieces([row.width] * row.depth) for row in counted.itertuples()]
    yield Question(
        "C1-bound", "check", "No network has more pieces along a line than prod (n_l + 1).",
        "Telgarsky 2016, lemma 2.1", "random, trained and written networks", np.array(beyond, dtype=float), 0.0,
        "exact", note="one hidden layer of n units: n + 1; share of networks beyond",
    )  # fmt: skip


def arms_of(trials: pd.DataFrame, kind: str) -> ChosenArms:
    """Return the trained arms of one kind, a diverged run with the score of chance."""
    from nnsim.report.arms import rows_of, scored
    from nnsim.report.tuned_arms import ChosenArms

    return ChosenArms(scored(rows_of(trials, kind=kind)), ARM_NAMES[kind])


def sawtooth_questions(trials: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    """Ask whether training finds the tents (C1)."""
    from nnsim.report.old_questions import Question

    arms = arms_of(trials, "sawtooth")
    texts: dict[tuple[int, int], tuple[str, str, float, Literal["at_most", "at_least"]]] = {
        SAWTOOTH[0]: ("C1-found", "Training does not find the tents: the smallest network that can stays below half.",
                      0.5, "at_most"),
        SAWTOOTH[2]: ("C1-wide-deep", "With 31 times the parameters a deep network learns the sawtooth.", 0.9,
                      "at_least"),
        SAWTOOTH[3]: ("C1-wide-shallow", "With as many parameters one hidden layer learns it as well.", 0.9,
                      "at_least"),
    }  # fmt: skip
    for (depth, width), (name, statement, bound, rule) in texts.items():
        arm = {"depth": depth, "width": width}
        yield Question(
            name, "claim", statement, "Telgarsky 2016 is on existence; training is measured here",
            f"sawtooth of {2**TEETH_BLOCKS} pieces, {depth} layers of {width}", arms.values("score", arm).to_numpy(),
            bound, rule, note=f"test R² after {config['curve_epochs']} epochs of Adam", at_edge=arms.at_edge(arm),
        )  # fmt: skip


def grid_questions(trials: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    """Ask what depth is worth at equal parameters (C6)."""
    from nnsim.report.old_questions import Question

    arms = arms_of(trials, "grid")
    depths = sorted(set(config["depth"]))

    def lead(data: str, first: int, second: int) -> dict[str, Any]:
        """Test accuracy at depth `first` minus at `second` for each seed."""
        pair = {"data": data, "depth": first}, {"data": data, "depth": second}
        usable = first != second and {first, second} <= set(depths)
        values = arms.lead("score", *pair) if usable else np.empty(0)
        where = f"{data}, about {config[f'{data}_parameters']} parameters, {first} minus {second} hidden layers"
        return {"values": values, "at_edge": arms.at_edge(*pair), "arm": where}

    accuracy, deepest = "difference of test accuracies at each depth's chosen rate", depths[-1]
    yield Question(
        "C6-digits", "correction", "At equal parameters four hidden layers are no better than one on the digits.",
        PAGE, prediction=GAIN_MARGIN, rule="at_most", note=accuracy, **lead("digits", 4, 1),
    )  # fmt: skip
    for data in GRIDS:
        yield Question(
            f"C6-too-deep-{data}", "claim",
            f"At equal parameters networks that are deep and narrow do worse than one layer on the {data}.",
            "He et al. 2016 on plain networks", prediction=0.0, rule="above", note=accuracy, **lead(data, 1, deepest),
        )  # fmt: skip
    yield Question(
        "C6-spirals", "claim", "At equal parameters two hidden layers do better than one on the spirals.", PAGE,
        prediction=0.0, rule="above", note=accuracy, **lead("spirals", 2, 1),
    )  # fmt: skip


def enclosure_questions(trials: pd.DataFrame) -> Iterator[Question]:
    """Ask which networks close a region of the plane (C6)."""
    from nnsim.report.arms import rows_of
    from nnsim.report.old_questions import Question

    runs, source = rows_of(trials, kind="enclosure"), "Johnson 2019, theorem 1"
    done = rows_of(runs, status="done")
    note = "closed: one class on a whole polygon around the disc, followed exactly, and the other within"
    yield Question(
        "C6-width-2", "check", "With two inputs, width 2 closes no region, however deep.", source,
        "1 and 3 layers of 2, all rates and seeds", rows_of(done, width=2)["encloses"].to_numpy(dtype=float), 0.0,
        "exact", note=note,
    )  # fmt: skip
    arms = arms_of(trials, "enclosure")
    for depth in (1, 3):
        arm = {"depth": depth, "width": 3}
        rows = rows_of(arms.runs, status="done", **arm)
        yield Question(
            f"C6-width-3-{depth}", "claim", "Width 3 can close a region, and training finds it.", source,
            f"circles, {depth} layers of 3", rows["encloses"].to_numpy(dtype=float), 0.0, "above",
            interval="proportion", note=note, at_edge=arms.at_edge(arm),
        )  # fmt: skip


def approximation_questions(trials: pd.DataFrame, fixed: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    """Ask how fast errors fall with the units, trained and fixed (C5)."""
    from nnsim.report.arms import rows_of
    from nnsim.report.old_questions import Question
    from nnsim.report.statistics.slopes import log_slopes, side_by_side

    arms = arms_of(trials, "ridge")
    units, highest = sorted(set(config["units"])), max(config["dimension"])
    sizes = f"{units[0]} to {units[-1]} units, {RIDGE}"
    barron = "Barron 1993, theorems 1 and 6"
    for activation, dimension in product(TOLD, sorted(set(config["dimension"]))):
        arm = {"activation": activation, "dimension": dimension}
        left = side_by_side({n: 1.0 - arms.values("score", {**arm, "width": n}) for n in units})
        yield Question(
            f"C5-{activation}-{dimension}", "claim",
            f"Trained {TOLD[activation]} units: the squared error falls at least as 1/n in {dimension} dimensions.",
            barron, sizes, log_slopes(left), -1.0, "at_most", note="log-log slope on test rows, by Adam",
            at_edge=arms.at_edge(*({**arm, "width": n} for n in units)),
        )  # fmt: skip
    for activation in TOLD:
        rows = rows_of(fixed, activation=activation, dimension=highest)
        slopes = log_slopes(rows.pivot(index="repeat", columns="units", values="error"))
        yield Question(
            f"C5-fixed-{activation}", "claim",
            f"Fixed random {TOLD[activation]} units are slower than 1/n in {highest} dimensions: weights must learn.",
            barron, sizes, slopes, -1.0, "above", note="log-log slope on fresh rows, outputs by least squares",
        )  # fmt: skip
    arm = {"activation": "relu", "dimension": highest, "width": units[-1]}
    norm, radius = approximation.waves_barron_norm(WAVES, FREQUENCY), math.sqrt(3.0 * highest)
    enough = approximation.barron_bound(norm, radius, 1) / LITTLE
    yield Question(
        "C5-enough", "correction",
        f"Enough neurons need not be billions: {units[-1]} leave under 5 % of a smooth target in {highest} dimensions.",
        "the teaching page: enough can mean billions", f"ReLU, {RIDGE}",
        1.0 - arms.values("score", arm).to_numpy(), LITTLE, "at_most", at_edge=arms.at_edge(arm),
        note=f"share of the variance left; Barron's bound promises as much from {enough:,.0f} units on; "
        "it does mean a billion for 30 tents on one hidden layer (C1-tents)",
    )  # fmt: skip
