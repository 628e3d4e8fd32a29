"""Which optimizer? Seven of them at equal tuning budgets, their exact statements, and rates that outlive the width."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim import datasets, training, training_identities
from nnsim.experiment.study import Axis, Column, Study, Table, presets
from nnsim.initializers import initialize
from nnsim.kernels.optimizers import OPTIMIZERS
from nnsim.laboratory import (
    HISTORY_COLUMNS,
    TRIAL_COLUMNS,
    columns_with,
    data_of,
    network_of,
    train_network,
)
from nnsim.network import NetworkSpec
from nnsim.parametrization import MUP, PARAMETRIZATIONS, STANDARD, mup_layer_rates, mup_start, preactivation_changes
from nnsim.recipe import Recipe
from nnsim.seeding import key
from nnsim.study_settings import check_batch_size

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.chosen import ChosenArms
    from nnsim.report.claims import Claim
    from nnsim.report.figures import FigureSpec
    from nnsim.report.judge import Question

CENTRES = {
    **{"sgd": 10**-0.5, "momentum": 10**-1.5, "nesterov": 10**-1.5, "adagrad": 10**-1.5},
    **{"rmsprop": 10**-2.5, "adam": 10**-2.5, "adamw": 10**-2.5},
}
"""Middle of each optimizer's grid: momentum 0.9 multiplies a step by 10, adaptive steps have the rate's own size."""

NETWORK = {"scheme": "he_normal", "activation": "relu", "depth": 2}
DEFAULT_RATE = 0.001
DECAY: dict[str, Any] = {"learning_rate": 0.01, "weight_decay": 0.1, "steps": 100}
FIRST_STEP: dict[str, Any] = {"learning_rate": 0.01, "epsilon": 1e-3}
DROPOUT_RATES = (0.2, 0.5)
COORDINATE: dict[str, Any] = {"learning_rate": 0.001, "steps": 3, "batch_size": 64}
LOOKED_AT = 16  # rows of the coordinate check


# --- trials --------------------------------------------------------------------------------------------------------


def grid(optimizer: str, rates: int) -> list[float]:
    """Return so many learning rates, a factor sqrt(10) apart, around the middle that belongs to the optimizer."""
    first = (1 - rates) // 2
    return [float(f"{CENTRES[optimizer] * 10 ** (step / 2):.4g}") for step in range(first, first + rates)]


def _compared(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the training runs of the comparison: every arm has the same number of rates and the same seeds."""
    recipe = {"epochs": config["epochs"], "batch_size": config["batch_size"], "probe_epoch": []}
    recipe |= {"budget": config["rates"] * config["seeds"], **NETWORK, "width": config["width"]}
    for data, optimizer in product(config["data"], config["optimizer"]):
        decay = config["weight_decay"] if OPTIMIZERS[optimizer].decoupled else 0.0
        arm = {"kind": "training", "data": data, "optimizer": optimizer, "weight_decay": decay}
        for rate, repeat in product(grid(optimizer, config["rates"]), range(config["seeds"])):
            yield {**arm, **recipe, "learning_rate": rate, "repeat": repeat}


def _widened(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what is asked of the two parametrizations: training over widths and rates, and the coordinate check."""
    base = {"optimizer": "adam", "data": config["data"][0], **NETWORK, "weight_decay": 0.0}
    base |= {"base_width": min(config["mup_width"])}
    recipe = {"epochs": config["mup_epochs"], "batch_size": config["batch_size"]}
    recipe |= {"budget": len(config["mup_rate"]) * config["seeds"]}
    for name, width in product(PARAMETRIZATIONS, config["mup_width"]):
        for rate, repeat in product(config["mup_rate"], range(config["seeds"])):
            arm = {"kind": "width", "parametrization": name, "width": width, "learning_rate": rate}
            yield {**base, **arm, **recipe, "repeat": repeat}
    check = {"learning_rate": COORDINATE["learning_rate"]}
    for name, width in product(PARAMETRIZATIONS, config["coordinate_width"]):
        for repeat in range(config["probe_seeds"]):
            yield {"kind": "coordinate", **base, "parametrization": name, "width": width, **check, "repeat": repeat}


def _identities(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for repeat in range(config["probe_seeds"]):
        for optimizer in ("adamw", "adam"):
            yield {"kind": "decay", "optimizer": optimizer, "data": config["data"][0], "repeat": repeat}
        for data in config["data"]:
            looked_at = {"data": data, **NETWORK, "width": config["width"], "repeat": repeat}
            yield {"kind": "first_step", "optimizer": "adam", **looked_at}
            yield {"kind": "start_loss", **looked_at}
        for rate in DROPOUT_RATES:
            yield {"kind": "dropout", "dropout": rate, "data": config["data"][0], "repeat": repeat}


def trials(config: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all trials; what cannot be used is an error here, before anything runs."""
    for data in config["data"]:
        rows = data_of({"data": data, "target": "", "samples": config["samples"], "root_seed": 0}).X_train.shape[0]
        check_batch_size(config["batch_size"], rows, data)
    shared = {"target": "", "samples": config["samples"]}
    prints = {data: datasets.fingerprint(data) for data in config["data"]}
    found = (*_compared(config), *_widened(config), *_identities(config))
    return [{**trial, **shared, "fingerprint": prints[trial["data"]]} for trial in found]


# --- measurement ---------------------------------------------------------------------------------------------------


def _row(trial: dict[str, Any], **measured: Any) -> dict[str, Any]:
    row = {column.name: trial.get(column.name) for column in TRIALS}
    return row | {"status": "done", "reason": "", **measured}


def _start(trial: dict[str, Any], dtype: str) -> tuple[NetworkSpec, np.ndarray, tuple[float, ...] | None]:
    """Return a network, its initial parameters and its layers' rates in the trial's parametrization."""
    spec = network_of(trial, dtype)
    theta = initialize(spec, trial["scheme"], key(trial["root_seed"], "init", trial["repeat"]))
    if trial.get("parametrization") != MUP:
        return spec, theta, None
    return spec, mup_start(spec, theta, trial["base_width"]), mup_layer_rates(spec, trial["base_width"])


def _train_wide(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    spec, theta, rates = _start(trial, "float32")
    data = training.batches(data_of(trial), np.float32)
    recipe = Recipe(trial["learning_rate"], None, trial["batch_size"], trial["epochs"], "adam", layer_rates=rates)
    run = training.train(spec, theta, data, recipe, key(trial["root_seed"], "shuffle", trial["repeat"]))
    found: dict[str, Any] = {"parameters": spec.n_parameters, "epochs_done": len(run.history)}
    if run.status == "diverged":
        found |= {"status": "diverged", "reason": "the loss stopped being finite", "diverged_at": run.diverged_at}
    else:
        names = ("train_loss", "validation_loss", "validation_metric")
        found |= dict(zip(names, run.history[-1].tolist(), strict=False))
    return {"trials": [_row(trial, **found)]}


def _check_coordinates(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    spec, theta, rates = _start(trial, "float64")
    data = training.batches(data_of(trial), np.float64)
    batch = min(COORDINATE["batch_size"], data.X.shape[0])
    rows = slice(0, batch * COORDINATE["steps"])
    part = training.Batches(data.X[rows], data.Y[rows], data.X[:0], data.Y[:0])
    recipe = Recipe(trial["learning_rate"], None, batch, 1, "adam", layer_rates=rates)
    run = training.train(spec, theta, part, recipe, key(trial["root_seed"], "shuffle", trial["repeat"]))
    changes = preactivation_changes(spec, theta, run.theta, part.X[:LOOKED_AT])
    arm = {name: trial[name] for name in ("kind", "parametrization", "width", "repeat")}
    rows_found = [{**arm, "layer": layer, "change": change} for layer, change in enumerate(changes, start=1)]
    return {"trials": [_row(trial, parameters=spec.n_parameters)], "coordinates": rows_found}


def _values(trial: dict[str, Any]) -> dict[str, float]:
    """Return what an identity is tested on, by name."""
    draws = key(trial["root_seed"], trial["kind"], trial["repeat"])
    if trial["kind"] == "decay":
        decay = {name: DECAY[name] for name in ("learning_rate", "weight_decay")}
        recipe = Recipe(optimizer=trial["optimizer"], epochs=DECAY["steps"], **decay)
        return dict(zip(("smallest", "largest"), training_identities.shrinkage(recipe, draws), strict=True))
    if trial["kind"] == "dropout":
        moments = training_identities.dropout_moments(trial["dropout"], draws)
        return dict(zip(("mean", "mean_square"), moments, strict=True))
    spec, theta, _ = _start(trial, "float64")
    data = training.batches(data_of(trial), np.float64)
    if trial["kind"] == "first_step":
        recipe = Recipe(optimizer=trial["optimizer"], **FIRST_STEP)
        change, gradient = training_identities.first_step(spec, theta, data, recipe)
        expected = -FIRST_STEP["learning_rate"] * gradient / (np.abs(gradient) + FIRST_STEP["epsilon"])
        return {"error": float(np.abs(change - expected).max()) / FIRST_STEP["learning_rate"]}
    binary = NetworkSpec((*spec.widths[:-1], 1), spec.activation, loss="bce", dtype="float64")
    silent = initialize(binary, trial["scheme"], draws)
    odd = np.ascontiguousarray(data.Y[:, :1] % 2 != 0, np.float64)
    found = {"bce": training_identities.start_loss(binary, silent, data.X, odd)}
    if spec.loss == "cross_entropy":
        found["cross_entropy"] = training_identities.start_loss(spec, theta, data.X, data.Y)
        found["classes"] = float(spec.widths[-1])
    return found


def measure(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of one trial."""
    if trial["kind"] == "training":
        tables = train_network(trial, ARMS)
        return {"trials": tables["trials"], "history": tables["history"]}
    if trial["kind"] == "width":
        return _train_wide(trial)
    if trial["kind"] == "coordinate":
        return _check_coordinates(trial)
    arm = {name: trial.get(name) for name in ("kind", "data", "optimizer", "dropout", "repeat")}
    rows = [{**arm, "quantity": quantity, "value": value} for quantity, value in _values(trial).items()]
    return {"trials": [_row(trial)], "identities": rows}


def cost(trial: dict[str, Any]) -> float:
    """Return the expected seconds on one core: multiply-adds and updates at a speed seen on small networks."""
    if trial["kind"] in {"decay", "dropout", "first_step", "start_loss"}:
        return 2e-3
    data, width = data_of({**trial, "root_seed": 0}), trial["width"]
    parameters = (data.n_features + data.n_outputs + width * (trial["depth"] - 1)) * width
    if trial["kind"] == "coordinate":
        return 2e-3 + 1e-7 * parameters
    steps = math.ceil(data.X_train.shape[0] / trial["batch_size"]) * trial["epochs"]
    return 3e-3 + steps * (1e-5 + parameters * (2e-9 + 6e-11 * trial["batch_size"]))


def warm_up() -> None:
    """Compile every kernel that the trials call."""
    data = {"data": "xor", "target": "", "samples": 60, "root_seed": 0, "repeat": 0, **NETWORK, "width": 2}
    recipe = {"learning_rate": 0.1, "epochs": 1, "batch_size": 8, "probe_epoch": [], "optimizer": "adam"}
    measure({"kind": "training", **data, **recipe})
    measure({"kind": "coordinate", **data, "learning_rate": 0.1, "parametrization": MUP, "base_width": 2})
    for kind in ("decay", "first_step", "start_loss", "dropout"):
        measure({"kind": kind, **data, "optimizer": "adam", "dropout": 0.5})


# --- claims --------------------------------------------------------------------------------------------------------

DATA_ARM = ["data", "optimizer"]
CLOSE = 0.02  # of the test metric: half a point of accuracy is noise, five are a choice
ROUNDING = 1e-9  # relative, of double precision; the nearest wrong formula is off by more than 1e-3
LEVEL = 0.15  # of a log-log slope whose neighbours are 1/2 and 1
OCTAVE = 1.0  # grid step of the learning rates; eight-fold width, moved in proportion, would be three
SEEDS_TOLD = 6

PAIRS: tuple[tuple[str, str, str, Any, float, str, str], ...] = (
    ("momentum-sgd", "momentum", "sgd", "at_least", -CLOSE, "Choi et al. 2019; Sutskever et al. 2013",
     "At equal tuning budgets momentum is no worse than plain SGD."),
    ("nesterov-momentum", "nesterov", "momentum", "equivalence", 0.0, "Sutskever et al. 2013",
     "At equal tuning budgets Nesterov's momentum and the heavy ball end alike."),
    ("adam-rmsprop", "adam", "rmsprop", "at_least", -CLOSE, "Choi et al. 2019",
     "At equal tuning budgets Adam is no worse than RMSProp, which it contains."),
    ("adam-momentum", "adam", "momentum", "at_least", -CLOSE, "Choi et al. 2019; Wilson et al. 2017 say the opposite",
     "At equal tuning budgets Adam is no worse than SGD with momentum."),
    ("adamw-adam", "adamw", "adam", "equivalence", 0.0, "Loshchilov and Hutter 2019",
     "In a short run decoupled decay changes little: AdamW ends where Adam does."),
)  # fmt: skip


def _runs(trials: pd.DataFrame, kind: str) -> pd.DataFrame:
    from nnsim.report.arms import rows_of

    return rows_of(trials, kind=kind).dropna(subset=["learning_rate"])


def _arms(runs: pd.DataFrame) -> ChosenArms:
    from nnsim.report.arms import scored
    from nnsim.report.chosen import ChosenArms

    return ChosenArms(scored(runs), DATA_ARM)


def _note(config: dict[str, Any]) -> str:
    told = f"difference of test metrics, {config['rates']} rates x {config['seeds']} seeds an arm"
    if config["seeds"] >= SEEDS_TOLD:
        return told
    return f"{told}; with fewer than {SEEDS_TOLD} pairs no exact test of a difference can reach 0.05"


def _tie(lead: np.ndarray) -> str:
    tied = lead.size > 0 and not lead.any()
    return "; the arms end alike on every seed: this data set does not tell them apart" if tied else ""


def _pair_questions(runs: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    from nnsim.report.judge import Question

    note, arms = _note(config), _arms(runs)
    for data in config["data"]:
        for name, first, second, rule, prediction, source, statement in PAIRS:
            pair = {"data": data, "optimizer": first}, {"data": data, "optimizer": second}
            lead, edge = arms.lead("score", *pair), arms.at_edge(*pair)
            yield Question(
                f"optimizer-{name}-{data}", "claim", statement, source, f"{first} minus {second}, {data}", lead,
                prediction, rule, CLOSE if rule == "equivalence" else math.nan, note=note + _tie(lead), at_edge=edge,
            )  # fmt: skip
        adamw, momentum = ({"data": data, "optimizer": optimizer} for optimizer in ("adamw", "momentum"))
        yield Question(
            f"page-adamw-best-{data}", "correction",
            "Nothing is special about AdamW: tuned as often, it ends within 0.02 of SGD with momentum.",
            "teaching pages that name AdamW as the optimizer to start with; Schmidt, Schneider and Hennig 2021",
            f"adamw minus momentum, {data}", arms.lead("score", adamw, momentum), 0.0,
            margin=CLOSE, note=note, at_edge=arms.at_edge(adamw, momentum),
        )  # fmt: skip
        untuned = arms.values("score", adamw, DEFAULT_RATE) - arms.values("score", adamw)
        yield Question(
            f"page-adamw-default-{data}", "correction",
            "AdamW at 0.001, untuned, loses at most 0.02 to AdamW tuned.",
            "teaching pages that say: start at 1e-3 with AdamW", f"adamw at {DEFAULT_RATE:g} minus adamw tuned, {data}",
            untuned.dropna().to_numpy(), -CLOSE, "at_least",
            note=f"{note}; tuned rate {arms.rate(adamw):g}", at_edge=arms.at_edge(adamw),
        )  # fmt: skip


def _transfer_questions(runs: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    from nnsim.report.arms import rows_of
    from nnsim.report.judge import Question
    from nnsim.report.tuning import octaves_moved

    widths = config["mup_width"]
    texts: dict[str, tuple[Any, ...]] = {
        MUP: ("equivalence", 0.0, OCTAVE, "Under muP Adam's best learning rate does not move with the width."),
        STANDARD: ("at_most", -OCTAVE, math.nan,
                   "In the standard parametrization Adam's best rate falls by octaves as the network widens."),
    }  # fmt: skip
    arms = _by_loss(runs)
    for name, (rule, prediction, margin, statement) in texts.items():
        yield Question(
            f"D7-transfer-{name}", "claim", statement, "Yang, Hu et al. 2022, figures 1 and 3",
            f"{name}, adam, widths {min(widths)} to {max(widths)}, {config['data'][0]}",
            octaves_moved(rows_of(runs, parametrization=name), min(widths), max(widths)), prediction, rule, margin,
            at_edge=arms.at_edge({"parametrization": name}),
            note="octaves from the narrowest to the widest network; best is what trains to the least loss",
        )  # fmt: skip


LAYERS = {1: "first", 2: "hidden", 3: "readout"}


def _coordinate_questions(changes: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    from nnsim.report.arms import rows_of
    from nnsim.report.judge import Question
    from nnsim.report.slopes import slopes_by_seed

    widths, source = config["coordinate_width"], "Yang, Hu et al. 2022, appendix D.1"
    where = f"{COORDINATE['steps']} Adam steps, widths {min(widths)} to {max(widths)}, {config['data'][0]}"
    note = "log-log slope against the width"

    def slopes(parametrization: str, layer: int) -> np.ndarray:
        return slopes_by_seed(rows_of(changes, parametrization=parametrization, layer=layer), "width", "change")

    for layer, name in LAYERS.items():
        yield Question(
            f"D7-coordinate-mup-{name}", "claim", f"Under muP a step moves the {name} layer's z equally at any width.",
            source, f"mup, {where}", slopes(MUP, layer), 0.0, margin=LEVEL,
            note=note,
        )  # fmt: skip
        if name != "first":  # whose fan-in does not grow
            yield Question(
                f"D7-coordinate-standard-{name}", "claim",
                f"In the standard parametrization a step moves the {name} layer's z the more the wider the network.",
                source, f"standard, {where}", slopes(STANDARD, layer), 0.5,
                "at_least", note=f"{note}; 1 in the limit, where the layer's own update outweighs the one before",
            )  # fmt: skip


def _of(identities: pd.DataFrame, **arm: Any) -> np.ndarray:
    from nnsim.report.arms import rows_of

    return rows_of(identities, **arm).sort_values("repeat")["value"].to_numpy(dtype=float)


def _step_questions(identities: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    from nnsim.report.judge import Question

    rate, decay, steps = DECAY["learning_rate"], DECAY["weight_decay"], DECAY["steps"]
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
            "Kingma and Ba 2015, algorithm 1", f"adam, eps {FIRST_STEP['epsilon']:g}, {data}",
            _of(identities, kind="first_step", data=data), ROUNDING, "at_most",
            note="largest error of a coordinate, relative to eta",
        )  # fmt: skip


def _start_questions(identities: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    from nnsim.report.judge import Question

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
    for rate in DROPOUT_RATES:
        source, where = "Srivastava et al. 2014, section 10", f"unit of activation 1, p = {rate:g}"
        yield Question(
            f"D8-dropout-mean-{rate:g}", "check", "Inverted dropout keeps the mean.", source, where,
            _of(identities, dropout=rate, quantity="mean"), 1.0, margin=0.01,
        )  # fmt: skip
        yield Question(
            f"D8-dropout-square-{rate:g}", "check", "Inverted dropout multiplies the second moment by 1 / (1 - p).",
            source, where, _of(identities, dropout=rate, quantity="mean_square"), 1 / (1 - rate), margin=0.02,
        )  # fmt: skip


def claims(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> list[Claim]:
    """Return every claim of the study, judged at one simultaneous confidence."""
    from nnsim.report.judge import judge

    trials, identities = tables["trials"], tables["identities"]
    return judge(
        [
            *_pair_questions(_runs(trials, "training"), config),
            *_transfer_questions(_runs(trials, "width"), config),
            *_coordinate_questions(tables["coordinates"], config),
            *_step_questions(identities, config),
            *_start_questions(identities, config),
        ]
    )


# --- summary and figures -------------------------------------------------------------------------------------------

SUMMARY_ARM = ["kind", "data", "optimizer", "parametrization", "width", "budget"]


def _by_loss(runs: pd.DataFrame) -> ChosenArms:
    """Choose the rate of each width by the training loss, as those who transfer rates do."""
    from nnsim.report.chosen import ChosenArms
    from nnsim.report.selection import select_learning_rate

    names = ["parametrization", "width"]
    return ChosenArms(runs, names, select_learning_rate(runs, names, "train_loss", larger_is_better=False))


def _summary_rows(arms: ChosenArms, quantities: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    from nnsim.report.arm_summary import median_facts

    for (_, group), quantity in product(arms.runs.groupby(arms.names, sort=False), quantities):
        yield {name: group[name].iloc[0] for name in SUMMARY_ARM} | median_facts(group, quantity)


def summary(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return each arm at its chosen rate, with its budget: medians over seeds with intervals."""
    import pandas as pd

    from nnsim.report.arm_summary import FACTS

    compared, widened = (_runs(tables["trials"], kind) for kind in ("training", "width"))
    rows = [
        *_summary_rows(_arms(compared), ("validation_metric", "test_metric", "train_loss")),
        *_summary_rows(_by_loss(widened), ("train_loss", "validation_metric")),
    ]
    columns = [*SUMMARY_ARM[:-1], FACTS[0], SUMMARY_ARM[-1], *FACTS[1:]]
    return pd.DataFrame(rows, columns=columns).astype({"parameters": "Int64", "budget": "Int64", "width": "Int64"})


def _scores(runs: pd.DataFrame, config: dict[str, Any]) -> pd.DataFrame:
    """Return the test metrics of every optimizer at its chosen rate, and of AdamW at the default one."""
    import pandas as pd

    arms, rows = _arms(runs), []
    for data in config["data"]:
        scores = {name: arms.values("score", {"data": data, "optimizer": name}) for name in config["optimizer"]}
        untuned = arms.values("score", {"data": data, "optimizer": "adamw"}, DEFAULT_RATE)
        scores[f"adamw at {DEFAULT_RATE:g}, untuned"] = untuned
        rows += [{"data": data, "arm": arm, "value": value} for arm, values in scores.items() for value in values]
    return pd.DataFrame(rows, columns=["data", "arm", "value"])


def figures(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> dict[str, FigureSpec]:
    """Return the figures, theory beside measurement."""
    from nnsim.report.figures import FigureSpec
    from nnsim.report.gallery import optimizers

    runs, widened = (_runs(tables["trials"], kind) for kind in ("training", "width"))
    history = tables["history"].merge(runs[["trial", "data"]], on="trial")
    titles = {STANDARD: "standard parametrization", MUP: "muP"}
    return {
        "rates": FigureSpec(
            optimizers.rates(runs.assign(validation_metric=runs["validation_metric"].clip(lower=runs["chance"]))),
            f"Validation metric after {config['epochs']} epochs over each optimizer's own grid, of equal length and "
            "placed beforehand: medians over seeds with 95 % intervals; runs that diverged, or that are worse than "
            "chance, are drawn at chance.",
            "Validation metric against the learning rate, one panel a data set, one line an optimizer.",
        ),
        "results": FigureSpec(
            optimizers.results(_scores(runs, config)),
            "Test metric of each optimizer at the learning rate that validation chose, and of AdamW at 0.001 untuned: "
            "medians over seeds with 95 % intervals.",
            "Test metrics as points with intervals, one row an optimizer, one panel a data set.",
        ),
        "curves": FigureSpec(
            optimizers.curves(_arms(runs).pick(history)),
            "Training loss of each epoch, every optimizer at its chosen learning rate: medians over seeds with 95 % "
            "intervals.",
            "Training loss against epochs, one panel a data set, one line an optimizer.",
        ),
        "coordinate-check": FigureSpec(
            optimizers.coordinate_check(tables["coordinates"], LAYERS, titles),
            f"How much pre-activations change in {COORDINATE['steps']} steps of Adam: geometric means over seeds with "
            "95 % intervals. Under muP the lines are level, as the dashed ones; else they rise with the width.",
            "Change of pre-activations against the width on log-log axes for both parametrizations, one line a layer.",
        ),
        "transfer": FigureSpec(
            optimizers.transfer(widened, titles),
            f"Training loss of the last of {config['mup_epochs']} epochs over Adam's learning rate at several widths: "
            "medians over seeds with 95 % intervals; stars mark the best rate of each width.",
            "Training loss against the learning rate, one line a width: minima aligned under muP, drifting without.",
        ),
    }


# --- declaration ---------------------------------------------------------------------------------------------------

ARMS = (
    Column("optimizer", "text", "", "optimizer"),
    Column("weight_decay", "float", "", "weight decay, decoupled in AdamW"),
    Column("budget", "int", "runs", "runs that the arm is tuned with: learning rates times seeds"),
    Column("parametrization", "text", "", "standard or mup"),
    Column("base_width", "int", "units", "width at which muP is the standard parametrization"),
    Column("dropout", "float", "1", "probability with which a unit is dropped"),
)
TRIALS = columns_with(TRIAL_COLUMNS, *ARMS)
COORDINATE_COLUMNS = (
    Column("kind", "text", "", "coordinate"),
    Column("parametrization", "text", "", "standard or mup"),
    Column("width", "int", "units", "units of each hidden layer"),
    Column("repeat", "int", "", "number of the independent seed"),
    Column("layer", "int", "", "1 ... depth are hidden, depth + 1 is the output"),
    Column("change", "float", "", "root mean square over inputs and units of the change of z"),
)
IDENTITY_COLUMNS = (
    Column("kind", "text", "", "decay, first_step, start_loss or dropout"),
    Column("data", "text", "", "data set"),
    Column("optimizer", "text", "", "optimizer"),
    Column("dropout", "float", "1", "probability with which a unit is dropped"),
    Column("repeat", "int", "", "number of the independent seed"),
    Column("quantity", "text", "", "what the value is"),
    Column("value", "float", "see quantity", "ratio of weights, relative error, loss in nats, moment, or classes"),
)
OCTAVES = tuple(2.0**power for power in range(-10, -2))


study = Study(
    name="optimizer",
    title="Which optimizer, and at which rate",
    question=(
        "If every optimizer is tuned as often, which is best? What do AdamW and Adam do exactly? And can a learning "
        "rate that was tuned on a narrow network be used on a wide one?"
    ),
    expect=(
        "Most of what one optimizer gains over another is gained by tuning (Choi et al. 2019; Schmidt et al. 2021): at "
        "equal budgets the differences are small. A teaching page that says to start at 0.001 with AdamW is right if "
        "the run is long enough for that rate. AdamW decays weights by (1 - eta wd)^t, Adam's first step is "
        "-eta g / (|g| + eps). In the standard parametrization Adam's best rate falls as the network widens; under "
        "muP it stays."
    ),
    falsify=(
        "A tuned optimizer that another beats by more than 0.02 of test accuracy although theory has it contain that "
        "one; a weight that decays otherwise; a best rate that moves by more than an octave under muP, or that does "
        "not move by one without."
    ),
    misreading=(
        "That two optimizers end alike after tuning does not mean that either may be left untuned: the curve over the "
        "learning rate is what differs. And grids are part of the result: each is placed beforehand, and an optimum on "
        "its edge decides nothing."
    ),
    references=(
        "D. P. Kingma and J. Ba, Adam: a method for stochastic optimization, ICLR 2015.",
        "I. Loshchilov and F. Hutter, Decoupled weight decay regularization, ICLR 2019.",
        "I. Sutskever, J. Martens, G. Dahl and G. Hinton, On the importance of initialization and momentum in deep "
        "learning, ICML 2013.",
        "A. C. Wilson et al., The marginal value of adaptive gradient methods in machine learning, NeurIPS 2017.",
        "D. Choi et al., On empirical comparisons of optimizers for deep learning, 2019.",
        "R. M. Schmidt, F. Schneider and P. Hennig, Descending through a crowded valley, ICML 2021.",
        "G. Yang, E. J. Hu et al., Tensor Programs V: tuning large neural networks via zero-shot hyperparameter "
        "transfer, 2022.",
        "N. Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting, JMLR 15 (2014).",
    ),
    axes=(
        Axis("optimizer", str, "optimizers that are compared", presets(*[tuple(OPTIMIZERS)] * 3),
             choices=tuple(OPTIMIZERS)),
        Axis("data", str, "data sets; the first is also used for widths and identities",
             presets(("digits", "spirals", "teacher_student"), ("digits", "spirals", "teacher_student"),
                      ("digits", "spirals", "teacher_student", "breast_cancer"))),
        Axis("samples", int, "rows of each data set to use; 0 is all", presets(0, 0, 0), minimum=0, scalar=True),
        Axis("rates", int, "learning rates of each optimizer's grid", presets(7, 9, 11), minimum=3, scalar=True),
        Axis("seeds", int, "independent seeds of each trained arm", presets(10, 20, 40), minimum=1, scalar=True),
        Axis("epochs", int, "passes over the training data", presets(20, 40, 100), minimum=1, scalar=True),
        Axis("batch_size", int, "rows a step", presets(64, 64, 64), minimum=1, scalar=True),
        Axis("width", int, "units of each hidden layer", presets(32, 64, 128), minimum=1, scalar=True),
        Axis("weight_decay", float, "weight decay of AdamW", presets(0.01, 0.01, 0.01), minimum=0, scalar=True),
        Axis("mup_width", int, "widths over which Adam's best rate is followed; the least is muP's base",
             presets((32, 64, 128, 256), (32, 64, 128, 256, 512), (32, 64, 128, 256, 512, 1024)), minimum=1),
        Axis("mup_rate", float, "learning rates there", presets(OCTAVES, (2**-12, 2**-11, *OCTAVES),
             (2**-13, 2**-12, 2**-11, *OCTAVES)), minimum=0, exclusive=True),
        Axis("mup_epochs", int, "passes over the training data there", presets(2, 2, 5), minimum=1, scalar=True),
        Axis("coordinate_width", int, "widths of the coordinate check, well above muP's base",
             presets((128, 256, 512, 1024), (128, 256, 512, 1024), (128, 256, 512, 1024, 2048)), minimum=1),
        Axis("probe_seeds", int, "independent seeds of the coordinate check and of the identities",
             presets(20, 40, 100), minimum=1, scalar=True),
    ),
    tables=(
        Table("trials", TRIALS),
        Table("history", columns_with(HISTORY_COLUMNS, *ARMS)),
        Table("coordinates", COORDINATE_COLUMNS),
        Table("identities", IDENTITY_COLUMNS),
    ),
    schema_version=1,
    trials=trials,
    measure=measure,
    cost=cost,
    summary=summary,
    claims=claims,
    figures=figures,
    warm_up=warm_up,
    inputs=lambda config: {f"{data}_sha256": datasets.fingerprint(data) for data in config["data"]},
    statements=(
        "At equal tuning budgets an optimizer is no worse than the one it contains, and AdamW no better than momentum.",
        "AdamW at 0.001, untuned, loses little to AdamW tuned.",
        "D5: without a gradient AdamW decays weights by (1 - eta wd)^t; Adam's first step is -eta g / (|g| + eps).",
        "D7: under muP a step moves pre-activations equally at any width, and Adam's best rate stays; else both drift.",
        "D8: with a zero readout softmax loss is ln C, binary cross-entropy ln 2.",
        "D8: inverted dropout keeps the mean and multiplies the second moment by 1 / (1 - p).",
    ),
)  # fmt: skip
