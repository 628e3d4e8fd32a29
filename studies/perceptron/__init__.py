"""What can one threshold unit learn, and what takes a layer of them? From Rosenblatt's rule to an MLP on XOR."""

from __future__ import annotations

from itertools import product

from nnsim.study.checks import TRAINABLE, check_trainable
from nnsim.study.declaration import Axis, Column, Table, presets
from nnsim.study.parts import Config, lazily, study_of

from .boundaries import BOUNDARIES, BOUNDARY_COLUMNS
from .counting import COUNTING, LABELLINGS, points_of
from .logic import LOGIC
from .rule import RULE
from .training import TRAINING

HIDDEN = (1, 2, 4, 8)
RATES = (0.001, 0.004, 0.016, 0.064, 0.256)
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


def check(config: Config) -> None:
    """Raise UsageError for an activation that cannot be trained, or a load that is no whole number of points."""
    check_trainable(config["activation"])
    for dimension, load in product(config["dimension"], config["load"]):
        points_of(dimension, load)


study = study_of(
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
        Axis("cover_sets", int, f"sets of {LABELLINGS} random labellings for each N and P",
             presets(40, 100, 500), minimum=1, scalar=True),
        Axis("count_seeds", int, "point sets of which every labelling is tried", presets(10, 20, 50), minimum=1,
             scalar=True),
        Axis("activation", str, "activations of the networks that are trained on XOR",
             presets(("tanh", "relu", "gelu"), ("tanh", "relu", "gelu", "sigmoid"), TRAINABLE), names="activations"),
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
    parts=(RULE, COUNTING, LOGIC, TRAINING, BOUNDARIES),
    check=check,
    summary=lazily(__name__, "summary"),
    figures=lazily(__name__, "figures"),
    answer=("C8-train-2", "C8-train-8"),
    statements=(
        "C8-novikoff: the perceptron rule stops within (R / gamma)^2 mistakes, and orthogonal inputs reach that bound.",
        "C8-count, C8-half, C8-jump: a unit of N weights makes C(P, N) of the 2^P labellings of P points, half at 2 N.",
        "C8-functions: one threshold unit computes AND, OR and 12 more of the 16 functions of two bits, but not XOR.",
        "C8-hidden: one hidden threshold unit adds nothing, two compute all 16 functions.",
        "C8-one: one monotone unit never finds XOR; one GELU unit does.",
        "C8-train: eight tanh units find XOR almost always, two less often.",
    ),
)  # fmt: skip
