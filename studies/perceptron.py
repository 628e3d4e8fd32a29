"""What can one threshold unit learn, and what takes a layer of them? From Rosenblatt's rule to an MLP on XOR."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim import threshold_unit
from nnsim.activations import parse as parse_activation
from nnsim.errors import UsageError
from nnsim.experiment.study import Axis, Column, Study, Table, presets
from nnsim.initializers import initialize
from nnsim.kernels.cpu.draws import fill_normal, fill_permutation, fill_uniform
from nnsim.kernels.cpu.training import logits
from nnsim.kernels.philox import DATA, NOISE
from nnsim.network import NetworkSpec
from nnsim.recipe import Recipe
from nnsim.seeding import key
from nnsim.study_settings import TRAINABLE, check_trainable
from nnsim.theory import perceptron as theory
from nnsim.training import Batches, train

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.chosen import ChosenArms
    from nnsim.report.claims import Claim
    from nnsim.report.figures import FigureSpec
    from nnsim.report.judge import Question

GATES = {"and": (-1, -1, -1, 1), "or": (-1, 1, 1, 1), "xor": threshold_unit.XOR}
MARGIN_DIMENSION, MARGIN_POINTS = 10, 100
ORTHOGONAL = 16  # the bound (R / gamma)^2 of 16 orthogonal unit vectors is 16 without a rounding
PASSES = 100_000
LABELLINGS = 20  # random labellings of one trial
COUNTS = ((3, 7), (4, 8))  # dimensions and points whose dichotomies are all tried
GRID = 41
PANELS = {
    "threshold unit, AND": ("and", None, 0),
    "sigmoid unit, AND": ("and", "identity", 0),
    "sigmoid unit, XOR": ("xor", "identity", 0),
    "2 tanh units, XOR": ("xor", "tanh", 2),
    "8 tanh units, XOR": ("xor", "tanh", 8),
    "1 GELU unit, XOR": ("xor", "gelu", 1),
}
DRAWN_EPOCHS, DRAWN_RATE, DRAWN_TRIES = 500, 0.05, 50


# --- trials --------------------------------------------------------------------------------------------------------


def _unit_trials(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the threshold units that learn by the perceptron rule."""
    for target, repeat in product(config["margin"], range(config["rule_seeds"])):
        shape = {"dimension": MARGIN_DIMENSION, "points": MARGIN_POINTS}
        yield {"kind": "margin", **shape, "target_margin": target, "repeat": repeat}
    for repeat in range(config["rule_seeds"]):
        yield {"kind": "orthogonal", "dimension": ORTHOGONAL, "points": ORTHOGONAL, "repeat": repeat}
    for gate, repeat in product(GATES, range(config["rule_seeds"])):
        yield {"kind": "gate", "gate": gate, "dimension": 3, "points": 4, "repeat": repeat}


def _counting_trials(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the dichotomies that are tried by linear programming."""
    for dimension, load in product(config["dimension"], config["load"]):
        points = _points(dimension, load)
        for repeat in range(config["cover_sets"]):
            yield {"kind": "cover", "dimension": dimension, "points": points, "repeat": repeat}
    for (dimension, points), repeat in product(COUNTS, range(config["count_seeds"])):
        yield {"kind": "count", "dimension": dimension, "points": points, "repeat": repeat}
    yield {"kind": "logic", "repeat": 0}


def _points(dimension: int, load: float) -> int:
    points = round(dimension * load)
    if points < 1 or abs(points - dimension * load) > 1e-9 * points:
        raise UsageError(
            f"load {load:g} of {dimension} dimensions is {dimension * load:g} points, expected a whole number: "
            f"the nearest load is {max(points, 1) / dimension:g}"
        )
    return points


def _training_trials(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the networks that are trained on XOR: every arm runs the same whole grid of learning rates and seeds."""
    grid = product(config["activation"], config["hidden"], config["learning_rate"], range(config["seeds"]))
    for activation, hidden, rate, repeat in grid:
        arm = {"activation": activation, "hidden": hidden, "learning_rate": rate}
        yield {"kind": "xor", "gate": "xor", **arm, "repeat": repeat, "epochs": config["epochs"]}
    for panel, (gate, activation, hidden) in PANELS.items():
        arm = {"gate": gate, "activation": activation, "hidden": hidden}
        rates = {"learning_rate": DRAWN_RATE, "epochs": DRAWN_EPOCHS}
        yield {"kind": "boundary", "panel": panel, **arm, "repeat": 0, **rates}


def trials(config: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all trials; what makes no sense is an error here, before anything runs."""
    check_trainable(config["activation"])
    return [*_unit_trials(config), *_counting_trials(config), *_training_trials(config)]


# --- measurement ---------------------------------------------------------------------------------------------------


def _key(trial: dict[str, Any], *names: str | int) -> np.uint64:
    return np.uint64(key(trial["root_seed"], trial["kind"], *names, trial["repeat"]))


def _normals(number: np.uint64, *shape: int, purpose: int = DATA) -> np.ndarray:
    out = np.empty(math.prod(shape))
    fill_normal(out, number, purpose, 0)
    return out.reshape(shape)


def _signs(number: np.uint64, n: int) -> np.ndarray:
    draws = np.empty(n)
    fill_uniform(draws, number, NOISE, 1)
    return np.where(draws < 0.5, -1.0, 1.0)


def _with_margin(trial: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return Gaussian points that are pushed away from a random plane by the target margin, labels, and its normal."""
    number = _key(trial, str(trial["target_margin"]))
    X = _normals(number, trial["points"], trial["dimension"])
    normal = _normals(number, trial["dimension"], purpose=NOISE)
    normal = normal / np.sqrt(threshold_unit.scores(normal[None, :], normal))
    y = np.where(threshold_unit.scores(X, normal) < 0.0, -1.0, 1.0)
    return X + trial["target_margin"] * y[:, None] * normal, y, normal


def _orthogonal(trial: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return orthogonal unit vectors with random labels, and the normal from which all are equally far."""
    y = _signs(_key(trial), trial["points"])
    return np.eye(trial["dimension"]), y, y.copy()


def _gate(trial: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the corners of the square in random order, a gate's outputs, and a normal that divides AND's or OR's."""
    order = np.empty(trial["points"], np.int64)
    fill_permutation(order, _key(trial), DATA, 0)
    normal = np.array([1.0, 1.0, {"and": -1.0, "or": 1.0, "xor": 0.0}[trial["gate"]]])
    labels = np.array(GATES[trial["gate"]], dtype=np.float64)
    return threshold_unit.corners(2)[order], labels[order], normal


SETS = {"margin": _with_margin, "orthogonal": _orthogonal, "gate": _gate}


def _learn_by_the_rule(trial: dict[str, Any]) -> dict[str, Any]:
    X, y, normal = SETS[trial["kind"]](trial)
    learnt = threshold_unit.learn(X, y, PASSES if trial["kind"] != "gate" else 1000)
    radius, margin = threshold_unit.radius_and_margin(X, y, normal)
    correct = _right(X, y, learnt.weights)
    found: dict[str, Any] = {
        "mistakes": learnt.mistakes,
        "passes": learnt.passes,
        "converged": learnt.converged,
        "correct": correct,
    }
    if margin > 0.0:
        found |= {"margin": margin, "bound": theory.mistake_bound(radius, margin)}
    return found | {"radius": radius}


def _right(X: np.ndarray, y: np.ndarray, weights: np.ndarray) -> int:
    return int(np.sum(y * threshold_unit.scores(X, weights) > 0.0))


def _cover(trial: dict[str, Any]) -> list[dict[str, Any]]:
    """Label points at random, and ask of each labelling whether a plane through the origin makes it."""
    rows = []
    shape = trial["points"], trial["dimension"]
    for draw in range(LABELLINGS):
        number = _key(trial, *shape, draw)
        separable = threshold_unit.is_separable(_normals(number, *shape), _signs(number, trial["points"]))
        rows.append(_answer(trial, "separable", float(separable), draw))
    return rows


def _count(trial: dict[str, Any]) -> list[dict[str, Any]]:
    X = _normals(_key(trial, trial["points"]), trial["points"], trial["dimension"])
    return [_answer(trial, "dichotomies", float(threshold_unit.count_separable(X)))]


def _logic(trial: dict[str, Any]) -> list[dict[str, Any]]:
    """Try every Boolean function of two inputs: on one unit, and on a layer of one or two with a unit on top."""
    single = threshold_unit.threshold_functions(2)
    agreements = [sum(a == b for a, b in zip(one, threshold_unit.XOR, strict=True)) for one in single]
    found = {"threshold_functions": len(single), "best_on_xor": max(agreements)}
    for hidden in (1, 2):
        reached = threshold_unit.reachable_functions(2, hidden)
        found |= {f"reachable_{hidden}": len(reached), f"xor_{hidden}": threshold_unit.XOR in reached}
    return [_answer(trial, quantity, float(value)) for quantity, value in found.items()]


def _answer(trial: dict[str, Any], quantity: str, value: float, draw: int = 0) -> dict[str, Any]:
    shape = {name: trial.get(name) for name in ("kind", "dimension", "points", "repeat")}
    return {**shape, "draw": draw, "quantity": quantity, "value": value}


ANSWERS = {"cover": _cover, "count": _count, "logic": _logic}


def _trained(trial: dict[str, Any], repeat: int) -> tuple[NetworkSpec, Any, int]:
    """Return a network trained on the four corners in full batches, and how many of them it has right."""
    X = np.ascontiguousarray(threshold_unit.corners(2)[:, :2], np.float32)
    y = np.array(GATES[trial["gate"]])
    data = Batches(X, (y > 0).astype(np.float32)[:, None], X[:0], np.empty((0, 1), np.float32))
    activation, parameter = parse_activation(trial["activation"])
    spec = NetworkSpec((2, *([trial["hidden"]] if trial["hidden"] else []), 1), activation, parameter, loss="bce")
    recipe = Recipe(trial["learning_rate"], batch_size=4, epochs=trial["epochs"], optimizer="adam")
    start = initialize(spec, "xavier_normal", key(trial["root_seed"], "init", repeat), X)
    run = train(spec, start, data, recipe, key(trial["root_seed"], "shuffle", repeat))
    return spec, run, int(np.sum(y * _logits(spec, run, X) > 0.0)) if run.status == "done" else 0


def _logits(spec: NetworkSpec, run: Any, X: np.ndarray) -> np.ndarray:
    return logits(spec.architecture, run.theta, run.statistics, X, min(256, X.shape[0]))[:, 0]


def _on_xor(trial: dict[str, Any]) -> dict[str, Any]:
    spec, run, correct = _trained(trial, trial["repeat"])
    found: dict[str, Any] = {"correct": correct, "found": float(correct == 4), "parameters": spec.n_parameters}
    if run.status == "diverged":
        found |= {"status": "diverged", "reason": "the loss stopped being finite"}
    return found


def _boundary(trial: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the scores over a square of the unit or network of a panel: of the first run that gets all corners right.

    Where none of the tries does, as on XOR without a hidden layer, the last one is drawn.
    """
    side = np.arange(GRID) * (4.0 / (GRID - 1)) - 2.0
    X = np.array([(x0, x1, 1.0) for x1 in side for x0 in side])
    if trial["activation"] is None:
        corners, labels = threshold_unit.corners(2), np.array(GATES[trial["gate"]], dtype=np.float64)
        weights = threshold_unit.learn(corners, labels).weights
        values, correct = threshold_unit.scores(X, weights), _right(corners, labels, weights)
    else:
        for repeat in range(DRAWN_TRIES):
            spec, run, correct = _trained(trial, repeat)
            if correct == 4 or not trial["hidden"]:
                break
        values = _logits(spec, run, np.ascontiguousarray(X[:, :2], np.float32))
    at = {"kind": trial["kind"], "panel": trial["panel"]}
    rows = [
        {**at, "x0": x[0], "x1": x[1], "score": score} for x, score in zip(X.tolist(), values.tolist(), strict=True)
    ]
    return {"correct": correct}, rows


def _row(trial: dict[str, Any], **found: Any) -> dict[str, Any]:
    row = {column.name: trial.get(column.name) for column in TRIAL_COLUMNS}
    return row | {"status": "done", "reason": "", **found}


def measure(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of one trial."""
    kind = trial["kind"]
    if kind in SETS:
        return {"trials": [_row(trial, **_learn_by_the_rule(trial))]}
    if kind == "xor":
        return {"trials": [_row(trial, **_on_xor(trial))]}
    if kind == "boundary":
        found, rows = _boundary(trial)
        return {"trials": [_row(trial, **found)], "boundaries": rows}
    return {"trials": [_row(trial)], "answers": ANSWERS[kind](trial)}


def cost(trial: dict[str, Any]) -> float:
    """Return the expected seconds on one core, by the times seen for a linear program and for a step."""
    kind = trial["kind"]
    if kind in {"cover", "count"}:
        programs = LABELLINGS if kind == "cover" else 2 ** (trial["points"] - 1)
        return programs * (1e-3 + 5e-7 * trial["points"] * trial["dimension"])
    steps = trial.get("epochs", 0) * (DRAWN_TRIES / 10 if kind == "boundary" else 1)
    return 1e-3 + steps * 3e-6 + (1.0 if kind == "logic" else 0.0)


def warm_up() -> None:
    """Compile every kernel that the trials call."""
    arm = {"activation": "tanh", "hidden": 1, "learning_rate": 0.1, "epochs": 1, "repeat": 0, "root_seed": 0}
    measure({"kind": "xor", "gate": "xor", **arm})
    shape = {"dimension": 4, "points": 4, "repeat": 0, "root_seed": 0}
    for kind in ("orthogonal", "gate", "cover"):
        measure({"kind": kind, "gate": "and", **shape})


# --- claims --------------------------------------------------------------------------------------------------------

NOVIKOFF, COVER = "Novikoff 1962", "Cover 1965, Theorem 1"
MINSKY = "Minsky and Papert 1969"
HALF_MARGIN = 0.1  # a unit with a bias, which has one dimension more, would be off by 0.13 at 20 dimensions
JUMP_MARGIN = 0.05  # such a unit would be off by 0.05 above the jump, where 20 dimensions fall from 0.97 to 0.08


def _rule_questions(trials: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    from nnsim.report.arms import rows_of
    from nnsim.report.judge import Question

    rows = rows_of(trials, kind="margin").dropna(subset=["bound", "mistakes"])
    within = (rows["mistakes"] <= rows["bound"]) & rows["converged"].astype(bool)
    yield Question(
        "C8-novikoff", "check", "The perceptron rule stops after at most (R / gamma)^2 mistakes.", NOVIKOFF,
        f"{MARGIN_POINTS} points in {MARGIN_DIMENSION} dimensions, margins from {min(config['margin']):g}",
        within.to_numpy(dtype=float), 1.0, "exact", note="1 where the mistakes of a seed are within its bound",
    )  # fmt: skip
    rows = rows_of(trials, kind="orthogonal").dropna(subset=["mistakes"])
    yield Question(
        "C8-novikoff-tight", "check", "No smaller bound is true: orthogonal inputs reach it.", NOVIKOFF,
        f"{ORTHOGONAL} orthogonal unit vectors, random labels", rows["mistakes"].to_numpy(dtype=float),
        theory.mistake_bound(1.0, 1.0 / math.sqrt(ORTHOGONAL)), "exact", note="mistakes",
    )  # fmt: skip
    for gate in ("and", "or"):
        rows = rows_of(trials, kind="gate", gate=gate).dropna(subset=["bound", "mistakes"])
        within = (rows["mistakes"] <= rows["bound"]) & (rows["correct"] == 4)
        yield Question(
            f"C8-{gate}", "check", f"One threshold unit learns {gate.upper()} within Novikoff's bound.", NOVIKOFF,
            f"{gate.upper()}, corners of the square in random order", within.to_numpy(dtype=float), 1.0, "exact",
        )  # fmt: skip
    rows = rows_of(trials, kind="gate", gate="xor").dropna(subset=["converged", "mistakes"])
    yield Question(
        "C8-xor-rule", "check", "On XOR the perceptron rule makes mistakes for ever.", MINSKY,
        "XOR, corners of the square in random order, 1000 passes", rows["converged"].to_numpy(dtype=float), 0.0,
        "exact", note="1 where a pass had no mistake",
    )  # fmt: skip


def _counting_questions(answers: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    from nnsim.report.arms import rows_of
    from nnsim.report.judge import Question

    for dimension, points in COUNTS:
        rows = rows_of(answers, kind="count", dimension=dimension, points=points)
        yield Question(
            f"C8-count-{dimension}-{points}", "check",
            f"Of the {2**points} labellings of {points} points in {dimension} dimensions C(P, N) are separable.", COVER,
            "Gaussian points, every labelling tried", rows["value"].to_numpy(dtype=float),
            float(theory.dichotomies(points, dimension)), "exact",
        )  # fmt: skip

    def fraction(name: str, statement: str, dimension: int, load: float, margin: float) -> Question:
        points = round(load * dimension)
        rows = rows_of(answers, kind="cover", dimension=dimension, points=points)
        where = f"{points} Gaussian points in {dimension} dimensions, random labels"
        return Question(
            name, "claim", statement, COVER, where, rows["value"].dropna().to_numpy(dtype=float),
            theory.separable_fraction(points, dimension), margin=margin, interval="proportion",
        )  # fmt: skip

    largest = max(config["dimension"])
    for dimension in config["dimension"]:
        statement = f"Half of the labellings of 2 N points are separable (N = {dimension})."
        yield fraction(f"C8-half-{dimension}", statement, dimension, 2.0, HALF_MARGIN)
    jump = "The separable fraction jumps at P = 2 N: {} at P = {:g} N it is Cover's."
    yield fraction("C8-jump-below", jump.format("below,", 1.5), largest, 1.5, JUMP_MARGIN)
    yield fraction("C8-jump-above", jump.format("above,", 2.5), largest, 2.5, JUMP_MARGIN)


def _logic_questions(answers: pd.DataFrame) -> Iterator[Question]:
    from nnsim.report.arms import rows_of
    from nnsim.report.judge import Question

    texts = {
        "functions": ("threshold_functions", 14.0, "One threshold unit computes 14 of the 16 functions of two bits."),
        "xor-best": ("best_on_xor", 3.0, "The best threshold unit has three of XOR's four corners right."),
        "hidden-1": ("reachable_1", 14.0, "One hidden unit adds nothing: still 14 of the 16 functions."),
        "xor-1": ("xor_1", 0.0, "No network with one hidden threshold unit computes XOR."),
        "hidden-2": ("reachable_2", 16.0, "Two hidden threshold units are enough for all 16 functions."),
        "xor-2": ("xor_2", 1.0, "Two hidden threshold units compute XOR."),
    }
    for name, (quantity, prediction, statement) in texts.items():
        values = rows_of(answers, kind="logic", quantity=quantity)["value"].dropna().to_numpy(dtype=float)
        yield Question(
            f"C8-{name}", "check", statement, f"{MINSKY}; {COVER}", "every choice of units tried by linear programming",
            values, prediction, "exact",
        )  # fmt: skip


XOR_ARM = ["activation", "hidden"]


def _xor_arms(trials: pd.DataFrame) -> ChosenArms:
    """Choose each arm's learning rate on the seeds with even numbers, and judge it on those with odd ones.

    The four corners are all there is to XOR, so no validation rows could choose; other seeds can.
    """
    from nnsim.report.arms import rows_of
    from nnsim.report.chosen import ChosenArms
    from nnsim.report.selection import select_learning_rate

    runs = rows_of(trials, kind="xor")
    even = runs["repeat"].to_numpy(dtype=int) % 2 == 0
    chosen = select_learning_rate(runs[even], XOR_ARM, "found")
    chosen["at_edge"] = chosen["at_edge"].astype(bool) & (chosen["found"] < 1.0)  # nothing is better than always
    judged = runs[~even]
    return ChosenArms(judged.assign(found=judged["found"].where(judged["status"] == "done", 0.0)), XOR_ARM, chosen)


def _training_questions(trials: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    from nnsim.report.arms import rows_of
    from nnsim.report.judge import Question

    arms, source = _xor_arms(trials), "Rumelhart, Hinton and Williams 1986"

    def finds(activation: str, hidden: int) -> np.ndarray:
        return arms.values("found", {"activation": activation, "hidden": hidden}).dropna().to_numpy()

    def edge(activation: str, *hidden: int) -> bool:
        return arms.at_edge(*({"activation": activation, "hidden": units} for units in hidden))

    for activation in ("tanh", "relu"):
        runs = rows_of(trials, kind="xor", activation=activation, hidden=1)
        best = runs.groupby("repeat")["found"].max().dropna().to_numpy(dtype=float)
        yield Question(
            f"C8-one-{activation}", "check", f"One {activation} unit finds XOR at no learning rate: it is monotone.",
            MINSKY, f"2-1-1, {activation}, all rates", best, 0.0, "exact", note="1 where a run has all corners right",
        )  # fmt: skip
    yield Question(
        "C8-one-gelu", "correction",
        "A neuron splits its inputs by one hyperplane only if it is monotone: training one GELU unit finds XOR.",
        "textbook statement: a single neuron separates its inputs into two regions", "2-1-1, gelu", finds("gelu", 1),
        0.5, "at_least", interval="proportion", at_edge=edge("gelu", 1), note="share of the seeds that find it",
    )  # fmt: skip
    yield Question(
        "C8-train-8", "claim", "Eight tanh units find XOR in at least nine runs of ten.", source, "2-8-1, tanh",
        finds("tanh", 8), 0.9, "at_least", interval="proportion", at_edge=edge("tanh", 8),
        note="share of the seeds that find it",
    )  # fmt: skip
    few, many = finds("tanh", 2), finds("tanh", 8)
    yield Question(
        "C8-train-2", "claim", "Two units can represent XOR, but find it less often than eight.", source,
        "tanh, 2-8-1 against 2-2-1 at equal seeds", many - few if many.size == few.size else np.empty(0), 0.0, "above",
        at_edge=edge("tanh", 2, 8), note="paired difference of the shares of the seeds that find it",
    )  # fmt: skip


def claims(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> list[Claim]:
    """Return every claim of the study, judged at one simultaneous confidence."""
    from nnsim.report.judge import judge

    trials, answers = tables["trials"], tables["answers"]
    return judge(
        [
            *_rule_questions(trials, config),
            *_counting_questions(answers, config),
            *_logic_questions(answers),
            *_training_questions(trials, config),
        ]
    )


# --- summary and figures -------------------------------------------------------------------------------------------

SUMMARY_COLUMNS = [
    *("kind", "dimension", "points", "activation", "hidden", "parameters", "learning_rate", "quantity"),
    *("n", "mean", "prediction", "low", "high", "method", "at_edge"),
]


def _fractions(answers: pd.DataFrame) -> Iterator[dict[str, Any]]:
    from nnsim.report.arms import rows_of
    from nnsim.report.statistics import proportion_interval

    for (dimension, points), rows in rows_of(answers, kind="cover").groupby(["dimension", "points"]):
        interval = proportion_interval(int(rows["value"].sum()), len(rows), 0.95)
        found = {"n": len(rows), "mean": interval.estimate, "low": interval.low, "high": interval.high}
        prediction = theory.separable_fraction(int(points), int(dimension))
        names = {"kind": "cover", "dimension": int(dimension), "points": int(points), "quantity": "separable"}
        yield {**names, **found, "prediction": prediction, "method": interval.method, "at_edge": False}


def _successes(trials: pd.DataFrame) -> Iterator[dict[str, Any]]:
    from nnsim.report.statistics import proportion_interval

    for (activation, hidden), rows in _xor_arms(trials).runs.groupby(XOR_ARM):
        interval = proportion_interval(int(rows["found"].sum()), len(rows), 0.95)
        found = {"n": len(rows), "mean": interval.estimate, "low": interval.low, "high": interval.high}
        names = {"kind": "xor", "activation": activation, "hidden": int(hidden), "quantity": "found"}
        names |= {"learning_rate": rows["learning_rate"].iloc[0], "parameters": rows["parameters"].max()}
        yield {**names, **found, "method": interval.method, "at_edge": bool(rows["at_edge"].iloc[0])}


def summary(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return separable fractions beside Cover's, and how often each trained arm finds XOR at its chosen rate."""
    import pandas as pd

    rows = [*_fractions(tables["answers"]), *_successes(tables["trials"])]
    frame = pd.DataFrame(rows, columns=SUMMARY_COLUMNS)
    return frame.astype(dict.fromkeys(("dimension", "points", "hidden", "parameters"), "Int64"))


def figures(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> dict[str, FigureSpec]:
    """Return the figures, theory beside measurement."""
    from nnsim.report.arms import rows_of
    from nnsim.report.figures import FigureSpec
    from nnsim.report.gallery import perceptron as gallery

    found = summary(tables)
    return {
        "capacity": FigureSpec(
            gallery.capacity(rows_of(found, kind="cover"), theory.separable_fraction),
            "Share of random labellings of P Gaussian points in N dimensions that a plane through the origin makes. "
            "Points: decided by linear programming, with 95 % intervals; dashed: Cover's count. All curves pass "
            "through one half at P = 2 N, and grow into a step.",
            "Separable fraction against points over dimensions, falling from one to zero through one half at two.",
        ),
        "mistakes": FigureSpec(
            gallery.mistakes(rows_of(tables["trials"], kind="margin")),
            "Mistakes of the perceptron rule against Novikoff's bound, one point a seed. The bound always holds, and "
            "random points stay far below it.",
            "Mistakes against the bound, both logarithmic, all points below the diagonal.",
        ),
        "xor": FigureSpec(
            gallery.successes(rows_of(found, kind="xor")),
            f"Share of runs that have XOR's four corners right after {config['epochs']} epochs, each arm at its chosen "
            "learning rate, with 95 % intervals. One monotone unit never does; one GELU unit can.",
            "Share of successful runs against hidden units, one line an activation.",
        ),
        "boundaries": FigureSpec(
            gallery.boundaries(tables["boundaries"], list(PANELS), GATES, {name: PANELS[name][0] for name in PANELS}),
            "What units and networks make of the square: the threshold unit's two values, and the probability of class "
            "1 of the others; black lines divide the classes. Trained networks: the first seed with all corners right. "
            "A sigmoid unit on XOR can do no better than to say one half everywhere.",
            "Six panels of class regions: half-planes for single units, a band for networks on XOR.",
        ),
    }


# --- declaration ---------------------------------------------------------------------------------------------------

ARM_COLUMNS = (
    Column("kind", "text", "", "what the trial is for: margin, orthogonal, gate, cover, count, logic, xor, boundary"),
    Column("gate", "text", "", "Boolean function of two inputs"),
    Column("dimension", "int", "", "N, numbers of an input, with the constant 1 where the unit has a bias"),
    Column("points", "int", "", "P, inputs"),
    Column("target_margin", "float", "", "how far points were pushed away from the plane"),
    Column("activation", "text", "", "activation of the hidden units"),
    Column("hidden", "int", "units", "hidden units"),
    Column("learning_rate", "float", "", "step size of Adam; empty where nothing is trained"),
    Column("repeat", "int", "", "number of the independent seed: points, labels, order or initial weights"),
)
TRIAL_COLUMNS = (
    *ARM_COLUMNS,
    Column("parameters", "int", "", "weights and biases"),
    Column("status", "text", "", "done, diverged or error"),
    Column("reason", "text", "", "why a trial is not done"),
    Column("mistakes", "int", "", "mistakes of the perceptron rule"),
    Column("passes", "int", "", "passes over the inputs, the last without a mistake where it converged"),
    Column("converged", "bool", "", "whether a pass had no mistake"),
    Column("radius", "float", "", "R, largest norm of an input"),
    Column("margin", "float", "", "gamma, distance of the nearest input from the known plane"),
    Column("bound", "float", "", "(R / gamma)^2"),
    Column("correct", "int", "", "inputs on the right side in the end"),
    Column("found", "float", "1", "1 where all four corners are right, else 0"),
)
ANSWER_COLUMNS = (
    *(column for column in ARM_COLUMNS if column.name in {"kind", "dimension", "points", "repeat"}),
    Column("draw", "int", "", "number of the labelling within the trial"),
    Column("quantity", "text", "", "separable (1 or 0), dichotomies (how many), or a count over Boolean functions"),
    Column("value", "float", "", "the answer of linear programming"),
)
BOUNDARY_COLUMNS = (
    Column("kind", "text", "", "boundary"),
    Column("panel", "text", "", "what answers, and to what"),
    Column("x0", "float", "", "first input"),
    Column("x1", "float", "", "second input"),
    Column("score", "float", "", "w . x of the threshold unit, logit of class 1 of the others"),
)


HIDDEN = (1, 2, 4, 8)
RATES = (0.001, 0.004, 0.016, 0.064, 0.256)

study = Study(
    name="perceptron",
    title="From the threshold unit to XOR",
    question="What can a single threshold unit learn, how often is that enough, and what does a hidden layer add?",
    expect=(
        "On separable data Rosenblatt's rule stops within (R / gamma)^2 mistakes. A unit with N weights makes half of "
        "the labellings of 2 N points and almost none of many more. XOR is the smallest function it cannot compute: "
        "one hidden threshold unit does not help, two do. What can be represented is not always found: two hidden "
        "units often end in a bad place, eight almost never. The teaching page lets every neuron cut space in two; "
        "that is true of monotone activations only."
    ),
    falsify=(
        "A separable set with more mistakes than the bound; a count of dichotomies other than Cover's; a threshold "
        "unit that computes XOR; two units that find XOR as often as eight."
    ),
    misreading=(
        "That XOR needs a hidden layer does not mean that it needs depth, and that two units can represent it does not "
        "mean that descent finds them. Novikoff's bound is no forecast: random points take far fewer mistakes."
    ),
    references=(
        "F. Rosenblatt, The perceptron, Psychological Review 65, 1958",
        "A. B. J. Novikoff, On convergence proofs on perceptrons, 1962",
        "T. M. Cover, Geometrical and statistical properties of systems of linear inequalities, IEEE TEC 14, 1965",
        "M. Minsky and S. Papert, Perceptrons, MIT Press 1969",
        "D. E. Rumelhart, G. E. Hinton and R. J. Williams, Learning representations by back-propagating errors, 1986",
    ),
    axes=(
        Axis("margin", float, "distances by which points are pushed away from their plane",
             presets((0.5, 0.1, 0.02), (0.5, 0.1, 0.02), (0.5, 0.1, 0.02, 0.005)), minimum=0, exclusive=True),
        Axis("rule_seeds", int, "independent sets for the perceptron rule", presets(20, 100, 400), minimum=1,
             scalar=True),
        Axis("dimension", int, "N: weights of the unit whose capacity is measured",
             presets((4, 10, 20), (4, 10, 20, 40), (10, 20, 40, 80)), minimum=1),
        Axis("load", float, "P / N: points for each weight",
             presets((1.5, 2.0, 2.5, 3.0), (1.0, 1.5, 2.0, 2.5, 3.0), (1.0, 1.5, 1.8, 2.0, 2.2, 2.5, 3.0)),
             minimum=0, exclusive=True),
        Axis("cover_sets", int, f"sets of {LABELLINGS} random labellings for each N and P", presets(40, 100, 500),
             minimum=1, scalar=True),
        Axis("count_seeds", int, "point sets of which every labelling is tried", presets(10, 20, 50), minimum=1,
             scalar=True),
        Axis("activation", str, "activations of the networks that are trained on XOR",
             presets(("tanh", "relu", "gelu"), ("tanh", "relu", "gelu", "sigmoid"), TRAINABLE)),
        Axis("hidden", int, "hidden units of the networks that are trained on XOR",
             presets(HIDDEN, (*HIDDEN, 3, 16), (*HIDDEN, 3, 16, 32)), minimum=1),
        Axis("learning_rate", float, "grid of learning rates, the same for every arm", presets(RATES, RATES, RATES),
             minimum=0, exclusive=True),
        Axis("seeds", int, "independent seeds of each trained arm: half choose the rate, half are judged",
             presets(120, 240, 1000), minimum=2, scalar=True),
        Axis("epochs", int, "passes over the four corners", presets(500, 1000, 2000), minimum=1, scalar=True),
    ),
    tables=(
        Table("trials", TRIAL_COLUMNS),
        Table("boundaries", BOUNDARY_COLUMNS),
        Table("answers", ANSWER_COLUMNS, canonical=False),
    ),
    schema_version=1,
    trials=trials,
    measure=measure,
    cost=cost,
    summary=summary,
    claims=claims,
    figures=figures,
    warm_up=warm_up,
    statements=(
        "C8-novikoff: the perceptron rule stops within (R / gamma)^2 mistakes, and orthogonal inputs reach that bound.",
        "C8-count, C8-half, C8-jump: a unit of N weights makes C(P, N) of the 2^P labellings of P points, half at 2 N.",
        "C8-functions: one threshold unit computes AND, OR and 12 more of the 16 functions of two bits, but not XOR.",
        "C8-hidden: one hidden threshold unit adds nothing, two compute all 16 functions.",
        "C8-one: one monotone unit never finds XOR; one GELU unit does.",
        "C8-train: eight tanh units find XOR almost always, two less often.",
    ),
)  # fmt: skip
