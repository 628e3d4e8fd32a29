"""How should a network start? Signal propagation at initialisation, and what it means for training."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim import datasets
from nnsim.activations import parse as parse_activation
from nnsim.errors import UsageError
from nnsim.experiment.study import Axis, Column, Study, Table
from nnsim.finite_width import predict
from nnsim.initializers import parse as parse_scheme
from nnsim.initializers import variances
from nnsim.kernels.activations import ACTIVATIONS
from nnsim.laboratory import (
    HISTORY_COLUMNS,
    LAYER_COLUMNS,
    TRIAL_COLUMNS,
    data_of,
    drawn_network,
    look_at_network,
    train_network,
)
from nnsim.network import NetworkSpec
from nnsim.theory.relu_laws import relu_log_forward_law
from nnsim.theory.spectra import mean_singular_value
from nnsim.training import Recipe

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.claims import Claim
    from nnsim.report.figures import FigureSpec
    from nnsim.report.judge import Question

GAIN_DEPTH, GAIN_WIDTH = 20, 128
LINEAR_DEPTH, LINEAR_WIDTH = 10, 128
BOUND_DEPTH, BOUND_WIDTH = 12, 128
FLUCTUATION_DEPTH, FLUCTUATION_WIDTH = 8, 8
SYMMETRY_DEPTH, SYMMETRY_WIDTH, SYMMETRY_EPOCHS = 2, 16, 3
SYMMETRY_SCHEMES = ("zeros", "constant:0.1", "he_normal")
TRAINABLE = tuple(name for name, activation in ACTIVATIONS.items() if activation.differentiable)


# --- trials --------------------------------------------------------------------------------------------------------


def _network_trials(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the networks that are looked at, not trained."""

    def probes(
        kind: str, scheme: str, activation: str, depth: int, width: int, repeats: int
    ) -> Iterator[dict[str, Any]]:
        for repeat in range(repeats):
            network = {"scheme": scheme, "activation": activation, "depth": depth, "width": width}
            yield {"kind": kind, **network, "repeat": repeat}

    repeats = config["probe_seeds"]
    for scheme, activation, depth in product(config["scheme"], config["activation"], config["probe_depth"]):
        yield from probes("propagation", scheme, activation, depth, config["width"], repeats)
    for activation in config["gain_activation"]:
        yield from probes("gain", "preserving_normal", activation, GAIN_DEPTH, GAIN_WIDTH, repeats)
    for scheme in ("standard_uniform", "xavier_uniform"):
        yield from probes("linear", scheme, "identity", LINEAR_DEPTH, LINEAR_WIDTH, repeats)
    yield from probes("bound", "xavier_normal", "sigmoid", BOUND_DEPTH, BOUND_WIDTH, repeats)
    narrow = FLUCTUATION_DEPTH, FLUCTUATION_WIDTH
    yield from probes("fluctuation", "he_normal", "relu", *narrow, config["fluctuation_nets"])


def _training_trials(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the networks that are trained: every arm runs the same whole grid of learning rates and seeds."""
    recipe = {name: config[name] for name in ("epochs", "batch_size", "momentum")}
    recipe["probe_epoch"] = sorted({epoch for epoch in config["probe_epoch"] if epoch < config["epochs"]})
    grid = product(config["scheme"], config["activation"], config["depth"], config["learning_rate"])
    for scheme, activation, depth, learning_rate in grid:
        network = {"scheme": scheme, "activation": activation, "depth": depth, "width": config["width"]}
        for repeat in range(config["seeds"]):
            yield {"kind": "training", **network, "learning_rate": learning_rate, "repeat": repeat, **recipe}
    recipe |= {"epochs": SYMMETRY_EPOCHS, "probe_epoch": [], "learning_rate": 0.05}
    for scheme, repeat in product(SYMMETRY_SCHEMES, range(config["seeds"])):
        network = {"scheme": scheme, "activation": "tanh", "depth": SYMMETRY_DEPTH, "width": SYMMETRY_WIDTH}
        yield {"kind": "symmetry", **network, "repeat": repeat, **recipe}


def _data_hash(config: dict[str, Any]) -> str:
    return datasets.fingerprint(config["data"], config["target"] or None)


def trials(config: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all trials; a name or a data set that cannot be used is an error here, before anything runs."""
    for scheme in config["scheme"]:
        parse_scheme(scheme)
    for activation in (*config["activation"], *config["gain_activation"]):
        if not ACTIVATIONS[parse_activation(activation)[0]].differentiable:
            raise UsageError(f"activation '{activation}' passes no gradient: choose from {', '.join(TRAINABLE)}")
    Recipe(momentum=config["momentum"])
    data = {"data": config["data"], "target": config["target"], "samples": config["samples"]}
    data["fingerprint"] = _data_hash(config)
    rows = data_of({**data, "root_seed": 0}).X_train.shape[0]
    if config["batch_size"] > rows:
        raise UsageError(
            f"a batch of {config['batch_size']} rows is larger than the {rows} training rows of "
            f"'{config['data']}': choose at most {rows}"
        )
    return [{**trial, **data} for trial in (*_network_trials(config), *_training_trials(config))]


# --- measurement ---------------------------------------------------------------------------------------------------


def _spectra(trial: dict[str, Any]) -> list[dict[str, Any]]:
    """Mean singular value of the second layer, the first square one: by LAPACK, so rounded and not canonical."""
    spec, theta = drawn_network(trial)
    W, _ = spec.layers(theta)[1]
    mean = float(f"{np.mean(np.linalg.svd(W, compute_uv=False)):.9g}")
    return [{"scheme": trial["scheme"], "repeat": trial["repeat"], "layer": 2, "mean_singular_value": mean}]


def measure(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of one trial."""
    if trial["kind"] == "training":
        return train_network(trial)
    if trial["kind"] == "symmetry":
        return {"trials": train_network(trial)["trials"]}
    if trial["kind"] == "fluctuation":
        return {"trials": look_at_network(trial, rows=1)["trials"]}
    tables = look_at_network(trial)
    return tables | {"spectra": _spectra(trial)} if trial["kind"] == "linear" else tables


def cost(trial: dict[str, Any]) -> float:
    """Return the expected seconds on one core: multiply-adds at a speed seen on small networks, plus overheads."""
    data = data_of({**trial, "root_seed": 0})
    ends = data.n_features + data.n_outputs
    parameters = trial["depth"] * trial["width"] * (trial["width"] + 1) + ends * trial["width"]
    if trial["kind"] not in {"training", "symmetry"}:
        return 3e-4 + 8e-9 * parameters
    steps = math.ceil(data.X_train.shape[0] / trial["batch_size"]) * trial["epochs"]
    return 1e-3 + steps * (2e-6 * trial["depth"] + 5e-11 * parameters * trial["batch_size"])


def warm_up() -> None:
    """Compile every kernel that the trials call."""
    data = {"data": "xor", "target": "", "samples": 60, "root_seed": 0}
    network = {"scheme": "he_normal", "activation": "relu", "depth": 1, "width": 2, "repeat": 0}
    measure({"kind": "bound", **network, **data})
    recipe = {"learning_rate": 0.1, "epochs": 1, "batch_size": 8, "momentum": 0.9, "probe_epoch": [0]}
    measure({"kind": "training", **network, **data, **recipe})


# --- claims --------------------------------------------------------------------------------------------------------

DEEP, SHALLOW = 30, 10  # He et al. 2015: at 22 layers both still learn
SURVIVAL_MARGIN = 0.02  # a width of 10 instead of 8 would be off by 0.023
SLOPE_MARGIN = 0.05  # of ln per layer: variance 1.8 instead of 2 would be off by 0.105
GLOROT, HE = "Glorot and Bengio 2010", "He et al. 2015"


def _moments(scheme: str, activation: str, depth: int, width: int) -> Any:
    """Predicted propagation of an arm, or None where the scheme's weights are not independent draws."""
    name, parameter = parse_activation(activation)
    found = variances(scheme, NetworkSpec((width, width, 1), name, parameter, "mse"))
    return None if found is None else predict(name, *found, depth, width, parameter)


def _both_ways(layers: pd.DataFrame, arm: dict[str, Any], **texts: str) -> Iterator[Question]:
    """Ask whether activations and errors of an arm change per layer as predicted."""
    from nnsim.report.arms import change_per_layer, rows_of
    from nnsim.report.judge import Question

    rows, depth = rows_of(layers, epoch=0, **arm), arm["depth"]
    width = int(rows["width"].iloc[0]) if len(rows) else 0
    expected = _moments(arm["scheme"], arm["activation"], depth, width) if width else None
    for direction, column, sign in (("forward", "a_log", 1), ("backward", "delta_log", -1)):
        prediction = math.nan
        if expected is not None:
            line = expected.forward if sign > 0 else expected.backward
            prediction = sign * float(line[-1] - line[0]) / (depth - 1)
        yield Question(
            id=f"{texts['id']}-{direction}",
            kind="claim",
            statement=texts[direction],
            source=texts["source"],
            arm=f"{arm['scheme']}, {arm['activation']}, {depth} layers of {width}",
            values=sign * change_per_layer(rows, column, 1, depth),
            prediction=prediction,
            margin=SLOPE_MARGIN,
            note="ln of the factor per layer, prediction corrected for the finite width",
        )


def _gain_questions(layers: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    for activation in config["gain_activation"]:
        arm = {"kind": "gain", "scheme": "preserving_normal", "activation": activation, "depth": GAIN_DEPTH}
        yield from _both_ways(
            layers, arm, id=f"A1-{activation}", source="Poole et al. 2016, eq. 3; Schoenholz et al. 2017",
            forward=f"Through {activation} layers the variance changes as q' = sw2 E f^2 + sb2.",
            backward=f"Through {activation} layers the gradient's mean square changes by chi = sw2 E f'^2.",
        )  # fmt: skip


def _linear_questions(layers: pd.DataFrame, spectra: pd.DataFrame) -> Iterator[Question]:
    from nnsim.report.arms import change_per_layer, rows_of
    from nnsim.report.judge import Question

    for scheme, factor in (("standard_uniform", "1/3"), ("xavier_uniform", "1")):
        arm = {"kind": "linear", "scheme": scheme, "activation": "identity", "depth": LINEAR_DEPTH}
        yield from _both_ways(
            layers, arm, id=f"A2-{scheme}", source=f"{GLOROT}, section 4.2",
            forward=f"In the linear regime {scheme} multiplies the activations' mean square by {factor} a layer.",
            backward=f"In the linear regime {scheme} multiplies the gradient's mean square by {factor} a layer.",
        )  # fmt: skip
        prediction = mean_singular_value(1 / 3 if scheme == "standard_uniform" else 1.0)
        yield Question(
            f"A2-{scheme}-singular", "claim", "The mean singular value of a layer is 8 / (3 pi) sqrt(n Var W).",
            f"{GLOROT}, section 4.2", f"{scheme}, square layers of {LINEAR_WIDTH}",
            rows_of(spectra, scheme=scheme)["mean_singular_value"].to_numpy(),
            prediction, margin=0.02,
        )  # fmt: skip
    rows = rows_of(layers, kind="linear", scheme="standard_uniform", epoch=0)
    with np.errstate(divide="ignore"):  # data of zeros have no gradient
        squares = rows.assign(log_gradient=np.log(rows["weight_gradient_squares"]))
    yield Question(
        "A3-weights", "claim", "Weight gradients are equally large in all layers, although the errors vanish.",
        f"{GLOROT}, figure 8", f"standard_uniform, identity, layers 2 to {LINEAR_DEPTH}",
        change_per_layer(squares, "log_gradient", 2, LINEAR_DEPTH), 0.0, margin=SLOPE_MARGIN,
        note="ln of the factor per layer of the squared weight gradient, between layers of equal shape",
    )  # fmt: skip


def _relu_questions(layers: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    depth = min(config["probe_depth"], key=lambda depth: abs(depth - 30))
    texts = {
        "he_normal": ("A4-he", f"{HE}, eq. 10", "keeps its mean square (factor 1)"),
        "xavier_normal": ("A4-xavier", f"{HE}, section 2.2", "halves its mean square (factor 1/2)"),
    }
    for scheme, (name, source, change) in texts.items():
        arm = {"kind": "propagation", "scheme": scheme, "activation": "relu", "depth": depth}
        yield from _both_ways(
            layers, arm, id=name, source=source,
            forward=f"With {scheme} a ReLU layer {change} on the way forward.",
            backward=f"With {scheme} a ReLU layer {change} on the way back.",
        )  # fmt: skip
    arm = {"kind": "propagation", "scheme": "torch_default", "activation": "relu", "depth": depth}
    _, backward = _both_ways(
        layers, arm, id="A5", source="PyTorch, nn.Linear.reset_parameters; Schoenholz et al. 2017", forward="",
        backward="PyTorch's default initialization divides the gradient's mean square by 6 a ReLU layer.",
    )  # fmt: skip
    yield backward


def _bound_questions(layers: pd.DataFrame) -> Iterator[Question]:
    from nnsim.report.arms import change_per_layer, rows_of
    from nnsim.report.judge import Question

    rows = rows_of(layers, kind="bound", epoch=0)
    norms = -10 * change_per_layer(rows, "delta_log", 1, 11) / 2
    expected = _moments("xavier_normal", "sigmoid", BOUND_DEPTH, BOUND_WIDTH).backward
    where = f"xavier_normal, sigmoid, layers 1 to 11 of {BOUND_WIDTH}"
    yield Question(
        "A8-factor", "claim", "Ten sigmoid layers at Glorot scale shrink the gradient's norm by the mean-field factor.",
        "Schoenholz et al. 2017", where, norms, float(expected[0] - expected[10]) / 2, margin=0.25,
        note="ln of the norm's factor over ten layers",
    )  # fmt: skip
    yield Question(
        "A8-bound", "correction",
        "0.25^10 is a bound for weights of norm one; at Glorot scale ten sigmoid layers shrink the gradient more.",
        "textbook statement: sigma' <= 0.25, so ten layers multiply the gradient by 0.25^10", where, norms,
        10 * math.log(0.25), rule="at_most", note="ln of the norm's factor over ten layers",
    )  # fmt: skip


def _fluctuation_questions(trials: pd.DataFrame) -> Iterator[Question]:
    from nnsim.report.arms import rows_of
    from nnsim.report.judge import Question

    rows = rows_of(trials, kind="fluctuation", status="done").sort_values("repeat")
    alive = rows["alive"].to_numpy(dtype=float)
    gains = rows["log_gain"].to_numpy(dtype=float)[alive == 1]
    law = relu_log_forward_law([FLUCTUATION_WIDTH] * (FLUCTUATION_DEPTH + 1))
    where = f"he_normal, relu, {FLUCTUATION_DEPTH} layers of {FLUCTUATION_WIDTH}, one input"
    source = "Hanin and Nica 2018; Hanin and Rolnick 2018"
    beta = FLUCTUATION_DEPTH / FLUCTUATION_WIDTH
    leading = f"leading order: -5 beta / 2 = {-2.5 * beta:g} and 5 beta = {5 * beta:g} with beta = {beta:g}"
    yield Question(
        "A10-mean", "claim", "The logarithm of a He network's gain has the mean of the chi-square product law.", source,
        where, gains, law.mean, margin=0.3, note=f"given that the network is alive; {leading}",
    )  # fmt: skip
    yield Question(
        "A10-variance", "claim", "He fixes the mean, not the spread: ln of the gain has the law's variance.", source,
        where, gains, law.variance, margin=0.25 * law.variance, interval="variance",
        note=f"given that the network is alive; {leading}",
    )  # fmt: skip
    yield Question(
        "A10-survival", "claim", "A narrow ReLU network dies at an input as often as the law says.", source, where,
        alive, law.survival, margin=SURVIVAL_MARGIN, interval="proportion",
    )  # fmt: skip


def _training_questions(trials: pd.DataFrame, history: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    from nnsim.report.arms import ARM, at_chosen_rate, chosen_rates, rows_of
    from nnsim.report.judge import Question

    runs = rows_of(trials, kind="training", activation="relu")
    chosen = chosen_rates(runs, ARM).astype(runs.dtypes[[*ARM, "learning_rate"]])  # without rows they have no types
    history = history.astype({"learning_rate": float})
    edges = {tuple(row[:3]): bool(row.at_edge) for row in chosen.itertuples(index=False)}
    picked = at_chosen_rate(runs, chosen)
    shallow, deep = min(config["depth"]), max(config["depth"])
    chance = float(runs["chance"].max())
    half_way, left_chance = chance + (1 - chance) / 2, chance + 0.1

    def final(scheme: str, depth: int) -> np.ndarray:
        """Test metric at the rate that validation chose: the metric that chose it would flatter it."""
        rows = rows_of(picked, scheme=scheme, depth=depth).sort_values("repeat")
        return rows["test_metric"].where(rows["status"] == "done", chance).to_numpy(dtype=float)

    def asked(
        name: str, statement: str, scheme: str, depth: int, values: np.ndarray, bound: float, rule: Any
    ) -> Question:
        where = f"{scheme}, relu, {depth} layers of {config['width']}, {config['data']}"
        metric = "test" if rule == "at_least" else "validation"
        note = f"{metric} metric after {config['epochs']} epochs; chance is {chance:.3g}"
        edge = edges.get((scheme, "relu", depth), False) and rule == "at_least"
        return Question(
            name,
            "claim",
            statement,
            f"{HE}, section 2.2, figures 2 and 3",
            where,
            values,
            bound,
            rule,
            note=note,
            at_edge=edge,
        )

    stalls = rows_of(runs, scheme="xavier_normal", depth=deep)
    best = stalls.assign(value=stalls["validation_metric"].where(stalls["status"] == "done", chance))
    best = best.groupby("repeat")["value"].max().to_numpy(dtype=float)
    nobody = np.empty(0)
    learnt = final("he_normal", deep)
    if deep < DEEP:
        learnt = best = nobody
    yield asked("A4-deep-he", "A deep ReLU network with He's variance leaves chance behind by more than 0.1.",
                "he_normal", deep, learnt, left_chance, "at_least")  # fmt: skip
    yield asked("A4-deep-xavier", "With 1 / fan_in the deep network stays within 0.1 of chance at every learning rate.",
                "xavier_normal", deep, best, left_chance, "at_most")  # fmt: skip
    for scheme in ("he_normal", "xavier_normal"):
        statement = f"A shallow ReLU network learns with {scheme}: more than half way from chance to 1."
        name = f"A4-shallow-{scheme.split('_')[0]}"
        yield asked(
            name,
            statement,
            scheme,
            shallow,
            final(scheme, shallow) if shallow <= SHALLOW else nobody,
            half_way,
            "at_least",
        )
    lead, rate = _after_first_epoch(runs, history, shallow)
    at = "one learning rate" if math.isnan(rate) else f"learning rate {rate:g}"
    statement = f"Where both learn, He's network is ahead after the first epoch, both at {at}."
    yield asked("A4-first", statement, "he_normal minus xavier_normal", shallow, lead, 0.0, "above")


def _after_first_epoch(runs: pd.DataFrame, history: pd.DataFrame, depth: int) -> tuple[np.ndarray, float]:
    """Lead of He over Glorot after one epoch for each seed, at the rate at which the two together end best."""
    from nnsim.report.arms import rows_of

    pair = runs[(runs["depth"] == depth) & runs["scheme"].isin(["he_normal", "xavier_normal"])]
    scores = pair["validation_metric"].where(pair["status"] == "done", pair["chance"])
    means = scores.groupby(pair["learning_rate"]).mean().dropna()
    if pair["scheme"].nunique() < 2 or means.empty:
        return np.empty(0), math.nan
    rate = float(means.idxmax())
    rows = rows_of(history, activation="relu", depth=depth, learning_rate=rate, epoch=1)
    wide = rows.pivot(index="repeat", columns="scheme", values="validation_metric")
    wide = wide.reindex(columns=["he_normal", "xavier_normal"]).dropna()
    return (wide["he_normal"] - wide["xavier_normal"]).to_numpy(), rate


def _symmetry_questions(trials: pd.DataFrame) -> Iterator[Question]:
    from nnsim.report.arms import rows_of
    from nnsim.report.judge import Question

    rows = rows_of(trials, kind="symmetry")
    where = f"tanh, {SYMMETRY_DEPTH} layers of {SYMMETRY_WIDTH}, {SYMMETRY_EPOCHS} epochs"
    source = "Rumelhart, Hinton and Williams 1986"
    for scheme in SYMMETRY_SCHEMES[:2]:
        yield Question(
            f"A14-{scheme.split(':')[0]}", "check", f"Units that start equal ({scheme}) stay equal, to the last bit.",
            source, f"{scheme}, {where}", rows_of(rows, scheme=scheme)["asymmetry"].to_numpy(), 0.0, "exact",
        )  # fmt: skip
    yield Question(
        "A14-random", "check", "Units that start different stay different.", source, f"he_normal, {where}",
        rows_of(rows, scheme="he_normal")["asymmetry"].to_numpy(), 0.1, "at_least",
    )  # fmt: skip


def claims(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> list[Claim]:
    """Return every claim of the study, judged at one simultaneous confidence."""
    from nnsim.report.judge import judge

    trials, layers = tables["trials"], tables["layers"]
    return judge(
        [
            *_relu_questions(layers, config),
            *_training_questions(trials, tables["history"], config),
            *_fluctuation_questions(trials),
            *_bound_questions(layers),
            *_linear_questions(layers, tables["spectra"]),
            *_symmetry_questions(trials),
            *_gain_questions(layers, config),
        ]
    )


# --- summary and figures -------------------------------------------------------------------------------------------


SUMMARY_COLUMNS = [
    *("kind", "scheme", "activation", "depth", "width", "learning_rate", "parameters", "quantity"),
    *("n", "diverged", "median", "low", "high", "method", "at_edge"),
]


def summary(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return medians with intervals: log gains of untrained arms, and trained arms at their chosen learning rate."""
    import pandas as pd

    from nnsim.report.arms import ARM, at_chosen_rate, chosen_rates
    from nnsim.report.statistics import median_interval

    rows = []
    runs = tables["trials"][tables["trials"]["kind"] == "training"]
    looked = tables["trials"][~tables["trials"]["kind"].isin(["training", "symmetry"])]
    chosen = chosen_rates(runs, ARM)
    groups = [
        *((group, "log_gain") for group in looked.groupby(["kind", *ARM], sort=False)),
        *(
            (group, quantity)
            for quantity in ("validation_metric", "test_metric", "test_loss")
            for group in at_chosen_rate(runs, chosen).groupby(["kind", *ARM], sort=False)
        ),
    ]
    edges = {tuple(row[:3]): bool(row.at_edge) for row in chosen.itertuples(index=False)}
    for (names, group), quantity in groups:
        values = group[quantity].to_numpy(dtype=float)
        interval = median_interval(values[~np.isnan(values)], 0.95)
        row = {**dict(zip(["kind", *ARM], names, strict=True)), "width": int(group["width"].iloc[0])}
        row |= {"learning_rate": group["learning_rate"].iloc[0], "parameters": group["parameters"].max()}
        row |= {"quantity": quantity, "n": len(group), "diverged": int((group["status"] == "diverged").sum())}
        row |= {"median": interval.estimate, "low": interval.low, "high": interval.high, "method": interval.method}
        rows.append(row | {"at_edge": edges.get(names[1:], False) if names[0] == "training" else False})
    frame = pd.DataFrame(rows, columns=SUMMARY_COLUMNS)
    return frame.astype({"parameters": "Int64"})  # unknown where every trial of an arm failed


def _lines(frame: pd.DataFrame, depth: int) -> dict[tuple[str, str, str], tuple[np.ndarray, np.ndarray]]:
    lines = {}
    for (scheme, activation), rows in frame.groupby(["scheme", "activation"]):
        expected = _moments(scheme, activation, depth, int(rows["width"].iloc[0]))
        if expected is not None:
            at = np.arange(1, depth + 1)
            lines[scheme, activation, "forward"] = at, expected.forward
            lines[scheme, activation, "backward"] = at, expected.backward
    return lines


def _factor_frame(layers: pd.DataFrame, config: dict[str, Any]) -> pd.DataFrame:
    import pandas as pd

    from nnsim.report.statistics import mean_interval

    rows = []
    for question in _gain_questions(layers, config):
        interval = mean_interval(question.values, 0.95)
        name, direction = question.id.removeprefix("A1-").rsplit("-", 1)
        ends = {"estimate": interval.estimate, "low": interval.low, "high": interval.high}
        rows.append({"activation": name, "direction": direction, "prediction": question.prediction, **ends})
    return pd.DataFrame(rows)


def figures(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> dict[str, FigureSpec]:
    """Return the figures, theory beside measurement."""
    from nnsim.report.arms import at_chosen_rate, chosen_rates, rows_of
    from nnsim.report.figures import FigureSpec
    from nnsim.report.gallery import signals, training

    layers, trials = tables["layers"], tables["trials"]
    found: dict[str, FigureSpec] = {}
    for depth in config["probe_depth"]:
        frame = rows_of(layers, kind="propagation", depth=depth)
        found[f"propagation-{depth}"] = FigureSpec(
            signals.propagation(frame, depth, config["activation"], _lines(frame, depth)),
            f"What {depth} layers make of a signal. Above: mean square of the activations on the way forward. Below: "
            "mean square of the errors on the way back. Points: geometric means over networks with 95 % intervals; "
            "dashed: the variance recursion with its finite-width correction.",
            f"Mean squares of activations and errors against the layer, for {depth} layers, one line a scheme.",
        )
    linear = rows_of(layers, kind="linear", scheme="standard_uniform")
    found["gradient-trap"] = FigureSpec(
        signals.gradient_trap(linear, LINEAR_DEPTH, _trap_lines()),
        "The trap: with U(-1, 1) / sqrt(fan_in) activations shrink forward and errors shrink backward, each by 1/3 a "
        "layer, but their products, the weight gradients, are equal in all layers.",
        "Squares of activations, errors and weight gradients against the layer; the last are level.",
    )
    found["gains"] = FigureSpec(
        signals.factors(_factor_frame(layers, config)),
        f"Mean change of the mean square per layer over {GAIN_DEPTH} layers of {GAIN_WIDTH}, each activation with its "
        "computed variance-preserving gain. Bars: theory; points: measured, with 95 % intervals.",
        "Predicted and measured factor per layer for each activation, forward and backward.",
    )
    fluctuation = rows_of(trials, kind="fluctuation", status="done")
    law = relu_log_forward_law([FLUCTUATION_WIDTH] * (FLUCTUATION_DEPTH + 1))
    found["spread"] = FigureSpec(
        signals.spread(
            fluctuation.loc[fluctuation["alive"].astype(bool), "log_gain"].to_numpy(dtype=float), law.mean, law.variance
        ),
        f"He's variance keeps the mean square on average, yet single networks ({FLUCTUATION_DEPTH} layers of "
        f"{FLUCTUATION_WIDTH}) spread over orders of magnitude, as Hanin's law says.",
        "Histogram of the logarithm of the gain with the predicted normal curve.",
    )
    runs = rows_of(trials, kind="training")
    chance = float(runs["chance"].max())
    found["learning-rates"] = FigureSpec(
        training.rates(runs, chance, "validation accuracy" if chance > 0 else "validation R²"),
        f"Validation result after {config['epochs']} epochs over the grid of learning rates: medians over seeds with "
        "95 % intervals, diverged runs counted as chance.",
        "Validation result against the learning rate, one panel an activation and depth, one line a scheme.",
    )
    found["learning-curves"] = FigureSpec(
        training.curves(at_chosen_rate(tables["history"], chosen_rates(runs))),
        "Validation loss after each epoch, every arm at its chosen learning rate: medians over seeds, 95 % intervals.",
        "Validation loss against epochs, one panel an activation and depth, one line a scheme.",
    )
    return found


def _trap_lines() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    expected = _moments("standard_uniform", "identity", LINEAR_DEPTH, LINEAR_WIDTH)
    at = np.arange(2, LINEAR_DEPTH + 1)
    forward, backward = expected.forward[1:], expected.backward[1:]
    return {
        "activation squares": (at, forward - forward[-1]),
        "errors δ": (at, backward),
        "weight gradients": (at, np.zeros(at.size)),
    }


# --- declaration ---------------------------------------------------------------------------------------------------

SPECTRA_COLUMNS = (
    Column("scheme", "text", "", "initialization scheme"),
    Column("repeat", "int", "", "number of the independent seed"),
    Column("layer", "int", "", "hidden layer with a square weight matrix"),
    Column("mean_singular_value", "float", "", "mean singular value of the weight matrix (LAPACK, nine digits)"),
)

SCHEMES = ("he_normal", "xavier_normal", "torch_default")
RATES = (0.001, 0.004, 0.016, 0.064, 0.256)


def _presets(quick: Any, standard: Any, paper: Any) -> dict[str, Any]:
    return {"quick": quick, "standard": standard, "paper": paper}


study = Study(
    name="init",
    title="How a network starts",
    question=(
        "How must the weights of a deep network be drawn so that signals reach its last layer, gradients reach its "
        "first, and training starts at all?"
    ),
    expect=(
        "A scheme keeps signals alive if its variance undoes what the activation takes away: 2 / fan_in for ReLU. "
        "With 1 / fan_in a ReLU layer halves the mean square each way, which 5 layers survive and 30 do not. PyTorch's "
        "default divides the gradient's mean square by 6 a layer. He's variance is right on average only: the "
        "logarithm of what arrives spreads with the sum of the inverse widths. All-zero and constant weights never "
        "learn to differ."
    ),
    falsify=(
        "A per-layer change outside the printed margin around its prediction, at a depth at which neighbouring gains "
        "(1.8 instead of 2) are told apart; a 30-layer ReLU network that learns with 1 / fan_in at any rate of the "
        "grid, or that does not with 2 / fan_in."
    ),
    misreading=(
        "Equal weight gradients in all layers do not mean that nothing vanishes: with shrinking activations and "
        "shrinking errors the products stay equal while both factors die (Glorot and Bengio 2010, figures 7 and 8). "
        "And a scheme that starts better is not one that ends better: compare the accuracies at the chosen rates."
    ),
    references=(
        "X. Glorot and Y. Bengio, Understanding the difficulty of training deep feedforward networks, AISTATS 2010",
        "K. He, X. Zhang, S. Ren and J. Sun, Delving deep into rectifiers, ICCV 2015",
        "B. Poole et al., Exponential expressivity in deep neural networks through transient chaos, NeurIPS 2016",
        "S. Schoenholz et al., Deep information propagation, ICLR 2017",
        "B. Hanin and D. Rolnick, How to start training: the effect of initialization and architecture, NeurIPS 2018",
        "B. Hanin and M. Nica, Products of many large random matrices and gradients in deep neural networks, 2018",
    ),
    axes=(
        Axis("scheme", str, "initialization schemes, as in he_normal or normal:0.05",
             _presets(SCHEMES, (*SCHEMES, "orthogonal"), (*SCHEMES, "preserving_normal", "orthogonal", "lsuv"))),
        Axis("activation", str, "activations of the trained networks, as in relu or leaky_relu:0.2",
             _presets(("relu", "tanh"), ("relu", "tanh", "gelu"), ("relu", "tanh", "gelu", "selu", "sigmoid"))),
        Axis("depth", int, "hidden layers of the trained networks",
             _presets((5, 30), (2, 5, 10, 20, 30), (2, 5, 10, 20, 30, 50)), minimum=1),
        Axis("probe_depth", int, "hidden layers of the networks that are only looked at",
             _presets((30, 100), (10, 30, 100), (10, 30, 100, 300)), minimum=2),
        Axis("width", int, "units of each hidden layer", _presets(48, 64, 128), minimum=1, scalar=True),
        Axis("learning_rate", float, "grid of learning rates, the same for every arm",
             _presets(RATES, (0.00025, *RATES), (0.00006, 0.00025, *RATES, 1.0)), minimum=0, exclusive=True),
        Axis("seeds", int, "independent seeds of each trained arm", _presets(10, 10, 20), minimum=1, scalar=True),
        Axis("probe_seeds", int, "independent seeds of each network that is only looked at",
             _presets(40, 100, 400), minimum=1, scalar=True),
        Axis("epochs", int, "passes over the training data", _presets(6, 10, 30), minimum=1, scalar=True),
        Axis("probe_epoch", int, "epochs after which layers are looked at; the last one always is",
             _presets((0,), (0, 1), (0, 1, 5)), minimum=0),
        Axis("batch_size", int, "rows a step", _presets(64, 64, 64), minimum=1, scalar=True),
        Axis("momentum", float, "momentum of the descent, below 1", _presets(0.9, 0.9, 0.9), minimum=0, scalar=True),
        Axis("gain_activation", str, "activations whose gain and recursion are tested",
             _presets(TRAINABLE, TRAINABLE, TRAINABLE)),
        Axis("fluctuation_nets", int, "narrow networks whose spread is compared with the exact law",
             _presets(3000, 6000, 20000), minimum=1, scalar=True),
        Axis("data", str, "data set, or a CSV, NPZ or IDX file", _presets("digits", "digits", "digits"), scalar=True),
        Axis("target", str, "target column of a CSV file", _presets("", "", ""), scalar=True),
        Axis("samples", int, "rows to use; 0 is all", _presets(0, 0, 0), minimum=0, scalar=True),
    ),
    tables=(
        Table("trials", TRIAL_COLUMNS),
        Table("layers", LAYER_COLUMNS),
        Table("history", HISTORY_COLUMNS),
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
    inputs=lambda config: {"data_sha256": _data_hash(config)},
    statements=(
        "A1: a layer changes the variance as q' = sw2 E f^2 + sb2 and the gradient's square by chi = sw2 E f'^2.",
        "A2: in the linear regime U(+-1/sqrt n) divides both by 3 a layer, Glorot and Bengio's variance keeps them.",
        "A3: weight gradients are equal in all layers even while the error signal vanishes.",
        "A4: ReLU keeps its mean square with variance 2 / fan_in; 30 layers learn with it and stall with 1 / fan_in.",
        "A5: PyTorch's default divides the gradient's mean square by 6 a ReLU layer.",
        "A8: what a gradient keeps through ten sigmoid layers at Glorot scale is less than 0.25^10.",
        "A10: the logarithm of a He-ReLU network's gain has the exact mean and variance of Hanin's product law.",
        "A14: all-zero and constant weights never break the symmetry between units.",
    ),
)  # fmt: skip
