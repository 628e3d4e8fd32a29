"""What can one threshold unit learn, and what takes a layer of them? From Rosenblatt's rule to an MLP on XOR."""

from __future__ import annotations

from nnsim.study.checks import TRAINABLE
from nnsim.study.declaration import Axis, Study, Table, presets

from . import settings
from .claims import claims
from .columns import ANSWER_COLUMNS, BOUNDARY_COLUMNS, TRIAL_COLUMNS
from .figures import figures
from .measurement import cost, measure, warm_up
from .summary import summary
from .trials import trials

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
        Axis("cover_sets", int, f"sets of {settings.LABELLINGS} random labellings for each N and P",
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
    trials=trials,
    measure=measure,
    cost=cost,
    summary=summary,
    claims=claims,
    figures=figures,
    warm_up=warm_up,
    kernels=(
        "logits float32",
        "train_epochs float32",
    ),
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
