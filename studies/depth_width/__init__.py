"""What does depth buy? Pieces, regions and approximation, counted exactly, and whether training finds them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from nnsim_studies.depth_width.questions import (
    ARM_NAMES,
    BIAS,
    ENCLOSURE,
    GRIDS,
    RIDGE,
    SAWTOOTH,
    TEETH_BLOCKS,
    arms_of,
)

from nnsim.core.errors import UsageError
from nnsim.core.seeding import key
from nnsim.networks.equal_parameters import equal_width
from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec
from nnsim.probes.expressivity import piece_counts as counts
from nnsim.probes.expressivity.enclosure import encloses, positive_stretches
from nnsim.probes.expressivity.linear_pieces import follow
from nnsim.probes.expressivity.ridge_functions import fixed_unit_errors, ridge_data
from nnsim.study.declaration import Axis, Column, Study, Table, presets
from nnsim.study.dict_network_trials import (
    TRIAL_COLUMNS,
    columns_with,
    data_of,
    fewest_rows,
    nine_digits,
    train_network,
)
from nnsim.theory.expressivity import approximation
from nnsim.theory.expressivity import regions as laws
from nnsim.training import trainer
from nnsim.training.recipe import Recipe

from . import questions

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.claims import Claim
    from nnsim.report.figures import FigureSpec

ZIGZAGS = ((2, 4), (2, 8), (2, 16), (3, 4), (3, 8))
"""(depth, width) of wider sawtooth networks."""
PLANES = ((6, 1), (8, 2), (8, 3), (8, 4))
"""(units, inputs) of the layers whose regions are counted."""
FOLDED = ((1, 4, 1), (2, 4, 1), (3, 4, 1), (1, 4, 2), (2, 4, 2), (2, 6, 2), (3, 4, 2))
"""(depth, width, inputs) of the networks that reach the lower bound on regions."""
RADII = tuple(0.25 * number for number in range(1, 21))
SCAN = 48
"""Lines along which a decision is drawn."""
REACH = 2.5
"""Half the side of the square that is drawn, in standard deviations of the inputs."""
SEGMENT = np.array([[-1.0], [1.0]])
TRAINED = ("sawtooth", "grid", "enclosure")
RECIPE = ("learning_rate", "epochs", "batch_size", "optimizer", "schedule")


# --- trials --------------------------------------------------------------------------------------------------------


def _written_trials(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield networks that are written down: there is nothing to draw."""
    tents = [(depth, 2) for depth in range(1, config["blocks"] + 1)]
    for depth, width in (*tents, *ZIGZAGS):
        yield {"kind": "zigzag", "depth": depth, "width": width, "dimension": 1, "repeat": 0}
    for depth in range(1, config["tents"] + 1):
        yield {"kind": "square", "depth": depth, "width": 3, "dimension": 1, "repeat": 0}
    for depth, width, dimension in FOLDED:
        yield {"kind": "folded", "depth": depth, "width": width, "dimension": dimension, "repeat": 0}
    for width in range(1, config["parity_bits"] + 1):
        yield {"kind": "parity", "activation": "step", "depth": 1, "width": width, "dimension": width, "repeat": 0}


def _random_trials(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for neurons, depth in product(config["neurons"], config["line_depth"]):
        scheme = f"mean_field:{math.sqrt(2)}:{BIAS}"
        network = {"scheme": scheme, "activation": "relu", "depth": depth, "width": neurons // depth, "dimension": 1}
        for repeat in range(config["line_nets"]):
            yield {"kind": "random", **network, "neurons": neurons, "repeat": repeat}
    for kind, (width, dimension), repeat in product(("general", "central"), PLANES, range(config["seeds"])):
        yield {"kind": kind, "depth": 1, "width": width, "dimension": dimension, "repeat": repeat}
    for activation, dimension, repeat in product(("relu", "sigmoid"), config["dimension"], range(config["seeds"])):
        arm = {"activation": activation, "dimension": dimension, "depth": 1, "width": max(config["units"])}
        sizes = {"units": sorted(set(config["units"])), "rows": config["ridge_rows"]}
        yield {"kind": "fixed", **arm, **sizes, "repeat": repeat}


def _arms(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the trained arms, each with its data or its dimension, its size and its epochs."""
    relu = {"scheme": "he_normal", "activation": "relu"}
    for depth, width in SAWTOOTH:
        shape = {"depth": depth, "width": width, "epochs": config["curve_epochs"]}
        yield {"kind": "sawtooth", **relu, "data": "target_sawtooth", "dimension": 1, **shape}
    for data, depth in product(GRIDS, config["depth"]):
        inputs, outputs = _ends_of(data)
        width = equal_width(config[f"{data}_parameters"], depth, inputs, outputs)
        shape = {"depth": depth, "width": width, "epochs": config["epochs" if data == "digits" else "plane_epochs"]}
        yield {"kind": "grid", **relu, "data": data, "dimension": inputs, **shape}
    for depth, width in ENCLOSURE:
        shape = {"depth": depth, "width": width, "epochs": config["plane_epochs"]}
        yield {"kind": "enclosure", **relu, "data": "circles", "dimension": 2, **shape}
    schemes = {"relu": "he_normal", "sigmoid": "xavier_normal"}
    for (activation, scheme), dimension, width in product(schemes.items(), config["dimension"], config["units"]):
        shape = {"depth": 1, "width": width, "epochs": config["ridge_epochs"], "rows": config["ridge_rows"]}
        yield {"kind": "ridge", "scheme": scheme, "activation": activation, "dimension": dimension, **shape}


def _ends_of(data: str) -> tuple[int, int]:
    split = data_of({"data": data, "target": "", "samples": 0, "root_seed": 0})
    return split.n_features, split.n_outputs


def _check(config: dict[str, Any]) -> None:
    deepest, fewest = max(config["line_depth"]), min(config["neurons"])
    if fewest < deepest:
        raise UsageError(
            f"{fewest} neurons cannot fill {deepest} layers of a random network: choose at least {deepest} neurons"
        )
    rows = fewest_rows({"data": "circles", "target": "", "samples": 0})
    if config["batch_size"] > min(rows, config["ridge_rows"]):
        raise UsageError(
            f"a batch of {config['batch_size']} rows is larger than the smallest training set: "
            f"choose at most {min(rows, config['ridge_rows'])}"
        )


def trials(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield all trials; every trained arm runs the same whole grid of learning rates and seeds.

    Raises
    ------
    UsageError
        If a budget of parameters, a number of neurons or a batch size does not go with the rest.
    """
    _check(config)
    yield from _written_trials(config)
    yield from _random_trials(config)
    recipe = {"batch_size": config["batch_size"], "optimizer": "adam", "schedule": "cosine", "probe_epoch": []}
    for arm, learning_rate, repeat in product(_arms(config), config["learning_rate"], range(config["seeds"])):
        source = {"target": "", "samples": 0} if "data" in arm else {}
        yield {**arm, **source, **recipe, "learning_rate": learning_rate, "repeat": repeat}


# --- measurement ---------------------------------------------------------------------------------------------------

MORE = (
    Column("dimension", "int", "", "inputs of the network"),
    Column("neurons", "int", "units", "hidden units"),
    Column("operations", "int", "multiply-adds", "of one forward pass of one input"),
    Column("pieces", "int", "", "affine pieces along the segment, or regions of the inputs"),
    Column("first_breaks", "int", "", "ends of pieces that the first hidden layer makes"),
    Column("lines", "int", "", "straight lines that the same error needs"),
    Column("error", "float", "as kind", "largest error of x^2; share of wrong parities; share of variance left"),
    Column("encloses", "bool", "", "whether a region of one class is closed off"),
)
COLUMNS = columns_with(TRIAL_COLUMNS, *MORE)
FIXED_COLUMNS = (
    Column("activation", "text", "", "activation of the units"),
    Column("dimension", "int", "", "inputs"),
    Column("units", "int", "units", "fixed random units of which the output is fitted"),
    Column("repeat", "int", "", "number of the independent seed"),
    Column("error", "float", "1", "share of the variance left on fresh rows (LAPACK, nine digits)"),
)
DECISION_COLUMNS = (
    Column("depth", "int", "layers", "hidden layers"),
    Column("width", "int", "units", "units of each hidden layer"),
    Column("learning_rate", "float", "", "step size"),
    Column("repeat", "int", "", "number of the independent seed"),
    Column("height", "float", "deviations", "second input, standardised"),
    Column("left", "float", "deviations", "first input where the inner class begins, standardised"),
    Column("right", "float", "deviations", "first input where it ends"),
)


def _row(trial: dict[str, Any], **measured: Any) -> dict[str, Any]:
    return {column.name: trial.get(column.name) for column in COLUMNS} | {"status": "done", "reason": ""} | measured


def _sizes(trial: dict[str, Any], outputs: int = 1) -> dict[str, int]:
    spec = NetworkSpec((trial["dimension"], *[trial["width"]] * trial["depth"], outputs), loss="mse")
    operations = sum(fan_in * fan_out for fan_in, fan_out in spec.fans)
    neurons = trial["depth"] * trial["width"]
    return {"parameters": spec.n_parameters, "neurons": neurons, "operations": operations}


def _measure_random(trial: dict[str, Any]) -> dict[str, Any]:
    spec = NetworkSpec((1, *[trial["width"]] * trial["depth"], 1), loss="mse", dtype="float64")
    theta = initialize(spec, trial["scheme"], key(trial["root_seed"], "init", trial["repeat"]))
    trace = follow(spec.layers(theta), SEGMENT)
    return {"pieces": trace.pieces, "first_breaks": trace.breaks[0]}


def _ridge_data(trial: dict[str, Any]) -> Any:
    return ridge_data(
        trial["dimension"], 2 * trial["rows"], key(trial["root_seed"], "ridges", trial["dimension"], trial["repeat"])
    )


def _measure_ridge(trial: dict[str, Any]) -> dict[str, Any]:
    rows, repeat, root = trial["rows"], trial["repeat"], trial["root_seed"]
    X, Y = (part.astype(np.float32) for part in _ridge_data(trial))
    middle = rows + rows // 2
    data = trainer.Batches(X[:rows], Y[:rows], X[rows:middle], Y[rows:middle])
    spec = NetworkSpec((trial["dimension"], trial["width"], 1), trial["activation"], loss="mse")
    recipe = Recipe(
        **{name: trial[name] for name in ("learning_rate", "epochs", "batch_size", "optimizer", "schedule")}
    )
    start = initialize(spec, trial["scheme"], key(root, "init", repeat))
    run = trainer.train(spec, start, data, recipe, key(root, "shuffle", repeat))
    if run.status == "diverged":
        reason = "the loss stopped being finite"
        return {"status": "diverged", "reason": reason, "diverged_at": run.diverged_at, "chance": 0.0}
    test = trainer.evaluate(spec, run.theta, X[middle:], Y[middle:])
    names = ("train_loss", "validation_loss", "validation_metric")
    found = dict(zip(names, run.history[-1].tolist(), strict=False)) | {"epochs_done": len(run.history), "chance": 0.0}
    return found | {"test_loss": test.loss, "test_metric": test.metric, "error": 1.0 - test.metric}


def _fixed_rows(trial: dict[str, Any]) -> list[dict[str, Any]]:
    activation, units, repeat = trial["activation"], trial["units"], trial["repeat"]
    draws = key(trial["root_seed"], "units", trial["dimension"], repeat)
    errors = fixed_unit_errors(_ridge_data(trial), trial["rows"], activation, units, draws)
    arm = {"activation": activation, "dimension": trial["dimension"], "repeat": repeat}
    return [{**arm, "units": n, "error": nine_digits(error)} for n, error in errors.items()]


def _decision_rows(trial: dict[str, Any], spec: NetworkSpec, theta: np.ndarray) -> list[dict[str, Any]]:
    arm = {name: trial[name] for name in ("depth", "width", "learning_rate", "repeat")}
    rows = []
    for number in range(SCAN):
        height = REACH * ((2 * number + 1) / SCAN - 1)
        path = np.array([[-REACH, height], [REACH, height]])
        for left, right in positive_stretches(spec.layers(theta), path):
            ends = {"left": REACH * (2 * left - 1), "right": REACH * (2 * right - 1)}
            rows.append({**arm, "height": height, **ends})
    return rows


def _measure_trained(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    decisions: list[dict[str, Any]] = []
    data = data_of(trial)

    def look(spec: NetworkSpec, theta: np.ndarray) -> dict[str, Any]:
        if trial["kind"] == "sawtooth":
            layers = spec.layers(theta.astype(np.float64))
            return {"pieces": follow(layers, data.scaling.apply(counts.UNIT)).pieces}
        if trial["kind"] == "grid":
            return {}
        if trial["repeat"] == 0:
            decisions.extend(_decision_rows(trial, spec, theta))
        return {"encloses": encloses(spec.layers(theta), RADII)}

    found = train_network(trial, MORE, look)["trials"][0] | _sizes(trial, data.n_outputs)
    return {"trials": [found], "decisions": decisions}


def _looked_at(trial: dict[str, Any]) -> dict[str, Any]:
    """Return what is counted in a network that is not trained."""
    width, depth, inputs = trial["width"], trial["depth"], trial["dimension"]
    kinds: dict[str, Callable[[], dict[str, Any]]] = {
        "zigzag": lambda: counts.zigzag_pieces(width, depth),
        "square": lambda: counts.square_error(depth),
        "folded": lambda: counts.folded_pieces(width, depth, inputs),
        "parity": lambda: counts.parity_error(width),
        "random": lambda: _measure_random(trial),
        "general": lambda: counts.plane_regions(width, inputs, True, _planes_key(trial)),
        "central": lambda: counts.plane_regions(width, inputs, False, _planes_key(trial)),
        "fixed": dict,
    }
    return kinds[trial["kind"]]()


def _planes_key(trial: dict[str, Any]) -> int:
    return key(trial["root_seed"], "planes", trial["width"], trial["dimension"], trial["repeat"])


def measure(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of one trial."""
    if trial["kind"] in TRAINED:
        return _measure_trained(trial)
    found = _measure_ridge(trial) if trial["kind"] == "ridge" else _looked_at(trial)
    tables = {"trials": [_row(trial, **{**_sizes(trial), **found})]}
    return tables | {"fixed": _fixed_rows(trial)} if trial["kind"] == "fixed" else tables


def cost(trial: dict[str, Any]) -> float:
    """Return the expected seconds on one core."""
    if trial["kind"] == "square":
        return 1e-3 * 2.1 ** trial["depth"]
    if trial["kind"] == "folded":
        return 0.1
    if trial["kind"] not in {*TRAINED, "ridge"}:
        return 3e-3
    rows = trial["rows"] if trial["kind"] == "ridge" else data_of({**trial, "root_seed": 0}).X_train.shape[0]
    steps = trial["epochs"] * math.ceil(rows / trial["batch_size"])
    return 5e-3 + steps * (3e-6 * trial["depth"] + 1.5e-10 * _sizes(trial)["parameters"] * trial["batch_size"])


def warm_up() -> None:
    """Compile every kernel that the trials call."""
    recipe = {"learning_rate": 0.1, "epochs": 1, "batch_size": 64, "optimizer": "adam", "schedule": "cosine"}
    seed = {"root_seed": 0, "repeat": 0, "depth": 1, "width": 2}
    for data, kind in (("circles", "enclosure"), ("target_sawtooth", "sawtooth")):
        source = {"data": data, "target": "", "samples": 0, "scheme": "he_normal", "activation": "relu", "dimension": 2}
        measure({"kind": kind, **source, **seed, **recipe, "probe_epoch": []})
    measure({"kind": "parity", **seed, "dimension": 2})
    measure({"kind": "random", **seed, "scheme": "mean_field:1:1", "dimension": 1})
    measure({"kind": "general", **seed, "dimension": 2})
    ridge = {"scheme": "xavier_normal", "activation": "sigmoid", "dimension": 2, "rows": 64}
    measure({"kind": "ridge", **seed, **ridge, **recipe})


# --- claims --------------------------------------------------------------------------------------------------------


def claims(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> list[Claim]:
    """Return every claim of the study, judged at one simultaneous confidence."""
    from nnsim.report.judging import judge

    trials = tables["trials"]
    return judge(
        [
            *questions.written_questions(trials, config),
            *questions.random_questions(trials, config),
            *questions.region_questions(trials),
            *questions.sawtooth_questions(trials, config),
            *questions.approximation_questions(trials, tables["fixed"], config),
            *questions.grid_questions(trials, config),
            *questions.enclosure_questions(trials),
        ]
    )


# --- summary and figures -------------------------------------------------------------------------------------------

ARM = ["kind", "data", "activation", "dimension", "depth", "width"]
QUANTITIES = {"sawtooth": "test_metric", "grid": "test_metric", "ridge": "test_metric", "enclosure": "encloses"}


def summary(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return medians with intervals: counts of networks that are looked at, results of trained arms at chosen rates."""
    import pandas as pd

    from nnsim.report.arm_summary import FACTS, median_facts
    from nnsim.report.tuned_arms import ChosenArms

    trials = tables["trials"].assign(data=tables["trials"]["data"].fillna(""))
    looked = trials[trials["kind"].isin(["random", "general", "central"])].assign(activation="", at_edge=False)
    trained = ChosenArms(trials[trials["kind"].isin(QUANTITIES)], ARM).runs
    rows = []
    for part in (looked, trained):
        for names, group in part.groupby(ARM, sort=False):
            facts = median_facts(group, QUANTITIES.get(names[0], "pieces"))
            rows.append(dict(zip(ARM, names, strict=True)) | facts | {"operations": group["operations"].max()})
    columns = [*ARM, *FACTS[:2], "operations", *FACTS[2:]]
    return pd.DataFrame(rows, columns=columns).astype({"parameters": "Int64", "operations": "Int64"})


def _random_lines(config: dict[str, Any]) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    depths = np.array(sorted(set(config["line_depth"])))
    return {
        neurons: (depths, np.array([laws.random_breaks([neurons // d] * d, 1.0, BIAS**2) for d in depths.tolist()]))
        for neurons in config["neurons"]
    }


def figures(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> dict[str, FigureSpec]:
    """Return the figures, theory beside measurement."""
    return _exact_figures(tables["trials"], config) | _trained_figures(tables)


def _exact_figures(trials: pd.DataFrame, config: dict[str, Any]) -> dict[str, FigureSpec]:
    from nnsim.report.arms import rows_of
    from nnsim.report.figures import FigureSpec

    from . import plots

    done = rows_of(trials, status="done")
    squares = rows_of(done, kind="square")
    return {
        "pieces": FigureSpec(
            plots.pieces(rows_of(done, kind="zigzag", width=2), rows_of(done, kind="random"), _random_lines(config)),
            "What weights can do and what they do. Left: written tents double their pieces with every block of two "
            "units; one hidden layer of as many units has at most one piece more than units. Right: random networks of "
            "equal neurons have no more breakpoints when they are deep; dashed: Kac and Rice's formula.",
            "Affine pieces against depth: doubling for written networks, slowly falling for random ones.",
        ),
        "square": FigureSpec(
            plots.square(
                squares["depth"].to_numpy(), squares["error"].to_numpy(dtype=float), approximation.square_error,
                approximation.best_lines_error,
            ),
            "Largest error for x² on the unit interval. Every layer of three units divides it by four; a unit more in "
            "one hidden layer is one line more. Points: followed exactly; dashed: 2^(-2m-2).",
            "Largest error against hidden units on a logarithmic scale, deep far below shallow.",
        ),
    }  # fmt: skip


def _trained_figures(tables: dict[str, pd.DataFrame]) -> dict[str, FigureSpec]:
    from nnsim.report.figures import FigureSpec

    from . import plots

    arms = {kind: arms_of(tables["trials"], kind) for kind in ARM_NAMES}
    decided = arms["enclosure"].rates.merge(tables["decisions"], on=["depth", "width", "learning_rate"])
    return {
        "sawtooth": FigureSpec(
            plots.found(arms["sawtooth"].runs, 2**TEETH_BLOCKS),
            f"What training finds of a sawtooth of {2**TEETH_BLOCKS} pieces: test R² against the affine pieces counted "
            "in each trained network, one point a seed, each arm at its chosen rate. The network of 3 layers of 2 "
            "could be exact, and is not; a network of one piece answers a constant.",
            "Test R² against counted pieces; only networks with many more parameters than needed reach 1.",
        ),
        "approximation": FigureSpec(
            plots.approximation(arms["ridge"].runs, tables["fixed"]),
            f"Share of the variance of {RIDGE} that is left, against the hidden units: trained networks at their "
            "chosen rates, and fixed random units of which the output is fitted. Medians with 95 % intervals; dashed: "
            "1/n.",
            "Error against units: trained ones fall faster than 1/n in every dimension, fixed ones stall in ten.",
        ),
        "equal-parameters": FigureSpec(
            plots.equal_parameters(arms["grid"].runs),
            "Test accuracy against depth at equal parameters, each depth at its chosen learning rate; medians with "
            "95 % intervals over seeds.",
            "Test accuracy against the number of hidden layers, a panel a data set.",
        ),
        "decisions": FigureSpec(
            plots.decisions(decided, ENCLOSURE, REACH),
            "Where networks see the inner of two circles, at their chosen rates, first seed. Width 2 leaves every "
            "region open at any depth; width 3 closes one.",
            "Decision regions of four networks of the plane.",
        ),
    }  # fmt: skip


# --- declaration ---------------------------------------------------------------------------------------------------

RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)


study = Study(
    name="depth-width",
    title="What depth buys",
    question=(
        "What can a deep network represent that a shallow one of equal size cannot, what of it do random and trained "
        "networks use, and is depth worth its price at equal parameters?"
    ),
    expect=(
        "Written by hand, k blocks of two units fold a line 2^k times, for which one hidden layer needs 2^k - 1 units. "
        "The teaching page concludes that depth is compression and that one layer would need O(2^n) neurons for n a "
        "layer. The exponent is the number of layers: at fixed depth L the count is n^L at best. And it is a statement "
        "on what weights exist. Random networks have about as many pieces as neurons however these are stacked, "
        "training does not find the tents, and at equal parameters four layers are no better than one on digits. "
        "Enough neurons can mean a billion, for 30 tents; for a target of a few plane waves dozens do, in ten "
        "dimensions, too. Parity, often named as a reason for depth, takes one layer of n threshold units."
    ),
    falsify=(
        "A written network whose counted pieces or error differ from the formula; random networks that have more "
        "pieces when they are deeper at equal neurons; a network of width 2 that closes a region of the plane; a "
        "smallest sawtooth network that training fits; four layers that beat one on the digits by more than a percent."
    ),
    misreading=(
        "That a deep network exists is not that training finds it, and a bound on pieces is not the number of pieces. "
        "Nor is accuracy on sampled rings a closed region: points leave gaps, so whole curves are followed here. And "
        "equal parameters are not equal neurons: deep networks of equal parameters are narrower."
    ),
    references=(
        "G. Cybenko, Approximation by superpositions of a sigmoidal function, Math. Control Signals Systems 2, 1989",
        "A. Barron, Universal approximation bounds for superpositions of a sigmoidal function, IEEE Trans. IT 39, 1993",
        "G. Montúfar, R. Pascanu, K. Cho and Y. Bengio, On the number of linear regions of deep networks, NIPS 2014",
        "M. Telgarsky, Benefits of depth in neural networks, COLT 2016",
        "D. Yarotsky, Error bounds for approximations with deep ReLU networks, Neural Networks 94, 2017",
        "B. Hanin and D. Rolnick, Complexity of linear regions in deep networks, ICML 2019",
        "J. Johnson, Deep, skinny neural networks are not universal approximators, ICLR 2019",
        "T. Cover, Geometrical and statistical properties of systems of linear inequalities, 1965",
    ),
    axes=(
        Axis("blocks", int, "largest number of tent blocks", presets(10, 12, 14), minimum=1, scalar=True),
        Axis("tents", int, "largest number of tents for x^2", presets(6, 7, 8), minimum=1, scalar=True),
        Axis("neurons", int, "hidden units of the random networks", presets((96, 384), (96, 384), (96, 384, 1536)),
             minimum=1),
        Axis("line_depth", int, "hidden layers of the random networks", presets((1, 2, 4), (1, 2, 4), (1, 2, 4, 8)),
             minimum=1),
        Axis("line_nets", int, "random networks an arm", presets(500, 1000, 2000), minimum=1, scalar=True),
        Axis("parity_bits", int, "largest number of bits", presets(10, 12, 14), minimum=1, scalar=True),
        Axis("depth", int, "hidden layers at equal parameters", presets((1, 2, 4, 8), (1, 2, 4, 8), (1, 2, 4, 8, 16)),
             minimum=1),
        Axis("digits_parameters", int, "parameters of each network on the digits", presets(5000, 5000, 20000),
             minimum=1, scalar=True),
        Axis("spirals_parameters", int, "parameters of each network on the spirals", presets(110, 110, 110),
             minimum=1, scalar=True),
        Axis("dimension", int, "inputs of the approximated functions", presets((2, 10), (2, 5, 10), (2, 5, 10, 20)),
             minimum=1),
        Axis("units", int, "hidden units that approximate them",
             presets((4, 8, 16, 32), (4, 8, 16, 32), (4, 8, 16, 32, 64)), minimum=1),
        Axis("ridge_rows", int, "training rows of the approximated functions, and as many held out",
             presets(4000, 4000, 16000), minimum=16, scalar=True),
        Axis("learning_rate", float, "grid of learning rates, the same for every arm", presets(RATES, RATES, RATES),
             minimum=0, exclusive=True),
        Axis("seeds", int, "independent seeds of each arm", presets(10, 20, 20), minimum=1, scalar=True),
        Axis("epochs", int, "passes over the digits", presets(30, 60, 100), minimum=1, scalar=True),
        Axis("plane_epochs", int, "passes over spirals and circles", presets(100, 200, 400), minimum=1, scalar=True),
        Axis("curve_epochs", int, "passes over the sawtooth", presets(400, 1000, 4000), minimum=1, scalar=True),
        Axis("ridge_epochs", int, "passes over the approximated functions", presets(40, 100, 200), minimum=1,
             scalar=True),
        Axis("batch_size", int, "rows a step", presets(64, 64, 64), minimum=1, scalar=True),
    ),
    tables=(
        Table("trials", COLUMNS),
        Table("decisions", DECISION_COLUMNS),
        Table("fixed", FIXED_COLUMNS, canonical=False),
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
        "evaluate float64",
        "value_and_slope float64",
    ),
    answer=("C3-depth", "C6-digits"),
    statements=(
        "C1: k blocks of two units make 2^k pieces; one layer of n units n + 1; training does not find the tents.",
        "C2: m tents approximate x^2 to exactly 2^(-2m - 2), n straight lines to 1 / (8 n^2).",
        "C3: random networks have pieces in proportion to their neurons, no more when these are stacked.",
        "C4: a layer in general position makes sum C(n, j) regions; folding layers reach Montúfar's bound.",
        "C5: the squared error falls at least as 1/n in any dimension, if the hidden weights are trained.",
        "C6: at equal parameters depth is no gain on digits; width 2 closes no region of the plane, width 3 does.",
        "C7: parity takes one layer of n threshold units: no depth separation.",
    ),
)  # fmt: skip
