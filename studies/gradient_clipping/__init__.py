"""Gradient clipping: what it saves, what it changes, and what it costs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim.core.errors import UsageError
from nnsim.core.seeding import key
from nnsim.data import datasets
from nnsim.networks.initializers import initialize
from nnsim.probes.clipped_steps import gradient_at, turn
from nnsim.study.checks import check_batch_size
from nnsim.study.declaration import Axis, Column, Study, Table, presets
from nnsim.study.dict_network_trials import TRIAL_COLUMNS, columns_with, data_of, network_of, nine_digits, train_network
from nnsim.theory.training.clipped_direction import gaussian_cosine
from nnsim.training import trainer
from nnsim.training.recipe import Recipe

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.claims import Claim
    from nnsim.report.figures import FigureSpec
    from nnsim.report.old_questions import Question
    from nnsim.report.tuned_arms import ChosenArms

EXPLODING = "mean_field:1.8"  # weights of variance 3.24 / fan_in: gradients grow by 1.62 a ReLU layer
STEADY_DEPTH = 3
LEVELS = {"norm": (0.01, 0.1, 0.5, 2.0), "value": (0.1, 1.0, 10.0)}
"""Thresholds of single steps: shares of the gradient's norm, and multiples of its root mean square."""


# --- trials --------------------------------------------------------------------------------------------------------


def clipping(text: str) -> dict[str, float]:
    """Return the settings of a recipe for ``none``, ``norm:1`` or ``value:0.01``.

    Raises
    ------
    UsageError
        If the text is none of these.
    """
    name, _, number = text.partition(":")
    try:
        limit = float(number) if number else math.nan
    except ValueError:
        limit = math.nan
    if text == "none":
        return {}
    if name not in {"norm", "value"} or not 0 < limit < math.inf:
        raise UsageError(f"clipping '{text}' is not known: write none, norm:1 or value:0.01, with a positive number")
    return {f"clip_{name}": limit}


def _problems(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    deep = config["depth"]
    return {
        "steady": {"scheme": "he_normal", "depth": STEADY_DEPTH},
        "deep": {"scheme": "he_normal", "depth": deep},
        "exploding": {"scheme": EXPLODING, "depth": deep},
    }


def _arms(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for (problem, network), clip, rate in product(_problems(config).items(), config["clip"], config["learning_rate"]):
        yield {"problem": problem, **network, "optimizer": "sgd", "clip": clip, "learning_rate": rate}
    steady = _problems(config)["steady"]
    for clip, rate in product(config["clip"], config["adamw_rate"]):
        yield {"problem": "steady", **steady, "optimizer": "adamw", "clip": clip, "learning_rate": rate}


def trials(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield all trials; a clipping or a data set that cannot be used is an error here, before anything runs."""
    limits = {text: clipping(text) for text in config["clip"]}
    shared = {"activation": "relu", "width": config["width"], "data": config["data"], "target": "", "samples": 0}
    check_batch_size(config["batch_size"], shared)
    recipe = {name: config[name] for name in ("epochs", "batch_size")} | {"probe_epoch": []}
    for arm, repeat in product(_arms(config), range(config["seeds"])):
        yield {"kind": "training", **shared, **arm, **recipe, **limits[arm["clip"]], "repeat": repeat}
    for repeat in range(config["step_seeds"]):
        yield {"kind": "step", "problem": "steady", **shared, **_problems(config)["steady"], "repeat": repeat}


# --- measurement ---------------------------------------------------------------------------------------------------


def _step(trial: dict[str, Any]) -> dict[str, Any]:
    """Take one step from the start under each kind of clipping and each of its thresholds."""
    spec = network_of(trial, "float64")
    data = trainer.batches(data_of(trial), np.float64)
    theta = initialize(spec, trial["scheme"], key(trial["root_seed"], "init", trial["repeat"]))
    norm = float(np.linalg.norm(gradient_at(spec, theta, data)))
    units = {"norm": norm, "value": norm / math.sqrt(spec.n_parameters)}
    rows = []
    for name, level in ((name, level) for name, levels in LEVELS.items() for level in levels):
        limit = level * units[name]
        clip: dict[str, Any] = {f"clip_{name}": limit}
        recipe = Recipe(1.0, None, len(data.X), 1, "sgd", **clip)
        seen = turn(spec, theta, data, recipe, key(trial["root_seed"], "shuffle", trial["repeat"]))
        row = {"repeat": trial["repeat"], "clip": name, "level": level, "norm": seen.norm, "cosine": seen.cosine}
        row |= {"norm_ratio": seen.step_norm / min(seen.norm, limit)}
        row |= {"largest_ratio": seen.step_largest / min(seen.largest, limit)}
        rows.append({name: nine_digits(value) if isinstance(value, float) else value for name, value in row.items()})
    row = {column.name: trial.get(column.name) for column in TRIALS}
    return {"trials": [row | {"parameters": spec.n_parameters, "status": "done", "reason": ""}], "steps": rows}


def measure(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of one trial."""
    return _step(trial) if trial["kind"] == "step" else {"trials": train_network(trial, MORE)["trials"]}


def cost(trial: dict[str, Any]) -> float:
    """Return the expected seconds on one core: multiply-adds at a speed seen on small networks, plus overheads."""
    data = data_of({**trial, "root_seed": 0})
    rows = data.X_train.shape[0]
    operations = rows * trial["width"] * ((trial["depth"] - 1) * trial["width"] + data.n_features + data.n_outputs)
    if trial["kind"] == "step":
        return 0.02 + 4e-9 * operations
    epoch = 1.5e-10 * operations + 3e-6 * trial["depth"] * math.ceil(rows / trial["batch_size"])
    return 1e-3 + epoch * trial["epochs"]


def warm_up() -> None:
    """Compile every kernel that the trials call."""
    tiny = {"problem": "steady", "scheme": "he_normal", "activation": "relu", "depth": 1, "width": 2, "repeat": 0}
    data = {"data": "iris", "target": "", "samples": 0, "root_seed": 0}
    measure({"kind": "step", **tiny, **data})
    recipe = {"optimizer": "sgd", "learning_rate": 0.1, "epochs": 1, "batch_size": 16, "probe_epoch": []}
    measure({"kind": "training", **tiny, **data, **recipe, "clip": "norm:1", "clip_norm": 1.0})


MORE = (
    Column("problem", "text", "", "steady: shallow, He's start; deep: He's start; exploding: deep, weights too large"),
    Column("optimizer", "text", "", "rule of the update"),
    Column("clip", "text", "", "none, or what is clipped and where: norm:1, value:0.01"),
    Column("batch_size", "int", "rows", "rows a step"),
    Column("epochs", "int", "epochs", "epochs of the whole run"),
    Column("clipped", "float", "1", "share of the steps whose gradient was clipped, by norm or by value"),
)
TRIALS = columns_with(TRIAL_COLUMNS, *MORE)


# --- claims --------------------------------------------------------------------------------------------------------

USUAL, SMALL, BY_VALUE = "norm:1", "norm:0.01", "value:0.01"
ROUNDING = 1e-6  # of ratios that are shown with nine digits
NORM_MARGIN = 1e-3  # the scale is limit / (norm + 1e-6), which is short by 1e-6 / norm
ACCURACY = 0.02  # what a seed's luck is worth on these data
ARMS = ["problem", "optimizer", "clip"]
PASCANU = "Pascanu, Mikolov and Bengio 2013"


def _step_questions(steps: pd.DataFrame) -> Iterator[Question]:
    from nnsim.report.arms import rows_of
    from nnsim.report.old_questions import Question

    by_norm, by_value = rows_of(steps, clip="norm"), rows_of(steps, clip="value")
    worst = (
        by_norm.assign(away=(by_norm["norm_ratio"] - 1).abs())
        .sort_values("away", kind="stable")
        .groupby("repeat")
        .last()
    )
    where = f"relu, {STEADY_DEPTH} layers, all weights and biases, first step of descent"
    yield Question(
        "D4-direction", "check", "Clipping by the global norm keeps the direction of the gradient.",
        f"{PASCANU}, section 3.2", where, by_norm.groupby("repeat")["cosine"].min().to_numpy(), 1.0, margin=ROUNDING,
        note=f"smallest cosine over thresholds of {', '.join(map(str, LEVELS['norm']))} times the norm",
    )  # fmt: skip
    yield Question(
        "D4-norm", "check", "The clipped gradient is as long as the threshold, or as the gradient if that is shorter.",
        f"{PASCANU}, section 3.2", where, worst["norm_ratio"].to_numpy(), 1.0, margin=NORM_MARGIN,
        note="length over min(norm, threshold), at the threshold where it is furthest from 1",
    )  # fmt: skip
    yield Question(
        "D4-value-size", "check", "Clipping by value leaves no number larger than the threshold, and reaches it.",
        "Mikolov 2012", where, rows_of(by_value, level=1.0)["largest_ratio"].to_numpy(), 1.0, margin=ROUNDING,
        note="largest number over min(largest, threshold)",
    )  # fmt: skip
    yield Question(
        "D4-value-direction", "claim", "Clipping by value turns the gradient, and further than if it were Gaussian.",
        f"{PASCANU}, section 3.2: clipping by the norm keeps the direction, by value does not", where,
        rows_of(by_value, level=1.0)["cosine"].to_numpy(), gaussian_cosine(1.0), "at_most",
        note="cosine at a threshold of one root mean square; the bound is that of independent normal numbers",
    )  # fmt: skip


def _runs(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trainings with their ``score``, and with ``survived``: 1 where the loss stayed finite."""
    from nnsim.report.arms import rows_of, scored

    runs = scored(rows_of(trials, kind="training"))
    return runs.assign(survived=(runs["status"] == "done").astype(float))


def _chosen(trials: pd.DataFrame) -> ChosenArms:
    from nnsim.report.tuned_arms import ChosenArms

    return ChosenArms(_runs(trials), ARMS)


def _arm(problem: str, clip: str, optimizer: str = "sgd") -> dict[str, str]:
    return {"problem": problem, "optimizer": optimizer, "clip": clip}


def _survival(arms: ChosenArms, problem: str, clip: str) -> pd.Series:
    """Return the share of the rates that each seed survives."""
    from nnsim.report.arms import rows_of

    return rows_of(arms.grid, **_arm(problem, clip)).groupby("repeat")["survived"].mean()


def _survival_questions(arms: ChosenArms, config: dict[str, Any]) -> Iterator[Question]:
    from nnsim.report.old_questions import Question

    where = f"relu, {config['depth']} layers of {config['width']}, variance 3.24 / fan_in, SGD, {config['data']}"
    rate = arms.rate(_arm("exploding", USUAL))
    sides: tuple[tuple[str, str, Any], ...] = (("without", "none", "at_most"), ("with", USUAL, "at_least"))
    for name, clip, rule in sides:
        yield Question(
            f"D4-{name}", "claim",
            "At the rate that clipped networks learn best with, most exploding networks diverge if not clipped."
            if clip == "none" else "At that rate most exploding networks survive with clipping at a norm of 1.",
            f"{PASCANU}, section 3.2", f"{where}, rate {rate:g}, {clip}",
            arms.values("survived", _arm("exploding", clip), rate).to_numpy(), 0.5, rule, interval="proportion",
            note="share of the runs whose loss stays finite",
        )  # fmt: skip
    for name, clip in (("norm", USUAL), ("value", BY_VALUE)):
        gain = _survival(arms, "exploding", clip) - _survival(arms, "exploding", "none")
        yield Question(
            f"D4-survival-{name}", "claim", f"Exploding networks survive more rates of the grid with {clip}.",
            PASCANU, where, gain.dropna().to_numpy(), 0.0, "above",
            note="share of the rates survived, less that without clipping, same seed",
        )  # fmt: skip
    exploding, deep, deep_plain = _arm("exploding", USUAL), _arm("deep", USUAL), _arm("deep", "none")
    chance = float(arms.grid["chance"].max())
    yield Question(
        "D4-learns", "claim", "Clipped at a norm of 1, exploding networks leave chance behind by more than 0.1.",
        PASCANU, where, arms.values("score", exploding).to_numpy(), chance + 0.1, "at_least",
        note=f"test metric; chance is {chance:.3g}", at_edge=arms.at_edge(exploding),
    )  # fmt: skip
    yield Question(
        "D4-deep", "claim", "Deep networks get further with clipping at a norm of 1 even from He's start.",
        PASCANU, f"relu, {config['depth']} layers of {config['width']}, He's start, SGD, {config['data']}",
        arms.lead("score", deep, deep_plain), 0.0, "above", at_edge=arms.at_edge(deep_plain, deep),
        note="test metric less that without clipping, each at its best rate",
    )  # fmt: skip
    yield Question(
        "D4-cure", "correction", "Clipping does not replace a good start: He's, unclipped, ends above it.",
        "the teaching page: clip against exploding gradients; He et al. 2015", where,
        arms.lead("score", deep_plain, exploding), 0.0, "above", at_edge=arms.at_edge(deep_plain, exploding),
        note="test metric of He's start without clipping less that of the exploding one with norm:1",
    )  # fmt: skip


def _cost_questions(arms: ChosenArms, config: dict[str, Any]) -> Iterator[Question]:
    from nnsim.report.old_questions import Question

    where = f"relu, {STEADY_DEPTH} layers of {config['width']}, He's start, {config['data']}"
    page = "the teaching page: clipping at a norm of 1 belongs in every training loop"
    for name, optimizer, clip, statement in (
        ("always", "sgd", USUAL, "Where nothing explodes, clipping at a norm of 1 neither helps nor harms."),
        ("adamw", "adamw", SMALL, "AdamW hardly notices clipping, even at 0.01: it divides by the gradient's size."),
    ):
        clipped, free = (_arm("steady", this, optimizer) for this in (clip, "none"))
        share = arms.values("clipped", clipped).mean()
        yield Question(
            f"D4-{name}", "correction", statement, page, f"{where}, {optimizer}, {clip}, each at its best rate",
            arms.lead("score", clipped, free), 0.0, margin=ACCURACY, at_edge=arms.at_edge(clipped, free),
            note=f"test metric less that without clipping; {share:.0%} of the steps were clipped",
        )  # fmt: skip
    plain = _arm("steady", "none")
    rate = arms.rate(plain)
    fallen = arms.values("score", plain) - arms.values("score", _arm("steady", SMALL), rate)
    yield Question(
        "D4-small", "claim", "A threshold of 0.01 costs plain descent more than 0.1 of accuracy at the rate it had.",
        PASCANU, f"{where}, rate {rate:g}", fallen.dropna().to_numpy(), 0.1, "above",
        note="test metric without clipping less that with it", at_edge=arms.at_edge(plain),
    )  # fmt: skip
    yield Question(
        "D4-product", "claim", "Where every step is clipped, only the product of rate and threshold matters.",
        "theta' = theta - eta c g / ||g||, normalised descent", f"{where}, norm:0.01 against norm:1 at a hundredth",
        _equal_products(arms).to_numpy(), 0.0, margin=0.01,
        note="difference of the test metrics at equal products, mean over the pairs of the grid",
    )  # fmt: skip


def _equal_products(arms: ChosenArms) -> pd.Series:
    """Return the mean difference between a small threshold and the usual one at a hundredth of the rate."""
    import pandas as pd

    from nnsim.report.arms import rows_of

    wide = {
        clip: rows_of(arms.grid, **_arm("steady", clip)).pivot(index="repeat", columns="learning_rate", values="score")
        for clip in (SMALL, USUAL)
    }
    pairs = [(a, b) for a, b in product(wide[SMALL], wide[USUAL]) if math.isclose(a, 100 * b)]
    if not pairs:
        return pd.Series(dtype=float)
    return sum(wide[SMALL][a] - wide[USUAL][b] for a, b in pairs).dropna() / len(pairs)


def claims(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> list[Claim]:
    """Return every claim of the study, judged at one simultaneous confidence."""
    from nnsim.report.judging import judge

    arms = _chosen(tables["trials"])
    return judge(
        [*_step_questions(tables["steps"]), *_survival_questions(arms, config), *_cost_questions(arms, config)]
    )


# --- summary and figures -------------------------------------------------------------------------------------------


def summary(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return medians with intervals of every arm at its chosen rate, with how many runs diverged there."""
    import pandas as pd

    from nnsim.report.arm_summary import FACTS, median_facts

    rows = [
        dict(zip(ARMS, names, strict=True)) | median_facts(group, quantity)
        for names, group in _chosen(tables["trials"]).runs.groupby(ARMS, sort=False)
        for quantity in ("test_metric", "clipped")
    ]
    return pd.DataFrame(rows, columns=[*ARMS, *FACTS]).astype({"parameters": "Int64"})


def figures(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> dict[str, FigureSpec]:
    """Return the figures, theory beside measurement."""
    from nnsim.report.arms import rows_of
    from nnsim.report.figures import FigureSpec

    from . import plots

    runs = _runs(tables["trials"])
    plain = rows_of(runs, optimizer="sgd")
    return {
        "survival": FigureSpec(
            plots.survival(plain, ("deep", "exploding")),
            f"Share of the networks of {config['depth']} layers whose loss stays finite at each rate of plain SGD, "
            "with Clopper and Pearson's 95 % intervals. Too large a start diverges at every useful rate unless its "
            "gradients are clipped.",
            "Share that survives against the learning rate, one line a kind of clipping.",
        ),
        "scores": FigureSpec(
            plots.scores(runs),
            "What the networks reach: medians of the test metric over seeds with 95 % intervals, diverged runs as "
            "chance. Under SGD a small threshold shifts the best rate up; AdamW takes no notice of it.",
            "Test result against the learning rate, one panel a problem, one line a kind of clipping.",
        ),
        "direction": FigureSpec(
            plots.direction(tables["steps"]),
            "Cosine between a gradient and what clipping makes of it, one point a network. By norm it is 1 whatever "
            "the threshold; by value it falls below what a gradient of independent normal numbers would keep.",
            "Cosine against the threshold: level at one by norm, falling by value.",
        ),
    }


# --- declaration ---------------------------------------------------------------------------------------------------

STEP_COLUMNS = (
    Column("repeat", "int", "", "number of the independent seed"),
    Column("clip", "text", "", "what is clipped: norm or value"),
    Column("level", "float", "1", "threshold over the gradient's norm, or over its root mean square"),
    Column("norm", "float", "", "length of the gradient over all parameters"),
    Column("cosine", "float", "1", "of the angle between the gradient and the step"),
    Column("norm_ratio", "float", "1", "length of the clipped gradient over min(norm, threshold)"),
    Column("largest_ratio", "float", "1", "its largest number over min(largest, threshold)"),
)
CLIPS = ("none", USUAL, SMALL, BY_VALUE)
RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)


study = Study(
    name="gradient-clipping",
    title="What gradient clipping saves and costs",
    question="When does clipping save a training, when does it change nothing, and what does it cost?",
    expect=(
        "Clipping by the global norm shortens a step and keeps its direction; clipping by value turns it. Networks "
        "whose gradients explode, by their start or by their rate, survive with it. The teaching page says that "
        "clipping at a norm of 1 should always be there: it saves what explodes and costs nothing where nothing does, "
        "but it does not replace a good start, and too small a threshold slows plain descent down until the rate is "
        "raised by the same factor. AdamW, which divides by the size of the gradient, hardly notices it."
    ),
    falsify=(
        "A clipped step that is not parallel to its gradient or longer than the threshold; exploding networks that "
        "diverge as often with clipping as without; a steady network that clipping at 1 makes worse by more than 0.02."
    ),
    misreading=(
        "That a clipped run survives does not mean that it learns well: compare what is reached, each at its own rate. "
        "And where every step is clipped, the threshold is a second learning rate, no safeguard."
    ),
    references=(
        "T. Mikolov, Statistical language models based on neural networks, PhD thesis, Brno 2012",
        "R. Pascanu, T. Mikolov and Y. Bengio, On the difficulty of training recurrent neural networks, ICML 2013",
        "K. He, X. Zhang, S. Ren and J. Sun, Delving deep into rectifiers, ICCV 2015",
    ),
    axes=(
        Axis("clip", str, "what is clipped: none, norm:1, value:0.01", presets(*[CLIPS] * 3)),
        Axis("learning_rate", float, "grid of rates of plain SGD, the same for every arm",
             presets(RATES, RATES, (0.0003, *RATES, 10.0)), minimum=0, exclusive=True),
        Axis("adamw_rate", float, "grid of rates of AdamW", presets(*[(0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)] * 3),
             minimum=0, exclusive=True),
        Axis("depth", int, "hidden layers of the deep networks", presets(20, 20, 30), minimum=1, scalar=True),
        Axis("width", int, "units of each hidden layer", presets(32, 32, 64), minimum=1, scalar=True),
        Axis("seeds", int, "independent seeds of each trained arm", presets(10, 20, 40), minimum=1, scalar=True),
        Axis("step_seeds", int, "networks whose first step is looked at", presets(20, 40, 100), minimum=1,
             scalar=True),
        Axis("epochs", int, "passes over the training data", presets(6, 12, 40), minimum=1, scalar=True),
        Axis("batch_size", int, "rows a step", presets(32, 32, 32), minimum=1, scalar=True),
        Axis("data", str, "data set", presets("digits", "digits", "digits"), scalar=True, names="datasets", file=True),
    ),
    tables=(Table("trials", TRIALS), Table("steps", STEP_COLUMNS, canonical=False)),
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
        "loss_and_gradient float64",
        "train_epochs float64",
        "value_and_slope float64",
    ),
    inputs=lambda config: {"data_sha256": datasets.fingerprint(config["data"])},
    answer=("D4-with", "D4-always"),
    statements=(
        "D4: clipping by the global norm keeps the direction and makes the length min(norm, threshold).",
        "D4: clipping by value leaves no number above the threshold and turns the gradient.",
        "D4: exploding networks diverge without clipping and survive, and learn, with it.",
        "D4: clipping does not replace a good start; where nothing explodes it changes nothing.",
        "D4: too small a threshold slows plain descent; only its product with the rate matters; AdamW does not notice.",
    ),
)  # fmt: skip
