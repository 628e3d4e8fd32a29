"""What does a gradient cost? Backward passes against forward passes and against differences, counted and timed."""

from __future__ import annotations

from nnsim.study.declaration import Axis, Column, Table, presets
from nnsim.study.parts import Config, lazily, study_of

from .counting import COUNTING
from .differences import DIFFERENCES
from .memory import MEMORY
from .shared import PAGE_MODEL, widths_of
from .timing import TIMING

DEEP_MODEL = "64-256-256-256-256-10"
WIDE_INPUT = "2048-64-10"
MODELS = (PAGE_MODEL, DEEP_MODEL, WIDE_INPUT)
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


def check(config: Config) -> None:
    """Raise UsageError for an architecture that cannot be read."""
    for architecture in config["architecture"]:
        widths_of(architecture)


study = study_of(
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
    parts=(COUNTING, MEMORY, TIMING, DIFFERENCES),
    check=check,
    summary=lazily(__name__, "summary"),
    figures=lazily(__name__, "figures"),
    answer=("page-backward-time", "D6-slope-differences"),
    statements=(
        "D6: forward and backward pass make 3 - n0 n1 / S times the multiply-adds of the forward pass, always under 3.",
        "D6: in time, too, a backward pass costs about two forward passes, and one only where the input is wide.",
        "D6: differences take P + 1 forward passes, central ones 2 P; their time grows as the square of P.",
        "D6: what backpropagation keeps in memory grows with depth times batch.",
    ),
)  # fmt: skip
