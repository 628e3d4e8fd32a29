"""When ReLU units die, as they are drawn or in training, what helps, and whether the dead come back."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim import training
from nnsim.activations import evaluate
from nnsim.activations import parse as parse_activation
from nnsim.born_dead import is_constant
from nnsim.errors import UsageError
from nnsim.experiment.study import Axis, Column, Study, Table, presets
from nnsim.kernels.activations import ACTIVATIONS
from nnsim.laboratory import ARM_COLUMNS, TRIAL_COLUMNS, columns_with, data_of, network_of, nine_digits
from nnsim.sharpness import sharpness
from nnsim.study_settings import data_hash
from nnsim.theory.dead_units import born_dead_bound, dead_at_input, dead_at_input_bound
from nnsim.units import unit_facts
from nnsim.watching import Look, doublings, start_of, trial_row, watch_training

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.claims import Claim
    from nnsim.report.figures import FigureSpec
    from nnsim.report.judge import Question

LINE = {"data": "target_abs", "target": "", "samples": 60, "fingerprint": ""}  # of networks of one input
SHIFT = 0.5  # of the weights' mean, in standard deviations
REMEDIES = ({"activation": "leaky_relu"}, {"scheme": "xavier_normal"}, {"scheme": "asymmetric"}, {"shift": SHIFT})
INVARIANT_DEPTH, INVARIANT_WIDTH = 10, 16
PRODUCTS = 100  # with the Hessian, to its largest eigenvalue: of the cost
RISE = 0.1  # of the share of dead units, which counts as a jump


# --- trials --------------------------------------------------------------------------------------------------------


def _narrow_trials(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield networks of one input: the grid of shapes, and every remedy at the shape that dies most often."""
    worst = {"width": min(config["narrow_width"]), "depth": max(config["narrow_depth"])}
    shapes = [{"width": w, "depth": d} for w, d in product(config["narrow_width"], config["narrow_depth"])]
    plain = {"scheme": "he_normal", "activation": "relu", "shift": 0.0}
    for arm in (*({**plain, **shape} for shape in shapes), *({**plain, **worst, **remedy} for remedy in REMEDIES)):
        for repeat in range(config["nets"]):
            yield {"kind": "narrow", **arm, "repeat": repeat, **LINE}


def _training_trials(config: dict[str, Any], data: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield full-batch gradient descents: every arm has the same whole grid of learning rates and seeds."""
    network = {"scheme": "he_normal", **{name: config[name] for name in ("activation", "depth", "width")}}
    recipe = {"optimizer": "sgd", "epochs": config["epochs"], "batch_size": _rows(data), "tau": config["tau"]}
    arms = [*((bias, "none") for bias in config["bias"]), (0.0, "batch")]
    for (bias, normalization), repeat in product(arms, range(config["seeds"])):
        arm = {**network, "bias": bias, "normalization": normalization, "repeat": repeat}
        if normalization == "none":
            yield {"kind": "sharpness", **arm, **data}
        for rate in config["learning_rate"]:
            yield {"kind": "training", **arm, "learning_rate": rate, **recipe, **data}


def _rows(data: dict[str, Any]) -> int:
    return int(data_of({**data, "root_seed": 0}).X_train.shape[0])


def _mortal() -> tuple[str, ...]:
    """Activations that are flat beyond a kink, to a side at least: those of which a unit can be dead."""
    flat = {name: evaluate(name, np.array([-50.0]))[1][0] == 0 for name in ACTIVATIONS}
    return tuple(name for name, entry in ACTIVATIONS.items() if entry.kinks and entry.differentiable and flat[name])


def _check(config: dict[str, Any]) -> None:
    name = parse_activation(config["activation"])[0]
    if name not in _mortal():
        raise UsageError(
            f"activation '{name}' is nowhere flat, so its units cannot die: choose {' or '.join(_mortal())}"
        )
    if 0.0 not in config["bias"]:
        raise UsageError("every bias is compared with a bias of 0: add 0 to --bias")


def trials(config: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all trials; an activation of which no unit can die is refused here."""
    _check(config)
    data = {name: config[name] for name in ("data", "target", "samples")} | {"fingerprint": data_hash(config)}
    normalizations = product(("none", "batch"), range(config["probe_seeds"]))
    network = {"scheme": "he_normal", "activation": "relu", "depth": INVARIANT_DEPTH, "width": INVARIANT_WIDTH}
    invariant = [
        {"kind": "invariant", **network, "normalization": normalization, "repeat": repeat, **data}
        for normalization, repeat in normalizations
    ]
    return [*_narrow_trials(config), *invariant, *_training_trials(config, data)]


# --- measurement ---------------------------------------------------------------------------------------------------


def _measure_narrow(trial: dict[str, Any]) -> dict[str, Any]:
    """Whether a random network of one input is silent at x = 1, and whether it is constant on [-1, 1]."""
    spec = replace(network_of(trial, "float64"), loss="mse")
    theta = start_of(trial, spec)
    for W, _ in spec.layers(theta):
        W += trial["shift"] * math.sqrt(2 / W.shape[0])
    at_one = unit_facts(spec, theta, np.ones((1, 1)))
    return {"silent": any(facts.dead.all() for facts in at_one), "born_dead": is_constant(spec, theta)}


def _measure_invariant(trial: dict[str, Any]) -> dict[str, Any]:
    """How many units are off on the whole batch as they are drawn; normalisation starts with scale 1 and shift 0."""
    spec = network_of(trial, "float64")
    facts = unit_facts(spec, start_of(trial, spec), data_of(trial).X_train[:64])
    return {"off_units": int(sum(layer.dead.sum() for layer in facts))}


def _measure_sharpness(trial: dict[str, Any]) -> dict[str, Any]:
    spec = network_of(trial, "float64")
    parts = training.batches(data_of(trial), np.float64)
    theta = start_of(trial, spec)
    value = sharpness(spec, theta, parts.X, parts.Y, np.cos(np.arange(theta.size)), 1e-6).value
    return {name: trial[name] for name in ("bias", "repeat")} | {"sharpness": nine_digits(value)}


def _unit_rows(trial: dict[str, Any], looks: list[Look]) -> Iterator[dict[str, Any]]:
    """Yield what the units of each layer did between one look and the next."""
    arm = {column.name: trial.get(column.name) for column in UNIT_ARM}
    for (_, before), (epoch, now) in pairwise([(0, looks[0][1]), *looks] if looks else []):
        for layer, (old, new) in enumerate(zip(before, now, strict=True), start=1):
            yield {
                **arm, "epoch": epoch, "layer": layer, "units": new.dead.size, "dead": int(new.dead.sum()),
                "deaths": int((old.active & new.dead).sum()), "revivals": int((old.dead & new.active).sum()),
                "dormant": int(new.dormant(trial["tau"]).sum()), "zero_dormant": int(new.dormant(0.0).sum()),
            }  # fmt: skip


def _measure_training(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    outcome, looks, _ = watch_training(trial, doublings(trial["epochs"]))
    rows = list(_unit_rows(trial, looks))
    for name, epochs in (("dead_at_start", {0}), ("dead_at_end", {looks[-1][0]} if looks else set())):
        chosen = [row for row in rows if row["epoch"] in epochs]
        dead, units = (sum(row[column] for row in chosen) for column in ("dead", "units"))
        outcome[name] = dead / units if units else None
    return {"trials": [trial_row(trial, COLUMNS, **outcome)], "units": rows}


def measure(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of one trial."""
    if trial["kind"] == "training":
        return _measure_training(trial)
    if trial["kind"] == "sharpness":
        return {"trials": [trial_row(trial, COLUMNS)], "sharpness": [_measure_sharpness(trial)]}
    found = (_measure_narrow if trial["kind"] == "narrow" else _measure_invariant)(trial)
    return {"trials": [trial_row(trial, COLUMNS, **found)]}


def cost(trial: dict[str, Any]) -> float:
    """Return the expected seconds on one core, at speeds seen on small networks."""
    if trial["kind"] == "narrow":
        return 2e-4 + 4e-5 * trial["depth"]
    data = data_of({**trial, "root_seed": 0})
    layers = trial["depth"] * trial["width"] + data.n_features + data.n_outputs
    passes = {"training": trial.get("epochs", 0), "sharpness": 4 * PRODUCTS}.get(trial["kind"], 1)
    return 2e-3 + passes * (2e-5 + 1.2e-10 * trial["width"] * layers * data.X_train.shape[0])


def warm_up() -> None:
    """Compile every kernel that the trials call."""
    network = {"scheme": "he_normal", "activation": "relu", "depth": 1, "width": 2, "repeat": 0, "root_seed": 0}
    measure({"kind": "narrow", **network, **LINE, "shift": 0.0})
    data = {"data": "xor", "target": "", "samples": 60}
    for kind in ("invariant", "sharpness", "training"):
        arm = {"bias": 0.0, "normalization": "batch", "learning_rate": 0.1, "tau": 0.1}
        measure({"kind": kind, **network, **data, **arm, "epochs": 1, "batch_size": 8, "optimizer": "sgd"})


# --- claims --------------------------------------------------------------------------------------------------------

LU = "Lu, Shin, Su and Karniadakis 2020"
LAW_MARGIN = 0.045  # one layer more or less would be off by 0.06 and more
EXACT_MARGIN = 0.03
OCTAVE = 1.0  # of log2(rate / predicted rate)
TEXTBOOK = "textbook statement: dead units come from pushed weights; use leaky ReLU or He's initialization"


def _narrow(trials: pd.DataFrame, column: str, **arm: Any) -> np.ndarray:
    """Return zeros and ones of an arm's networks; an arm is plain where nothing else is said."""
    from nnsim.report.arms import rows_of

    plain = {"scheme": "he_normal", "activation": "relu", "shift": 0.0}
    rows = rows_of(trials, kind="narrow", status="done", **(plain | arm)).sort_values("repeat")
    return rows[column].to_numpy(dtype=float)


def _law_questions(trials: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    from nnsim.report.judge import Question

    for width, depth in product(config["narrow_width"], config["narrow_depth"]):
        shape, where = {"width": width, "depth": depth}, f"he_normal, relu, {depth} layers of {width}, one input"
        ask = partial(Question, interval="proportion", arm=where)
        yield ask(
            f"B1-{width}x{depth}", "claim", "A network is silent at a given input as often as 1 - (1 - 2^-N)^m says.",
            LU, values=_narrow(trials, "silent", **shape), prediction=dead_at_input([width] * depth), margin=LAW_MARGIN,
        )  # fmt: skip
        if depth == 2:
            yield ask(
                f"B2-exact-{width}", "claim", "Two narrow layers are born dead as often as the exact law says.",
                f"{LU}, theorem 3", values=_narrow(trials, "born_dead", **shape),
                prediction=born_dead_bound(width, 2), margin=EXACT_MARGIN,
            )  # fmt: skip
    width, depth = max(config["narrow_width"]), max(config["narrow_depth"])
    ask = partial(Question, interval="proportion", arm=f"he_normal, relu, {depth} layers of {width}, one input")
    born = _narrow(trials, "born_dead", width=width, depth=depth)
    yield ask(
        "B2-lower", "claim", "A deep narrow network is born dead at least as often as the lower bound says.",
        f"{LU}, theorem 3", values=born, prediction=born_dead_bound(width, depth), rule="at_least",
    )  # fmt: skip
    yield ask(
        "B2-upper", "claim", "A constant function is rarer than silence at one input.", LU, values=born,
        prediction=dead_at_input([width] * depth), rule="at_most",
    )  # fmt: skip


def _remedy_questions(trials: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    from nnsim.report.judge import Question

    shape = {"width": min(config["narrow_width"]), "depth": max(config["narrow_depth"])}
    where = f"relu, {shape['depth']} layers of {shape['width']}, one input"
    he = _narrow(trials, "born_dead", **shape)
    xavier = _narrow(trials, "born_dead", **shape, scheme="xavier_normal")
    asymmetric = _narrow(trials, "born_dead", **shape, scheme="asymmetric")
    yield Question(
        "B3-leaky", "check", "A leaky ReLU network is never a constant function.", "Maas, Hannun and Ng 2013",
        f"he_normal, leaky_{where}", _narrow(trials, "born_dead", **shape, activation="leaky_relu"), 0.0, "exact",
    )  # fmt: skip
    yield Question(
        "B3-he", "correction",
        "He's variance does not keep networks from being born dead: those of Glorot's variance die in the same draws.",
        TEXTBOOK, f"he_normal minus xavier_normal, {where}", _difference(he, xavier), 0.0, "exact",
    )  # fmt: skip
    yield Question(
        "B3-asymmetric", "claim", "With the randomised asymmetric scheme fewer networks are born dead.",
        f"{LU}, section 4", f"he_normal minus asymmetric, {where}", _difference(he, asymmetric), 0.0, "above",
        note="difference of the shares of networks that are born dead",
    )  # fmt: skip
    yield Question(
        "B3-mean", "claim", "Weights of a positive mean go silent at a positive input no more often than Phi allows.",
        "union of half spaces, see nnsim.theory.dead_units", f"mean {SHIFT:g} deviations, {where}",
        _narrow(trials, "silent", **shape, shift=SHIFT), dead_at_input_bound(**shape, shift=SHIFT), "at_most",
        interval="proportion", note=f"with mean 0 it is {dead_at_input([shape['width']] * shape['depth']):.3g}",
    )  # fmt: skip


def _difference(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return first - second if first.size == second.size else np.empty(0)


def _invariant_questions(trials: pd.DataFrame) -> Iterator[Question]:
    from nnsim.report.arms import rows_of
    from nnsim.report.judge import Question

    rows = rows_of(trials, kind="invariant", status="done")
    where = f"he_normal, relu, {INVARIANT_DEPTH} layers of {INVARIANT_WIDTH}, a batch of 64"
    normal, plain = (rows_of(rows, normalization=name)["off_units"].to_numpy(dtype=float) for name in ("batch", "none"))
    yield Question(
        "B3-batch", "check", "Behind batch normalisation no unit is drawn that is off on the whole batch.",
        "Ioffe and Szegedy 2015: mean 0 and variance 1", f"with, {where}", normal, 0.0, "exact",
    )  # fmt: skip
    yield Question(
        "B3-without", "claim", "Without it most such networks hold units that are off on the whole batch.", LU,
        f"without, {where}", (plain > 0).astype(float), 0.5, "above", interval="proportion",
    )  # fmt: skip


def critical_rates(runs: pd.DataFrame) -> pd.DataFrame:
    """Return each seed's rate at which units begin to die, between the last calm rate and the first that kills.

    A rate kills if the share of dead units rises by more than `RISE`, or the run diverges. ``at_edge`` tells that the
    grid holds no calm rate below, or none that kills; ``critical_rate`` is then NaN.
    """
    import pandas as pd

    rows = []
    for repeat, group in runs.sort_values("learning_rate").groupby("repeat"):
        rates = group["learning_rate"].to_numpy(dtype=float)
        kills = ((group["dead_at_end"] - group["dead_at_start"]) > RISE) | (group["status"] == "diverged")
        first = int(np.argmax(kills.to_numpy())) if kills.any() else 0
        rate = math.sqrt(rates[first - 1] * rates[first]) if first > 0 else math.nan
        rows.append((repeat, rate, first == 0))
    frame = pd.DataFrame(rows, columns=["repeat", "critical_rate", "at_edge"])
    return frame.astype({"repeat": "int64", "critical_rate": "float64", "at_edge": "bool"})


def _training_arm(trials: pd.DataFrame, bias: float = 0.0, normalization: str = "none") -> pd.DataFrame:
    from nnsim.report.arms import rows_of

    return rows_of(trials, kind="training", bias=bias, normalization=normalization)


def _jump_questions(trials: pd.DataFrame, sharpness: pd.DataFrame) -> Iterator[Question]:
    from nnsim.report.arms import rows_of
    from nnsim.report.judge import Question

    runs = _training_arm(trials).merge(rows_of(sharpness, bias=0.0)[["repeat", "sharpness"]], on="repeat")
    found = critical_rates(runs).merge(rows_of(sharpness, bias=0.0)[["repeat", "sharpness"]], on="repeat")
    runs = runs.assign(scaled=runs["learning_rate"] * runs["sharpness"] / 2)
    calm = runs[(runs["scaled"] <= 1) & (runs["status"] == "done")]
    rises = (calm["dead_at_end"] - calm["dead_at_start"]).groupby(calm["repeat"]).max().dropna()
    where = "he_normal, bias 0, full-batch descent, dead on all training rows"
    yield Question(
        "B4-calm", "claim", "Rates below 2 / sharpness kill hardly any unit.", "Lewkowycz et al. 2020", where,
        rises.to_numpy(dtype=float), 0.05, "at_most", note="largest rise of the share of dead units over these rates",
    )  # fmt: skip
    octaves = np.log2((found["critical_rate"] * found["sharpness"] / 2).to_numpy(dtype=float))
    ask = partial(
        Question, kind="claim", arm=where, values=octaves[np.isfinite(octaves)], margin=OCTAVE,
        at_edge=bool(found["at_edge"].any()),
        note=f"log2 of (rate at which {RISE:g} of the units have died, over 2 / sharpness at the start)",
    )  # fmt: skip
    yield ask(
        "B4-jump", statement="Units begin to die where the rate reaches 2 / sharpness.",
        source="stability of gradient descent on a quadratic", prediction=0.0,
    )  # fmt: skip
    yield ask(
        "B4-catapult", statement="They begin to die at about 12 / sharpness, where the catapult of ReLU networks ends.",
        source="Lewkowycz et al. 2020, section 3", prediction=math.log2(6),
    )  # fmt: skip


def _worst(runs: pd.DataFrame) -> pd.Series:
    """Return each seed's largest share of dead units at the end, over the rates that did not diverge."""
    return runs[runs["status"] == "done"].groupby("repeat")["dead_at_end"].max().dropna()


def _death_questions(trials: pd.DataFrame, units: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    from nnsim.report.judge import Question

    plain, where = _training_arm(trials), "he_normal, bias 0, the worst rate of the grid"
    worst, batch = _worst(plain), _worst(_training_arm(trials, normalization="batch"))
    yield Question(
        "B4-he", "correction", "He's initialization keeps no unit alive in training: at some rate 0.3 of them die.",
        TEXTBOOK, where, worst.to_numpy(dtype=float), 0.3, "at_least",
    )  # fmt: skip
    yield Question(
        "B4-batch", "claim", "With batch normalisation fewer units die, each at its worst rate.",
        "Ioffe and Szegedy 2015", f"without minus with, {where}", (worst - batch).dropna().to_numpy(dtype=float),
        0.0, "above", note="normalised units can die, too: the learnt shift can push them off, in every layer",
    )  # fmt: skip
    onsets = [critical_rates(runs) for runs in (plain, _training_arm(trials, normalization="batch"))]
    octaves = np.log2(onsets[1]["critical_rate"] / onsets[0]["critical_rate"]).dropna()
    yield Question(
        "B4-batch-onset", "claim", "With batch normalisation units begin to die at higher rates.",
        "Ioffe and Szegedy 2015", "with over without, he_normal, bias 0", octaves.to_numpy(dtype=float), 0.0, "above",
        at_edge=any(bool(onset["at_edge"].any()) for onset in onsets),
        note="log2 of the ratio of the rates at which units begin to die, paired by seed",
    )  # fmt: skip
    for sign, bias in (("positive", max(config["bias"])), ("negative", min(config["bias"]))):
        yield from _bias_questions(trials, sign, bias)
    yield from _revival_questions(units)


def _bias_questions(trials: pd.DataFrame, sign: str, bias: float) -> Iterator[Question]:
    from nnsim.report.judge import Question

    zero, other = _training_arm(trials), _training_arm(trials, bias)
    rates = [critical_rates(runs).set_index("repeat") for runs in (zero, other)]
    octaves = np.log2(rates[1]["critical_rate"] / rates[0]["critical_rate"]).dropna().to_numpy(dtype=float)
    starts = [runs.groupby("repeat")["dead_at_start"].first() for runs in (zero, other)]
    if sign == "positive":
        yield Question(
            "B4-positive-bias", "claim", "A positive bias at the start lets units stand higher learning rates.",
            "Goodfellow, Bengio and Courville 2016, section 6.3", f"bias {bias:g} over bias 0, he_normal",
            octaves if bias > 0 else np.empty(0), 0.0, "above",
            at_edge=bool(rates[0]["at_edge"].any() or rates[1]["at_edge"].any()),
            note="log2 of the ratio of the rates at which units begin to die, paired by seed; the bias raises the "
            "sharpness, too: in units of 2 / sharpness the order turns round, see the figure",
        )  # fmt: skip
        return
    yield Question(
        "B4-negative-bias", "claim", "A negative bias at the start means more dead units before any training.",
        "Goodfellow, Bengio and Courville 2016, section 6.3", f"bias {bias:g} minus bias 0, he_normal, epoch 0",
        (starts[1] - starts[0]).dropna().to_numpy(dtype=float) if bias < 0 else np.empty(0), 0.0, "above",
        note="share of units that are off on all training rows",
    )  # fmt: skip


def _revival_questions(units: pd.DataFrame) -> Iterator[Question]:
    from nnsim.report.arms import rows_of
    from nnsim.report.judge import Question

    rows = rows_of(units, normalization="none")
    first, above, relu = rows[rows["layer"] == 1], rows[rows["layer"] > 1], rows_of(rows, activation="relu")
    mismatches = (relu["zero_dormant"] - relu["dead"]).abs()
    where = "all biases and rates, full-batch descent without decay, dead on all training rows"
    yield Question(
        "B4-first-layer", "check", "A dead unit of the first layer never comes back: no gradient reaches its weights.",
        "Rumelhart, Hinton and Williams 1986", where,
        first.groupby("repeat")["revivals"].sum().to_numpy(dtype=float), 0.0, "exact",
    )  # fmt: skip
    yield Question(
        "B4-revivals", "correction", "Dead is not for good: above the first layer units come back.",
        "textbook statement: a unit whose pre-activation is negative for all inputs never activates again", where,
        (above.groupby("repeat")["revivals"].sum() > 0).to_numpy(dtype=float), 0.5, "above", interval="proportion",
        note="share of seeds in which a unit of a higher layer was dead at a look and not at the next",
    )  # fmt: skip
    yield Question(
        "B4-dormant", "check", "The 0-dormant ReLU units are the dead ones.", "Sokar et al. 2023, definition 3.1",
        where, mismatches.groupby(relu["repeat"]).sum().to_numpy(dtype=float), 0.0, "exact",
    )  # fmt: skip


def claims(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> list[Claim]:
    """Return every claim of the study, judged at one simultaneous confidence."""
    from nnsim.report.judge import judge

    trials = tables["trials"]
    return judge(
        [
            *_law_questions(trials, config),
            *_remedy_questions(trials, config),
            *_invariant_questions(trials),
            *_jump_questions(trials, tables["sharpness"]),
            *_death_questions(trials, tables["units"], config),
        ]
    )


# --- summary and figures -------------------------------------------------------------------------------------------

SUMMARY_COLUMNS = [
    *("kind", "scheme", "activation", "depth", "width", "shift", "bias", "normalization", "learning_rate"),
    *("quantity", "n", "diverged", "mean", "low", "high", "method"),
]


def summary(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return how often networks of each arm are born dead, and the share of dead units after training, at each rate."""
    import pandas as pd

    from nnsim.report.statistics import mean_interval, proportion_interval

    rows = []
    arm = SUMMARY_COLUMNS[:9]
    trials = tables["trials"]
    for kind, quantity in (("narrow", "silent"), ("narrow", "born_dead"), ("training", "dead_at_end")):
        part = trials[trials["kind"] == kind]
        for names, group in part.groupby(arm, sort=False, dropna=False):
            values = group[quantity].dropna().to_numpy(dtype=float)
            if kind == "narrow":
                interval = proportion_interval(int(values.sum()), values.size, 0.95)
            else:
                interval = mean_interval(values, 0.95)
            found = {"quantity": quantity, "n": len(group), "diverged": int((group["status"] == "diverged").sum())}
            found |= {"mean": interval.estimate, "low": interval.low, "high": interval.high, "method": interval.method}
            rows.append({**dict(zip(arm, names, strict=True)), **found})
    return pd.DataFrame(rows, columns=SUMMARY_COLUMNS)


def _born_frame(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the measured shares of silent and constant networks, one row an arm."""
    import pandas as pd

    from nnsim.report.arms import rows_of
    from nnsim.report.statistics import proportion_interval

    rows, arm = [], ["scheme", "activation", "shift", "width", "depth"]
    for names, group in rows_of(trials, kind="narrow", status="done").groupby(arm, sort=False):
        for quantity in ("silent", "born_dead"):
            values = group[quantity].to_numpy(dtype=float)
            interval = proportion_interval(int(values.sum()), values.size, 0.95)
            ends = {"estimate": interval.estimate, "low": interval.low, "high": interval.high}
            rows.append({**dict(zip(arm, names, strict=True)), "quantity": quantity, **ends})
    return pd.DataFrame(rows, columns=[*arm, "quantity", "estimate", "low", "high"])


def _scaled_runs(trials: pd.DataFrame, sharpness: pd.DataFrame) -> pd.DataFrame:
    """Return the runs without normalisation, their rates in units of 2 / sharpness (geometric mean of the arm)."""
    from nnsim.report.arms import rows_of

    logs = sharpness.assign(log=np.log(sharpness["sharpness"].where(sharpness["sharpness"] > 0)))
    scale = np.exp(logs.groupby("bias")["log"].mean()) / 2
    runs = rows_of(trials, kind="training", normalization="none")
    return runs.assign(scaled=runs["learning_rate"] * runs["bias"].map(scale))


def figures(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> dict[str, FigureSpec]:
    """Return the figures, theory beside measurement."""
    from nnsim.report.arms import rows_of
    from nnsim.report.figures import FigureSpec
    from nnsim.report.gallery import dead_units

    trials, units = tables["trials"], rows_of(tables["units"], bias=0.0, normalization="none")
    born = _born_frame(trials)
    shape = {"width": min(config["narrow_width"]), "depth": max(config["narrow_depth"])}
    died = rows_of(units, epoch=config["epochs"]).groupby("learning_rate")["deaths"].size()
    busiest = units.groupby("learning_rate")[["deaths", "revivals"]].sum().sum(axis=1)
    rate = float(busiest.idxmax()) if len(died) else math.nan
    return {
        "born-dead": FigureSpec(
            dead_units.born(
                rows_of(born, scheme="he_normal", activation="relu", shift=0.0), dead_at_input, born_dead_bound
            ),
            "Narrow ReLU networks of one input as they are drawn. Silent: a given input reaches no unit of some layer. "
            "Born dead: the network is a constant function, decided exactly. Dashed: the exact law of silence, and "
            "Lu's lower bound for constant functions; intervals: 95 %, Clopper and Pearson.",
            "Probability of silence and of a constant function against depth, one panel a width.",
        ),
        "remedies": FigureSpec(
            dead_units.remedies(rows_of(born, quantity="born_dead", **shape)),
            f"How often networks of {shape['depth']} layers of {shape['width']} are born dead, with each remedy. He's "
            "and Glorot's variances share one fate, because scaling weights moves no sign.",
            "Share of networks that are born dead, one bar a remedy.",
        ),
        "jump": FigureSpec(
            dead_units.jump(_scaled_runs(trials, tables["sharpness"])),
            f"Share of dead units after {config['epochs']} steps of full-batch descent, against the rate in units of "
            "2 / sharpness at the start (geometric mean over seeds). Means with 95 % intervals. Dashed: 1, where a "
            "quadratic diverges, and 6, where the catapult of ReLU networks ends.",
            "Share of dead units against the scaled learning rate, one line an initial bias.",
        ),
        "lives": FigureSpec(
            dead_units.lives(rows_of(units, learning_rate=rate), config["tau"]),
            f"Lives of units at the rate with most deaths and revivals, {rate:g}, bias 0: means over seeds of the "
            "units that are dead, of those that are dormant, and of deaths and revivals since the look before.",
            "Counts of dead, dormant, dying and reviving units against epochs, one panel a layer.",
        ),
    }


# --- declaration ---------------------------------------------------------------------------------------------------

KIND = Column("kind", "text", "", "what the trial is for: narrow, invariant, sharpness, training")
SETTINGS = (
    Column("bias", "float", "", "bias of every hidden unit at the start"),
    Column("shift", "float", "deviations", "what is added to the weights, in their standard deviations"),
    Column("normalization", "text", "", "normalisation of the hidden layers"),
)
UNIT_ARM = (KIND, *ARM_COLUMNS[1:], *SETTINGS[::2])
COLUMNS = (
    KIND,
    *columns_with(TRIAL_COLUMNS, *SETTINGS)[1:],
    Column("silent", "bool", "", "whether some layer is off at the input 1"),
    Column("born_dead", "bool", "", "whether the network is constant on [-1, 1]"),
    Column("off_units", "int", "units", "units that are off on the whole batch as they are drawn"),
    Column("dead_at_start", "float", "1", "share of units that are dead on the training rows before training"),
    Column("dead_at_end", "float", "1", "the same at the last look, after the last epoch or before the run diverged"),
)
UNIT_COLUMNS = (
    *UNIT_ARM,
    Column("epoch", "int", "epochs", "epochs done at this look"),
    Column("layer", "int", "", "hidden layer, from 1"),
    Column("units", "int", "units", "units of the layer"),
    Column("dead", "int", "units", "units whose slope is zero on every training row"),
    Column("deaths", "int", "units", "units that are dead and were not at the look before"),
    Column("revivals", "int", "units", "units that are not dead and were at the look before"),
    Column("dormant", "int", "units", "tau-dormant units: their mean |a| is at most tau times the layer's mean"),
    Column("zero_dormant", "int", "units", "0-dormant units"),
)
SHARPNESS_COLUMNS = (
    Column("bias", "float", "", "bias of every hidden unit at the start"),
    Column("repeat", "int", "", "number of the independent seed"),
    Column("sharpness", "float", "", "largest eigenvalue of the Hessian of the training loss before training"),
)
RATES = tuple(round(0.0625 * 2 ** (k / 2), 6) for k in range(2, 18))


study = Study(
    name="dead-neurons",
    title="Dead neurons",
    question="When do ReLU units die, as they are drawn or in training; what prevents it, and do the dead come back?",
    expect=(
        "Narrow deep networks are born dead with a probability that the width and the depth decide, and the variance "
        "of the weights does not. In training units die above a learning rate that the sharpness of the loss sets: at "
        "2 / sharpness by the argument of the quadratic, near 12 / sharpness if the catapult of ReLU networks carries "
        "over. The teaching page says that dead units come from pushed weights and never activate again, and advises "
        "leaky ReLU or He's initialization: leaky ReLU cannot die, He's variance is no help, and units above the first "
        "layer can come back when the layers below them move."
    ),
    falsify=(
        "A share of silent or constant networks outside the printed margin, at which one layer more or less is told "
        "apart; one dead unit of the first layer that revives; units that begin to die an octave away from the rate."
    ),
    misreading=(
        "A unit is dead relative to a set of inputs, here all training rows: on others it may answer. And a rate at "
        "which units die need not be too high for the accuracy: compare the metrics in the table of trials."
    ),
    references=(
        "L. Lu, Y. Shin, Y. Su and G. E. Karniadakis, Dying ReLU and initialization, Commun. Comput. Phys. 28, 2020",
        "A. Lewkowycz et al., The large learning rate phase of deep learning: the catapult mechanism, 2020",
        "G. Sokar, R. Agarwal, P. S. Castro and U. Evci, The dormant neuron phenomenon, ICML 2023",
        "S. Ioffe and C. Szegedy, Batch normalization, ICML 2015",
        "A. Maas, A. Hannun and A. Ng, Rectifier nonlinearities improve neural network acoustic models, 2013",
    ),
    axes=(
        Axis("activation", str, "activation of the trained networks, one whose units can die",
             presets("relu", "relu", "relu"), scalar=True),
        Axis("narrow_width", int, "units a layer of the networks of one input",
             presets((2, 3), (2, 3, 4), (2, 3, 4, 5)), minimum=1),
        Axis("narrow_depth", int, "hidden layers of the networks of one input",
             presets((2, 4, 8), (2, 3, 4, 6, 8, 12), (2, 3, 4, 6, 8, 12, 20)), minimum=1),
        Axis("nets", int, "random networks of each narrow shape", presets(2500, 6000, 20000), minimum=1, scalar=True),
        Axis("probe_seeds", int, "independent seeds of the networks with and without batch normalisation",
             presets(40, 100, 400), minimum=1, scalar=True),
        Axis("depth", int, "hidden layers of the trained networks", presets(2, 2, 3), minimum=1, scalar=True),
        Axis("width", int, "units of each hidden layer of the trained networks", presets(32, 48, 64), minimum=1,
             scalar=True),
        Axis("bias", float, "biases of the hidden units at the start; 0 must be among them",
             presets((-1.0, 0.0, 0.5), (-1.0, -0.5, 0.0, 0.1, 0.5), (-1.0, -0.5, 0.0, 0.1, 0.5, 1.0))),
        Axis("learning_rate", float, "grid of learning rates, the same for every arm", presets(RATES, RATES, RATES),
             minimum=0, exclusive=True),
        Axis("seeds", int, "independent seeds of each trained arm", presets(16, 20, 40), minimum=1, scalar=True),
        Axis("epochs", int, "steps of full-batch descent", presets(100, 200, 600), minimum=1, scalar=True),
        Axis("tau", float, "threshold of the dormancy score", presets(0.1, 0.1, 0.1), minimum=0, scalar=True),
        Axis("data", str, "data set, or a CSV, NPZ or IDX file", presets("digits", "digits", "digits"), scalar=True),
        Axis("target", str, "target column of a CSV file", presets("", "", ""), scalar=True),
        Axis("samples", int, "rows to use; 0 is all", presets(400, 800, 0), minimum=0, scalar=True),
    ),
    tables=(
        Table("trials", COLUMNS),
        Table("units", UNIT_COLUMNS),
        Table("sharpness", SHARPNESS_COLUMNS, canonical=False),
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
        "B1: a random ReLU network is silent at a given input with probability 1 - prod (1 - 2^-N).",
        "B2: two narrow layers are born dead as often as Lu's exact law says, deeper ones at least so often.",
        "B3: leaky ReLU is never dead, the asymmetric scheme and a positive mean die less, He's variance is no help.",
        "B3: behind batch normalisation no unit starts off on the whole batch.",
        "B4: rates below 2 / sharpness kill hardly any unit; above a threshold the share of dead units jumps.",
        "B4: a dead unit of the first layer stays dead; above it units come back.",
        "B4: a positive bias lets units stand higher rates, a negative one starts with more dead.",
    ),
)  # fmt: skip
