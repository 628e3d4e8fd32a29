"""What does depth buy? Pieces, regions and approximation, counted exactly, and whether training finds them."""

from __future__ import annotations

from itertools import product

from nnsim.core.errors import UsageError
from nnsim.data.datasets import fewest_training_rows
from nnsim.study.axes import batch_axis
from nnsim.study.declaration import Axis, Column, Table, presets
from nnsim.study.network_trials import TRIAL_COLUMNS, columns_with, usual_data
from nnsim.study.parts import Config, lazily, study_of
from nnsim.study.trials import DataTrial

from . import enclosure, equal_parameters
from .approximation import FIXED, FIXED_COLUMNS, TRAINED
from .enclosure import DECISION_COLUMNS, ENCLOSURE
from .equal_parameters import EQUAL_PARAMETERS
from .parity import PARITY
from .random_networks import RANDOM
from .regions import FOLDED, PLANES
from .sawtooth import SAWTOOTH
from .tents import TENTS

RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
COLUMNS = columns_with(
    TRIAL_COLUMNS,
    Column("dimension", "int", "", "inputs of the network"),
    Column("neurons", "int", "units", "hidden units"),
    Column("operations", "int", "multiply-adds", "of one forward pass of one input"),
    Column("pieces", "int", "", "affine pieces along the segment, or regions of the inputs"),
    Column("first_breaks", "int", "", "ends of pieces that the first hidden layer makes"),
    Column("lines", "int", "", "straight lines that the same error needs"),
    Column("error", "float", "as kind", "largest error of x^2; share of wrong parities; share of variance left"),
    Column("encloses", "bool", "", "whether a region of one class is closed off"),
)


def check(config: Config) -> None:
    """Raise UsageError if neurons, a batch size or a budget of parameters does not go with the rest."""
    deepest, fewest = max(config["line_depth"]), min(config["neurons"])
    if fewest < deepest:
        raise UsageError(
            f"{fewest} neurons cannot fill {deepest} layers of a random network: choose at least {deepest} neurons"
        )
    circles = fewest_training_rows(usual_data(DataTrial(kind="", repeat=0, data=enclosure.DATA)))
    rows = min(circles, config["ridge_rows"])
    if config["batch_size"] > rows:
        raise UsageError(
            f"a batch of {config['batch_size']} rows is larger than the smallest training set: choose at most {rows}"
        )
    for data, depth in product(equal_parameters.EPOCHS, config["depth"]):
        equal_parameters.width_of(data, depth, config)


study = study_of(
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
        batch_axis(64),
    ),
    tables=(
        Table("trials", COLUMNS),
        Table("decisions", DECISION_COLUMNS),
        Table("fixed", FIXED_COLUMNS, canonical=False),
    ),
    schema_version=1,
    parts=(TENTS, FOLDED, PARITY, RANDOM, PLANES, FIXED, SAWTOOTH, EQUAL_PARAMETERS, ENCLOSURE, TRAINED),
    check=check,
    summary=lazily(__name__, "summary"),
    figures=lazily(__name__, "figures"),
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
