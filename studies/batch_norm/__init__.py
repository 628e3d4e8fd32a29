"""Batch normalisation: gradients at the start, learning rates that survive, distributions, dropout in front of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim.core.errors import UsageError
from nnsim.core.seeding import key
from nnsim.kernels.cpu.draws import fill_normal
from nnsim.kernels.cpu.training import loss_and_gradient
from nnsim.kernels.formulas.philox import DATA
from nnsim.networks.activations import parse as parse_activation
from nnsim.networks.spec import NetworkSpec
from nnsim.probes.propagation import propagate
from nnsim.probes.units import drift, unit_facts
from nnsim.study.checks import TRAINABLE, check_batch_size, check_normalizable, check_trainable, data_hash
from nnsim.study.declaration import Axis, Column, Study, Table, presets
from nnsim.study.dict_network_trials import (
    ARM_COLUMNS,
    TRIAL_COLUMNS,
    columns_with,
    data_of,
    network_of,
    without_lone_row,
)
from nnsim.study.dict_unit_trials import Look, doublings, start_of, trial_row, watch_training
from nnsim.theory.signals.batch_statistics import batch_norm_gradient_factor, dropout_variance_ratio
from nnsim.theory.signals.mean_field import gradient_factor
from nnsim.training import trainer

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.claims import Claim
    from nnsim.report.figures import FigureSpec
    from nnsim.report.old_questions import Question
    from nnsim.report.tuned_arms import ChosenArms

NORMALIZATIONS = ("none", "batch", "layer")
GAUSSIAN = {"data": "teacher_student", "target": "", "samples": 1000, "fingerprint": ""}  # inputs ~ N(0, 1)
SCALE_DEPTH, SCALE_WIDTH, SCALE = 3, 16, 3.0
EXPLOSION_DEPTH, EXPLOSION_WIDTH, EXPLOSION_ROWS = 8, 192, 384  # inputs and outputs are as wide
SHIFT_DEPTH, SHIFT_WIDTH, SHIFT_EPOCHS = 4, 128, 12
FROZEN = 1e-30  # a learning rate below what moves a weight: only the running statistics learn


# --- trials --------------------------------------------------------------------------------------------------------


def _looked_at(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the networks whose weights stay as they are drawn."""
    arms: list[dict[str, Any]] = []
    scale = {"kind": "scale", "depth": SCALE_DEPTH, "width": SCALE_WIDTH, "norm_epsilon": 0.0}
    arms += [{**scale, "activation": activation, "normalization": "batch"} for activation in ("relu", "tanh")]
    deep = {"kind": "explosion", "depth": EXPLOSION_DEPTH, "width": EXPLOSION_WIDTH}
    arms += [{**deep, "activation": activation, "normalization": "batch"} for activation in config["activation"]]
    arms += [{**deep, "activation": "relu", "normalization": "none"}]
    frozen = {"learning_rate": FROZEN, "optimizer": "sgd", "epochs": SHIFT_EPOCHS, "batch_size": 100}
    shift = {"kind": "shift", "activation": "relu", "depth": SHIFT_DEPTH, "width": SHIFT_WIDTH, **frozen}
    arms += [{**shift, "normalization": "batch", "dropout": dropout} for dropout in config["dropout"]]
    for arm, repeat in product(arms, range(config["probe_seeds"])):
        yield {**arm, "scheme": "he_normal", "repeat": repeat, **GAUSSIAN}


def _trained(config: dict[str, Any], data: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the trained networks: every arm runs the same whole grid of learning rates and seeds."""
    network = {"kind": "training", "scheme": "he_normal", "activation": "relu", "width": config["width"]}
    recipe = {"optimizer": "sgd", "epochs": config["epochs"], "batch_size": config["batch_size"]}
    grid = product(NORMALIZATIONS, config["depth"], config["learning_rate"], range(config["seeds"]))
    for normalization, depth, rate, repeat in grid:
        arm = {"normalization": normalization, "depth": depth, "learning_rate": rate, "repeat": repeat}
        yield {**network, **arm, **recipe, **data}


def _check(config: dict[str, Any], data: dict[str, Any]) -> None:
    check_trainable(config["activation"])
    for dropout in config["dropout"]:
        if dropout >= 1:
            raise UsageError(f"dropout must be above 0 and below 1, got {dropout:g}")
    check_batch_size(config["batch_size"], data)
    check_normalizable(config["batch_size"])


def trials(config: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all trials; a batch of one row, which cannot be normalised, is refused here."""
    data = {name: config[name] for name in ("data", "target", "samples")} | {"fingerprint": data_hash(config)}
    _check(config, data)
    return [*_looked_at(config), *_trained(config, data)]


# --- measurement ---------------------------------------------------------------------------------------------------


def _sum(values: np.ndarray) -> np.ndarray:
    """Add rows from the first to the last, in one order on every machine."""
    total = np.zeros_like(values[0])
    for row in values:
        total = total + row
    return total


def _gradient(spec: NetworkSpec, theta: np.ndarray, data: trainer.Batches) -> tuple[float, np.ndarray]:
    gradient = np.empty_like(theta)
    return loss_and_gradient(spec.architecture, theta, data.X, data.Y, gradient, np.uint64(0), 0), gradient


def _measure_scale(trial: dict[str, Any]) -> dict[str, Any]:
    """Largest cosine between a unit's weights and their gradient, and what the loss makes of larger weights."""
    spec = network_of(trial, "float64")
    theta, data = start_of(trial, spec), trainer.batches(data_of(trial), np.float64)
    loss, gradient = _gradient(spec, theta, data)
    cosines = []
    weights, slopes = spec.views(theta, "weight")[:-1], spec.views(gradient, "weight")[:-1]
    for W, G in zip(weights, slopes, strict=True):
        cosines.append(np.max(np.abs(_sum(W * G)) / np.sqrt(_sum(W * W) * _sum(G * G))))
    for W in weights:
        W *= SCALE
    scaled, _ = _gradient(spec, theta, data)
    return {"largest_cosine": float(max(cosines)), "loss_change": abs(scaled - loss) / loss}


def _measure_explosion(trial: dict[str, Any]) -> list[dict[str, Any]]:
    """Mean square of the errors of every layer, for Gaussian inputs and a Gaussian error signal, one large batch."""
    root, repeat, width = trial["root_seed"], trial["repeat"], trial["width"]
    spec = replace(network_of(trial, "float64"), widths=(width,) * (trial["depth"] + 2))
    X = np.empty(EXPLOSION_ROWS * width)
    fill_normal(X, np.uint64(key(root, "inputs", repeat)), DATA, 0)
    facts = propagate(spec, start_of(trial, spec), X.reshape(EXPLOSION_ROWS, width), key(root, "signal", repeat))
    arm = {column.name: trial.get(column.name) for column in ARM}
    return [
        {**arm, "layer": layer, "delta_square": fact["delta_square"]} for layer, fact in enumerate(facts[:-1], start=1)
    ]


def _measure_shift(trial: dict[str, Any]) -> list[dict[str, Any]]:
    """Variance in test, when nothing is dropped, of what normalisation by the running statistics hands on."""
    _, _, run = watch_training(trial, [trial["epochs"]])
    spec = network_of(trial, "float32")
    arm = {column.name: trial.get(column.name) for column in ARM}
    layers = unit_facts(spec, run.theta, data_of(trial).X_train, run.statistics)
    return [
        {**arm, "layer": layer, "test_variance": float(_sum(facts.z_variance)) / facts.z_variance.size}
        for layer, facts in enumerate(layers, start=1)
    ]


def _growth(spec: NetworkSpec, before: np.ndarray, after: np.ndarray) -> float:
    """Squared norm of the hidden layers' weights after training over that before."""
    sums = [sum(float(_sum(_sum(W * W))) for W in spec.views(theta, "weight")[:-1]) for theta in (before, after)]
    return sums[1] / sums[0]


def _drift_rows(trial: dict[str, Any], looks: list[Look]) -> Iterator[dict[str, Any]]:
    """Yield how far the distributions of each layer have moved since the start, after each look."""
    arm = {column.name: trial.get(column.name) for column in ARM}
    for epoch, now in looks[1:]:
        for layer, (start, facts) in enumerate(zip(looks[0][1], now, strict=True), start=1):
            linear = drift(start, facts, linear=True) if trial["normalization"] != "layer" else None
            moved = {"seen": drift(start, facts), "linear": linear}
            yield {**arm, "epoch": epoch, "layer": layer, **moved}


def _measure_training(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    outcome, looks, run = watch_training(without_lone_row(trial), doublings(trial["epochs"]))
    if run.status == "done":
        spec = network_of(trial, "float32")
        outcome["weight_growth"] = _growth(spec, start_of(trial, spec).astype(np.float64), run.theta.astype(np.float64))
    return {"trials": [trial_row(trial, COLUMNS, **outcome)], "drift": list(_drift_rows(trial, looks))}


def measure(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of one trial."""
    if trial["kind"] == "training":
        return _measure_training(trial)
    if trial["kind"] == "scale":
        return {"trials": [trial_row(trial, COLUMNS, **_measure_scale(trial))]}
    table, rows = {"explosion": ("layers", _measure_explosion), "shift": ("shift", _measure_shift)}[trial["kind"]]
    return {"trials": [trial_row(trial, COLUMNS)], table: rows(trial)}


def cost(trial: dict[str, Any]) -> float:
    """Return the expected seconds on one core, at speeds seen on small networks."""
    data = data_of({**trial, "root_seed": 0})
    parameters = trial["width"] * (trial["depth"] * trial["width"] + data.n_features + data.n_outputs)
    return 3e-3 + 4e-11 * parameters * data.X_train.shape[0] * (trial.get("epochs", 2) + 2) * 3


def warm_up() -> None:
    """Compile every kernel that the trials call."""
    network = {"scheme": "he_normal", "activation": "relu", "depth": 1, "width": 2, "repeat": 0, "root_seed": 0}
    data = {"data": "teacher_student", "target": "", "samples": 60}
    recipe = {"learning_rate": 0.1, "epochs": 1, "batch_size": 8, "optimizer": "sgd"}
    for kind in ("scale", "explosion", "shift", "training"):
        measure({"kind": kind, **network, **data, **recipe, "normalization": "batch", "dropout": 0.1})
    measure({"kind": "training", **network, **data, **recipe, "data": "xor", "normalization": "none"})


# --- claims --------------------------------------------------------------------------------------------------------

ROUNDING = 1e-9
FACTOR_MARGIN = 0.03  # of ln a layer: ReLU's 0.383 must not pass for GELU's or for 0
RATIO_MARGIN = 0.08  # of ln of a variance ratio: a dropout of 0.25 instead of 0.2 would be off by 0.09
FAR = 10.0  # times a rate, which is far higher
YANG, LI = "Yang et al. 2019, section 4", "Li, Chen, Hu and Yang 2019, case b"
PAGE = "textbook statement: without batch normalisation covariate shift makes deep networks unstable"


def _scale_questions(trials: pd.DataFrame) -> Iterator[Question]:
    from nnsim.report.arms import rows_of
    from nnsim.report.old_questions import Question

    rows = rows_of(trials, kind="scale", status="done")
    where = f"relu and tanh, {SCALE_DEPTH} layers of {SCALE_WIDTH}, epsilon 0, float64"
    for name, column, statement in (
        (
            "D1-orthogonal",
            "largest_cosine",
            "Behind the linear layer, normalisation makes <w, dL/dw> = 0 for each unit.",
        ),
        ("D1-scale", "loss_change", f"Hidden weights {SCALE:g} times as large give the same loss."),
    ):
        worst = rows.groupby("repeat")[column].max().to_numpy(dtype=float)
        yield Question(
            name, "check", statement, "Ioffe and Szegedy 2015, section 3.3", where, worst, ROUNDING, "at_most"
        )


def _explosion_questions(layers: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    from nnsim.report.old_questions import Question

    where = f"{EXPLOSION_DEPTH} layers of {EXPLOSION_WIDTH}, one batch of {EXPLOSION_ROWS}"
    ask = partial(Question, kind="claim", margin=FACTOR_MARGIN, note="ln of the factor of the mean square a layer")
    for activation in config["activation"]:
        name, parameter = parse_activation(activation)
        yield ask(
            f"D1-explosion-{activation}", source=YANG, arm=f"batch norm, {activation}, {where}",
            statement=f"Behind batch normalisation errors grow by E f'^2 / Var f a {activation} layer on the way back.",
            values=_growth_per_layer(layers, activation, "batch"),
            prediction=math.log(batch_norm_gradient_factor(name, parameter)),
        )  # fmt: skip
    yield ask(
        "D1-plain", statement="Without normalisation and with He's variance errors keep their mean square.",
        source="He et al. 2015", arm=f"no norm, relu, {where}", values=_growth_per_layer(layers, "relu", "none"),
        prediction=math.log(gradient_factor("relu", 2.0, 1.0)),
    )  # fmt: skip


def _growth_per_layer(layers: pd.DataFrame, activation: str, normalization: str) -> np.ndarray:
    """Return ln of the factor a layer, from the last hidden layer back to the second, for each seed."""
    from nnsim.report.arms import change_per_layer, rows_of

    rows = rows_of(layers, kind="explosion", activation=activation, normalization=normalization)
    with np.errstate(divide="ignore"):
        return -change_per_layer(rows.assign(log=np.log(rows["delta_square"])), "log", 2, EXPLOSION_DEPTH)


def _shift_questions(shift: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    from nnsim.report.arms import rows_of
    from nnsim.report.old_questions import Question

    for dropout, layer in product(config["dropout"], (1, 2, SHIFT_DEPTH)):
        variances = rows_of(shift, dropout=dropout, layer=layer)["test_variance"].to_numpy(dtype=float)
        kind = "check" if layer == 1 else "claim"
        statement = {1: "In front of any dropout the running variance is that of the test."}.get(
            layer,
            "Dropout below it makes a normalisation's running variance too large by 1 + p/(1-p) E f^2/Var f a layer.",
        )
        yield Question(
            f"D1-dropout-{dropout:g}-layer-{layer}", kind, statement, LI,
            f"relu, dropout {dropout:g}, layer {layer} of width {SHIFT_WIDTH}", -np.log(variances),
            math.log(dropout_variance_ratio(dropout, layer)), margin=RATIO_MARGIN,
            note="ln of running variance over variance in test",
        )  # fmt: skip


def _learns(runs: pd.DataFrame) -> pd.Series:
    """Whether a run ended more than half way from chance to 1."""
    half_way = runs["chance"] + (1 - runs["chance"]) / 2
    return (runs["status"] == "done") & (runs["validation_metric"] > half_way)


def _largest_rates(runs: pd.DataFrame, normalization: str, depth: int) -> pd.Series:
    """Return ln of the largest rate at which each seed learns; NaN where it learns at none."""
    from nnsim.report.arms import rows_of

    rows = rows_of(runs, normalization=normalization, depth=depth)
    rates = rows["learning_rate"].where(_learns(rows))
    return np.log(rates.groupby(rows["repeat"]).max().astype(float))


def _rate_questions(runs: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    from nnsim.report.old_questions import Question

    top = math.log(max(config["learning_rate"]))
    for name, depth in (("shallow", min(config["depth"])), ("deep", max(config["depth"]))):
        where = f"he_normal, relu, {depth} layers of {config['width']}, {config['data']}"
        largest = {kind: _largest_rates(runs, kind, depth) for kind in NORMALIZATIONS}
        for kind, bound, words in (("batch", math.log(FAR), f"{FAR:g} times the"), ("layer", 0.0, "higher")):
            lead = (largest[kind] - largest["none"]).dropna()
            yield Question(
                f"D1-rates-{kind}-{name}", "claim",
                f"With {kind} normalisation a {name} network learns at {words} rates of one without.",
                "Ioffe and Szegedy 2015; Bjorck et al. 2018", f"{kind} over none, {where}", lead.to_numpy(dtype=float),
                bound, "at_least" if bound else "above", at_edge=bool((largest["none"] >= top).any()),
                note="ln of the ratio of the largest rates of the grid at which a seed learns",
            )  # fmt: skip
        yield from _survival_questions(runs, name, depth, where)


def _survival_questions(runs: pd.DataFrame, name: str, depth: int, where: str) -> Iterator[Question]:
    from nnsim.report.arms import rows_of
    from nnsim.report.old_questions import Question

    rows = rows_of(runs, depth=depth)
    plain = rows_of(rows, normalization="none")
    rates = _learns(plain).groupby(plain["learning_rate"]).sum()
    lost = [rate for rate in rates.index if not rates[rates.index >= rate].any()]
    rate = min(lost, default=math.nan)
    survivors = rows_of(rows, normalization="batch", learning_rate=rate)
    at = "no such rate" if math.isnan(rate) else f"rate {rate:g}"
    yield Question(
        f"D1-survival-{name}", "claim", "Where no plain network learns any more, most batch normalised ones do.",
        "Ioffe and Szegedy 2015", f"batch, {at}, {where}", _learns(survivors).to_numpy(dtype=float), 0.5, "above",
        interval="proportion", note="at the lowest rate from which on no network without normalisation learns",
    )  # fmt: skip


def _arms(runs: pd.DataFrame) -> ChosenArms:
    from nnsim.report.arms import scored
    from nnsim.report.tuned_arms import ChosenArms

    return ChosenArms(scored(runs), ["normalization", "depth"])


def _accuracy_questions(runs: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    from nnsim.report.arms import rows_of
    from nnsim.report.old_questions import Question

    arms, depth = _arms(runs), max(config["depth"])
    plain, batch = ({"normalization": kind, "depth": depth} for kind in NORMALIZATIONS[:2])
    chance = float(runs["chance"].max())
    where = f"he_normal, relu, {depth} layers of {config['width']}, {config['data']}"
    note = f"test metric at each arm's chosen rate; chance is {chance:.3g}"
    yield Question(
        "D1-accuracy", "claim", "A deep network ends better with batch normalisation, each at its own rate.",
        "Ioffe and Szegedy 2015", f"batch minus none, {where}", arms.lead("score", batch, plain), 0.0, "above",
        note=note, at_edge=arms.at_edge(plain, batch),
    )  # fmt: skip
    yield Question(
        "D1-unstable", "correction",
        "Without batch normalisation a deep network is stable at its own rate: it ends more than half way up.",
        PAGE, f"none, {where}", arms.values("score", plain).to_numpy(), chance + (1 - chance) / 2, "at_least",
        note=note, at_edge=arms.at_edge(plain),
    )  # fmt: skip
    growth = rows_of(runs, normalization="batch", status="done").groupby("repeat")["weight_growth"].min()
    yield Question(
        "D1-growth", "claim", "Under plain descent normalised weights never shrink, which lowers their effective rate.",
        "Arora, Li and Lyu 2019", "batch, all depths and rates that finish", growth.dropna().to_numpy(dtype=float),
        1.0, "at_least", note="least ratio of squared norms of the hidden weights, after over before",
    )  # fmt: skip


def _drift_questions(runs: pd.DataFrame, moved: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    from nnsim.report.arms import rows_of
    from nnsim.report.old_questions import Question

    arms, depth = _arms(runs), max(config["depth"])
    rows = rows_of(arms.pick(moved), depth=depth, epoch=config["epochs"])
    means = {
        kind: rows_of(rows, normalization=kind).groupby("repeat")[["seen", "linear"]].mean() for kind in NORMALIZATIONS
    }
    where = f"he_normal, relu, {depth} layers of {config['width']}, {config['data']}, each at its chosen rate"
    edge = arms.at_edge(*({"normalization": kind, "depth": depth} for kind in ("none", "batch")))
    ask = partial(Question, kind="correction", source="Santurkar et al. 2018", prediction=0.0, at_edge=edge)
    plain, batch = means["none"], means["batch"]
    yield Question(
        "D1-drift-plain", "correction",
        "Without normalisation what layers see drifts by half a deviation and more, at a rate at which it learns.",
        PAGE, f"none, {where}", plain["seen"].dropna().to_numpy(dtype=float), 0.5, "at_least", at_edge=edge,
        note="mean over layers of the distance from the start, in standard deviations",
    )  # fmt: skip
    note = "ln of the ratio of drifts, paired by seed"
    seen, linear = (np.log(batch[name] / plain[name]).dropna().to_numpy(dtype=float) for name in ("seen", "linear"))
    yield ask(
        "D1-drift-held", statement="What the activations see drifts less behind batch normalisation.",
        arm=f"batch over none, {where}", values=seen, rule="at_most", note=note,
    )  # fmt: skip
    yield ask(
        "D1-drift-moves", statement="What the linear layers give drifts no less with batch normalisation than without.",
        arm=f"batch over none, {where}", values=linear, rule="at_least", note=note,
    )  # fmt: skip


def claims(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> list[Claim]:
    """Return every claim of the study, judged at one simultaneous confidence."""
    from nnsim.report.arms import rows_of
    from nnsim.report.judging import judge

    runs = rows_of(tables["trials"], kind="training")
    return judge(
        [
            *_scale_questions(tables["trials"]),
            *_explosion_questions(tables["layers"], config),
            *_rate_questions(runs, config),
            *_accuracy_questions(runs, config),
            *_drift_questions(runs, tables["drift"], config),
            *_shift_questions(tables["shift"], config),
        ]
    )


# --- summary and figures -------------------------------------------------------------------------------------------

SUMMARY_ARM = ["normalization", "depth", "width"]
SUMMARY_QUANTITIES = ("validation_metric", "test_metric", "weight_growth")


def summary(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the medians of trained arms at their chosen rates: metrics in validation and test, growth of weights."""
    import pandas as pd

    from nnsim.report.arm_summary import FACTS, median_facts
    from nnsim.report.arms import rows_of

    picked = _arms(rows_of(tables["trials"], kind="training")).runs
    rows = [
        dict(zip(SUMMARY_ARM, names, strict=True)) | median_facts(group, quantity)
        for names, group in picked.groupby(SUMMARY_ARM, sort=False)
        for quantity in SUMMARY_QUANTITIES
    ]
    return pd.DataFrame(rows, columns=[*SUMMARY_ARM, *FACTS]).astype({"parameters": "Int64"})


def figures(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> dict[str, FigureSpec]:
    """Return the figures, theory beside measurement."""
    from nnsim.report.arms import rows_of
    from nnsim.report.figures import FigureSpec

    from . import plots

    runs, layers = rows_of(tables["trials"], kind="training"), tables["layers"]
    runs = runs.assign(
        learns=_learns(runs), value=runs["validation_metric"].where(runs["status"] == "done", runs["chance"])
    )
    layers = layers[layers["layer"] > 1]
    layers = layers.assign(series=layers["activation"].where(layers["normalization"] == "batch", "relu, no norm"))
    factors = {name: math.log(batch_norm_gradient_factor(*parse_activation(name))) for name in config["activation"]} | {
        "relu, no norm": 0.0
    }
    depth = max(config["depth"])
    moved = rows_of(_arms(runs).pick(tables["drift"]), depth=depth)
    moved = moved.groupby(["normalization", "repeat", "epoch"], sort=False)[["seen", "linear"]].mean().reset_index()
    return {
        "explosion": FigureSpec(
            plots.explosion(layers, factors),
            f"Errors on their way back through {EXPLOSION_DEPTH} layers of {EXPLOSION_WIDTH} as they are drawn, one "
            f"batch of {EXPLOSION_ROWS}: geometric means with 95 % intervals. Dashed: E f'^2 / Var f a layer with "
            "batch normalisation, 1 without and with He's variance. The first layer, fed by the inputs, is left out.",
            "Mean square of the errors against the layer, one line an activation; with normalisation they grow.",
        ),
        "survival": FigureSpec(
            plots.survival(runs),
            f"Learning rates that survive {config['epochs']} epochs. Above: share of seeds that end more than half way "
            "from chance to 1, Clopper and Pearson's 95 % intervals. Below: median validation metric, diverged runs as "
            "chance.",
            "Share of networks that learn and their metric against the learning rate, one panel a depth.",
        ),
        "drift": FigureSpec(
            plots.drift(moved),
            f"How far the distributions that the units of {depth} layers see have moved since the start, on all "
            "training rows, each arm at its chosen rate: mean over layers, medians over seeds with 95 % intervals.",
            "Drift against epochs, one panel for what activations see and one for linear outputs.",
        ),
        "variance-shift": FigureSpec(
            plots.variance_shift(tables["shift"], dropout_variance_ratio),
            "Dropout in front of batch normalisation: how much larger the running variance, learnt with dropout, is "
            "than the variance in test, without it. Means of logarithms with 95 % intervals; dashed: theory.",
            "Ratio of running to test variance against the layer, one line a dropout.",
        ),
    }


# --- declaration ---------------------------------------------------------------------------------------------------

KIND = Column("kind", "text", "", "what the trial is for: scale, explosion, shift, training")
SETTINGS = (
    Column("normalization", "text", "", "normalisation of the hidden layers"),
    Column("dropout", "float", "1", "probability with which a hidden unit is dropped"),
)
ARM = (KIND, *ARM_COLUMNS[1:], *SETTINGS)
COLUMNS = (
    KIND,
    *columns_with(TRIAL_COLUMNS, *SETTINGS)[1:],
    Column("largest_cosine", "float", "1", "largest |cos| between a hidden unit's weights and their gradient"),
    Column("loss_change", "float", "1", f"relative change of the loss with {SCALE:g} times the hidden weights"),
    Column("weight_growth", "float", "1", "squared norm of the hidden weights after training over that before"),
)
LAYER = Column("layer", "int", "", "hidden layer, from 1")
LAYERS = (*ARM, LAYER, Column("delta_square", "float", "", "mean squared delta = dL/dZ over rows and units"))
SHIFT = (
    *ARM,
    LAYER,
    Column("test_variance", "float", "1", "mean over units of the variance in test"),
)
DRIFT = (
    *ARM,
    Column("epoch", "int", "epochs", "epochs done at this look"),
    LAYER,
    Column("seen", "float", "deviations", "how far what the activation sees has moved since the start"),
    Column("linear", "float", "deviations", "how far the linear output has moved; empty behind layer normalisation"),
)
RATES = tuple(0.02 * 2**k for k in range(10))
ACTIVATION_SET = ("relu", "tanh", "gelu", "sigmoid", "identity")


study = Study(
    name="batch-norm",
    title="Batch normalisation",
    question=(
        "What does batch normalisation do to a deep network: to its gradients at the start, to the learning rates it "
        "survives, to the distributions that its layers see, and to dropout?"
    ),
    expect=(
        "At the start it makes gradients explode with depth, by pi / (pi - 1) = 1.467 a ReLU layer, whatever the scale "
        "of the weights. Yet in training it bears far higher rates: a unit's weights are orthogonal to their "
        "gradient, so each step makes them longer and the next step relatively smaller. Behind dropout its running "
        "variance is too large for the test. The teaching page says that without it covariate shift makes deep "
        "networks unstable: with He's variance and a rate of their own they learn, while what their layers see drifts."
    ),
    falsify=(
        "A growth of the errors outside the printed margin around E f'^2 / Var f; a largest rate that is not ten times "
        "the plain network's; a deep network with He's variance that learns at no rate without normalisation."
    ),
    misreading=(
        "That higher rates survive does not say that the network ends better: compare each arm at its own rate. And a "
        "drift that normalisation takes away at the activations is not gone: the linear outputs in front of it move."
    ),
    references=(
        "S. Ioffe and C. Szegedy, Batch normalization, ICML 2015",
        "G. Yang et al., A mean field theory of batch normalization, ICLR 2019",
        "J. Bjorck, C. Gomes, B. Selman and K. Weinberger, Understanding batch normalization, NeurIPS 2018",
        "S. Santurkar et al., How does batch normalization help optimization?, NeurIPS 2018",
        "X. Li, S. Chen, X. Hu and J. Yang, Disharmony between dropout and batch normalization, CVPR 2019",
        "S. Arora, Z. Li and K. Lyu, Theoretical analysis of auto rate-tuning by batch normalization, ICLR 2019",
    ),
    axes=(
        Axis("activation", str, "activations whose errors are followed back through normalised layers",
             presets(ACTIVATION_SET, TRAINABLE, TRAINABLE), names="activations"),
        Axis("dropout", float, "probabilities of dropout in front of a normalisation, below 1",
             presets((0.2, 0.5), (0.1, 0.2, 0.5), (0.1, 0.2, 0.3, 0.5)), minimum=0, exclusive=True),
        Axis("probe_seeds", int, "independent seeds of each network that is only looked at", presets(18, 24, 60),
             minimum=1, scalar=True),
        Axis("depth", int, "hidden layers of the trained networks", presets((3, 10), (3, 16), (3, 16, 40)), minimum=1),
        Axis("width", int, "units of each hidden layer of the trained networks", presets(32, 64, 128), minimum=1,
             scalar=True),
        Axis("learning_rate", float, "grid of learning rates, the same for every arm",
             presets(RATES, (0.005, 0.01, *RATES), (0.005, 0.01, *RATES, 40.96, 163.84)), minimum=0, exclusive=True),
        Axis("seeds", int, "independent seeds of each trained arm", presets(12, 16, 20), minimum=1, scalar=True),
        Axis("epochs", int, "passes over the training data", presets(12, 16, 40), minimum=1, scalar=True),
        Axis("batch_size", int, "rows a step, at least 2", presets(32, 32, 32), minimum=1, scalar=True),
        Axis("data", str, "data set, or a CSV, NPZ or IDX file", presets("digits", "digits", "digits"),
             scalar=True, names="datasets", file=True),
        Axis("target", str, "target column of a CSV file", presets("", "", ""), scalar=True, file=True),
        Axis("samples", int, "rows to use; 0 is all", presets(900, 0, 0), minimum=0, scalar=True),
    ),
    tables=(Table("trials", COLUMNS), Table("layers", LAYERS), Table("drift", DRIFT), Table("shift", SHIFT)),
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
        "train_epochs float32",
        "unit_facts float32",
        "loss_and_gradient float64",
        "probe_layers float64",
        "value_and_slope float64",
    ),
    inputs=lambda config: {"data_sha256": data_hash(config)},
    answer=("D1-explosion-relu", "D1-survival-deep"),
    statements=(
        "D1: normalised units have <w, dL/dw> = 0, and scaled weights give the same loss.",
        "D1: at the start errors grow by E f'^2 / Var f a layer (ReLU: 1.467); without normalisation, with He, by 1.",
        "D1: normalised networks learn at far higher rates than plain ones, deep or shallow.",
        "D1: normalised weights never shrink under plain descent.",
        "D1: without normalisation a deep network with He's variance is stable at its own rate.",
        "D1: what activations see drifts less with normalisation, what linear layers give does not.",
        "D1: dropout makes the running variance too large by 1 + p / (1 - p) E f^2 / Var f a layer.",
    ),
)  # fmt: skip
