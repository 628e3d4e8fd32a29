"""What does a network make of rows it has not seen? Width, label noise, regularisation and double descent."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim import datasets, training
from nnsim.errors import UsageError
from nnsim.experiment.study import Axis, Column, Study, Table, presets
from nnsim.generalization import accuracy_on_noisy_labels, check_noise, least_norm_fit, noisy_labels, ridge_fit
from nnsim.initializers import initialize
from nnsim.kernels.cpu.draws import fill_normal, fill_permutation, fill_uniform
from nnsim.kernels.philox import DATA, NOISE
from nnsim.laboratory import data_of, nine_digits
from nnsim.network import NetworkSpec
from nnsim.recipe import Recipe
from nnsim.seeding import key
from nnsim.study_settings import data_hash
from nnsim.theory.double_descent import best_ridge, least_squares_risk

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.chosen import ChosenArms
    from nnsim.report.claims import Claim
    from nnsim.report.figures import FigureSpec
    from nnsim.report.judge import Question

REGULARISERS = {"dropout": "dropout", "adamw": "decoupled_decay", "l2": "penalty", "stopping": "patience"}
"""Each with the axis that holds its strengths."""

PAGE_ROWS, PAGE_TEST_ROWS, PAGE_INPUTS = 1000, 2000, 128
PAGE_RECIPE: dict[str, Any] = {
    "learning_rate": 1e-3,
    "batch_size": 64,
    "optimizer": "adamw",
    "schedule": "cosine",
    "clip_norm": 1.0,
}
PAGE_DECAYS = (0.0, 1e-4)
LINEAR_ROWS, LINEAR_FEATURES = 40, 160
FEATURES = (4, 10, 20, 30, 36, 38, 40, 42, 44, 50, 60, 80, 120, 160)


# --- trials --------------------------------------------------------------------------------------------------------


def _width_trials(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    grid = product(config["label_noise"], config["width"], config["learning_rate"], range(config["seeds"]))
    for noise, width, rate, repeat in grid:
        arm = {"regulariser": "none", "strength": 0.0, "label_noise": noise, "width": width}
        yield {"kind": "width", **arm, "learning_rate": rate, "repeat": repeat}


def _regularised_trials(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every regulariser at every strength, at the largest label noise and one width."""
    arms = [("none", 0.0)]
    arms += [(name, float(strength)) for name, axis in REGULARISERS.items() for strength in config[axis]]
    for (name, strength), rate, repeat in product(arms, config["tuned_rate"], range(config["seeds"])):
        arm = {"regulariser": name, "strength": strength, "label_noise": max(config["label_noise"])}
        yield {"kind": "regularised", **arm, "width": config["tuned_width"], "learning_rate": rate, "repeat": repeat}


def trials(config: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all trials; what makes no sense is an error here, before anything runs."""
    for noise in config["label_noise"]:
        check_noise(noise)
    for dropout in config["dropout"]:
        if dropout >= 1:
            raise UsageError(f"dropout is {dropout:g}, allowed is above 0 and below 1: a share of units to drop")
    data = {"data": config["data"], "target": config["target"], "samples": 0, "fingerprint": data_hash(config)}
    _check_rows(config, data_of({**data, "root_seed": 0}))
    recipe = {name: config[name] for name in ("rows", "epochs", "batch_size")}
    networks = [{**trial, **data, **recipe} for trial in (*_width_trials(config), *_regularised_trials(config))]
    pages = [
        {"kind": "page", "strength": decay, "width": config["page_width"], "epochs": config["page_epochs"], "repeat": n}
        for decay, n in product(PAGE_DECAYS, range(config["seeds"]))
    ]
    variances = product(config["target_noise"], range(config["linear_seeds"]))
    linear = [{"kind": "linear", "target_noise": variance, "repeat": repeat} for variance, repeat in variances]
    return [*networks, *pages, *linear]


def _check_rows(config: dict[str, Any], data: datasets.Split) -> None:
    name, rows = config["data"], data.X_train.shape[0]
    if data.task != "classification":
        raise UsageError(f"'{name}' is a regression, and label noise needs classes: choose digits, for example")
    if config["rows"] > rows:
        raise UsageError(f"{config['rows']} training rows are asked for, '{name}' has {rows}: choose at most {rows}")
    if config["batch_size"] > config["rows"]:
        raise UsageError(
            f"a batch of {config['batch_size']} rows is larger than the {config['rows']} training rows: "
            f"choose at most {config['rows']}"
        )


# --- measurement ---------------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def _rows(root_seed: int, repeat: int, total: int, rows: int) -> np.ndarray:
    order = np.empty(total, np.int64)
    fill_permutation(order, np.uint64(key(root_seed, "rows", repeat)), DATA, 0)
    return order[:rows]


def _noisy_batches(trial: dict[str, Any], data: datasets.Split) -> training.Batches:
    """Return a seed's training rows with noisy labels, and the validation rows as they are."""
    chosen = _rows(trial["root_seed"], trial["repeat"], data.X_train.shape[0], trial["rows"])
    number = key(trial["root_seed"], "labels", trial["repeat"])
    labels = noisy_labels(data.y_train[chosen], data.n_outputs, trial["label_noise"], number)
    return training.Batches(
        np.ascontiguousarray(data.X_train[chosen], np.float32),
        training.targets(labels, np.float32),
        np.ascontiguousarray(data.X_validation, np.float32),
        training.targets(data.y_validation, np.float32),
    )


def _recipe(trial: dict[str, Any]) -> Recipe:
    """Adam with what the arm adds: decoupled decay, an L2 penalty on the gradient, or early stopping."""
    name, strength = trial["regulariser"], trial["strength"]
    settings = {setting: trial[setting] for setting in ("learning_rate", "epochs", "batch_size")}
    return Recipe(
        **settings,
        optimizer="adamw" if name == "adamw" else "adam",
        weight_decay=strength if name in {"adamw", "l2"} else 0.0,
        patience=int(strength) if name == "stopping" else None,
    )


def _trained(
    trial: dict[str, Any], spec: NetworkSpec, scheme: str, batches: training.Batches, recipe: Recipe
) -> training.Run:
    root, repeat = trial["root_seed"], trial["repeat"]
    start = initialize(spec, scheme, key(root, "init", repeat), batches.X[:256])
    return training.train(spec, start, batches, recipe, key(root, "shuffle", repeat))


def _on_data(trial: dict[str, Any]) -> dict[str, Any]:
    data = data_of(trial)
    dropout = trial["strength"] if trial["regulariser"] == "dropout" else 0.0
    spec = NetworkSpec((data.n_features, trial["width"], data.n_outputs), dropout=dropout)
    batches = _noisy_batches(trial, data)
    run = _trained(trial, spec, "he_normal", batches, _recipe(trial))
    test = data.X_test.astype(np.float32), training.targets(data.y_test, np.float32)
    found = _scores(spec, run, batches, test, data.n_outputs, trial["label_noise"])
    if run.status == "done":
        found |= {
            "validation_metric": training.evaluate(spec, run.theta, batches.X_validation, batches.Y_validation)[1]
        }
    return found


def _scores(
    spec: NetworkSpec, run: training.Run, batches: training.Batches, test: Any, classes: int, noise: float
) -> dict[str, Any]:
    """Return losses and accuracies on the training rows and on the test rows, and the gap between them.

    The gap compares like with like: the accuracy on training rows with that expected on test rows with such labels.
    """
    found: dict[str, Any] = {"parameters": spec.n_parameters, "epochs_done": len(run.history)}
    if run.status == "diverged":
        return found | {"status": "diverged", "reason": "the loss stopped being finite"}
    fit = training.evaluate(spec, run.theta, batches.X, batches.Y, run.statistics)
    new = training.evaluate(spec, run.theta, test[0], test[1], run.statistics)
    expected = accuracy_on_noisy_labels(new.metric, classes, noise)
    found |= {"train_loss": fit.loss, "train_metric": fit.metric, "test_loss": new.loss, "test_metric": new.metric}
    return found | {"gap": fit.metric - expected}


def _page_data(trial: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return the teaching page's kind of data, training rows first: Gaussian inputs, random labels."""
    number = np.uint64(key(trial["root_seed"], "page", trial["repeat"]))
    rows = PAGE_ROWS + PAGE_TEST_ROWS
    inputs, draws = np.empty(rows * PAGE_INPUTS), np.empty(rows)
    fill_normal(inputs, number, DATA, 0)
    fill_uniform(draws, number, NOISE, 0)
    return inputs.reshape(rows, PAGE_INPUTS).astype(np.float32), (draws < 0.5).astype(np.float32)[:, None]


def _on_the_page(trial: dict[str, Any]) -> dict[str, Any]:
    """Train the teaching page's kind of network by its recipe on its kind of data."""
    X, Y = _page_data(trial)
    batches = training.Batches(X[:PAGE_ROWS], Y[:PAGE_ROWS], X[:0], Y[:0])
    widths = (PAGE_INPUTS, *[trial["width"]] * 3, 1)
    spec = NetworkSpec(widths, loss="bce", normalization="batch", dropout=0.3)
    recipe = Recipe(**PAGE_RECIPE, weight_decay=trial["strength"], epochs=trial["epochs"])
    run = _trained(trial, spec, "torch_default", batches, recipe)
    return _scores(spec, run, batches, (X[PAGE_ROWS:], Y[PAGE_ROWS:]), 2, 0.0)


def _linear(trial: dict[str, Any]) -> list[dict[str, Any]]:
    """Fit the first p of all features for every p, and return the exact squared error to expect on a new row."""
    number = np.uint64(key(trial["root_seed"], "linear", trial["repeat"]))
    draws = np.empty(LINEAR_ROWS * (LINEAR_FEATURES + 1))
    fill_normal(draws, number, DATA, 0)
    X = draws[: LINEAR_ROWS * LINEAR_FEATURES].reshape(LINEAR_ROWS, LINEAR_FEATURES)
    beta = np.full(LINEAR_FEATURES, 1.0 / math.sqrt(LINEAR_FEATURES))
    noise = math.sqrt(trial["target_noise"]) * draws[LINEAR_ROWS * LINEAR_FEATURES :]
    y = X @ beta + noise
    rows = []
    for features in FEATURES:
        signal, unexplained = _variances(features, trial["target_noise"])
        used, truth = X[:, :features], beta[:features]
        fits = {
            "risk": least_norm_fit(used, y),
            "ridge_risk": ridge_fit(used, y, best_ridge(features, signal, unexplained)),
        }
        risks = {name: float(np.sum((fit - truth) ** 2)) + unexplained for name, fit in fits.items()}
        at = {"kind": "linear", "target_noise": trial["target_noise"], "repeat": trial["repeat"], "features": features}
        rows.append(at | {name: nine_digits(risk) for name, risk in risks.items()})
    return rows


def _variances(features: int, target_noise: float) -> tuple[float, float]:
    """Return the signal in the used features, and the variance of all else: all have equal coefficients."""
    signal = features / LINEAR_FEATURES
    return signal, 1.0 - signal + target_noise


def measure(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of one trial."""
    row = {column.name: trial.get(column.name) for column in TRIAL_COLUMNS} | {"status": "done", "reason": ""}
    if trial["kind"] == "linear":
        return {"trials": [row], "linear": _linear(trial)}
    if trial["kind"] == "page":
        return {"trials": [row | _on_the_page(trial)]}
    return {"trials": [row | _on_data(trial)]}


def cost(trial: dict[str, Any]) -> float:
    """Return the expected seconds on one core: multiply-adds at a speed seen on small networks, plus overheads."""
    if trial["kind"] == "linear":
        return 0.01
    if trial["kind"] == "page":
        parameters = trial["width"] * (PAGE_INPUTS + 2 * trial["width"])
        return 1e-2 + trial["epochs"] * PAGE_ROWS * (2e-7 * trial["width"] / 16 + 3e-10 * parameters)
    return 2e-3 + trial["epochs"] * trial["rows"] * (1.5e-7 + 8e-9 * trial["width"])


def warm_up() -> None:
    """Compile every kernel that the trials call."""
    data = {"data": "xor", "target": "", "samples": 60, "root_seed": 0, "rows": 20, "label_noise": 0.2}
    arm = {"strength": 0.5, "width": 2, "learning_rate": 0.1, "epochs": 1, "batch_size": 8, "repeat": 0}
    measure({"kind": "width", "regulariser": "dropout", **data, **arm})
    measure({"kind": "page", "strength": 0.0, "width": 2, "epochs": 1, "repeat": 0, "root_seed": 0})


# --- claims --------------------------------------------------------------------------------------------------------

FITS = 0.95  # a width interpolates if it has this share of its noisy training labels right
ZHANG, NAKKIRAN, BELKIN = "Zhang et al. 2017", "Nakkiran et al. 2020", "Belkin, Hsu and Xu 2020, Theorem 1"
RISK_MARGIN = 0.1  # of the prediction; the noise left out would be off by half


def _runs(trials: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Return the trials of one kind with ``log_loss``, ln of the test loss, whose own tail is long."""
    from nnsim.report.arms import rows_of

    runs = rows_of(trials, kind=kind)
    with np.errstate(divide="ignore"):  # of a loss that rounds to 0
        return runs.assign(log_loss=np.log(runs["test_loss"].astype(float)))


def _width_arms(trials: pd.DataFrame, chosen_by: str = "train_metric") -> ChosenArms:
    """Choose each width's rate, usually by the training accuracy: the question is what the best fit makes of new rows.

    Among rates that fit equally well the smallest is chosen.
    """
    from nnsim.report.chosen import ChosenArms
    from nnsim.report.selection import select_learning_rate

    runs, names = _runs(trials, "width"), ["label_noise", "width"]
    chosen = select_learning_rate(runs, names, chosen_by)
    chosen["at_edge"] = chosen["at_edge"].astype(bool) & (chosen[chosen_by] < 1.0)  # nothing fits better than wholly
    return ChosenArms(runs, names, chosen)


def _width(noise: float, width: int) -> dict[str, Any]:
    return {"label_noise": noise, "width": width}


def _threshold(arms: ChosenArms, noise: float, widths: Sequence[int]) -> int:
    """Return the smallest width that interpolates; 0 where none does."""
    fits = (width for width in sorted(widths) if arms.values("train_metric", _width(noise, width)).mean() >= FITS)
    return next(fits, 0)


def _width_questions(trials: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    arms = _width_arms(trials)
    threshold = _threshold(arms, max(config["label_noise"]), config["width"])
    yield from _gap_questions(arms, threshold, config)
    yield from _peak_questions(arms, _width_arms(trials, "validation_metric"), threshold, config)


def _compared(
    arms: ChosenArms, column: str, first: int, second: int, threshold: int, config: dict[str, Any]
) -> dict[str, Any]:
    """Return what a question says of two widths: what the first has more of, of an accuracy the error."""
    noise = max(config["label_noise"])
    pair = _width(noise, first), _width(noise, second)
    lead = arms.lead(column, *pair) if threshold and first and second and first != second else np.empty(0)
    where = f"{config['data']}, {config['rows']} rows, label noise {noise:g}, width {first} against {second}"
    note = f"paired difference of the {TEXTS[column]}; width {threshold} is the first to fit {FITS:.0%}"
    values = -lead if column == "test_metric" else lead
    return {"values": values, "arm": where, "at_edge": arms.at_edge(*pair), "note": note}


def _gap_questions(arms: ChosenArms, threshold: int, config: dict[str, Any]) -> Iterator[Question]:
    from nnsim.report.judge import Question

    narrowest, widest = min(config["width"]), max(config["width"])
    noise, clean = max(config["label_noise"]), min(config["label_noise"])
    noisy_arm, clean_arm = _width(noise, widest), _width(clean, widest)
    yield Question(
        "G-memorise", "claim", "A wide network fits labels that are wrong: over 99 % of its training labels.", ZHANG,
        f"{config['data']}, label noise {noise:g}, width {widest}",
        arms.values("train_metric", noisy_arm).dropna().to_numpy(), 0.99, "at_least",
        note="training accuracy on noisy labels",
    )  # fmt: skip
    yield Question(
        "G-gap-rises", "claim", "Up to the width that fits the noisy labels, the gap grows with width.",
        "bias and variance: Geman, Bienenstock and Doursat 1992", prediction=0.0, rule="above",
        **_compared(arms, "gap", threshold, narrowest, threshold, config),
    )  # fmt: skip
    yield Question(
        "G-gap-falls", "correction",
        "More parameters do not always overfit more: beyond the width that fits the labels the gap shrinks.",
        "textbook statement: the more parameters, the larger the gap; Neyshabur et al. 2015", prediction=0.0,
        rule="above", **_compared(arms, "gap", threshold, widest, threshold, config),
    )  # fmt: skip
    yield Question(
        "G-gap-noise", "claim", "Wrong labels widen the gap of a wide network.", ZHANG,
        f"{config['data']}, width {widest}, label noise {noise:g} against {clean:g}",
        arms.lead("gap", noisy_arm, clean_arm) if noise > clean else np.empty(0), 0.0, "above",
        at_edge=arms.at_edge(noisy_arm, clean_arm),
    )  # fmt: skip


def _peak_questions(arms: ChosenArms, tuned: ChosenArms, threshold: int, config: dict[str, Any]) -> Iterator[Question]:
    from nnsim.report.judge import Question

    narrowest, widest = min(config["width"]), max(config["width"])
    narrower = max((width for width in config["width"] if width < threshold), default=0)
    ask = partial(Question, kind="claim", prediction=0.0, rule="above")
    yield ask(
        "G-peak-error", source=NAKKIRAN, statement="Double descent of the error: trained networks err more often at "
        "the width that just fits the labels than at the next narrower one.",
        **_compared(arms, "test_metric", threshold, narrower, threshold, config),
    )  # fmt: skip
    yield ask(
        "G-peak-loss", source=NAKKIRAN, statement="Double descent of the loss, up: the test loss at the width that "
        "just fits the labels is above the narrowest network's.",
        **_compared(arms, "log_loss", threshold, narrowest, threshold, config),
    )  # fmt: skip
    yield ask(
        "G-second-descent", source=NAKKIRAN, statement="Double descent of the loss, down: wider networks have a "
        "smaller test loss than the one that just fits the labels.",
        **_compared(arms, "log_loss", threshold, widest, threshold, config),
    )  # fmt: skip
    yield ask(
        "G-peak-tuned", source="Nakkiran et al. 2021", statement="At the rates that validation rows choose the loss "
        "has no such peak: at that width it is below the narrowest network's.",
        **_compared(tuned, "log_loss", narrowest, threshold, threshold, config),
    )  # fmt: skip


TEXTS = {"gap": "gap", "log_loss": "logarithm of the test loss", "test_metric": "test error"}
LABELS = {"none": "nothing", "dropout": "dropout", "adamw": "decoupled weight decay (AdamW)",
          "l2": "an L2 penalty in Adam", "stopping": "early stopping"}  # fmt: skip
SOURCES = {"dropout": "Srivastava et al. 2014", "adamw": "Loshchilov and Hutter 2019", "l2": "Krogh and Hertz 1992",
           "stopping": "Prechelt 1998"}  # fmt: skip


def _regularised_arms(trials: pd.DataFrame, config: dict[str, Any]) -> tuple[ChosenArms, dict[str, float]]:
    """Return the arms with their rates, and the strength of each regulariser; validation rows choose both.

    The weakest strength has an arm without the regulariser next to it, so only the strongest is an edge.
    """
    from nnsim.report.arms import chosen_rates
    from nnsim.report.chosen import ChosenArms

    runs, names = _runs(trials, "regularised"), ["regulariser", "strength"]
    chosen = chosen_rates(runs, names)
    best = {}
    for name, group in chosen.groupby("regulariser", sort=False):
        strength = float(group.sort_values("validation_metric", ascending=False, kind="stable")["strength"].iloc[0])
        best[str(name)] = strength
        strongest = group["strength"].min() if name == "stopping" else group["strength"].max()
        if (name, strongest) not in {("none", 0.0), ("stopping", 1.0)}:  # no patience is shorter than one epoch
            edge = (chosen["regulariser"] == name) & (chosen["strength"] == strongest)
            chosen.loc[edge, "at_edge"] = True
    return ChosenArms(runs, names, chosen), best


def _regularised_questions(trials: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    from nnsim.report.judge import Question

    arms, strengths = _regularised_arms(trials, config)

    def arm(name: str) -> dict[str, Any]:
        return {"regulariser": name, "strength": strengths.get(name, 0.0)}

    def paired(name: str, statement: str, source: str, column: str, first: str, second: str) -> Question:
        pair = arm(first), arm(second)
        where = f"{config['data']}, width {config['tuned_width']}, label noise {max(config['label_noise']):g}; "
        where += " against ".join(f"{LABELS[side['regulariser']]} {side['strength']:g}" for side in pair)
        note = f"paired difference of the {column.replace('_', ' ')}; rates and strengths chosen on validation rows"
        values, edge = arms.lead(column, *pair), arms.at_edge(*pair)
        return Question(name, "claim", statement, source, where, values, 0.0, "above", at_edge=edge, note=note)

    for name, source in SOURCES.items():
        yield paired(f"G-{name}-gap", f"With label noise {LABELS[name]} narrows the gap.", source, "gap", "none", name)
        yield paired(
            f"G-{name}-test", f"With label noise {LABELS[name]} raises the test accuracy of a network with a tuned "
            "rate.", source, "test_metric", name, "none",
        )  # fmt: skip
    yield paired(
        "G-adamw-l2", "Decoupled decay gives a higher test accuracy than an L2 penalty in Adam, both tuned.",
        SOURCES["adamw"], "test_metric", "adamw", "l2",
    )  # fmt: skip


def _page_questions(trials: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    from nnsim.report.arms import rows_of
    from nnsim.report.judge import Question

    rows = rows_of(trials, kind="page", status="done").sort_values("repeat")
    decays = {decay: rows_of(rows, strength=decay).set_index("repeat") for decay in PAGE_DECAYS}
    runs = decays[PAGE_DECAYS[-1]]
    where = f"Gaussian rows with random labels, 3 layers of {config['page_width']}, {config['page_epochs']} epochs"
    source = "teaching page: its code trains on random labels with batch normalisation, dropout and AdamW"
    yield Question(
        "G-page-memorise", "correction",
        "Dropout of 0.3 and weight decay do not stop memorising: random labels are fitted to over 90 %.",
        f"{source}; {ZHANG}", where, runs["train_metric"].dropna().to_numpy(dtype=float), 0.9, "at_least",
        note="training accuracy",
    )  # fmt: skip
    yield Question(
        "G-page-chance", "correction", "The code that the page shows learns nothing: on new rows it is at chance.",
        source, where, runs["test_metric"].dropna().to_numpy(dtype=float), 0.5, margin=0.03, note="test accuracy",
    )  # fmt: skip
    lead = (runs["gap"] - decays[PAGE_DECAYS[0]]["gap"]).dropna().to_numpy(dtype=float)
    yield Question(
        "G-page-decay", "correction", "AdamW's decay of 1e-4 at a rate of 1e-3 does nothing to the gap.",
        source, where, lead, 0.0, margin=0.03, note="paired difference of the gap with and without decay",
    )  # fmt: skip


def _linear_questions(linear: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    from nnsim.report.arms import rows_of
    from nnsim.report.judge import Question

    noise, n = max(config["target_noise"]), LINEAR_ROWS
    rows = rows_of(linear, target_noise=noise)
    table = {name: rows.pivot(index="repeat", columns="features", values=name).dropna() for name in RISKS}
    table = {name: wide.reindex(columns=FEATURES).astype(float) for name, wide in table.items()}
    where = f"{n} rows, Gaussian features, {LINEAR_FEATURES} in all, noise variance {noise:g}"
    for name, features in (("under", n // 2), ("over", 2 * n), ("wide", 4 * n)):
        prediction = least_squares_risk(n, features, *_variances(features, noise))
        yield Question(
            f"G-linear-{name}", "claim",
            f"Least squares on {features} features has the expected error of the closed form.", BELKIN, where,
            table["risk"][features].to_numpy(), prediction, margin=RISK_MARGIN * prediction,
        )  # fmt: skip
    ratio = np.log(table["risk"][n].to_numpy() / table["risk"][4 * n].to_numpy())
    yield Question(
        "G-linear-peak", "claim", "Double descent: with as many features as rows the error is over four times that "
        "with four times as many.", BELKIN, where, ratio, math.log(4.0), "at_least", note="ln of the ratio",
    )  # fmt: skip
    ridge = table["ridge_risk"]
    yield Question(
        "G-linear-ridge", "claim", "The best L2 penalty removes the peak: the error falls from n / 2 to n features.",
        "Nakkiran et al. 2021", where, (ridge[n // 2] - ridge[n]).to_numpy(), 0.0, "above",
        note="paired difference of the error",
    )  # fmt: skip


RISKS = ("risk", "ridge_risk")


def claims(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> list[Claim]:
    """Return every claim of the study, judged at one simultaneous confidence."""
    from nnsim.report.judge import judge

    trials = tables["trials"]
    return judge(
        [
            *_width_questions(trials, config),
            *_regularised_questions(trials, config),
            *_page_questions(trials, config),
            *_linear_questions(tables["linear"], config),
        ]
    )


# --- summary and figures -------------------------------------------------------------------------------------------

SUMMARY_COLUMNS = [
    *("kind", "regulariser", "strength", "label_noise", "width", "parameters", "learning_rate", "quantity"),
    *("n", "diverged", "mean", "low", "high", "method", "at_edge"),
]
QUANTITIES = ("train_metric", "test_metric", "test_loss", "gap")


def summary(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return accuracies, losses and gaps of every arm at its chosen rate, means over seeds with intervals."""
    import pandas as pd

    from nnsim.report.statistics import mean_interval

    rows = []
    for arms in (_width_arms(tables["trials"]), _regularised_arms(tables["trials"], {})[0]):
        runs = arms.runs.sort_values("repeat")
        for (_, group), quantity in product(runs.groupby(arms.names, sort=False), QUANTITIES):
            interval = mean_interval(group[quantity].dropna().to_numpy(dtype=float), 0.95)
            first = group.iloc[0]
            row = {name: first[name] for name in SUMMARY_COLUMNS[:5]} | {"learning_rate": first["learning_rate"]}
            row |= {"parameters": group["parameters"].max(), "quantity": quantity, "n": interval.n}
            row |= {"diverged": int((group["status"] == "diverged").sum()), "mean": interval.estimate}
            row |= {"low": interval.low, "high": interval.high, "method": interval.method}
            rows.append(row | {"at_edge": bool(first["at_edge"])})
    frame = pd.DataFrame(rows, columns=SUMMARY_COLUMNS)
    return frame.astype({"parameters": "Int64", "width": "Int64"})


def figures(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> dict[str, FigureSpec]:
    """Return the figures, theory beside measurement."""
    from nnsim.report.arms import rows_of
    from nnsim.report.figures import FigureSpec
    from nnsim.report.gallery import generalization as gallery

    arms, strengths = _regularised_arms(tables["trials"], config)
    picked = [(LABELS[name], arms.runs[(arms.runs["regulariser"] == name) & (arms.runs["strength"] == strength)])
              for name, strength in strengths.items()]  # fmt: skip
    noise = max(config["target_noise"])

    def law(features: int) -> float:
        return least_squares_risk(LINEAR_ROWS, features, *_variances(features, noise))

    return {
        "width": FigureSpec(
            gallery.widths(_width_arms(tables["trials"]).runs),
            f"One hidden layer on {config['rows']} rows of {config['data']}, each width at the smallest rate of "
            "those that fit its training labels best: means over seeds with 95 % intervals, geometric of the loss. "
            "Test labels are clean; the gap is to rows with labels as noisy as the training rows'. Beyond the width "
            "that just fits its labels gap and test loss fall; the test accuracy has no dip there.",
            "Training accuracy, test accuracy, gap and test loss against width, one line a label noise.",
        ),
        "double-descent": FigureSpec(
            gallery.risks(rows_of(tables["linear"], target_noise=noise), LINEAR_ROWS, law),
            f"Least squares on p of {LINEAR_FEATURES} Gaussian features, {LINEAR_ROWS} rows: geometric means over "
            "seeds with 95 % intervals. Dashed: the exact expected error, infinite at p = n, which lies above a "
            "geometric mean where the spread is wide. The best L2 penalty has no peak.",
            "Squared error against the number of features, with a peak where they are as many as the rows.",
        ),
        "regularisation": FigureSpec(
            gallery.regularised(picked),
            f"Networks of width {config['tuned_width']} with label noise {max(config['label_noise']):g}: gap and test "
            "accuracy of each regulariser at the rate and strength that validation rows chose, means over seeds "
            "with 95 % intervals.",
            "Gap and test accuracy, a row a regulariser.",
        ),
    }


# --- declaration ---------------------------------------------------------------------------------------------------

TRIAL_COLUMNS = (
    Column("kind", "text", "", "what the trial is for: width, regularised, page or linear"),
    Column("regulariser", "text", "", "none, dropout, adamw (decoupled decay), l2 (penalty in Adam) or stopping"),
    Column("strength", "float", "", "dropped share, weight decay, or epochs of patience"),
    Column("label_noise", "float", "1", "share of wrong training labels"),
    Column("target_noise", "float", "", "variance of the noise of the linear model's targets"),
    Column("width", "int", "units", "units of each hidden layer"),
    Column("learning_rate", "float", "", "step size of Adam"),
    Column("repeat", "int", "", "number of the independent seed: training rows, labels, initial weights, data order"),
    Column("data", "text", "", "data set"),
    Column("parameters", "int", "", "weights and biases"),
    Column("status", "text", "", "done, diverged or error"),
    Column("reason", "text", "", "why a trial is not done"),
    Column("epochs_done", "int", "epochs", "epochs of training that were finished"),
    Column("train_loss", "float", "nats", "loss on the training rows with their noisy labels, after training"),
    Column("train_metric", "float", "1", "accuracy on the training rows with their noisy labels"),
    Column("validation_metric", "float", "1", "accuracy on the validation rows, whose labels are clean"),
    Column("test_loss", "float", "nats", "loss on the test rows, whose labels are clean"),
    Column("test_metric", "float", "1", "accuracy on the test rows, whose labels are clean"),
    Column("gap", "float", "1", "training accuracy less that expected on test rows with labels as noisy"),
)
LINEAR_COLUMNS = (
    Column("kind", "text", "", "linear"),
    Column("target_noise", "float", "", "variance of the noise of the targets"),
    Column("repeat", "int", "", "number of the independent seed"),
    Column("features", "int", "", "p, features that the fit uses"),
    Column("risk", "float", "squared units", "exact squared error of the least-norm fit on a new row (LAPACK)"),
    Column("ridge_risk", "float", "squared units", "the same with the best L2 penalty (LAPACK)"),
)


WIDTHS = (1, 2, 4, 8, 16, 64)
RATES = (0.00025, 0.001, 0.004, 0.016, 0.064, 0.256)
TUNED_RATES = (0.0001, 0.0004, 0.0016, 0.0064, 0.0256)

study = Study(
    name="generalization",
    title="What new rows are worth",
    question=(
        "How far is a network's accuracy on its training rows from that on new ones, how do width and wrong labels "
        "change it, and what do dropout, weight decay and early stopping do here?"
    ),
    expect=(
        "The gap grows until the network is just wide enough to fit its labels, right or wrong. In least squares the "
        "error has a peak there, exactly as the closed form says, and falls again beyond. Trained networks may show it "
        "in the loss more than in the error. Regularisation narrows the gap where labels are noisy. The teaching page "
        "sets dropout and a small decay without saying what they are for, and its code trains on random labels: there "
        "is nothing to learn, and such a network learns its training rows by heart."
    ),
    falsify=(
        "A gap that keeps growing beyond the width that fits the labels; least squares off the closed form; a "
        "regulariser whose gap is no narrower at the strength that validation chose; random labels that are not fitted."
    ),
    misreading=(
        "A narrow gap is no merit by itself: a network that learns nothing has none. A training accuracy of 1 on wrong "
        "labels is no proof of a bad test accuracy. And a peak in the test loss need not be one in the test error."
    ),
    references=(
        "S. Geman, E. Bienenstock and R. Doursat, Neural networks and the bias/variance dilemma, 1992",
        "N. Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting, JMLR 15, 2014",
        "B. Neyshabur, R. Tomioka and N. Srebro, In search of the real inductive bias, ICLR workshop 2015",
        "C. Zhang et al., Understanding deep learning requires rethinking generalization, ICLR 2017",
        "I. Loshchilov and F. Hutter, Decoupled weight decay regularization, ICLR 2019",
        "M. Belkin, D. Hsu and J. Xu, Two models of double descent for weak features, SIAM J. Math. Data Sci. 2, 2020",
        "P. Nakkiran et al., Deep double descent, ICLR 2020",
        "P. Nakkiran et al., Optimal regularization can mitigate double descent, ICLR 2021",
    ),
    axes=(
        Axis("width", int, "units of the hidden layer", presets(WIDTHS, (1, 2, 4, 6, 8, 12, 16, 32, 64, 256),
             (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 256, 1024)), minimum=1),
        Axis("label_noise", float, "shares of wrong training labels",
             presets((0.0, 0.2), (0.0, 0.1, 0.2), (0.0, 0.1, 0.2, 0.4)), minimum=0),
        Axis("learning_rate", float, "grid of learning rates of every width", presets(RATES, RATES, RATES), minimum=0,
             exclusive=True),
        Axis("tuned_width", int, "units of the regularised networks", presets(64, 128, 256), minimum=1, scalar=True),
        Axis("tuned_rate", float, "grid of learning rates of every regulariser at every strength",
             presets(TUNED_RATES, *[(0.000025, *TUNED_RATES)] * 2), minimum=0, exclusive=True),
        Axis("dropout", float, "dropped shares", presets((0.25, 0.5, 0.75), (0.1, 0.25, 0.5, 0.75), (0.1, 0.25, 0.5,
             0.75)), minimum=0, exclusive=True),
        Axis("decoupled_decay", float, "weight decays of AdamW", presets((1.0, 4.0, 16.0), (0.25, 1.0, 4.0, 16.0),
             (0.0625, 0.25, 1.0, 4.0, 16.0)), minimum=0, exclusive=True),
        Axis("penalty", float, "L2 penalties in Adam", presets((0.02, 0.08, 0.32), (0.005, 0.02, 0.08, 0.32),
             (0.001, 0.005, 0.02, 0.08, 0.32)), minimum=0, exclusive=True),
        Axis("patience", int, "epochs without a better validation loss before training stops",
             presets((1, 4, 16), (1, 4, 16), (1, 2, 4, 8, 16, 32)), minimum=1),
        Axis("rows", int, "training rows", presets(200, 200, 400), minimum=2, scalar=True),
        Axis("epochs", int, "passes over the training rows", presets(200, 400, 1000), minimum=1, scalar=True),
        Axis("batch_size", int, "rows a step", presets(50, 50, 50), minimum=1, scalar=True),
        Axis("seeds", int, "independent seeds of each trained arm", presets(10, 10, 20), minimum=1, scalar=True),
        Axis("page_width", int, "units of each of the three layers that random labels are fitted with",
             presets(64, 64, 128), minimum=1, scalar=True),
        Axis("page_epochs", int, "passes over the rows with random labels", presets(40, 100, 100), minimum=1,
             scalar=True),
        Axis("target_noise", float, "variances of the noise of the linear model's targets",
             presets((0.5,), (0.0, 0.5), (0.0, 0.5, 2.0)), minimum=0),
        Axis("linear_seeds", int, "independent seeds of the linear model", presets(300, 1000, 5000), minimum=1,
             scalar=True),
        Axis("data", str, "data set with classes, or a CSV, NPZ or IDX file", presets("digits", "digits", "digits"),
             scalar=True),
        Axis("target", str, "target column of a CSV file", presets("", "", ""), scalar=True),
    ),
    tables=(Table("trials", TRIAL_COLUMNS), Table("linear", LINEAR_COLUMNS, canonical=False)),
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
        "G-memorise: a wide network fits wrong labels.",
        "G-gap: the gap grows with width until the labels are fitted, and shrinks beyond; wrong labels widen it.",
        "G-peak: with label noise trained networks have a peak of test error, and of test loss, where they just fit; "
        "not of the loss at tuned rates.",
        "G-second: beyond that width the test loss falls again.",
        "G-dropout, G-adamw, G-l2, G-stopping: each narrows the gap and raises the test accuracy with noisy labels.",
        "G-adamw-l2: decoupled decay does better than an L2 penalty in Adam.",
        "G-page: the teaching page's recipe fits random labels, learns nothing, and its decay changes nothing.",
        "G-linear: least squares has double descent as the closed form says, and the best L2 penalty removes the peak.",
    ),
)  # fmt: skip
