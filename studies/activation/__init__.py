"""What does the choice of an activation change? Moments, gains, gradients through depth, and trained accuracy."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim.core.seeding import key
from nnsim.data import datasets
from nnsim.networks.activations import evaluate
from nnsim.networks.activations import parse as parse_activation
from nnsim.networks.gaussian_moments import activation_moments
from nnsim.networks.initializers import parse as parse_scheme
from nnsim.networks.initializers import preserving_gain
from nnsim.probes.activation_moments import sampled_moments
from nnsim.probes.propagation import propagate, unit_rows
from nnsim.study.checks import TRAINABLE, check_batch_size, check_trainable
from nnsim.study.declaration import Axis, Column, Study, Table, presets
from nnsim.study.network_trials import (
    ARM_COLUMNS,
    HISTORY_COLUMNS,
    LAYER_COLUMNS,
    PROBE_ROWS,
    TRIAL_COLUMNS,
    columns_with,
    data_of,
    drawn_network,
    look_at_network,
    train_network,
)
from nnsim.theory.signals.attraction import perturbation_factor
from nnsim.theory.signals.closed_moments import closed_moments
from nnsim.theory.signals.finite_width import Propagation, predict
from nnsim.theory.signals.selu import gradient_growth, selu_constants, variance_decay
from nnsim.training.trainer import Recipe

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.claims import Claim
    from nnsim.report.figures import FigureSpec
    from nnsim.report.judging import Question

DRAWS = 20_000  # of one trial's moments
FLOW_DEPTH, FLOW_WIDTH = 20, 128
SELU_DEPTH, SELU_WIDTH = 12, 256
NUDGE = 0.1  # of ln q, up and down: the decay is a derivative
FAR = 2.0  # times the variance of the fixed point
DECAY_LAYER = 6  # from layer 1 to this one: deeper, the deviation drowns in the width's noise
BASELINE = "relu"
ARMS = ("data", "scheme", "activation", "depth")
DATA = Column("data", "text", "", "data set")


# --- trials --------------------------------------------------------------------------------------------------------


def _network_trials(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what is drawn and looked at, not trained; on the first of the data sets."""
    flow = {"scheme": "preserving_normal", "depth": FLOW_DEPTH, "width": FLOW_WIDTH}
    selu = {"scheme": "lecun_normal", "activation": "selu", "depth": SELU_DEPTH, "width": SELU_WIDTH}
    data = {"data": config["data"][0]}
    for activation, repeat in product(config["activation"], range(config["probe_seeds"])):
        yield {"kind": "moments", "activation": activation, "draws": DRAWS, "repeat": repeat, **data}
        yield {"kind": "flow", "activation": activation, "repeat": repeat, **flow, **data}
    silu = selu | {"scheme": "preserving_normal", "activation": "silu"}
    for repeat in range(config["probe_seeds"]):
        yield {"kind": "selu", "repeat": repeat, **selu, **data}
        yield {"kind": "perturbation", "repeat": repeat, **selu, **data}
        yield {"kind": "perturbation", "repeat": repeat, **silu, **data}


def _training_trials(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the networks that are trained: every arm runs the same whole grid of learning rates and seeds."""
    recipe = {name: config[name] for name in ("epochs", "batch_size", "momentum")} | {"probe_epoch": []}
    network = {"scheme": config["scheme"], "depth": config["depth"], "width": config["width"]}
    grid = product(config["data"], config["trained_activation"], config["learning_rate"], range(config["seeds"]))
    for data, activation, rate, repeat in grid:
        arm = {"data": data, "activation": activation, "learning_rate": rate, "repeat": repeat}
        yield {"kind": "training", **arm, **network, **recipe}


def _fingerprints(config: dict[str, Any]) -> dict[str, str]:
    return {data: datasets.fingerprint(data, config["target"] or None) for data in config["data"]}


def trials(config: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all trials; a name or a data set that cannot be used is an error here, before anything runs."""
    check_trainable([*config["activation"], *config["trained_activation"]])
    parse_scheme(config["scheme"])
    Recipe(momentum=config["momentum"])
    shared = {"target": config["target"], "samples": config["samples"]}
    fingerprints = _fingerprints(config)
    for data, fingerprint in fingerprints.items():
        check_batch_size(config["batch_size"], {"data": data, **shared, "fingerprint": fingerprint})
    found = (*_network_trials(config), *_training_trials(config))
    return [{**trial, **shared, "fingerprint": fingerprints[trial["data"]]} for trial in found]


# --- measurement ---------------------------------------------------------------------------------------------------


def _moments(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    name, parameter = parse_activation(trial["activation"])
    found = sampled_moments(name, parameter, trial["draws"], key(trial["root_seed"], "moments", trial["repeat"]))
    row = {"activation": trial["activation"], "repeat": trial["repeat"], **found._asdict()}
    ends, _ = evaluate(name, np.array([1.0, -1e3]), parameter)
    return {"trials": [_bare_row(trial)], "moments": [{**row, "at_one": ends[0], "at_minus_1000": ends[1]}]}


def _bare_row(trial: dict[str, Any]) -> dict[str, Any]:
    row = {column.name: trial.get(column.name) for column in TRIAL_COLUMNS}
    return row | {"status": "done", "reason": ""}


def _scaled_look(trial: dict[str, Any], factor: float) -> list[dict[str, float]]:
    """Look at a network whose first pre-activations have the root mean square `factor`, up to the width's noise.

    Its first weights are scaled, as if its inputs were: mean squares are 1 there, those of activations 1 / gain^2.
    """
    spec, theta = drawn_network(trial)
    W, _ = spec.layers(theta)[0]
    W *= factor / preserving_gain(spec.activation, spec.parameter)
    X = unit_rows(data_of(trial).X_train[:PROBE_ROWS])
    return propagate(spec, theta, X, key(trial["root_seed"], "signal", trial["repeat"]))[: trial["depth"]]


def _perturbation(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Nudge the variance up and down, and start it far off, with the same weights."""
    down, up = (_scaled_look(trial, math.exp(sign * NUDGE / 2)) for sign in (-1, 1))
    far = _scaled_look(trial, math.sqrt(FAR))
    rows = [
        {
            "activation": trial["activation"],
            "repeat": trial["repeat"],
            "layer": layer,
            "difference": high["a_log"] - low["a_log"],
            "far_log": distant["a_log"],
            "far_mean": distant["a_mean"],
        }
        for layer, (low, high, distant) in enumerate(zip(down, up, far, strict=True), start=1)
    ]
    return {"trials": [_bare_row(trial)], "perturbation": rows}


def measure(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of one trial."""
    if trial["kind"] == "training":
        tables = train_network(trial, (DATA,))
        return {"trials": tables["trials"], "history": tables["history"]}
    if trial["kind"] == "moments":
        return _moments(trial)
    if trial["kind"] == "perturbation":
        return _perturbation(trial)
    return look_at_network(trial)


def cost(trial: dict[str, Any]) -> float:
    """Return the expected seconds on one core: multiply-adds at a speed seen on small networks, plus overheads."""
    if trial["kind"] == "moments":
        return 1e-7 * trial["draws"]
    data = data_of({**trial, "root_seed": 0})
    ends = data.n_features + data.n_outputs
    parameters = trial["depth"] * trial["width"] * (trial["width"] + 1) + ends * trial["width"]
    if trial["kind"] != "training":
        return 3e-4 + (3e-8 if trial["kind"] == "perturbation" else 1e-8) * parameters
    rows = data.X_train.shape[0]
    steps = math.ceil(rows / trial["batch_size"]) * trial["epochs"]
    return 2e-3 + steps * (4e-6 * trial["depth"] + 1e-10 * parameters * trial["batch_size"])


def warm_up() -> None:
    """Compile every kernel that the trials call."""
    data = {"data": "xor", "target": "", "samples": 60, "root_seed": 0, "repeat": 0}
    network = {"scheme": "lecun_normal", "activation": "selu", "depth": 1, "width": 2}
    measure({"kind": "moments", "activation": "selu", "draws": 1, **data})
    measure({"kind": "perturbation", **network, **data})
    recipe = {"learning_rate": 0.1, "epochs": 1, "batch_size": 8, "momentum": 0.9, "probe_epoch": []}
    measure({"kind": "training", **network, **data, **recipe})


# --- claims --------------------------------------------------------------------------------------------------------

RATIO_MARGIN = 0.02  # of ln chi from draws: GELU and SiLU are 0.005 apart, ReLU and GELU 0.07
SLOPE_MARGIN = 0.05  # of ln per layer: variance 1.8 instead of 2 would be off by 0.105
DECAY_MARGIN = 0.02  # of the factor per layer
GROWTH_MARGIN = 0.02  # of ln per layer: a factor of 1 would be off by 0.07
FIXED_MARGIN = 0.06  # of ln q: a layer more or less would be off by 0.01, no attraction by 0.69
SAME = 0.05  # test accuracy; on a hundred test rows five answers
KLAMBAUER = "Klambauer et al. 2017"
MEAN_FIELD = "Poole et al. 2016, eq. 3; Schoenholz et al. 2017"


def _expected(activation: str) -> Propagation:
    """Predicted propagation of an activation at its variance-preserving gain."""
    name, parameter = parse_activation(activation)
    return predict(name, preserving_gain(name, parameter) ** 2, 0.0, FLOW_DEPTH, FLOW_WIDTH, parameter)


def _chi(activation: str) -> tuple[float, str]:
    """E f'^2 / E f^2, chi at the variance-preserving gain, and where the number comes from."""
    name, parameter = parse_activation(activation)
    closed = closed_moments(name, parameter)
    found = closed or activation_moments(name, 1.0, parameter)
    return found.slope / found.second, "closed form" if closed else "quadrature"


def _moment_questions(moments: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    from nnsim.report.arms import rows_of
    from nnsim.report.judging import Question

    for activation in config["activation"]:
        rows = rows_of(moments, activation=activation).sort_values("repeat", kind="stable")
        with np.errstate(divide="ignore", invalid="ignore"):  # leaky_relu:1e200 overflows
            values = np.log(rows["slope"].to_numpy(dtype=float) / rows["second"].to_numpy(dtype=float))
        chi, how = _chi(activation)
        yield Question(
            f"A1-{activation}-moments", "check",
            f"Drawn and computed moments of {activation} agree: E f'^2 / E f^2 = {chi:.4g}.", MEAN_FIELD,
            f"{activation}, {DRAWS} normal draws a seed", values, math.log(chi) if chi > 0 else math.nan,
            margin=RATIO_MARGIN, note=f"ln of chi at the variance-preserving gain; prediction by {how}",
        )  # fmt: skip


def _flow_questions(layers: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    from nnsim.report.arms import change_per_layer, rows_of
    from nnsim.report.judging import Question

    for activation in config["activation"]:
        rows, expected = rows_of(layers, kind="flow", activation=activation), _expected(activation)
        texts = {
            "forward": ("a_log", 1, expected.forward, "activations follow the variance recursion q' = sw2 E f^2"),
            "backward": ("delta_log", -1, expected.backward, "gradients follow chi = sw2 E f'^2 along it"),
        }
        for direction, (column, sign, line, change) in texts.items():
            yield Question(
                f"A1-{activation}-{direction}", "claim", f"At the gain 1 / sqrt(E f^2) {activation}'s {change}.",
                MEAN_FIELD, f"preserving_normal, {activation}, {FLOW_DEPTH} layers of {FLOW_WIDTH}",
                sign * change_per_layer(rows, column, 1, FLOW_DEPTH),
                sign * float(line[-1] - line[0]) / (FLOW_DEPTH - 1), margin=SLOPE_MARGIN,
                note="ln of the factor per layer, prediction corrected for the finite width",
            )  # fmt: skip


def _constant_questions(moments: pd.DataFrame) -> Iterator[Question]:
    from nnsim.report.arms import rows_of
    from nnsim.report.judging import Question

    alpha, scale = selu_constants()
    rows = rows_of(moments, activation="selu")
    for name, column, closed in (("lambda", "at_one", scale), ("alpha", "at_minus_1000", -alpha * scale)):
        yield Question(
            f"A13-{name}", "check", f"The program's {name} is the closed form that makes (0, 1) a fixed point.",
            f"{KLAMBAUER}, eq. 14", "selu as networks run it", rows[column].to_numpy(dtype=float), closed,
            margin=1e-14, note="f(1) = lambda" if name == "lambda" else "f(-1000) = -lambda alpha",
        )  # fmt: skip


def _selu_questions(layers: pd.DataFrame, perturbation: pd.DataFrame) -> Iterator[Question]:
    from nnsim.report.arms import rows_of
    from nnsim.report.judging import Question

    where = f"lecun_normal, selu, layers of {SELU_WIDTH}"
    note = f"the same weights, the variance nudged by a factor of exp(+-{NUDGE:g})"
    yield Question(
        "A13-decay", "claim", "A small deviation of the variance shrinks by 0.7826 a SELU layer.", KLAMBAUER,
        f"{where}, layers 1 to {DECAY_LAYER}", _decay(perturbation, "selu"), variance_decay(), margin=DECAY_MARGIN,
        note=note,
    )  # fmt: skip
    yield Question(
        "A1-silu-repels", "correction",
        "A gain that preserves the variance 1 need not keep it: SiLU's deviations grow by E z f f' / E f^2 a layer.",
        "textbook statement: the right gain keeps activations", f"{where}, layers 1 to {DECAY_LAYER}".replace(
            "lecun_normal, selu", "preserving_normal, silu"), _decay(perturbation, "silu"),
        perturbation_factor("silu"), margin=DECAY_MARGIN, note=note,
    )  # fmt: skip
    last = rows_of(perturbation, activation="selu", layer=SELU_DEPTH).sort_values("repeat", kind="stable")
    expected = predict("selu", 1.0, 0.0, SELU_DEPTH, SELU_WIDTH, input_square=FAR).forward[-1]
    yield Question(
        "A13-square", "claim", f"Started at {FAR:g} times the variance, SELU layers bring the mean square back to 1.",
        KLAMBAUER, f"{where}, layer {SELU_DEPTH}", last["far_log"].to_numpy(dtype=float), float(expected),
        margin=FIXED_MARGIN, note=f"ln of the mean square; it starts at {math.log(FAR):.3g}",
    )  # fmt: skip
    yield Question(
        "A13-mean", "claim", "Their mean is 0, as the fixed point has it.", KLAMBAUER, f"{where}, layer {SELU_DEPTH}",
        last["far_mean"].to_numpy(dtype=float), 0.0, margin=0.03, note="mean activation; ReLU's would be 0.56",
    )  # fmt: skip
    growth = predict("selu", 1.0, 0.0, SELU_DEPTH, SELU_WIDTH).backward[0] / (SELU_DEPTH - 1)
    yield Question(
        "A13-growth", "claim", f"Activations are kept, gradients are not: chi = {gradient_growth():.4f} a layer.",
        "Schoenholz et al. 2017, section 5", f"{where}, layers 1 to {SELU_DEPTH}", _growth(layers), float(growth),
        margin=GROWTH_MARGIN, note="ln of the factor per layer, prediction corrected for the finite width",
    )  # fmt: skip


def _decay(perturbation: pd.DataFrame, activation: str) -> np.ndarray:
    """Factor a layer of the deviation between two signals of the same network, for each seed."""
    from nnsim.report.arms import rows_of

    wide = rows_of(perturbation, activation=activation).pivot(index="repeat", columns="layer", values="difference")
    wide = wide.reindex(columns=[1, DECAY_LAYER]).dropna()
    with np.errstate(invalid="ignore"):  # a deviation that changed its sign is no factor
        return ((wide[DECAY_LAYER] / wide[1]) ** (1 / (DECAY_LAYER - 1))).to_numpy(dtype=float)


def _growth(layers: pd.DataFrame) -> np.ndarray:
    from nnsim.report.arms import change_per_layer, rows_of

    return -change_per_layer(rows_of(layers, kind="selu"), "delta_log", 1, SELU_DEPTH)


def _leads(trials: pd.DataFrame, data: str, activation: str) -> tuple[np.ndarray, bool]:
    """Test metric minus the baseline's at equal seeds, each at its chosen rate, and whether one is at an edge."""
    from nnsim.report.arms import rows_of, scored
    from nnsim.report.tuned_arms import ChosenArms

    arms = ChosenArms(scored(rows_of(trials, kind="training", data=data)), ARMS)
    pair = {"activation": activation}, {"activation": BASELINE}
    return arms.lead("score", *pair), arms.at_edge(*pair)


def _training_questions(trials: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    from nnsim.report.judging import Question

    for data, activation in product(config["data"], config["trained_activation"]):
        if activation == BASELINE:
            continue
        leads, at_edge = _leads(trials, data, activation)
        yield Question(
            f"training-{data}-{activation}", "claim",
            f"With rates tuned for each, {activation} ends within {SAME:g} of ReLU's test metric on {data}.",
            "the null hypothesis; textbooks rank activations", f"{activation} minus {BASELINE}, {config['scheme']}, "
            f"{config['depth']} layers of {config['width']}, {data}", leads, 0.0, margin=SAME,
            note=f"paired by seed; {config['epochs']} epochs; failing means that the choice matters here",
            at_edge=at_edge,
        )  # fmt: skip


def claims(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> list[Claim]:
    """Return every claim of the study, judged at one simultaneous confidence."""
    from nnsim.report.judging import judge

    return judge(
        [
            *_constant_questions(tables["moments"]),
            *_selu_questions(tables["layers"], tables["perturbation"]),
            *_training_questions(tables["trials"], config),
            *_moment_questions(tables["moments"], config),
            *_flow_questions(tables["layers"], config),
        ]
    )


# --- summary and figures -------------------------------------------------------------------------------------------


def summary(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return medians with intervals: log gains of untrained arms, and trained arms at their chosen learning rate."""
    from nnsim.report.arm_summary import summarise_arms

    return summarise_arms(tables["trials"], ARMS, "log_gain")


def _difference_frame(trials: pd.DataFrame, config: dict[str, Any]) -> pd.DataFrame:
    import pandas as pd

    from nnsim.report.statistics import mean_interval

    others = [activation for activation in config["trained_activation"] if activation != BASELINE]
    rows = []
    for data, activation in product(config["data"], others):
        interval = mean_interval(_leads(trials, data, activation)[0], 0.95)
        ends = {"estimate": interval.estimate, "low": interval.low, "high": interval.high}
        rows.append({"data": data, "activation": activation, **ends})
    return pd.DataFrame(rows, columns=["data", "activation", "estimate", "low", "high"])


def figures(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> dict[str, FigureSpec]:
    """Return the figures, theory beside measurement."""
    signals = _signal_figures(tables["layers"], tables["perturbation"], config)
    return signals | _training_figures(tables["trials"], config)


def _signal_figures(layers: pd.DataFrame, perturbation: pd.DataFrame, config: dict[str, Any]) -> dict[str, FigureSpec]:
    from nnsim.report.arms import rows_of
    from nnsim.report.figures import FigureSpec
    from nnsim.report.plots import signal_curves

    from . import plots

    lines = {name: (np.arange(1, FLOW_DEPTH + 1), _expected(name).backward) for name in config["activation"]}
    return {
        "shapes": FigureSpec(
            plots.shapes(config["activation"]),
            "The activations and their slopes.",
            "f and f' against z for every activation.",
        ),
        "flow": FigureSpec(
            plots.flow(rows_of(layers, kind="flow"), FLOW_DEPTH, lines),
            f"The error on its way back through {FLOW_DEPTH} layers of {FLOW_WIDTH}, each activation at its computed "
            "variance-preserving gain: geometric means over networks, 95 % intervals; dashed: theory. Keeping the "
            "activations keeps the gradients of homogeneous activations only.",
            "Mean square of the errors against the layer, one panel an activation.",
        ),
        "gains": FigureSpec(
            signal_curves.factors(signal_curves.factor_frame(_flow_questions(layers, config))),
            "Mean change of the mean square per layer at the variance-preserving gain. Bars: theory; points: measured, "
            "with 95 % intervals.",
            "Predicted and measured factor per layer for each activation, forward and backward.",
        ),
        "selu": FigureSpec(
            plots.perturbation(perturbation, {"selu": variance_decay(), "silu": perturbation_factor("silu")}),
            "SELU's fixed point attracts: two signals of the same network whose variances differ by a fifth come "
            "together by 0.7826 a layer. SiLU's repels: they part. Dashed: the slope of the variance map.",
            "Deviation of the variance against the layer, falling for SELU and rising for SiLU along straight lines.",
        ),
    }


def _training_figures(trials: pd.DataFrame, config: dict[str, Any]) -> dict[str, FigureSpec]:
    from nnsim.report.arms import rows_of
    from nnsim.report.figures import FigureSpec
    from nnsim.report.plots import training_curves

    from . import plots

    runs = rows_of(trials, kind="training")
    return {
        "differences": FigureSpec(
            plots.differences(_difference_frame(trials, config), SAME, BASELINE),
            "Test metric minus ReLU's at equal seeds, each activation at the rate that validation chose: means with "
            f"95 % intervals. Grey: the band of +-{SAME:g} that counts as no difference.",
            "Differences of the test metric for each activation, one panel a data set.",
        ),
        "learning-rates": FigureSpec(
            training_curves.rates(
                runs.assign(scheme=runs["activation"], activation=runs["data"]), None, "validation metric"
            ),
            f"Validation metric after {config['epochs']} epochs over the grid of learning rates: medians over seeds "
            "with 95 % intervals, diverged runs counted as chance.",
            "Validation metric against the learning rate, one panel a data set, one line an activation.",
        ),
    }


# --- declaration ---------------------------------------------------------------------------------------------------

REPEAT = next(column for column in ARM_COLUMNS if column.name == "repeat")
MOMENT_COLUMNS = (
    Column("activation", "text", "", "activation, with its parameter"),
    REPEAT,
    Column("mean", "float", "", "mean of f(z) over standard normal draws"),
    Column("second", "float", "", "mean of f(z)^2"),
    Column("slope", "float", "", "mean of f'(z)^2"),
    Column("at_one", "float", "", "f(1)"),
    Column("at_minus_1000", "float", "", "f(-1000)"),
)
PERTURBATION_COLUMNS = (
    Column("activation", "text", "", "activation"),
    REPEAT,
    Column("layer", "int", "", "hidden layer"),
    Column("difference", "float", "nats", "ln mean a^2 with the variance nudged up, minus that with it nudged down"),
    Column("far_log", "float", "nats", "ln mean a^2, started far from the fixed point"),
    Column("far_mean", "float", "", "mean activation, started far from the fixed point"),
)
SETS = ("digits", "breast_cancer", "spirals")
TRAINED = ("relu", "tanh", "sigmoid", "gelu", "selu")
MORE_TRAINED = (*TRAINED, "leaky_relu", "elu", "silu", "mish", "softsign", "sin")
RATES = (0.0015, 0.006, 0.025, 0.1, 0.4, 1.6)


study = Study(
    name="activation",
    title="What an activation changes",
    question=(
        "Which gain does each activation need, what does it then do to gradients through depth, and how much of that "
        "is left in the accuracy once every network is trained at its own best learning rate?"
    ),
    expect=(
        "The gain 1 / sqrt(E f^2) has variance 1 as a fixed point, which attracts tanh and SELU, is neutral for ReLU, "
        "and repels GELU, SiLU and Mish. There gradients change by E f'^2 / E f^2 a layer: 1 for ReLU and its leaky "
        "kin, above 1 for most others, 0.15 for the sigmoid. SELU is built to keep mean 0 and variance 1: deviations "
        "decay by 0.7826 a layer, yet gradients grow by 1.0716. In shallow networks at tuned rates most choices end "
        "alike: the teaching page's case for ReLU is one of depth."
    ),
    falsify=(
        "A factor per layer outside the printed margin; constants of SELU that are not the closed form; a difference "
        "in accuracy of more than the printed margin between two activations with tuned rates."
    ),
    misreading=(
        "A better activation at one learning rate is often only a better learning rate: on digits the sigmoid wants "
        "one that is 16 times ReLU's. And an equal accuracy here, in three layers, says nothing about thirty."
    ),
    references=(
        "B. Poole et al., Exponential expressivity in deep neural networks through transient chaos, NeurIPS 2016",
        "S. Schoenholz et al., Deep information propagation, ICLR 2017",
        "G. Klambauer, T. Unterthiner, A. Mayr and S. Hochreiter, Self-normalizing neural networks, NeurIPS 2017",
        "D. Hendrycks and K. Gimpel, Gaussian error linear units, 2016",
        "C. Williams, Computing with infinite networks, NIPS 1997",
    ),
    axes=(
        Axis("activation", str, "activations whose moments, gains and gradients are measured",
             presets(TRAINABLE, TRAINABLE, (*TRAINABLE, "leaky_relu:0.2", "elu:0.5")), names="activations"),
        Axis("trained_activation", str, "activations of the trained networks, as in relu or leaky_relu:0.2",
             presets(TRAINED, MORE_TRAINED, TRAINABLE), names="activations"),
        Axis("data", str, "data sets, or CSV, NPZ or IDX files", presets(SETS, (*SETS, "wine", "moons"),
             (*SETS, "wine", "moons", "diabetes")), names="datasets", file=True),
        Axis("learning_rate", float, "grid of learning rates, the same for every arm",
             presets(RATES, (0.0004, *RATES), (0.0004, *RATES, 6.4)), minimum=0, exclusive=True),
        Axis("scheme", str, "initialization scheme of the trained networks", presets(*["preserving_normal"] * 3),
             scalar=True, names="schemes"),
        Axis("depth", int, "hidden layers of the trained networks", presets(3, 3, 5), minimum=1, scalar=True),
        Axis("width", int, "units of each hidden layer", presets(32, 32, 64), minimum=1, scalar=True),
        Axis("seeds", int, "independent seeds of each trained arm", presets(10, 20, 30), minimum=1, scalar=True),
        Axis("probe_seeds", int, "independent seeds of what is drawn and looked at", presets(40, 100, 400), minimum=1,
             scalar=True),
        Axis("epochs", int, "passes over the training data", presets(15, 30, 60), minimum=1, scalar=True),
        Axis("batch_size", int, "rows a step", presets(32, 32, 32), minimum=1, scalar=True),
        Axis("momentum", float, "momentum of the descent, below 1", presets(0.9, 0.9, 0.9), minimum=0, scalar=True),
        Axis("target", str, "target column of CSV files", presets("", "", ""), scalar=True, file=True),
        Axis("samples", int, "rows to use; 0 is all", presets(0, 0, 0), minimum=0, scalar=True),
    ),
    tables=(
        Table("trials", TRIAL_COLUMNS),
        Table("layers", LAYER_COLUMNS),
        Table("history", columns_with(HISTORY_COLUMNS, DATA)),
        Table("moments", MOMENT_COLUMNS),
        Table("perturbation", PERTURBATION_COLUMNS),
    ),
    schema_version=1,
    trials=trials,
    measure=measure,
    cost=cost,
    summary=summary,
    claims=claims,
    figures=figures,
    warm_up=warm_up,
    kernels=(
        "evaluate float32",
        "probe_layers float32",
        "train_epochs float32",
        "probe_layers float64",
        "value_and_slope float64",
    ),
    inputs=lambda config: {f"data_sha256_{name}": text for name, text in _fingerprints(config).items()},
    answer=("A1-relu-backward", "training-digits-tanh"),
    statements=(
        "A1: drawn moments of every activation agree with closed forms, or with quadrature where there is none.",
        "A1: at the gain 1 / sqrt(E f^2) activations follow q' = sw2 E f^2, and gradients chi = sw2 E f'^2 along it.",
        "A1: that gain need not keep the variance: SiLU's fixed point repels by E z f f' / E f^2 a layer.",
        "A13: SELU's constants are the closed form that makes mean 0 and variance 1 a fixed point, which attracts.",
        "A13: deviations of the variance decay by 0.7826 a SELU layer, while gradients grow by chi = 1.0716.",
        "Training: with rates tuned for each, an activation ends within 0.05 of ReLU's accuracy, on each data set.",
    ),
)  # fmt: skip
