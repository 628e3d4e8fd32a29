"""Which learning rate? Where descent diverges, where sharpness settles, and what finders and schedules are worth."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim import datasets, training
from nnsim.errors import UsageError
from nnsim.experiment.study import Axis, Column, Study, Table, presets
from nnsim.initializers import initialize
from nnsim.laboratory import TRIAL_COLUMNS, columns_with, data_of, network_of, nine_digits, train_network
from nnsim.learning_rate_finder import Start, find_learning_rate
from nnsim.network import NetworkSpec
from nnsim.pace import train_until
from nnsim.recipe import Recipe
from nnsim.seeding import key
from nnsim.sharpness import sharpness
from nnsim.stability import chebyshev_task, divergence_rate, follow_sharpness, full_batch
from nnsim.study_settings import check_batch_size
from nnsim.theory import schedules as closed_forms

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.claims import Claim
    from nnsim.report.figures import FigureSpec
    from nnsim.report.judge import Question

QUADRATIC_ROWS, QUADRATIC_STEPS, QUADRATIC_MOMENTA = 60, 2000, (0.0, 0.9)
EDGE_WIDTH, EDGE_POINTS, EDGE_DEGREE, EDGE_LOOKS = 60, 20, 4, 30
EDGE_ARMS = ((0.1, 0.0), (0.15, 0.5), (0.02, 0.0))  # learning rate and momentum; the first two have one edge, 20
SLOW_EDGE = EDGE_ARMS[2][0]
HALF = 0.5  # the paper's loss is half the mean squared error: its gradient and its Hessian are half of ours
RULES = ("steep", "minimum", "valley", "slide")
ADVISED = 0.001  # the teaching page's rate for AdamW
TRACE_EPOCHS, TRACE_RATES = 28, (0.5, 0.1, 0.003)
NOISY, CLEAN = "teacher_student", "digits"
NETWORK = {"scheme": "he_normal", "activation": "relu", "depth": 2}


# --- trials --------------------------------------------------------------------------------------------------------


def _schedule(name: str, epochs: int) -> str:
    """Return the schedule with lengths that fit the run; restarts end with the end of their third cycle."""
    settings = {
        "step": f":size={max(1, 2 * epochs // 3)},gamma=0.1",
        "exponential": ":gamma=0.8",
        "cosine_restarts": f":t_0={epochs // 7},t_mult=2",
        "plateau": ":patience=1,factor=0.3",
    }
    return name + settings.get(name, "")


def _curvature_trials(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    line = {"scheme": "lecun_normal", "activation": "identity", "depth": 0, "width": 0, "data": NOISY}
    for momentum, repeat in product(QUADRATIC_MOMENTA, range(config["seeds"])):
        yield {"kind": "quadratic", **line, "momentum": momentum, "epochs": QUADRATIC_STEPS, "repeat": repeat}
    toy = {"scheme": "lecun_normal", "activation": "tanh", "depth": 2, "width": EDGE_WIDTH, "data": "chebyshev"}
    for (rate, momentum), repeat in product(EDGE_ARMS, range(config["edge_seeds"])):
        arm = {"learning_rate": rate, "momentum": momentum, "epochs": config["edge_steps"]}
        yield {"kind": "edge", **toy, **arm, "repeat": repeat}


def _search_trials(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    plain = {"optimizer": "sgd", "data": config["data"]}
    for repeat in range(config["seeds"]):
        yield {"kind": "range", **plain, "epochs": 1, "repeat": repeat}
        for rate in config["learning_rate"]:
            yield {"kind": "sweep", **plain, "learning_rate": rate, "epochs": config["epochs"], "repeat": repeat}
        for rate in config["speed_rate"]:
            arm = {"learning_rate": rate, "epochs": config["speed_epochs"], "threshold": config["threshold"]}
            yield {"kind": "speed", **plain, **arm, "repeat": repeat}


def _advice_trials(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    grid = product(config["adamw_data"], config["adamw_epochs"], config["adamw_rate"], range(config["seeds"]))
    for data, epochs, rate, repeat in grid:
        arm = {"optimizer": "adamw", "data": data, "epochs": epochs, "learning_rate": rate}
        yield {"kind": "adamw", **arm, "repeat": repeat}
    for name, repeat in product(config["schedule"], range(len(TRACE_RATES))):
        arm = {"schedule": _schedule(name, TRACE_EPOCHS), "epochs": TRACE_EPOCHS, "learning_rate": TRACE_RATES[repeat]}
        yield {"kind": "trace", "optimizer": "sgd", "data": NOISY, **arm, "repeat": repeat}
    grid = product((NOISY, CLEAN), config["schedule"], config["schedule_rate"], range(config["seeds"]))
    for data, name, rate, repeat in grid:
        arm = {"schedule": _schedule(name, config["schedule_epochs"]), "epochs": config["schedule_epochs"]}
        yield {
            "kind": "schedule",
            "optimizer": "momentum",
            "data": data,
            **arm,
            "learning_rate": rate,
            "repeat": repeat,
        }


def trials(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield all trials; a name or a data set that cannot be used is an error here, before anything runs."""
    if config["schedule_epochs"] % 7:
        nearest = max(7, 7 * round(config["schedule_epochs"] / 7))
        raise UsageError(
            f"--schedule-epochs {config['schedule_epochs']} cannot end with a cycle of warm restarts: "
            f"use a multiple of 7, such as {nearest}"
        )
    shared = {"target": "", "samples": 0, "batch_size": config["batch_size"], "probe_epoch": []}
    for name in {config["data"], *config["adamw_data"]}:
        rows = data_of({"data": name, "root_seed": 0, **shared}).X_train.shape[0]
        check_batch_size(config["batch_size"], rows, name)
    for trial in (*_search_trials(config), *_advice_trials(config)):
        yield {**NETWORK, "width": config["width"], **trial, **shared}
    yield from _curvature_trials(config)


# --- measurement ---------------------------------------------------------------------------------------------------


def _row(trial: dict[str, Any], spec: NetworkSpec, **measured: Any) -> dict[str, Any]:
    row = {column.name: trial.get(column.name) for column in TRIALS}
    return row | {"parameters": spec.n_parameters, "status": "done", "reason": "", **measured}


def _sharpness_row(trial: dict[str, Any], step: int, value: float, loss: float | None = None) -> dict[str, Any]:
    row = {name: trial.get(name) for name in ("kind", "learning_rate", "momentum", "repeat")}
    return row | {"step": step, "loss": loss, "sharpness": nine_digits(value)}


def _draws(trial: dict[str, Any], purpose: str) -> int:
    return key(trial["root_seed"], purpose, trial["repeat"])


def _quadratic(trial: dict[str, Any]) -> dict[str, Any]:
    drawn = datasets.load(NOISY, key=_draws(trial, "regression"), n_samples=QUADRATIC_ROWS)
    data = full_batch(drawn.X, drawn.y)
    spec = NetworkSpec((drawn.X.shape[1], 1), loss="mse", dtype="float64")
    theta = initialize(spec, trial["scheme"], _draws(trial, "init"))
    recipe = Recipe(momentum=trial["momentum"], batch_size=QUADRATIC_ROWS, epochs=trial["epochs"])
    rate = divergence_rate(spec, theta, data, recipe, _draws(trial, "shuffle"))
    top = sharpness(spec, theta, data.X, data.Y, np.ones_like(theta), 1e-6)
    return {"trials": [_row(trial, spec, critical_rate=rate)], "sharpness": [_sharpness_row(trial, 0, top.value)]}


def _edge(trial: dict[str, Any]) -> dict[str, Any]:
    data = full_batch(*chebyshev_task(EDGE_POINTS, EDGE_DEGREE))
    spec = NetworkSpec((1, trial["width"], trial["width"], 1), "tanh", loss="mse", dtype="float64")
    theta = initialize(spec, trial["scheme"], _draws(trial, "init"))
    steps, rate = trial["epochs"], HALF * trial["learning_rate"]
    recipe = Recipe(learning_rate=rate, momentum=trial["momentum"], batch_size=EDGE_POINTS, epochs=steps)
    looks = sorted({0, *(steps * look // EDGE_LOOKS for look in range(1, EDGE_LOOKS + 1))})
    run, seen = follow_sharpness(spec, theta, data, recipe, _draws(trial, "shuffle"), looks)
    row = _row(trial, spec, epochs_done=len(run.history), **_diverged(run))
    if run.status == "done":
        row["train_loss"] = HALF * float(run.history[-1, 0])
    rows = [_sharpness_row(trial, look.step, HALF * look.sharpness, nine_digits(HALF * look.loss)) for look in seen]
    return {"trials": [row], "sharpness": rows}


def _start(trial: dict[str, Any], dtype: str, recipe: Recipe) -> Start:
    """Return what training starts from: the draws and the data order of the trials that `train_network` measures."""
    spec = network_of(trial, dtype)
    rows = training.batches(data_of(trial), spec.numpy_dtype)
    theta = initialize(spec, trial["scheme"], _draws(trial, "init"), rows.X[:256])
    return Start(spec=spec, theta=theta, batches=rows, recipe=recipe, key=_draws(trial, "shuffle"))


def _range(trial: dict[str, Any]) -> dict[str, Any]:
    start = _start(trial, "float32", Recipe(optimizer="sgd", batch_size=trial["batch_size"]))
    found = find_learning_rate(start, 1e-4, 100.0, 120)
    ends = {**found.suggestions, "explosion": found.rates[-1]}
    shown = [{"repeat": trial["repeat"], "rule": rule, "rate": nine_digits(rate)} for rule, rate in ends.items()]
    exact = _start(trial, "float64", start.recipe)
    top = sharpness(exact.spec, exact.theta, exact.batches.X, exact.batches.Y, np.ones_like(exact.theta), 1e-3)
    row = _row(trial, start.spec, steps=len(found.rates))
    return {"trials": [row], "suggestions": shown, "sharpness": [_sharpness_row(trial, 0, top.value)]}


def _diverged(run: training.Run) -> dict[str, Any]:
    """Return what a row says of a run that diverged, nothing of one that did not."""
    if run.status == "done":
        return {}
    return {"status": "diverged", "reason": "the loss stopped being finite", "diverged_at": run.diverged_at}


def _speed(trial: dict[str, Any]) -> dict[str, Any]:
    recipe = Recipe(trial["learning_rate"], None, trial["batch_size"], trial["epochs"], "sgd")
    start = _start(trial, "float32", recipe)
    run, steps = train_until(start.spec, start.theta, start.batches, recipe, start.key, trial["threshold"])
    return {"trials": [_row(trial, start.spec, epochs_done=len(run.history), steps=steps, **_diverged(run))]}


def _closed_form(name: str, epochs: int, losses: np.ndarray) -> np.ndarray:
    """Return the rates of `_schedule` as the papers' formulas give them, relative to the largest."""
    t = np.arange(epochs)
    forms = {
        "constant": lambda: np.ones(epochs),
        "step": lambda: closed_forms.step(t, max(1, 2 * epochs // 3), 0.1),
        "exponential": lambda: closed_forms.exponential(t, 0.8),
        "cosine": lambda: closed_forms.cosine(t, epochs),
        "one_cycle": lambda: closed_forms.one_cycle(t, epochs),
        "cosine_restarts": lambda: closed_forms.cosine_restarts(t, epochs // 7, 2),
        "plateau": lambda: closed_forms.plateau(losses, 1, 0.3),
    }
    return forms[name]()


def _trace(trial: dict[str, Any]) -> dict[str, Any]:
    """Train with one step an epoch, and hold the rate of every step against the closed form."""
    rows = data_of(trial).X_train.shape[0]
    recipe = Recipe(trial["learning_rate"], None, rows, trial["epochs"], "sgd", schedule=trial["schedule"])
    start = _start(trial, "float32", recipe)
    run = training.train(start.spec, start.theta, start.batches, recipe, start.key)
    losses, used = (run.history[:, training.COLUMNS.index(name)] for name in ("validation_loss", "learning_rate"))
    expected = trial["learning_rate"] * _closed_form(trial["schedule"].split(":")[0], len(used), losses)
    shown = [
        {
            "schedule": trial["schedule"],
            "repeat": trial["repeat"],
            "step": step,
            "rate": nine_digits(a),
            "closed_form": nine_digits(b),
        }
        for step, (a, b) in enumerate(zip(used.tolist(), expected.tolist(), strict=True))
    ]
    return {"trials": [_row(trial, start.spec, epochs_done=len(used), **_diverged(run))], "traces": shown}


def _trained(trial: dict[str, Any]) -> dict[str, Any]:
    return {"trials": train_network(trial, MORE)["trials"]}


MEASURES = {
    "quadratic": _quadratic, "edge": _edge, "range": _range, "speed": _speed, "trace": _trace,
    "sweep": _trained, "adamw": _trained, "schedule": _trained,
}  # fmt: skip


def measure(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of one trial."""
    return MEASURES[trial["kind"]](trial)


MORE = (
    Column("optimizer", "text", "", "rule of the update; empty: heavy ball with the momentum beside it"),
    Column("schedule", "text", "", "course of the learning rate; empty: constant"),
    Column("momentum", "float", "", "momentum where it is not the optimizer's usual one"),
    Column("batch_size", "int", "rows", "rows a step; empty: all"),
    Column("epochs", "int", "epochs", "epochs of the whole run"),
    Column("critical_rate", "float", "", "rate above which descent diverges, found by bisection"),
    Column("steps", "float", "steps", "steps to the threshold of validation loss, or steps of a range test"),
)
TRIALS = columns_with(TRIAL_COLUMNS, *MORE)


def cost(trial: dict[str, Any]) -> float:
    """Return the expected seconds on one core: multiply-adds at a speed seen on small networks, plus overheads."""
    if trial["kind"] in {"quadratic", "edge"}:
        return 0.3 if trial["kind"] == "quadratic" else 2e-5 * trial["epochs"]
    data = data_of({**trial, "root_seed": 0})
    rows = data.X_train.shape[0]
    ends = data.n_features + data.n_outputs
    operations = rows * trial["width"] * ((trial["depth"] - 1) * trial["width"] + ends)
    epoch = 1.5e-10 * operations + 1e-5 * math.ceil(rows / trial["batch_size"])
    if trial["kind"] == "range":
        return 0.1 + 80 * epoch
    return 1e-3 + epoch * (
        trial["epochs"] if trial["kind"] != "speed" else min(trial["epochs"], 3 / trial["learning_rate"])
    )


def warm_up() -> None:
    """Compile every kernel that the trials call."""
    shared = {"target": "", "samples": 0, "batch_size": 16, "probe_epoch": [], "width": 2, "repeat": 0, "root_seed": 0}
    tiny = {**NETWORK, **shared, "data": "iris", "learning_rate": 0.1, "epochs": 2}
    measure({"kind": "sweep", "optimizer": "sgd", **tiny})
    measure({"kind": "range", **tiny})
    measure({"kind": "trace", "schedule": "cosine", **tiny, "data": NOISY})
    measure({"kind": "edge", "momentum": 0.0, **tiny, "data": "chebyshev"})


# --- claims --------------------------------------------------------------------------------------------------------

EXACT_MARGIN = 0.001  # the bisection ends within 2^-12; a loss without its factor 2 would be off by 1
EDGE_MARGIN = 0.02
REGRET = 0.02  # of accuracy: what a seed's luck is worth on these data
TRACE_TOLERANCE = 1e-7  # relative: traces are shown with nine digits
COHEN = "Cohen et al. 2021"


def _scores(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the test metric of each seed (rows) at each rate (columns); what diverged has learnt nothing."""
    scores = runs["test_metric"].where(runs["status"] == "done", runs["chance"].min())
    return runs.assign(score=scores).pivot(index="repeat", columns="learning_rate", values="score").dropna()


def _best(runs: pd.DataFrame) -> tuple[float, bool]:
    """Return the rate that validation chooses, and whether it is at the edge of the grid."""
    from nnsim.report.chosen import ChosenArms

    arms = ChosenArms(runs, ["kind"])
    return arms.rate({}), arms.at_edge({})


def _nearest(grid: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """Return the rates of the grid that are nearest, by ratio."""
    return grid[np.abs(np.log(grid)[None, :] - np.log(rates)[:, None]).argmin(axis=1)]


def _quadratic_questions(tables: dict[str, pd.DataFrame]) -> Iterator[Question]:
    from nnsim.report.arms import rows_of
    from nnsim.report.judge import Question

    for momentum, name in zip(QUADRATIC_MOMENTA, ("plain", "momentum"), strict=True):
        measured = rows_of(tables["trials"], kind="quadratic", momentum=momentum).set_index("repeat")["critical_rate"]
        top = rows_of(tables["sharpness"], kind="quadratic", momentum=momentum).set_index("repeat")["sharpness"]
        yield Question(
            f"D2-quadratic-{name}", "check", "On a quadratic, descent diverges exactly above (2 + 2 b) / lambda_max.",
            "Polyak 1964; LeCun, Simard and Pearlmutter 1993",
            f"linear regression, {QUADRATIC_ROWS} rows, all of them a step, momentum {momentum:g}",
            (measured * top / (2 + 2 * momentum)).dropna().to_numpy(), 1.0, margin=EXACT_MARGIN,
            note="rate of divergence by bisection over (2 + 2 b) / lambda_max",
        )  # fmt: skip


def edge_ratios(looks: pd.DataFrame, rate: float, momentum: float) -> pd.Series:
    """Return eta lambda / (2 + 2 b) of each seed, its mean over the last third of the looks at one arm."""
    from nnsim.report.arms import rows_of

    rows = rows_of(looks, kind="edge", learning_rate=rate, momentum=momentum)
    late = rows[rows["step"] >= rows["step"].max() * 2 / 3]
    return late.groupby("repeat")["sharpness"].mean() * (rate / (2 + 2 * momentum))


def _edge_questions(looks: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    from nnsim.report.arms import rows_of
    from nnsim.report.judge import Question

    where = f"tanh, 1-{EDGE_WIDTH}-{EDGE_WIDTH}-1, {EDGE_POINTS} points, {config['edge_steps']} steps"
    for (rate, momentum), name in zip(EDGE_ARMS, ("edge", "heavy-ball", "below"), strict=True):
        slow = rate == SLOW_EDGE
        yield Question(
            f"D3-{name}", "claim",
            "At a small rate the sharpness stays below 2 / eta: descent is over before." if slow
            else "Full-batch descent drives the sharpness to (2 + 2 b) / eta and keeps it there.",
            f"{COHEN}, sections 3 and 4", f"{where}, eta = {rate:g}, momentum {momentum:g}",
            edge_ratios(looks, rate, momentum).to_numpy(), 1 - EDGE_MARGIN if slow else 1.0,
            "at_most" if slow else "equivalence", EDGE_MARGIN,
            note="eta lambda / (2 + 2 b), mean over the last third of the steps",
        )  # fmt: skip
    reached = edge_ratios(looks, SLOW_EDGE, 0.0) >= 1 - EDGE_MARGIN
    yield Question(
        "D3-never", "claim", "At eta = 0.02 no network gets to the edge.", f"{COHEN}, as often summarised",
        f"{where}, eta = {SLOW_EDGE:g}", reached.to_numpy(dtype=float), 0.0, "exact",
        note=f"{reached.sum()} of {len(reached)} networks are within 2 % of the edge at the end; one is enough to fail",
    )  # fmt: skip
    rows = rows_of(looks, kind="edge", learning_rate=SLOW_EDGE).pivot(
        index="repeat", columns="step", values="sharpness"
    )
    rise = np.log(rows.max(axis=1) / rows[0]) if 0 in rows else np.empty(0)
    yield Question(
        "D3-sharpening", "claim", "Below the edge the sharpness rises while the loss falls.",
        f"{COHEN}, section 3.1", f"{where}, eta = {SLOW_EDGE:g}", np.asarray(rise, dtype=float), math.log(2), "above",
        note="ln of the largest sharpness over the first; more than doubled",
    )  # fmt: skip


def _finder_questions(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> Iterator[Question]:
    from nnsim.report.arms import rows_of
    from nnsim.report.judge import Question

    sweep = rows_of(tables["trials"], kind="sweep")
    scores, (best, at_edge) = _scores(sweep), _best(sweep)
    grid = scores.columns.to_numpy(dtype=float)
    where = f"{_network(config)}, {config['data']}, SGD, {config['epochs']} epochs"
    for rule in RULES:
        rates = rows_of(tables["suggestions"], rule=rule).set_index("repeat")["rate"].reindex(scores.index).dropna()
        near = _nearest(grid, rates.to_numpy(dtype=float)) if len(rates) else np.empty(0)
        kept = [
            scores.at[repeat, best] - scores.at[repeat, rate] for repeat, rate in zip(rates.index, near, strict=True)
        ]
        yield Question(
            f"D2-range-{rule}", "claim", f"The range test's rule '{rule}' finds a rate as good as the best of a sweep.",
            "Smith 2017, section 3.3; Howard and Gugger 2020", where, np.array(kept), REGRET, "at_most",
            note=f"test metric at the sweep's best rate, {best:g}, less that at the rate nearest to the suggestion; "
            f"{len(scores) - len(rates)} of {len(scores)} tests exploded too early to suggest any",
            at_edge=at_edge,
        )  # fmt: skip
    top = rows_of(tables["sharpness"], kind="range").set_index("repeat")["sharpness"]
    half_way = float(sweep["chance"].max() + 1) / 2
    learning = (scores > half_way).mul(scores.columns.to_numpy(dtype=float), axis=1).max(axis=1)
    yield Question(
        "D2-beyond", "correction", "Networks learn at rates above 2 / lambda_max of the start: it is no limit of them.",
        "Lewkowycz et al. 2020; textbook statement: a rate must stay below 2 / lambda_max", where,
        (learning[learning > 0] * top / 2).dropna().to_numpy(), 1.0, "above", interval="geometric_mean",
        note="largest rate of the sweep that gets more than half-way from chance to 1, over 2 / lambda_max",
    )  # fmt: skip
    highest = float(grid.max()) if grid.size else math.nan
    overflowed = int((rows_of(sweep, learning_rate=highest)["status"] == "diverged").sum())
    yield Question(
        "D2-too-high", "correction", "Too high a rate learns nothing: the loss overflows, or stays at chance for ever.",
        "the teaching page: too high a rate makes the loss diverge", f"{where}, rate {highest:g}",
        scores[highest].to_numpy(dtype=float) if grid.size else np.empty(0), float(sweep["chance"].max()) + 0.1,
        "at_most", note=f"test metric at the highest rate; the loss of {overflowed} of {len(scores)} runs overflowed",
    )  # fmt: skip


def _speed_questions(trials: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    from nnsim.report.arms import rows_of
    from nnsim.report.judge import Question

    runs = rows_of(trials, kind="speed")
    steps = np.log(runs.pivot(index="repeat", columns="learning_rate", values="steps").astype(float))
    medians = steps.fillna(np.inf).median()  # a seed that does not get there ranks last
    fastest = float(medians.idxmin()) if np.isfinite(medians).any() else math.nan
    steps = steps[[rate for rate in steps.columns if rate <= fastest]]
    grid = steps.columns.to_numpy(dtype=float)
    slow = grid[grid <= fastest / 10 * 1.01]
    where = f"{_network(config)}, {config['data']}, SGD, validation loss {config['threshold']:g}"
    reached = steps.dropna()
    missed = f"{len(steps) - len(reached)} of {len(steps)} seeds did not get there at every rate below"
    slope = (reached[slow[-1]] - reached[slow[0]]) / math.log(slow[-1] / slow[0]) if len(slow) > 1 else np.empty(0)
    yield Question(
        "D2-slow", "claim", "Well below the fastest rate the number of steps is inversely proportional to the rate.",
        "gradient flow: descent of rate eta follows theta' = -grad L at time eta t", where,
        np.asarray(slope, dtype=float), -1.0, margin=0.05,
        note=f"slope of ln steps against ln rate at rates of at most a tenth of the fastest, {fastest:g}; {missed}",
    )  # fmt: skip
    hundredth = grid[np.isclose(grid, fastest / 100)]
    powers = (reached[hundredth[0]] - reached[fastest]) / math.log(100) if hundredth.size else np.empty(0)
    yield Question(
        "D2-hundred", "correction", "Too low a rate takes 100 times longer only if it is 100 times too low.",
        "the teaching page: too low a rate takes 100 times longer", where, np.asarray(powers, dtype=float), 1.0,
        margin=0.15, note=f"ln of the ratio of steps over ln 100, the fastest rate and a hundredth of it; {missed}",
    )  # fmt: skip


def _adamw_questions(trials: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    from nnsim.report.arms import rows_of
    from nnsim.report.judge import Question

    for data, (epochs, rule) in product(config["adamw_data"], _budgets(config)):
        runs = rows_of(trials, kind="adamw", data=data, epochs=epochs)
        scores, (best, at_edge) = _scores(runs), _best(runs)
        advised = [rate for rate in scores.columns if math.isclose(rate, ADVISED)]
        kept = scores[best] - scores[advised[0]] if advised else np.empty(0)
        short = rule == "above"
        yield Question(
            f"D2-adamw-{data}-{'short' if short else 'long'}", "correction",
            "In few steps AdamW at 0.001 falls short of what a better rate reaches." if short
            else "Given many steps, AdamW at 0.001 ends within 0.02 of the best rate.",
            "the teaching page: start at 0.001 with AdamW", f"{_network(config)}, {data}, {epochs} epochs",
            np.asarray(kept, dtype=float), REGRET, rule,
            note=f"test metric at the best rate, {best:g}, less that at 0.001", at_edge=at_edge,
        )  # fmt: skip


def _budgets(config: dict[str, Any]) -> list[tuple[int, Any]]:
    """Return the shortest and the longest training with AdamW, with the rule for what 0.001 costs there."""
    epochs = sorted(set(config["adamw_epochs"]))
    return [(epochs[0], "above"), (epochs[-1], "at_most")] if len(epochs) > 1 else []


def _network(config: dict[str, Any]) -> str:
    return f"relu, {NETWORK['depth']} layers of {config['width']}"


def _leads(trials: pd.DataFrame, data: str, schedule: str, column: str) -> tuple[np.ndarray, bool]:
    """Return schedule less constant rate at equal seeds, each at its own chosen rate, and whether one is at an edge."""
    from nnsim.report.arms import rows_of
    from nnsim.report.chosen import ChosenArms

    runs = rows_of(trials, kind="schedule", data=data)
    runs = runs.assign(arm=runs["schedule"].str.split(":").str[0], log_loss=np.log(runs["test_loss"].astype(float)))
    arms, pair = ChosenArms(runs, ["arm"]), ({"arm": schedule}, {"arm": "constant"})
    return arms.lead(column, *pair), arms.at_edge(*pair)


def _schedule_questions(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> Iterator[Question]:
    from nnsim.report.judge import Question
    from nnsim.schedules import SCHEDULES

    traces = tables["traces"]
    names = traces["schedule"].str.split(":").str[0]
    where = f"{_network(config)}, {config['schedule_epochs']} epochs, each at its best rate"
    for name in config["schedule"]:
        rows = traces[names == name]
        wrong = np.abs(rows["rate"] - rows["closed_form"]) > TRACE_TOLERANCE * rows["closed_form"].abs()
        yield Question(
            f"D5-trace-{name}", "check", f"Training under '{name}' takes every step at the formula's rate.",
            SCHEDULES[name].source, f"{TRACE_EPOCHS} steps, {len(TRACE_RATES)} learning rates",
            wrong.groupby(rows["repeat"]).sum().to_numpy(dtype=float), 0.0, "exact", note="steps at another rate",
        )  # fmt: skip
    for name in (name for name in config["schedule"] if name != "constant"):
        leads, at_edge = _leads(tables["trials"], NOISY, name, "log_loss")
        yield Question(
            f"D5-{name}", "claim", f"With noise, '{name}' ends at a lower loss than the best constant rate.",
            SCHEDULES[name].source, f"{NOISY}, {where}", -leads, 0.0, "above",
            note="ln of the constant rate's test loss over the schedule's, same seed", at_edge=at_edge,
        )  # fmt: skip
    for name in (name for name in ("cosine", "plateau") if name in config["schedule"]):
        leads, at_edge = _leads(tables["trials"], CLEAN, name, "test_metric")
        yield Question(
            f"D5-{CLEAN}-{name}", "correction", f"On {CLEAN}, '{name}' is worth less than 0.01 of accuracy.",
            "the teaching page: apply a scheduler such as cosine annealing or reduction on a plateau",
            f"{CLEAN}, {where}", leads, 0.0, margin=0.01, note="test accuracy less that of the constant rate",
            at_edge=at_edge,
        )  # fmt: skip


def claims(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> list[Claim]:
    """Return every claim of the study, judged at one simultaneous confidence."""
    from nnsim.report.judge import judge

    trials = tables["trials"]
    return judge(
        [
            *_quadratic_questions(tables),
            *_edge_questions(tables["sharpness"], config),
            *_finder_questions(tables, config),
            *_speed_questions(trials, config),
            *_adamw_questions(trials, config),
            *_schedule_questions(tables, config),
        ]
    )


# --- summary and figures -------------------------------------------------------------------------------------------

ARMS = ["kind", "data", "optimizer", "schedule", "epochs"]


def summary(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return medians with intervals of every trained arm at its chosen learning rate, and of the critical rates."""
    import pandas as pd

    from nnsim.report.arm_summary import FACTS, median_facts
    from nnsim.report.chosen import ChosenArms

    trials = tables["trials"].assign(schedule=tables["trials"]["schedule"].fillna(""))
    picked = ChosenArms(trials[trials["kind"].isin(["sweep", "adamw", "schedule"])], ARMS).runs
    quadratic = trials[trials["kind"] == "quadratic"].assign(at_edge=False, optimizer="heavy ball")
    rows = [
        dict(zip(ARMS, names, strict=True)) | median_facts(group, quantity)
        for frame, quantity in ((picked, "test_metric"), (picked, "test_loss"), (quadratic, "critical_rate"))
        for names, group in frame.groupby(ARMS, sort=False, dropna=False)
    ]
    return pd.DataFrame(rows, columns=[*ARMS, *FACTS]).astype({"parameters": "Int64"})


def _edge_frame(looks: pd.DataFrame) -> pd.DataFrame:
    rows = looks[looks["kind"] == "edge"]
    momentum = rows["momentum"].astype(float)
    arms = [f"η = {rate:g}, b = {b:g}" for rate, b in zip(rows["learning_rate"], momentum, strict=True)]
    return rows.assign(arm=arms, ratio=rows["learning_rate"] * rows["sharpness"] / (2 + 2 * momentum))


def _critical_figure(tables: dict[str, pd.DataFrame]) -> Any:
    from nnsim.report.arms import rows_of
    from nnsim.report.gallery import learning_rate as gallery

    predicted, found = {}, {}
    for momentum in QUADRATIC_MOMENTA:
        rates = rows_of(tables["trials"], kind="quadratic", momentum=momentum).set_index("repeat")["critical_rate"]
        top = rows_of(tables["sharpness"], kind="quadratic", momentum=momentum).set_index("repeat")["sharpness"]
        name = f"momentum {momentum:g}"
        predicted[name] = ((2 + 2 * momentum) / top).reindex(rates.index).to_numpy(dtype=float)
        found[name] = rates.to_numpy(dtype=float)
    return gallery.critical(predicted, found)


def _sweep_figure(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> Any:
    from nnsim.report.arms import rows_of, scored
    from nnsim.report.gallery import learning_rate as gallery

    rates = {rule: rows_of(tables["suggestions"], rule=rule)["rate"].to_numpy(float) for rule in (*RULES, "explosion")}
    rates["2 / λ at the start"] = 2 / rows_of(tables["sharpness"], kind="range")["sharpness"].to_numpy(float)
    return gallery.sweep(scored(rows_of(tables["trials"], kind="sweep")), rates, f"test metric, {config['data']}")


def _schedule_figure(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> Any:
    from nnsim.report.gallery import learning_rate as gallery

    traces = tables["traces"]
    traces = traces[traces["repeat"] == 0].assign(name=traces["schedule"].str.split(":").str[0])
    traces = traces.assign(rate=traces["rate"] / TRACE_RATES[0], closed_form=traces["closed_form"] / TRACE_RATES[0])
    names = [name for name in config["schedule"] if name != "constant"]
    leads = {name: -_leads(tables["trials"], NOISY, name, "log_loss")[0] for name in names}
    return gallery.schedules(traces, leads, list(config["schedule"]))


def figures(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> dict[str, FigureSpec]:
    """Return the figures, theory beside measurement."""
    from nnsim.report.arms import rows_of, scored
    from nnsim.report.figures import FigureSpec
    from nnsim.report.gallery import learning_rate as gallery

    trials = tables["trials"]
    runs = rows_of(trials, kind="speed")
    medians = runs.groupby("learning_rate")["steps"].median().dropna()
    fastest = float(medians.idxmin()) if len(medians) else math.nan
    return {
        "edge-of-stability": FigureSpec(
            gallery.edge(_edge_frame(tables["sharpness"])),
            f"Sharpness and loss of full-batch descent on {EDGE_POINTS} points: medians over seeds, 95 % intervals. "
            "Sharpness rises until descent of this rate and momentum could not bear more, and stays there while the "
            "loss goes on falling; at a small rate most networks are done before they get there.",
            "Sharpness in units of its edge against steps, level at one for the larger rates; loss against steps.",
        ),
        "quadratic": FigureSpec(
            _critical_figure(tables),
            "On linear regressions the rate at which full-batch descent diverges is the one that the largest "
            "eigenvalue of the Hessian gives, with momentum and without.",
            "Measured against predicted rates of divergence: all points on the diagonal.",
        ),
        "range-test": FigureSpec(
            _sweep_figure(tables, config),
            f"A sweep of plain SGD over {config['epochs']} epochs (above: medians over seeds, 95 % intervals) and, for "
            "each seed, what the rules read off the range test, where the test exploded, and 2 / λ at the start.",
            "Test result against the learning rate, and below it the suggested rates of each rule.",
        ),
        "too-low": FigureSpec(
            gallery.speed(runs, fastest, config["threshold"]),
            "What a low rate costs: steps to the same validation loss, medians over seeds with 95 % intervals, with "
            "the inverse proportion of gradient flow through the lowest rate.",
            "Steps against learning rate, both logarithmic: a line of slope minus one up to the fastest rate.",
        ),
        "adamw": FigureSpec(
            gallery.advice(scored(rows_of(trials, kind="adamw")), ADVISED, "test metric"),
            "AdamW over its grid of rates for a short and a long training: medians over seeds, 95 % intervals. The "
            "fewer the steps, the higher the best rate.",
            "Test result against the learning rate of AdamW, one panel a data set, one line a number of epochs.",
        ),
        "schedules": FigureSpec(
            _schedule_figure(tables, config),
            "Left: the rate of every step of a training under each schedule (points) on its closed form. Right: how "
            f"far below the best constant rate each ends on {NOISY}, each at its own best rate; means over seeds "
            "with 95 % intervals.",
            "Traces of the schedules, and intervals of the logarithm of the ratio of test losses.",
        ),
    }  # fmt: skip


# --- declaration ---------------------------------------------------------------------------------------------------

REPEAT = Column("repeat", "int", "", "number of the independent seed")
SUGGESTION_COLUMNS = (
    REPEAT,
    Column("rule", "text", "", "steep, minimum, valley or slide; explosion: the rate at which the test ended"),
    Column("rate", "float", "", "learning rate (nine digits)"),
)
SHARPNESS_COLUMNS = (
    Column("kind", "text", "", "quadratic, edge or range: the trial that was looked at"),
    Column("learning_rate", "float", "", "step size; empty where nothing is trained yet"),
    Column("momentum", "float", "", "momentum of the heavy ball"),
    REPEAT,
    Column("step", "int", "steps", "steps done before the look"),
    Column("loss", "float", "half squared units", "half the mean squared error of the last step; only of kind edge"),
    Column("sharpness", "float", "", "largest eigenvalue of the Hessian of the training loss, at edge of half of it"),
)
TRACE_COLUMNS = (
    Column("schedule", "text", "", "course of the learning rate"),
    REPEAT,
    Column("step", "int", "steps", "steps done before"),
    Column("rate", "float", "", "rate with which the step was taken (nine digits)"),
    Column("closed_form", "float", "", "rate that the paper's formula gives (nine digits)"),
)
SCHEDULE_NAMES = ("constant", "step", "exponential", "cosine", "one_cycle", "cosine_restarts", "plateau")


def _octaves(low: int, high: int) -> tuple[float, ...]:
    return tuple(2.0**power for power in range(low, high + 1))


def _halves(low: int, high: int) -> tuple[float, ...]:
    """Return 10^(k/2) to one digit, from 10^(low/2) to 10^(high/2)."""
    return tuple(float(f"{10 ** (power / 2):.0e}") for power in range(low, high + 1))


study = Study(
    name="learning-rate",
    title="Which learning rate",
    question=(
        "How large may a learning rate be before descent diverges, what becomes of the sharpness under it, and what "
        "are range tests, schedules and rules of thumb worth against a real sweep?"
    ),
    expect=(
        "On a quadratic descent diverges exactly above (2 + 2 b) / lambda_max. A network is no quadratic: full-batch "
        "descent raises the sharpness until it stands at that edge, whatever the rate, and goes on learning. The "
        "teaching page says that too low a rate takes 100 times longer: it does if it is 100 times too low, because "
        "well below the fastest rate steps go as 1 / rate. It advises AdamW at 0.001: that is a rate for many steps, "
        "and the best one is higher where there are few. Schedules that end low help where gradient noise is what "
        "remains, and little where it is not."
    ),
    falsify=(
        "A quadratic that diverges at a rate more than 0.1 % away from (2 + 2 b) / lambda_max; a sharpness that "
        "settles elsewhere than within 2 % of the edge; steps that do not go as 1 / rate at a tenth of the fastest "
        "rate and below; a schedule whose steps have another rate than its formula."
    ),
    misreading=(
        "2 / lambda_max at the start is no upper limit of useful rates: early training at larger ones moves to where "
        "the loss is flatter. And a sharpness at 2 / eta does not mean that training is about to fail."
    ),
    references=(
        "B. T. Polyak, Some methods of speeding up the convergence of iteration methods, 1964",
        "Y. LeCun, P. Simard and B. Pearlmutter, Automatic learning rate maximization by on-line estimation of the "
        "Hessian's eigenvectors, NIPS 1992",
        "L. N. Smith, Cyclical learning rates for training neural networks, WACV 2017",
        "I. Loshchilov and F. Hutter, SGDR: stochastic gradient descent with warm restarts, ICLR 2017",
        "L. N. Smith and N. Topin, Super-convergence: very fast training of neural networks using large learning "
        "rates, 2019",
        "A. Lewkowycz, Y. Bahri, E. Dyer, J. Sohl-Dickstein and G. Gur-Ari, The large learning rate phase of deep "
        "learning: the catapult mechanism, 2020",
        "J. Howard and S. Gugger, fastai: a layered API for deep learning, Information 11, 2020",
        "J. Cohen, S. Kaur, Y. Li, J. Z. Kolter and A. Talwalkar, Gradient descent on neural networks typically occurs "
        "at the edge of stability, ICLR 2021",
    ),
    axes=(
        Axis("data", str, "data set of the sweep, the range test and the steps to a loss",
             presets("digits", "digits", "digits"), scalar=True),
        Axis("width", int, "units of each of the two hidden layers", presets(32, 32, 64), minimum=1, scalar=True),
        Axis("batch_size", int, "rows a step", presets(32, 32, 32), minimum=1, scalar=True),
        Axis("seeds", int, "independent seeds of each arm", presets(10, 20, 20), minimum=1, scalar=True),
        Axis("learning_rate", float, "grid of the sweep of plain SGD",
             presets(_octaves(-9, 3), _octaves(-10, 4), _octaves(-12, 5)), minimum=0, exclusive=True),
        Axis("epochs", int, "passes over the training data in the sweep", presets(8, 16, 32), minimum=1, scalar=True),
        Axis("speed_rate", float, "rates whose steps to the threshold are counted",
             presets(*[_halves(-6, 0)] * 3), minimum=0, exclusive=True),
        Axis("speed_epochs", int, "most passes there", presets(600, 600, 600), minimum=1, scalar=True),
        Axis("threshold", float, "validation loss that counts as learnt",
             presets(0.25, 0.25, 0.25), minimum=0, exclusive=True, scalar=True),
        Axis("adamw_data", str, "data sets on which AdamW's rate is swept",
             presets(("digits", "wine"), ("digits", "wine", "breast_cancer", NOISY),
                      ("digits", "wine", "breast_cancer", NOISY, "diabetes"))),
        Axis("adamw_rate", float, "grid of AdamW's rates",
             presets(*[_halves(-8, -1)] * 3), minimum=0, exclusive=True),
        Axis("adamw_epochs", int, "passes under AdamW, the fewest and the most are compared",
             presets((4, 64), (4, 16, 64), (4, 16, 64, 256)), minimum=1),
        Axis("schedule", str, "schedules that are compared",
             presets(*[SCHEDULE_NAMES] * 3), choices=SCHEDULE_NAMES),
        Axis("schedule_rate", float, "grid of the largest rates of every schedule",
             presets(_halves(-6, -1), _halves(-6, -1), _halves(-7, 0)), minimum=0, exclusive=True),
        Axis("schedule_epochs", int, "passes under every schedule, a multiple of 7",
             presets(14, 28, 56), minimum=7, scalar=True),
        Axis("edge_seeds", int, "networks that are followed to the edge of stability",
             presets(10, 20, 40), minimum=1, scalar=True),
        Axis("edge_steps", int, "steps of full-batch descent there",
             presets(30000, 30000, 100000), minimum=3, scalar=True),
    ),
    tables=(
        Table("trials", TRIALS),
        Table("suggestions", SUGGESTION_COLUMNS, canonical=False),
        Table("sharpness", SHARPNESS_COLUMNS, canonical=False),
        Table("traces", TRACE_COLUMNS, canonical=False),
    ),
    schema_version=1,
    trials=trials,
    measure=measure,
    cost=cost,
    summary=summary,
    claims=claims,
    figures=figures,
    warm_up=warm_up,
    inputs=lambda config: {
        f"{name}_sha256": datasets.fingerprint(name) for name in sorted({config["data"], *config["adamw_data"]})
    },
    statements=(
        "D2: on a quadratic, full-batch descent diverges exactly above (2 + 2 b) / lambda_max.",
        "D2: each of the range test's four rules finds a rate within 0.02 of a sweep's best test result.",
        "D2: networks learn at rates above 2 / lambda_max of their start, and too high a rate need not overflow.",
        "D2: well below the fastest rate, steps to a loss go as 1 / rate: 100 times too low takes 100 times longer.",
        "D2: AdamW at 0.001 falls short in few steps and is within 0.02 of the best rate in many.",
        "D3: full-batch descent takes the sharpness to (2 + 2 b) / eta; at eta = 0.02 the toy task is over before.",
        "D5: every schedule's steps have the rate of its formula; with noise it ends below the best constant rate.",
    ),
)  # fmt: skip
