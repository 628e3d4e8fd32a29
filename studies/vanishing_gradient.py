"""Why do gradients vanish or explode, and what helps? Depth, activation and scheme, measured and trained."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim.errors import UsageError
from nnsim.experiment.study import Axis, Column, Study, Table, presets
from nnsim.finite_width import predict_arm
from nnsim.initializers import parse as parse_scheme
from nnsim.laboratory import (
    HISTORY_COLUMNS,
    LAYER_COLUMNS,
    TRIAL_COLUMNS,
    columns_with,
    data_of,
    drawn_network,
    look_at_network,
    nine_digits,
    train_network,
)
from nnsim.registry import look_up
from nnsim.study_settings import check_batch_size, check_trainable, data_hash
from nnsim.theory.batch_norm import batch_norm_gradient_factor
from nnsim.theory.relu_laws import relu_log_backward_law
from nnsim.theory.remedies import layer_norm_factor, residual_trajectory
from nnsim.training import Recipe

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.chosen import ChosenArms
    from nnsim.report.claims import Claim
    from nnsim.report.figures import FigureSpec
    from nnsim.report.judge import Question

WIDE = 128  # units of the networks whose size is not an axis
CROSSED = (5, 10, 20)  # layers at which the textbook's bound is compared
BOUND_SCHEMES = ("xavier_normal", "preserving_normal", "mean_field:20")
TRAP_DEPTH, TRAP_SEEDS = 20, 3  # times the other seeds: weight gradients of single networks scatter more
NARROW_DEPTH, NARROW_WIDTH = 8, 8
REMEDY_DEPTH, REMEDY_ROWS = 20, 128
EXPLOSIONS = {
    "A7-gain": ("tanh", "mean_field:1.6666666666666667"),
    "A9-tanh": ("tanh", "mean_field:3"),
    "A9-sigmoid": ("sigmoid", "mean_field:20"),
    "A4-twice": ("relu", "mean_field:2"),
}
REMEDIES: dict[str, dict[str, Any]] = {
    "none": {},
    "skip": {"residual": True},
    "batch": {"normalization": "batch"},
    "layer": {"normalization": "layer"},
}
REMEDY = Column("remedy", "text", "", "none, skip (connections), batch or layer (normalisation)")
ARMS = ("scheme", "activation", "remedy", "depth")


# --- trials --------------------------------------------------------------------------------------------------------


def parse_arm(text: str) -> dict[str, str]:
    """Return the settings of ``activation/scheme`` or ``activation/scheme/remedy``; raises UsageError."""
    parts = text.split("/")
    if len(parts) not in {2, 3}:
        raise UsageError(f"arm '{text}' must be activation/scheme or activation/scheme/remedy, as in relu/he_normal")
    activation, scheme, remedy = (*parts, "none")[:3]
    check_trainable([activation])
    parse_scheme(scheme)
    look_up(REMEDIES, "remedy", remedy)
    return {"activation": activation, "scheme": scheme, "remedy": remedy}


def _looked_at(config: dict[str, Any]) -> Iterator[tuple[str, str, str, int, int, str]]:
    """Yield kind, activation, scheme, depth, width and remedy of the networks that are looked at, not trained."""
    for activation, scheme, depth in product(config["activation"], config["scheme"], config["probe_depth"]):
        yield "propagation", activation, scheme, depth, config["probe_width"], "none"
    for scheme, crossed in product(BOUND_SCHEMES, CROSSED):
        yield "bound", "sigmoid", scheme, crossed + 1, WIDE, "none"
    for activation, scheme in EXPLOSIONS.values():
        yield "explosion", activation, scheme, TRAP_DEPTH, WIDE, "none"
    for activation in ("relu", "sigmoid"):
        yield "trap", activation, "xavier_normal", TRAP_DEPTH, WIDE, "none"
    for remedy in ("skip", "batch", "layer"):
        yield "remedy", "sigmoid", "xavier_normal", REMEDY_DEPTH, WIDE, remedy
    yield "fluctuation", "relu", "he_normal", NARROW_DEPTH, NARROW_WIDTH, "none"


def _network_trials(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for kind, activation, scheme, depth, width, remedy in _looked_at(config):
        network = {"activation": activation, "scheme": scheme, "depth": depth, "width": width, "remedy": remedy}
        seeds = {"fluctuation": config["narrow_nets"], "trap": TRAP_SEEDS * config["probe_seeds"]}
        for repeat in range(seeds.get(kind, config["probe_seeds"])):
            yield {"kind": kind, **network, **REMEDIES[remedy], "repeat": repeat}


def _training_trials(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the networks that are trained: every arm runs the same whole grid of learning rates and seeds."""
    recipe = {name: config[name] for name in ("epochs", "batch_size", "momentum")} | {"probe_epoch": [0]}
    for text, depth, rate in product(config["arm"], config["depth"], config["learning_rate"]):
        arm = parse_arm(text)
        network = {**arm, **REMEDIES[arm["remedy"]], "depth": depth, "width": config["width"]}
        for repeat in range(config["seeds"]):
            yield {"kind": "training", **network, "learning_rate": rate, "repeat": repeat, **recipe}


def trials(config: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all trials; a name or a data set that cannot be used is an error here, before anything runs."""
    for scheme in config["scheme"]:
        parse_scheme(scheme)
    check_trainable(config["activation"])
    Recipe(momentum=config["momentum"])
    data = {"data": config["data"], "target": config["target"], "samples": config["samples"]}
    data["fingerprint"] = data_hash(config)
    rows = data_of({**data, "root_seed": 0}).X_train.shape[0]
    check_batch_size(config["batch_size"], rows, config["data"])
    return [{**trial, **data} for trial in (*_network_trials(config), *_training_trials(config))]


# --- measurement ---------------------------------------------------------------------------------------------------


def _spectra(trial: dict[str, Any]) -> list[dict[str, Any]]:
    """Spectral norm of the second layer, the first square one: by LAPACK, so rounded and not canonical."""
    spec, theta = drawn_network(trial)
    W, _ = spec.layers(theta)[1]
    norm = nine_digits(float(np.linalg.norm(W, 2)))
    return [{"scheme": trial["scheme"], "repeat": trial["repeat"], "layer": 2, "spectral_norm": norm}]


def _log_gradient(layers: list[dict[str, Any]], depth: int) -> float | None:
    """ln(mean delta_1^2 / mean delta_depth^2), None where a dead network has no gradient."""
    logs = {row["layer"]: row["delta_log"] for row in layers}
    change = logs[1] - logs[depth] if math.isfinite(logs[depth]) else math.nan
    return change if math.isfinite(change) else None


def measure(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of one trial."""
    if trial["kind"] == "training":
        tables = train_network(trial, (REMEDY,))
        tables["trials"][0]["log_gradient"] = None
        return tables
    rows = {"fluctuation": 1, "remedy": REMEDY_ROWS}.get(trial["kind"], 16)
    tables = look_at_network(trial, rows, (REMEDY,))
    tables["trials"][0]["log_gradient"] = _log_gradient(tables["layers"], trial["depth"])
    if trial["kind"] == "fluctuation":
        del tables["layers"]
    if trial["kind"] == "bound" and trial["depth"] == CROSSED[0] + 1:
        tables["spectra"] = _spectra(trial)
    return tables


def cost(trial: dict[str, Any]) -> float:
    """Return the expected seconds on one core: multiply-adds at a speed seen on small networks, plus overheads."""
    data = data_of({**trial, "root_seed": 0})
    ends = data.n_features + data.n_outputs
    parameters = trial["depth"] * trial["width"] * (trial["width"] + 1) + ends * trial["width"]
    if trial["kind"] != "training":
        return 3e-4 + (6e-8 if trial["kind"] == "remedy" else 8e-9) * parameters
    steps = math.ceil(data.X_train.shape[0] / trial["batch_size"]) * trial["epochs"]
    return 1e-3 + steps * trial["depth"] * 2e-6 + steps * 8e-11 * parameters * trial["batch_size"]


def warm_up() -> None:
    """Compile every kernel that the trials call."""
    data = {"data": "xor", "target": "", "samples": 60, "root_seed": 0}
    network = {"scheme": "he_normal", "activation": "relu", "depth": 2, "width": 2, "repeat": 0, "remedy": "batch"}
    network |= REMEDIES["batch"]
    measure({"kind": "remedy", **network, **data})
    recipe = {"learning_rate": 0.1, "epochs": 1, "batch_size": 8, "momentum": 0.9, "probe_epoch": [0]}
    measure({"kind": "training", **network, **data, **recipe})


# --- claims --------------------------------------------------------------------------------------------------------

SLOPE_MARGIN = 0.05  # of ln per layer: variance 1.8 instead of 2 would be off by 0.105
NORM_MARGIN = 0.02  # of ln per layer of a norm: variance 1.15 instead of 1 would be off by 0.07
DEEP, SHALLOW = 10, 4
GRID_DEPTH = 20  # the grid's claims are made at the depth nearest to it
PAGE = "textbook statement: sigma' <= 0.25, so ten layers multiply the gradient by 0.25^10"
PAGE_RELU = "textbook statement: ReLU's slope is 1, so gradients do not shrink"
MEAN_FIELD = "Schoenholz et al. 2017, section 5"
PER_LAYER = "ln of the factor per layer of the gradient's mean square, prediction corrected for the finite width"
NAMED_ARMS = {
    ("relu", "he_normal"): ("A4-he", "correction", PAGE_RELU,
        "ReLU's gradients neither shrink nor grow with variance 2 / fan_in."),
    ("relu", "xavier_normal"): ("A4-xavier", "correction", PAGE_RELU,
        "With variance 1 / fan_in every ReLU layer halves the gradient's mean square, although the slope is 1."),
    ("relu", "torch_default"): ("A5-backward", "claim", "PyTorch, nn.Linear.reset_parameters",
        "PyTorch's default initialization divides the gradient's mean square by 6 a ReLU layer."),
}  # fmt: skip
EXPLODING = {
    "A7-gain": "With the gain 5/3, a tanh network's gradients explode although its forward pass looks perfect.",
    "A9-tanh": "In the chaotic phase (tanh, sigma_w = 3) gradients grow by chi a layer.",
    "A9-sigmoid": "Gradients explode through sigmoid layers, too, if the weights are large (sigma_w = 20).",
    "A4-twice": "With twice He's variance a ReLU layer doubles the gradient's mean square.",
}


def _expected(arm: dict[str, Any], width: int) -> Any:
    """Predicted propagation of an arm, or None where the scheme's weights are not independent draws."""
    return predict_arm(arm["scheme"], arm["activation"], arm["depth"], width)


def _backward(arm: dict[str, Any], width: int) -> float:
    """Predicted ln of the factor per layer on the way back; NaN where there is no prediction."""
    expected = _expected(arm, width)
    return math.nan if expected is None else float(expected.backward[0]) / max(arm["depth"] - 1, 1)


def _lost(layers: pd.DataFrame, first: int, last: int) -> np.ndarray:
    """ln(mean delta_first^2 / mean delta_last^2) / (last - first) for each seed."""
    from nnsim.report.arms import change_per_layer

    return -change_per_layer(layers, "delta_log", first, last)


def _grid_questions(layers: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    from nnsim.report.arms import rows_of
    from nnsim.report.judge import Question

    width, depth = config["probe_width"], min(config["probe_depth"], key=lambda depth: abs(depth - GRID_DEPTH))
    for activation, scheme in product(config["activation"], config["scheme"]):
        default = f"A1-{activation}-{scheme}", "claim", MEAN_FIELD, (
            f"Through {activation} layers drawn by {scheme} the gradient's mean square changes by chi = sw2 E f'^2."
        )  # fmt: skip
        name, kind, source, statement = NAMED_ARMS.get((activation, scheme), default)
        arm = {"activation": activation, "scheme": scheme, "depth": depth}
        prediction = _backward(arm, width)
        unknown = math.isnan(prediction)
        values = np.empty(0) if unknown else _lost(rows_of(layers, kind="propagation", **arm), 1, depth)
        yield Question(
            name, kind, statement, source, f"{activation}, {scheme}, {depth} layers of {width}", values, prediction,
            margin=SLOPE_MARGIN, note="no prediction: its weights are not independent draws" if unknown else PER_LAYER,
        )  # fmt: skip


def _explosion_questions(layers: pd.DataFrame) -> Iterator[Question]:
    from nnsim.report.arms import change_per_layer, rows_of
    from nnsim.report.judge import Question

    for name, (activation, scheme) in EXPLOSIONS.items():
        arm = {"activation": activation, "scheme": scheme, "depth": TRAP_DEPTH}
        rows = rows_of(layers, kind="explosion", **arm)
        where = f"{activation}, {scheme}, {TRAP_DEPTH} layers of {WIDE}"
        yield Question(
            f"{name}-backward", "correction" if name == "A9-sigmoid" else "claim", EXPLODING[name],
            PAGE if name == "A9-sigmoid" else MEAN_FIELD, where, _lost(rows, 1, TRAP_DEPTH), _backward(arm, WIDE),
            margin=SLOPE_MARGIN, note=PER_LAYER,
        )  # fmt: skip
        if name == "A7-gain":
            forward = _expected(arm, WIDE).forward
            yield Question(
                "A7-gain-forward", "claim", "With the gain 5/3 a tanh network's activations settle: nothing is seen.",
                "PyTorch, nn.init.calculate_gain", where, change_per_layer(rows, "a_log", 1, TRAP_DEPTH),
                float(forward[-1] - forward[0]) / (TRAP_DEPTH - 1), margin=SLOPE_MARGIN,
                note="ln of the factor per layer of the activations' mean square",
            )  # fmt: skip


def _bound_questions(layers: pd.DataFrame, spectra: pd.DataFrame) -> Iterator[Question]:
    from nnsim.report.arms import rows_of
    from nnsim.report.judge import Question

    rows = rows_of(layers, kind="bound")
    for crossed in CROSSED:
        arm = {"activation": "sigmoid", "scheme": "xavier_normal", "depth": crossed + 1}
        norms = crossed / 2 * _lost(rows_of(rows, **arm), 1, crossed + 1)
        where = f"xavier_normal, sigmoid, {crossed} steps back through layers of {WIDE}"
        note = f"ln of the norm's factor over {crossed} steps"
        yield Question(
            f"A8-factor-{crossed}", "claim",
            f"{crossed} sigmoid layers at Glorot scale shrink the gradient's norm by the mean-field factor.",
            MEAN_FIELD, where, norms, crossed / 2 * _backward(arm, WIDE), margin=NORM_MARGIN * crossed, note=note,
        )  # fmt: skip
        yield Question(
            f"A8-bound-{crossed}", "correction",
            f"0.25^{crossed} overstates what is left: at Glorot scale the gradient is smaller still.",
            PAGE, where, norms, crossed * math.log(0.25), "at_most", note=note,
        )  # fmt: skip
    kept = {scheme: 5 * _lost(rows_of(rows, scheme=scheme, depth=11), 1, 11) for scheme in BOUND_SCHEMES[1:]}
    yield Question(
        "A8-not-a-law", "correction",
        "With variance-preserving weights ten sigmoid layers keep more than 0.25^10: it bounds weights of norm 1 only.",
        PAGE, f"preserving_normal, sigmoid, 10 steps back through layers of {WIDE}", kept["preserving_normal"],
        10 * math.log(0.25), "above", note="ln of the norm's factor over 10 steps",
    )  # fmt: skip
    yield Question(
        "A8-grows", "correction", "With weights large enough a gradient grows on its way through ten sigmoid layers.",
        PAGE, f"mean_field:20, sigmoid, 10 steps back through layers of {WIDE}", kept["mean_field:20"], 0.0, "above",
        note="ln of the norm's factor over 10 steps",
    )  # fmt: skip
    yield Question(
        "A8-premise", "correction", "Glorot's weights have a spectral norm near 2, so that 0.25 a layer is no bound.",
        "Geman 1980; textbook statement: 0.25^10", f"xavier_normal, square layer of {WIDE}",
        rows_of(spectra, scheme="xavier_normal")["spectral_norm"].to_numpy(), 2.0, margin=0.1,
        note="spectral norm of a Gaussian square matrix of variance 1 / n",
    )  # fmt: skip


def _trap_questions(layers: pd.DataFrame) -> Iterator[Question]:
    from nnsim.report.arms import change_per_layer, rows_of
    from nnsim.report.judge import Question

    def back(activation: str, column: str) -> np.ndarray:
        rows = rows_of(layers, kind="trap", activation=activation)
        with np.errstate(divide="ignore"):  # a dead network has no gradient
            return -change_per_layer(rows.assign(log=np.log(rows[column])), "log", 2, TRAP_DEPTH)

    source, note = "Glorot and Bengio 2010, figure 8", "ln of the factor per layer on the way back, layers of one shape"
    arm = {"activation": "sigmoid", "scheme": "xavier_normal", "depth": TRAP_DEPTH}
    sigmoid = float(_expected(arm, WIDE).backward[1]) / (TRAP_DEPTH - 2)
    where = f"xavier_normal, relu, layers 2 to {TRAP_DEPTH} of {WIDE}"
    yield Question(
        "A3-weights", "claim", "A ReLU network's weight gradients are equal in all layers while its errors vanish.",
        source, where, back("relu", "weight_gradient_squares"), 0.0, margin=SLOPE_MARGIN, note=note,
    )  # fmt: skip
    yield Question(
        "A3-biases", "claim", "Bias gradients show it: they shrink as the errors do, by half a layer.", source, where,
        back("relu", "bias_gradient_squares"), -math.log(2), margin=SLOPE_MARGIN,
        note=f"{note}; gradients of a batch, whose mean square is exact at any width",
    )  # fmt: skip
    yield Question(
        "A3-sigmoid", "claim", "Sigmoid activations do not decay, so that weight gradients vanish with the errors.",
        source, where.replace("relu", "sigmoid"), back("sigmoid", "weight_gradient_squares"), sigmoid,
        margin=SLOPE_MARGIN, note=note,
    )  # fmt: skip


def _fluctuation_questions(trials: pd.DataFrame) -> Iterator[Question]:
    from nnsim.report.arms import rows_of
    from nnsim.report.judge import Question

    rows = rows_of(trials, kind="fluctuation", status="done").sort_values("repeat")
    changes = rows["log_gradient"].dropna().to_numpy(dtype=float)
    law = relu_log_backward_law([NARROW_WIDTH] * NARROW_DEPTH)
    beta = (NARROW_DEPTH - 1) / NARROW_WIDTH
    where = f"he_normal, relu, {NARROW_DEPTH} layers of {NARROW_WIDTH}, one input, given that a gradient arrives"
    source = "Hanin and Nica 2018; Hanin and Rolnick 2018"
    note = f"ln(delta_1^2 / delta_L^2); leading order -5 beta / 2 = {-2.5 * beta:g}, 5 beta = {5 * beta:g}"
    yield Question(
        "A10-mean", "claim", "The logarithm of a He network's gradient has the mean of the chi-square product law.",
        source, where, changes, law.mean, margin=0.3, note=note,
    )  # fmt: skip
    yield Question(
        "A10-variance", "claim", "He fixes the gradient's mean, not its spread: its logarithm has the law's variance.",
        source, where, changes, law.variance, margin=0.25 * law.variance, interval="variance", note=note,
    )  # fmt: skip
    yield Question(
        "A10-most-shrink", "correction", "Even with He's variance the gradient shrinks in most narrow networks.",
        PAGE_RELU, where, (changes < 0).astype(float), 0.5, "above", interval="proportion",
        note="share of networks with delta_1^2 < delta_L^2; the rest grows enough to keep the mean",
    )  # fmt: skip


def _remedy_questions(layers: pd.DataFrame) -> Iterator[Question]:
    from nnsim.report.arms import rows_of
    from nnsim.report.judge import Question

    steps = REMEDY_DEPTH - 2
    texts = {
        "skip": (float(residual_trajectory("sigmoid", 1.0, REMEDY_DEPTH)[1][1]) / steps, "Yang and Schoenholz 2017",
            "Skip connections keep a sigmoid network's gradient: 1 + chi a layer instead of chi."),
        "batch": (math.log(batch_norm_gradient_factor("sigmoid")), "Yang et al. 2019",
            "Batch normalisation keeps a sigmoid network's gradient: E f'^2 / Var f = 1.034 a layer."),
        "layer": (math.log(layer_norm_factor("sigmoid")), "Yang et al. 2019, by the same argument",
            "Layer normalisation does not keep it: E f'^2 / E f^2 = 0.153 a layer, as the preserving gain."),
    }  # fmt: skip
    for remedy, (prediction, source, statement) in texts.items():
        rows = rows_of(layers, kind="remedy", remedy=remedy)
        yield Question(
            f"A8-{remedy}-gradient", "claim", statement, source,
            f"sigmoid, xavier_normal, {remedy}, layers 2 to {REMEDY_DEPTH} of {WIDE}, {REMEDY_ROWS} inputs",
            _lost(rows, 2, REMEDY_DEPTH), prediction, margin=SLOPE_MARGIN,
            note="ln of the factor per layer, for infinite width and batch: the margin tells kept from lost",
        )  # fmt: skip


def _chosen(trials: pd.DataFrame) -> ChosenArms:
    from nnsim.report.arms import rows_of, scored
    from nnsim.report.chosen import ChosenArms

    runs = rows_of(trials, kind="training")
    return ChosenArms(scored(runs.assign(chance=runs["chance"].max())), ARMS)  # one data set has one chance


def _best(arms: ChosenArms, arm: dict[str, Any]) -> np.ndarray:
    """Best validation metric over all rates, for each seed."""
    from nnsim.report.arms import rows_of

    rows = rows_of(arms.grid, **arm)
    value = rows["validation_metric"].where(rows["status"] == "done", rows["chance"])
    return value.groupby(rows["repeat"]).max().to_numpy(dtype=float)


def _training_questions(trials: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    from nnsim.report.judge import Question

    arms, shallow, deep = _chosen(trials), min(config["depth"]), max(config["depth"])
    chance, nobody = float(arms.grid["chance"].max()), np.empty(0)
    plain, he, glorot = "sigmoid/xavier_normal", "relu/he_normal", "relu/xavier_normal"

    def asked(name: str, statement: str, text: str, depth: int, learns: bool, kind: str = "claim") -> Question:
        fits = depth <= SHALLOW if name.endswith("shallow") else depth >= DEEP
        arm = {**parse_arm(text), "depth": depth}
        measured = arms.values("score", arm).to_numpy() if learns else _best(arms, arm)
        note = f"{'test' if learns else 'best validation'} metric after {config['epochs']} epochs; "
        return Question(
            name, kind, statement, "textbook statement: early layers stop learning; He et al. 2015, section 2.2",
            f"{text}, {depth} layers of {config['width']}, {config['data']}", measured if fits else nobody,
            chance + 0.1, "at_least" if learns else "at_most", note=f"{note}chance is {chance:.3g}",
            at_edge=learns and arms.at_edge(arm),
        )  # fmt: skip

    yield asked("A8-stalls", "A deep sigmoid network stays within 0.1 of chance at every learning rate.", plain, deep,
                learns=False)  # fmt: skip
    yield asked("A8-shallow", "It is the depth, not the sigmoid: a shallow one leaves chance behind by over 0.1.",
                plain, shallow, learns=True)  # fmt: skip
    yield asked("A8-skip", "A skip connection around each layer lets the deep sigmoid network learn.", f"{plain}/skip",
                deep, learns=True)  # fmt: skip
    yield asked("A8-batch", "Batch normalisation lets the deep sigmoid network learn.", f"{plain}/batch", deep,
                learns=True)  # fmt: skip
    yield asked("A8-layer", "Layer normalisation does not: its gradients vanish all the same.", f"{plain}/layer", deep,
                learns=False)  # fmt: skip
    yield asked("A4-he-learns", "A deep ReLU network with He's variance leaves chance behind by over 0.1.", he, deep,
                learns=True)  # fmt: skip
    he_arm, glorot_arm = ({**parse_arm(text), "depth": deep} for text in (he, glorot))
    first, second = arms.values("score", he_arm).to_numpy(), _best(arms, glorot_arm)
    paired = first - second if first.size == second.size and deep >= DEEP else nobody
    yield Question(
        "A4-he-leads", "correction", "ReLU alone is no cure: with 1 / fan_in a deep one learns less at any rate.",
        PAGE_RELU, f"{he} minus {glorot}, {deep} layers of {config['width']}, {config['data']}", paired, 0.0, "above",
        note="at equal seeds: He's test metric at its chosen rate minus the other's best validation metric at any rate",
        at_edge=arms.at_edge(he_arm),
    )  # fmt: skip


def claims(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> list[Claim]:
    """Return every claim of the study, judged at one simultaneous confidence."""
    from nnsim.report.judge import judge

    trials, layers = tables["trials"], tables["layers"]
    layers = layers[layers["epoch"] == 0]
    return judge(
        [
            *_bound_questions(layers, tables["spectra"]),
            *_grid_questions(layers, config),
            *_explosion_questions(layers),
            *_trap_questions(layers),
            *_fluctuation_questions(trials),
            *_remedy_questions(layers),
            *_training_questions(trials, config),
        ]
    )


# --- summary and figures -------------------------------------------------------------------------------------------


def summary(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return medians with intervals: gradients of untrained arms, and trained arms at their chosen learning rate."""
    from nnsim.report.arm_summary import summarise_arms

    return summarise_arms(tables["trials"], ARMS, "log_gradient")


def _lines(frame: pd.DataFrame, depth: int, config: dict[str, Any]) -> dict[tuple[str, str, str], Any]:
    lines = {}
    for scheme, activation in product(dict.fromkeys(frame["scheme"]), config["activation"]):
        expected = _expected({"activation": activation, "scheme": scheme, "depth": depth}, config["probe_width"])
        if expected is not None:
            lines[scheme, activation, "forward"] = np.arange(1, depth + 1), expected.forward
            lines[scheme, activation, "backward"] = np.arange(1, depth + 1), expected.backward
    return lines


def _norm_lines(depth: int) -> dict[str, Any]:
    arms = {scheme: {"activation": "sigmoid", "scheme": scheme, "depth": depth} for scheme in BOUND_SCHEMES}
    return {scheme: (np.arange(depth)[::-1], _expected(arm, WIDE).backward / 2) for scheme, arm in arms.items()}


def figures(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> dict[str, FigureSpec]:
    """Return the figures, theory beside measurement."""
    layers, trials = tables["layers"], tables["trials"]
    return _layer_figures(layers, config) | _spread_figure(trials) | _training_figure(trials, config)


def _layer_figures(layers: pd.DataFrame, config: dict[str, Any]) -> dict[str, FigureSpec]:
    from nnsim.report.arms import rows_of
    from nnsim.report.figures import FigureSpec
    from nnsim.report.gallery import gradients, signals

    found: dict[str, FigureSpec] = {}
    deepest = max(CROSSED) + 1
    found["bound"] = FigureSpec(
        gradients.norm_factors(rows_of(layers, kind="bound", depth=deepest), _norm_lines(deepest), 0.25),
        f"What is left of a gradient's norm in sigmoid networks of width {WIDE}: geometric means over networks with "
        "95 % intervals; dashed: mean field, corrected for the finite width. The textbook's 0.25 a layer is neither "
        "what happens at Glorot scale, which is worse, nor a bound for larger weights, whose gradients even grow.",
        "Norm of the error against the layers crossed for three weight scales, with the line of 0.25 a layer.",
    )
    for depth in config["probe_depth"]:
        frame = rows_of(layers, kind="propagation", depth=depth)
        found[f"gradients-{depth}"] = FigureSpec(
            signals.propagation(frame, depth, config["activation"], _lines(frame, depth, config)),
            f"Activations on the way forward and errors on the way back through {depth} layers of "
            f"{config['probe_width']}. Points: geometric means over networks, 95 % intervals; dashed: theory.",
            f"Mean squares of activations and errors against the layer, for {depth} layers, one line a scheme.",
        )
    trap = rows_of(layers, kind="trap", activation="relu")
    expected = predict_arm("xavier_normal", "relu", TRAP_DEPTH, WIDE)
    found["trap"] = FigureSpec(
        signals.gradient_trap(trap, TRAP_DEPTH, signals.trap_lines(expected)),
        "The trap: in a ReLU network with 1 / fan_in activations halve forward and errors halve backward, but weight "
        "gradients, their products, are equal in all layers. Look at the errors or at bias gradients.",
        "Squares of activations, errors and weight gradients against the layer; the last are level.",
    )
    return found


def _spread_figure(trials: pd.DataFrame) -> dict[str, FigureSpec]:
    from nnsim.report.arms import rows_of
    from nnsim.report.figures import FigureSpec
    from nnsim.report.gallery import signals

    law = relu_log_backward_law([NARROW_WIDTH] * NARROW_DEPTH)
    narrow = rows_of(trials, kind="fluctuation", status="done")
    spread = FigureSpec(
        signals.spread(narrow["log_gradient"].dropna().to_numpy(dtype=float), law.mean, law.variance),
        f"He's variance keeps the gradient's mean square on average, yet in single networks ({NARROW_DEPTH} layers of "
        f"{NARROW_WIDTH}) it changes by orders of magnitude, and shrinks in most.",
        "Histogram of the logarithm of the gradient's change with the predicted normal curve.",
    )
    return {"spread": spread}


def _training_figure(trials: pd.DataFrame, config: dict[str, Any]) -> dict[str, FigureSpec]:
    from nnsim.report.arms import rows_of
    from nnsim.report.figures import FigureSpec
    from nnsim.report.gallery import training

    runs = rows_of(trials, kind="training")
    chance = float(runs["chance"].max())
    labels = runs["activation"] + ", " + runs["scheme"] + ", " + runs["remedy"]
    rates = FigureSpec(
        training.rates(runs.assign(scheme=labels, activation=runs["data"]), chance, "validation accuracy"
                       if chance > 0 else "validation R²"),
        f"Validation result after {config['epochs']} epochs over the grid of learning rates: medians over seeds with "
        "95 % intervals, diverged runs counted as chance.",
        "Validation result against the learning rate, one panel a depth, one line an arm.",
    )  # fmt: skip
    return {"learning-rates": rates}


# --- declaration ---------------------------------------------------------------------------------------------------

SPECTRA_COLUMNS = (
    Column("scheme", "text", "", "initialization scheme"),
    Column("repeat", "int", "", "number of the independent seed"),
    Column("layer", "int", "", "hidden layer with a square weight matrix"),
    Column("spectral_norm", "float", "", "largest singular value of the weight matrix (LAPACK, nine digits)"),
)
LOG_GRADIENT = Column(
    "log_gradient", "float", "nats", "ln(mean delta_1^2 / mean delta_depth^2), mean over inputs; empty where trained"
)
SCHEMES = ("xavier_normal", "he_normal", "torch_default", "preserving_normal")
ARM_TEXTS = (
    *("sigmoid/xavier_normal", "sigmoid/xavier_normal/skip", "sigmoid/xavier_normal/batch"),
    *("sigmoid/xavier_normal/layer", "relu/xavier_normal", "relu/he_normal"),
)
MORE_ARMS = (*ARM_TEXTS, "tanh/xavier_normal", "sigmoid/mean_field:11", "relu/he_normal/skip", "relu/he_normal/batch")
RATES = (0.001, 0.008, 0.064, 0.512, 4.096)


study = Study(
    name="vanishing-gradient",
    title="Why gradients vanish or explode",
    question=(
        "What becomes of a gradient on its way back through many layers, how much of it is the activation's doing and "
        "how much the weights', and what brings a deep network that has stalled back to learning?"
    ),
    expect=(
        "Each layer multiplies the gradient's mean square by chi = sw2 E f'^2: below 1 it vanishes, above 1 it "
        "explodes. The teaching page says that a sigmoid's slope is at most 0.25, so ten layers leave 0.25^10. That is "
        "a bound for weights of norm 1: at Glorot scale less is left, with large weights more, and with very large "
        "ones the gradient grows. It says that ReLU's gradients do not shrink: right with variance 2 / fan_in, on "
        "average over networks; with 1 / fan_in they halve each layer. Skip connections and batch normalisation bring "
        "chi of sigmoid layers to 1 and let deep ones learn; layer normalisation does not."
    ),
    falsify=(
        "A factor per layer outside the printed margin around the prediction; a sigmoid network at Glorot scale that "
        "keeps 0.25^10; a deep one that learns at some rate of the grid, or one with skip connections that does not."
    ),
    misreading=(
        "Equal weight gradients do not mean that nothing vanishes: where activations shrink forward as errors shrink "
        "backward, their products stay equal. And a gradient that arrives is not yet one that teaches: the claims on "
        "training stand beside those on chi because neither implies the other."
    ),
    references=(
        "X. Glorot and Y. Bengio, Understanding the difficulty of training deep feedforward networks, AISTATS 2010",
        "K. He, X. Zhang, S. Ren and J. Sun, Delving deep into rectifiers, ICCV 2015",
        "S. Schoenholz, J. Gilmer, S. Ganguli and J. Sohl-Dickstein, Deep information propagation, ICLR 2017",
        "G. Yang and S. Schoenholz, Mean field residual networks: on the edge of chaos, NeurIPS 2017",
        "B. Hanin and M. Nica, Products of many large random matrices and gradients in deep neural networks, 2018",
        "G. Yang et al., A mean field theory of batch normalization, ICLR 2019",
        "S. Geman, A limit theorem for the norm of random matrices, Annals of Probability 8, 1980",
    ),
    axes=(
        Axis("activation", str, "activations of the networks that are only looked at, as in relu or leaky_relu:0.2",
             presets(("sigmoid", "tanh", "relu"), ("sigmoid", "tanh", "relu", "gelu"),
                      ("sigmoid", "tanh", "relu", "gelu", "selu", "softsign", "silu"))),
        Axis("scheme", str, "their initialization schemes, as in he_normal or mean_field:1.5:0.1",
             presets(SCHEMES, SCHEMES, (*SCHEMES, "standard_uniform"))),
        Axis("probe_depth", int, "their hidden layers", presets((20, 50), (10, 20, 50, 100), (10, 20, 50, 100, 200)),
             minimum=2),
        Axis("probe_width", int, "units of each of their layers", presets(WIDE, WIDE, 256), minimum=1, scalar=True),
        Axis("probe_seeds", int, "independent seeds of each of them", presets(40, 100, 400), minimum=1, scalar=True),
        Axis("narrow_nets", int, "narrow networks whose gradients are compared with the exact law",
             presets(3000, 6000, 20000), minimum=1, scalar=True),
        Axis("arm", str, "trained arms: activation/scheme or activation/scheme/remedy (skip, batch, layer)",
             presets(ARM_TEXTS, MORE_ARMS, MORE_ARMS)),
        Axis("depth", int, "hidden layers of the trained networks",
             presets((3, 20), (3, 10, 20, 30), (3, 10, 20, 30, 50)), minimum=1),
        Axis("width", int, "units of each hidden layer of the trained networks", presets(48, 64, 128), minimum=1,
             scalar=True),
        Axis("learning_rate", float, "grid of learning rates, the same for every arm",
             presets(RATES, (0.000125, *RATES), (0.000125, *RATES, 32.0)), minimum=0, exclusive=True),
        Axis("seeds", int, "independent seeds of each trained arm", presets(10, 10, 20), minimum=1, scalar=True),
        Axis("epochs", int, "passes over the training data", presets(6, 12, 30), minimum=1, scalar=True),
        Axis("batch_size", int, "rows a step", presets(64, 64, 64), minimum=1, scalar=True),
        Axis("momentum", float, "momentum of the descent, below 1", presets(0.9, 0.9, 0.9), minimum=0, scalar=True),
        Axis("data", str, "data set, or a CSV, NPZ or IDX file", presets("digits", "digits", "digits"), scalar=True),
        Axis("target", str, "target column of a CSV file", presets("", "", ""), scalar=True),
        Axis("samples", int, "rows to use; 0 is all", presets(0, 0, 0), minimum=0, scalar=True),
    ),
    tables=(
        Table("trials", columns_with((*TRIAL_COLUMNS, LOG_GRADIENT), REMEDY)),
        Table("layers", columns_with(LAYER_COLUMNS, REMEDY)),
        Table("history", columns_with(HISTORY_COLUMNS, REMEDY)),
        Table("spectra", SPECTRA_COLUMNS, canonical=False),
    ),
    schema_version=1,
    trials=trials,
    measure=measure,
    cost=cost,
    summary=summary,
    claims=claims,
    figures=figures,
    warm_up=warm_up,
    inputs=lambda config: {"data_sha256": data_hash(config)},
    statements=(
        "A1: a layer changes the gradient's mean square by chi = sw2 E f'^2, for each activation and scheme.",
        "A3: weight gradients hide vanishing errors where activations decay; bias gradients show them.",
        "A4: ReLU's gradients do not shrink: right with 2 / fan_in, wrong with 1 / fan_in, which halves them a layer.",
        "A5: PyTorch's default divides the gradient's mean square by 6 a ReLU layer.",
        "A7: with the gain 5/3 tanh activations look perfect while gradients explode.",
        "A8: 0.25^L is a bound for weights of norm 1, neither what happens at Glorot scale nor a bound for others.",
        "A8: a deep sigmoid network learns at no rate; skip connections or batch normalisation rescue it.",
        "A9: in the chaotic phase gradients grow by chi a layer, through tanh and through sigmoid layers.",
        "A10: the logarithm of a He-ReLU gradient has the law's mean and variance, and most gradients shrink.",
    ),
)  # fmt: skip
