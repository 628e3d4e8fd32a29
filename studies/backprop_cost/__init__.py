"""What does a gradient cost? Backward passes against forward passes and against differences, counted and timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim.core.errors import UsageError
from nnsim.core.seeding import key
from nnsim.kernels.cpu.cost import difference_gradient, kept_bytes, repeat_passes
from nnsim.kernels.cpu.draws import fill_normal
from nnsim.kernels.formulas.philox import SIGNAL
from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec
from nnsim.probes.operation_count import count_products
from nnsim.study.declaration import Axis, Column, Study, Table, presets
from nnsim.theory.training.cost import backward_over_forward, difference_passes, forward_products, gradient_over_forward

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.claims import Claim
    from nnsim.report.figures import FigureSpec
    from nnsim.report.old_questions import Question

PAGE_MODEL = "128-256-128-64-1"
DEEP_MODEL = "64-256-256-256-256-10"
WIDE_INPUT = "2048-64-10"
TIMED_PRODUCTS = 5e7
"""Multiply-adds of one timing, so that the clock's grain does not show."""

STEP = 1e-6
ENDS = (16, 4)  # inputs and outputs of the networks whose gradient is also computed by differences
MEMORY_ENDS = (16, 1)
KEPT = 3  # Z, A and delta of every unit and row
ITEM = 4  # bytes of a float32
DEEPEST, WIDEST = 6, 300  # of the random architectures


def widths_of(architecture: str) -> tuple[int, ...]:
    """Return (n_0, ..., n_L) of an architecture such as ``128-256-1``.

    Raises
    ------
    UsageError
        If it is no such text.
    """
    parts = architecture.split("-")
    if len(parts) < 2 or not all(part.isascii() and part.isdigit() and int(part) for part in parts):
        raise UsageError(
            f"an architecture is two or more widths of at least 1 such as '128-256-1', got '{architecture}'"
        )
    return tuple(map(int, parts))


# --- trials --------------------------------------------------------------------------------------------------------


def trials(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield all trials; an architecture that cannot be read is an error here, before anything runs."""
    for architecture in config["architecture"]:
        widths_of(architecture)
    for architecture, batch in product(config["architecture"], config["batch"]):
        yield {"kind": "count", "architecture": architecture, "batch": batch, "repeat": 0}
    for repeat in range(config["random_networks"]):
        yield {"kind": "random", "batch": min(config["batch"]), "repeat": repeat}
    for depth, batch in product(config["depth"], config["batch"]):
        inputs, outputs = MEMORY_ENDS
        architecture = "-".join(map(str, (inputs, *[config["width"]] * depth, outputs)))
        shape = {"depth": depth, "width": config["width"]}
        yield {"kind": "memory", "architecture": architecture, **shape, "batch": batch, "repeat": 0}
    timed = {"batch": config["timed_batch"], "rounds": config["rounds"]}
    for repeat, architecture in product(range(config["seeds"]), config["architecture"]):
        yield {"kind": "time", "architecture": architecture, **timed, "repeat": repeat}
    for repeat, width in product(range(config["seeds"]), config["difference_width"]):
        architecture = f"{ENDS[0]}-{width}-{width}-{ENDS[1]}"
        timed |= {"batch": config["difference_batch"]}
        yield {"kind": "difference", "architecture": architecture, **timed, "repeat": repeat}


# --- measurement ---------------------------------------------------------------------------------------------------


class Passes:
    """A network on a batch of random rows, whose passes can be run again and again."""

    def __init__(self, trial: dict[str, Any], activation: str, dtype: str) -> None:
        self.spec = NetworkSpec(widths_of(trial["architecture"]), activation, loss="mse", dtype=dtype)
        self.theta = initialize(self.spec, "lecun_normal", key(trial["root_seed"], "init", trial["repeat"]))
        draws = np.empty(trial["batch"] * self.spec.widths[0], self.spec.numpy_dtype)
        fill_normal(draws, np.uint64(key(trial["root_seed"], "rows", trial["repeat"])), SIGNAL, 0)
        self.X = draws.reshape(trial["batch"], -1)
        self.Y = np.zeros((trial["batch"], self.spec.widths[-1]), self.spec.numpy_dtype)
        self.gradient = np.empty_like(self.theta)

    def run(self, times: int, back: bool) -> None:
        """Pass forward and, if asked to, backward, so many times."""
        repeat_passes(self.spec.architecture, self.theta, self.X, self.Y, self.gradient, times, back)

    def differences(self, central: bool) -> tuple[np.ndarray, int]:
        """Return the gradient by differences and the number of forward passes it took."""
        found, step = np.empty_like(self.theta), self.spec.numpy_dtype(STEP)
        theta = self.theta.copy()
        passes = difference_gradient(self.spec.architecture, theta, self.X, self.Y, step, central, found)
        return found, int(passes)

    def seconds(self, rounds: int) -> tuple[float, float]:
        """Return the median time of a forward pass and of a whole gradient; the two are timed in turns."""
        times = max(1, int(TIMED_PRODUCTS / (self.X.shape[0] * forward_products(self.spec.widths))))
        measured = [(_seconds(lambda: self.run(times, False)), _seconds(lambda: self.run(times, True)))
                    for _ in range(rounds)]  # fmt: skip
        forward, both = np.median(np.array(measured), axis=0) / times
        return float(forward), float(both)


def _seconds(action: Callable[[], Any]) -> float:
    """Return the processor time of this thread: what else the machine does is not counted."""
    start = time.thread_time()
    action()
    return time.thread_time() - start


def _row(trial: dict[str, Any], **measured: Any) -> dict[str, Any]:
    row = {column.name: trial.get(column.name) for column in TRIALS}
    return row | {"status": "done", "reason": "", **measured}


def _random_architecture(trial: dict[str, Any]) -> str:
    root, repeat = trial["root_seed"], trial["repeat"]
    layers = 2 + key(root, "layers", repeat) % (DEEPEST + 1)
    return "-".join(str(1 + key(root, "width", repeat, layer) % WIDEST) for layer in range(layers))


def _counts(trial: dict[str, Any]) -> dict[str, Any]:
    spec = NetworkSpec(widths_of(trial["architecture"]), loss="mse")
    found = count_products(spec, trial["batch"])
    counts = {"forward_products": found.forward, "backward_products": found.backward}
    return counts | {"bias_additions": found.bias_additions, "parameters": spec.n_parameters}


def _times(trial: dict[str, Any], passes: Passes, **found: float) -> dict[str, Any]:
    forward, both = passes.seconds(trial["rounds"])
    row: dict[str, Any] = {column.name: trial.get(column.name) for column in TIMES} | {"difference_seconds": None}
    row |= {"parameters": passes.spec.n_parameters, "forward_seconds": forward, "gradient_seconds": both}
    return row | {"ratio": (both - forward) / forward, **found}


def _differ(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Compute one gradient by backpropagation and by differences."""
    passes = Passes(trial, "tanh", "float64")
    start = time.thread_time()
    found, made = passes.differences(central=False)
    times = _times(trial, passes, difference_seconds=time.thread_time() - start)
    measured = _counts(trial) | {"passes": made}
    measured["error"] = float(np.abs(found - passes.gradient).max() / np.abs(passes.gradient).max())
    if trial["repeat"] == 0:  # twice the work, and the count is the same for all
        measured["central_passes"] = passes.differences(central=True)[1]
    return {"trials": [_row(trial, **measured)], "times": [times]}


def measure(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of one trial."""
    if trial["kind"] == "random":
        trial = trial | {"architecture": _random_architecture(trial)}
    if trial["kind"] == "difference":
        return _differ(trial)
    if trial["kind"] == "time":
        passes = Passes(trial, "relu", "float32")
        times = _times(trial, passes)
        return {"trials": [_row(trial, parameters=passes.spec.n_parameters)], "times": [times]}
    if trial["kind"] == "memory":
        spec = NetworkSpec(widths_of(trial["architecture"]), loss="mse")
        kept = kept_bytes(spec.architecture, np.empty(spec.n_parameters, np.float32), trial["batch"])
        return {"trials": [_row(trial, parameters=spec.n_parameters, kept_bytes=int(kept))]}
    return {"trials": [_row(trial, **_counts(trial))]}


def cost(trial: dict[str, Any]) -> float:
    """Return the expected seconds on one core, at a speed of multiply-adds seen on small networks."""
    if trial["kind"] not in {"time", "difference"}:
        return 2e-4
    products = forward_products(widths_of(trial["architecture"])) * trial["batch"]
    timing = 4 * trial["rounds"] * max(products, TIMED_PRODUCTS) / 2e10
    if trial["kind"] == "time":
        return timing
    return timing + forward_products(widths_of(trial["architecture"])) * (2e-6 + products / 8e9)


def warm_up() -> None:
    """Compile every kernel that the trials call, without timing any."""
    trial = {"architecture": "2-3-1", "batch": 2, "repeat": 0, "root_seed": 0}
    measure({"kind": "memory", **trial})
    Passes(trial, "relu", "float32").run(1, True)
    in_double = Passes(trial, "tanh", "float64")
    in_double.run(1, True)
    in_double.differences(central=False)


# --- claims --------------------------------------------------------------------------------------------------------

BAUR = "Baur and Strassen 1983"
CLOCK = 0.75  # of backward over forward: one forward pass is told from two, machines are not told apart
SLOPE = 0.5  # of a log-log slope: 1 is told from 2
AGREE = 1e-4  # relative error of a one-sided difference with a step of 1e-6
MIDWAY = 1.5  # between one forward pass and two


def _ratio(rows: pd.DataFrame) -> np.ndarray:
    backward = rows["backward_products"].to_numpy(dtype=float)
    return backward / rows["forward_products"].to_numpy(dtype=float)


def _total_ratio(rows: pd.DataFrame) -> np.ndarray:
    forward = rows["forward_products"].to_numpy(dtype=float)
    return (forward + rows["backward_products"].to_numpy(dtype=float)) / forward


def _count_questions(trials: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    from nnsim.report.arms import rows_of
    from nnsim.report.old_questions import Question

    for architecture in config["architecture"]:
        rows = rows_of(trials, kind="count", architecture=architecture, status="done")
        yield Question(
            f"D6-count-{architecture}", "check",
            "Forward and backward pass together make 3 - n0 n1 / S times the multiply-adds of the forward pass.", BAUR,
            f"{architecture}, {len(rows)} batch sizes", _total_ratio(rows),
            gradient_over_forward(widths_of(architecture)), "exact", note="products that the passes make, counted",
        )  # fmt: skip
    rows = rows_of(trials, kind="random", status="done")
    expected = [gradient_over_forward(widths_of(text)) for text in rows["architecture"]]
    where = f"{len(rows)} random architectures of up to {DEEPEST} hidden layers"
    yield Question(
        "D6-ratio", "check", "The ratio is 3 - n0 n1 / S in every architecture.", BAUR, where,
        _total_ratio(rows) - np.array(expected), 0.0, "exact", note="counted minus predicted ratio",
    )  # fmt: skip
    yield Question(
        "D6-under-three", "check", "A gradient never costs as much as three forward passes.", BAUR, where,
        (_total_ratio(rows) < 3).astype(float), 1.0, "exact", note="1 where the counted ratio is under 3",
    )  # fmt: skip
    yield Question(
        "page-backward-count", "correction",
        "Its own example network makes over 1.5 times as many multiply-adds backward as forward, not as many.",
        "teaching pages that say: a backward pass costs one forward pass", PAGE_MODEL,
        (_ratio(rows_of(trials, kind="count", architecture=PAGE_MODEL)) > MIDWAY).astype(float), 1.0, "exact",
        note=f"1 where it is over {MIDWAY:g}; counted at {len(config['batch'])} batch sizes",
    )  # fmt: skip


def _time_questions(times: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    from nnsim.report.arms import rows_of
    from nnsim.report.old_questions import Question

    timed, note = rows_of(times, kind="time"), f"processor time, medians of {config['rounds']} turns"
    for architecture in config["architecture"]:
        yield Question(
            f"D6-time-{architecture}", "claim", "A backward pass takes as many times a forward pass as it is counted.",
            BAUR, f"{architecture}, {config['timed_batch']} rows",
            rows_of(timed, architecture=architecture)["ratio"].to_numpy(dtype=float),
            backward_over_forward(widths_of(architecture)), margin=CLOCK, note=note, timed=True,
        )  # fmt: skip
    deepest = max(config["architecture"], key=lambda text: backward_over_forward(widths_of(text)))
    yield Question(
        "page-backward-time", "correction", "A backward pass takes the time of about two forward passes, not of one.",
        "teaching pages that say: a backward pass costs one forward pass", deepest,
        rows_of(timed, architecture=deepest)["ratio"].to_numpy(dtype=float), MIDWAY, "at_least", note=note, timed=True,
    )  # fmt: skip


def _difference_questions(trials: pd.DataFrame, times: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    from nnsim.report.arms import rows_of
    from nnsim.report.old_questions import Question
    from nnsim.report.statistics.slopes import slopes_by_seed

    rows = rows_of(trials, kind="difference", status="done")
    parameters = rows["parameters"].to_numpy(dtype=float)
    widths = config["difference_width"]
    where = f"tanh, {ENDS[0]}-n-n-{ENDS[1]} with n from {min(widths)} to {max(widths)}"
    central = rows["central_passes"].to_numpy(dtype=float)
    for name, passes, expected, text in (
        ("one-sided", rows["passes"].to_numpy(dtype=float), difference_passes(parameters), "P + 1"),
        ("central", central, difference_passes(parameters, central=True), "2 P"),
    ):
        yield Question(
            f"D6-passes-{name}", "check", f"A gradient by {name} differences takes {text} forward passes.",
            "the definition of a difference", where, (passes - expected)[~np.isnan(passes)], 0.0, "exact",
            note=f"passes that the kernel made, minus {text}",
        )  # fmt: skip
    yield Question(
        "D6-agree", "check", "Differences and backpropagation give one gradient: the times are those of one result.",
        "Rumelhart, Hinton and Williams 1986", where, rows["error"].to_numpy(dtype=float), AGREE, "at_most",
        note="largest difference relative to the largest derivative",
    )  # fmt: skip
    timed = rows_of(times, kind="difference")
    texts = {
        "backprop": ("gradient_seconds", 1.0, "Backpropagation's time grows in proportion to the parameters."),
        "differences": ("difference_seconds", 2.0, "The time of differences grows as the square of the parameters."),
    }
    for name, (column, power, statement) in texts.items():
        yield Question(
            f"D6-slope-{name}", "claim", statement, BAUR, where, slopes_by_seed(timed, "parameters", column), power,
            margin=SLOPE, note="log-log slope of processor time against P", timed=True,
        )  # fmt: skip


def _memory_question(trials: pd.DataFrame, config: dict[str, Any]) -> Question:
    from nnsim.report.arms import rows_of
    from nnsim.report.old_questions import Question

    rows = rows_of(trials, kind="memory", status="done")
    units = np.array([sum(widths_of(text)[1:]) for text in rows["architecture"]], dtype=float)
    return Question(
        "D6-memory", "check", "Backpropagation keeps three numbers a unit and row: depth times batch.",
        "Rumelhart, Hinton and Williams 1986",
        f"depths {min(config['depth'])} to {max(config['depth'])}, batches {min(config['batch'])} to "
        f"{max(config['batch'])}, float32",
        rows["kept_bytes"].to_numpy(dtype=float) / (units * rows["batch"].to_numpy(dtype=float)), float(KEPT * ITEM),
        "exact", note="bytes a unit and row of the workspace's z, a and delta",
    )  # fmt: skip


def claims(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> list[Claim]:
    """Return every claim of the study, judged at one simultaneous confidence."""
    from nnsim.report.judging import judge

    trials, times = tables["trials"], tables["times"]
    return judge(
        [
            *_count_questions(trials, config),
            *_time_questions(times, config),
            *_difference_questions(trials, times, config),
            _memory_question(trials, config),
        ]
    )


# --- summary and figures -------------------------------------------------------------------------------------------

SUMMARY_COLUMNS = [
    *("kind", "architecture", "batch", "parameters", "quantity", "n", "median", "low", "high", "method", "timed"),
]


def summary(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the median times of every network, with intervals."""
    import pandas as pd

    from nnsim.report.statistics import median_interval

    rows = []
    groups = tables["times"].groupby(SUMMARY_COLUMNS[:4], sort=False)
    for (names, group), quantity in product(list(groups), TIMED):
        values = group[quantity].to_numpy(dtype=float)
        if not np.isnan(values).all():
            found = median_interval(values[~np.isnan(values)], 0.95)
            row = dict(zip(SUMMARY_COLUMNS[:4], names, strict=True)) | {"quantity": quantity, "n": len(group)}
            row |= {"median": found.estimate, "low": found.low, "high": found.high, "method": found.method}
            rows.append(row | {"timed": True})
    return pd.DataFrame(rows, columns=SUMMARY_COLUMNS)


def _counted_costs(trials: pd.DataFrame) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return the multiply-adds of a gradient against the parameters, by method."""
    rows = trials.drop_duplicates("parameters").sort_values("parameters", kind="stable")
    parameters = rows["parameters"].to_numpy(dtype=float)
    forward, backward = (rows[f"{name}_products"].to_numpy(dtype=float) for name in ("forward", "backward"))
    return {
        "backpropagation": (parameters, forward + backward),
        "differences": (parameters, difference_passes(parameters) * forward),
        "central differences": (parameters, difference_passes(parameters, central=True) * forward),
    }


def figures(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> dict[str, FigureSpec]:
    """Return the figures, counts beside times."""
    from nnsim.report.arms import rows_of
    from nnsim.report.figures import FigureSpec

    from . import plots

    trials, times = tables["trials"], tables["times"]
    counted = {text: backward_over_forward(widths_of(text)) for text in config["architecture"]}
    columns = {"backpropagation": "gradient_seconds", "differences": "difference_seconds"}
    return {
        "ratio": FigureSpec(
            plots.ratios(rows_of(times, kind="time"), counted),
            "A backward pass over a forward pass: the ratio of multiply-adds, 2 - n0 n1 / S, and of processor times. "
            "Only where the first layer holds nearly all weights does it cost one forward pass.",
            "Counted and timed ratio of backward to forward pass for each architecture, beside the page's 1.",
        ),
        "differences": FigureSpec(
            plots.against_parameters(
                _counted_costs(rows_of(trials, kind="difference", status="done")),
                rows_of(times, kind="difference"), columns,
            ),
            "Cost of one gradient against the number of parameters, counted (left) and timed (right, medians with 95 % "
            "intervals): backpropagation grows with P, differences with its square.",
            "Two log-log panels: lines of slope 1 for backpropagation and of slope 2 for differences.",
        ),
        "memory": FigureSpec(
            plots.memory(rows_of(trials, kind="memory", status="done"), KEPT, ITEM),
            f"Bytes that a training pass keeps for its way back, in networks of {config['width']} units a layer: they "
            "grow with depth times batch.",
            "Bytes kept against hidden layers times rows, on one line of slope 1.",
        ),
    }  # fmt: skip


# --- declaration ---------------------------------------------------------------------------------------------------

NETWORK_COLUMNS = (
    Column("kind", "text", "", "what the trial is for: count, random, memory, time or difference"),
    Column("architecture", "text", "units", "widths, inputs first"),
    Column("batch", "int", "rows", "rows of the batch"),
    Column("repeat", "int", "", "number of the independent seed, or of the random architecture"),
    Column("parameters", "int", "", "weights and biases"),
)
TRIALS = (
    *NETWORK_COLUMNS,
    Column("depth", "int", "layers", "hidden layers, where memory is looked at"),
    Column("width", "int", "units", "units of each hidden layer, where memory is looked at"),
    Column("status", "text", "", "done or error"),
    Column("reason", "text", "", "why a trial is not done"),
    Column("forward_products", "int", "multiply-adds", "of a forward pass over the batch, in products with weights"),
    Column("backward_products", "int", "multiply-adds", "of a backward pass over the batch, in products with weights"),
    Column("bias_additions", "int", "additions", "of a backward pass, for the biases' gradients"),
    Column("kept_bytes", "int", "bytes", "what a training pass keeps of Z, A and delta"),
    Column("passes", "int", "passes", "forward passes of a gradient by one-sided differences"),
    Column("central_passes", "int", "passes", "forward passes of a gradient by central differences; first seed only"),
    Column("error", "float", "1", "largest difference of the two gradients, relative to the largest derivative"),
)
TIMES = (
    *NETWORK_COLUMNS,
    Column("forward_seconds", "float", "s", "processor time of a forward pass with its loss, median of the turns"),
    Column("gradient_seconds", "float", "s", "processor time of forward and backward pass, median of the turns"),
    Column("ratio", "float", "1", "backward pass over forward pass in time"),
    Column("difference_seconds", "float", "s", "processor time of the gradient by one-sided differences"),
)
TIMED = ("forward_seconds", "gradient_seconds", "ratio", "difference_seconds")


MODELS = (PAGE_MODEL, DEEP_MODEL, WIDE_INPUT)

study = Study(
    name="backprop-cost",
    title="What a gradient costs",
    question=(
        "How much dearer is a backward pass than a forward pass, and how much does backpropagation save against "
        "asking each weight in turn?"
    ),
    expect=(
        "A backward pass makes two products in each layer where the forward pass makes one, but needs no errors of the "
        "inputs: together they make 3 - n0 n1 / S times the multiply-adds of the forward pass, S being the number of "
        "weights. A teaching page says that all gradients come at the cost of one forward pass: it is nearer to two, "
        "unless the input is so wide that the first layer holds nearly all weights. Differences take P + 1 forward "
        "passes, so their cost grows as the square of P. Backpropagation pays in memory: depth times batch."
    ),
    falsify=(
        "A count other than 3 - n0 n1 / S; a backward pass whose time is over 0.75 forward passes from its count; "
        "slopes of time against P that are not 1 and 2 within 0.5."
    ),
    misreading=(
        "That a gradient costs under three forward passes is about operations, not about seconds or memory: small "
        "networks spend their time elsewhere, and what the forward pass has to keep grows with every layer and row."
    ),
    references=(
        "W. Baur and V. Strassen, The complexity of partial derivatives, Theoretical Computer Science 22 (1983).",
        "D. E. Rumelhart, G. E. Hinton and R. J. Williams, Learning representations by back-propagating errors, Nature "
        "323 (1986).",
    ),
    axes=(
        Axis("architecture", str, "networks that are counted and timed, widths from the inputs on",
             presets(MODELS, (*MODELS, "64-64-64-10"), (*MODELS, "64-64-64-10", "784-512-512-10"))),
        Axis("batch", int, "rows of a batch, where products and memory are counted",
             presets((1, 8, 64, 256), (1, 8, 64, 256), (1, 8, 64, 256, 1024)), minimum=1),
        Axis("random_networks", int, "random architectures whose products are counted", presets(200, 1000, 10000),
             minimum=1, scalar=True),
        Axis("seeds", int, "independent timings of each network", presets(10, 20, 40), minimum=1, scalar=True),
        Axis("rounds", int, "turns of each timing", presets(9, 15, 31), minimum=1, scalar=True),
        Axis("timed_batch", int, "rows of a batch that is timed", presets(128, 128, 256), minimum=1, scalar=True),
        Axis("difference_width", int, "hidden widths of networks whose gradient is also computed by differences",
             presets((32, 64, 128), (32, 64, 128, 192), (32, 64, 128, 256)), minimum=1),
        Axis("difference_batch", int, "rows of a batch there", presets(32, 32, 64), minimum=1, scalar=True),
        Axis("depth", int, "hidden layers, where memory is counted",
             presets((1, 2, 5, 10, 20, 50), (1, 2, 5, 10, 20, 50, 100), (1, 2, 5, 10, 20, 50, 100, 200)), minimum=1),
        Axis("width", int, "units of each hidden layer there", presets(64, 64, 64), minimum=1, scalar=True),
    ),
    tables=(Table("trials", TRIALS), Table("times", TIMES, canonical=False, timed=True)),
    schema_version=1,
    trials=trials,
    measure=measure,
    cost=cost,
    summary=summary,
    claims=claims,
    figures=figures,
    warm_up=warm_up,
    kernels=(
        "repeat_passes float32",
        "difference_gradient float64",
        "repeat_passes float64",
    ),
    answer=("page-backward-time", "D6-slope-differences"),
    statements=(
        "D6: forward and backward pass make 3 - n0 n1 / S times the multiply-adds of the forward pass, always under 3.",
        "D6: in time, too, a backward pass costs about two forward passes, and one only where the input is wide.",
        "D6: differences take P + 1 forward passes, central ones 2 P; their time grows as the square of P.",
        "D6: what backpropagation keeps in memory grows with depth times batch.",
    ),
)  # fmt: skip
