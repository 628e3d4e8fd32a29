"""What does the choice of an activation change? Moments, gains, gradients through depth, and trained accuracy."""

from __future__ import annotations

from nnsim.networks.initializers import parse as parse_scheme
from nnsim.study.checks import TRAINABLE, check_batch_size, check_trainable, data_settings
from nnsim.study.declaration import Axis, Column, Table, presets
from nnsim.study.network_trials import HISTORY_COLUMNS, LAYER_COLUMNS, TRIAL_COLUMNS, columns_with
from nnsim.study.parts import Config, lazily, study_of
from nnsim.training.recipe import Recipe

from .accuracy import ACCURACY
from .gains import GAINS, MOMENT_COLUMNS
from .self_normalizing import PERTURBATION_COLUMNS, SELF_NORMALIZING

DATA = Column("data", "text", "", "data set")
SETS = ("digits", "breast_cancer", "spirals")
TRAINED = ("relu", "tanh", "sigmoid", "gelu", "selu")
MORE_TRAINED = (*TRAINED, "leaky_relu", "elu", "silu", "mish", "softsign", "sin")
RATES = (0.0015, 0.006, 0.025, 0.1, 0.4, 1.6)


def check(config: Config) -> None:
    """Raise UsageError for a name or a data set that cannot be used."""
    check_trainable([*config["activation"], *config["trained_activation"]])
    parse_scheme(config["scheme"])
    Recipe(momentum=config["momentum"])
    for data in config["data"]:
        check_batch_size(config["batch_size"], data_settings(config | {"data": data}))


def fingerprints(config: Config) -> dict[str, str]:
    """Return what a run depends on beyond its settings: the hash of each data file."""
    return {f"data_sha256_{data}": data_settings(config | {"data": data})["fingerprint"] for data in config["data"]}


study = study_of(
    name="activation",
    title="What an activation changes",
    question=(
        "Which gain does each activation need, what does it then do to gradients through depth, and how much of that "
        "is left in the accuracy once every network is trained at its own best learning rate?"
    ),
    expect=(
        "The gain 1 / sqrt(E f^2) has variance 1 as a fixed point, which attracts tanh and SELU, is neutral for ReLU, "
        "and repels GELU, SiLU and Mish. There gradients change by E f'^2 / E f^2 a layer: 1 for ReLU and its leaky "
        "kin, above 1 for most others, 0.15 for the sigmoid. SELU is built to keep mean 0 and variance 1: deviations "
        "decay by 0.7826 a layer, yet gradients grow by 1.0716. In shallow networks at tuned rates most choices end "
        "alike: the teaching page's case for ReLU is one of depth."
    ),
    falsify=(
        "A factor per layer outside the printed margin; constants of SELU that are not the closed form; a difference "
        "in accuracy of more than the printed margin between two activations with tuned rates."
    ),
    misreading=(
        "A better activation at one learning rate is often only a better learning rate: on digits the sigmoid wants "
        "one that is 16 times ReLU's. And an equal accuracy here, in three layers, says nothing about thirty."
    ),
    references=(
        "B. Poole et al., Exponential expressivity in deep neural networks through transient chaos, NeurIPS 2016",
        "S. Schoenholz et al., Deep information propagation, ICLR 2017",
        "G. Klambauer, T. Unterthiner, A. Mayr and S. Hochreiter, Self-normalizing neural networks, NeurIPS 2017",
        "D. Hendrycks and K. Gimpel, Gaussian error linear units, 2016",
        "C. Williams, Computing with infinite networks, NIPS 1997",
    ),
    axes=(
        Axis("activation", str, "activations whose moments, gains and gradients are measured",
             presets(TRAINABLE, TRAINABLE, (*TRAINABLE, "leaky_relu:0.2", "elu:0.5")), names="activations"),
        Axis("trained_activation", str, "activations of the trained networks, as in relu or leaky_relu:0.2",
             presets(TRAINED, MORE_TRAINED, TRAINABLE), names="activations"),
        Axis("data", str, "data sets, or CSV, NPZ or IDX files", presets(SETS, (*SETS, "wine", "moons"),
             (*SETS, "wine", "moons", "diabetes")), names="datasets", file=True),
        Axis("learning_rate", float, "grid of learning rates, the same for every arm",
             presets(RATES, (0.0004, *RATES), (0.0004, *RATES, 6.4)), minimum=0, exclusive=True),
        Axis("scheme", str, "initialization scheme of the trained networks", presets(*["preserving_normal"] * 3),
             scalar=True, names="schemes"),
        Axis("depth", int, "hidden layers of the trained networks", presets(3, 3, 5), minimum=1, scalar=True),
        Axis("width", int, "units of each hidden layer", presets(32, 32, 64), minimum=1, scalar=True),
        Axis("seeds", int, "independent seeds of each trained arm", presets(10, 20, 30), minimum=1, scalar=True),
        Axis("probe_seeds", int, "independent seeds of what is drawn and looked at", presets(40, 100, 400), minimum=1,
             scalar=True),
        Axis("epochs", int, "passes over the training data", presets(15, 30, 60), minimum=1, scalar=True),
        Axis("batch_size", int, "rows a step", presets(32, 32, 32), minimum=1, scalar=True),
        Axis("momentum", float, "momentum of the descent, below 1", presets(0.9, 0.9, 0.9), minimum=0, scalar=True),
        Axis("target", str, "target column of CSV files", presets("", "", ""), scalar=True, file=True),
        Axis("samples", int, "rows to use; 0 is all", presets(0, 0, 0), minimum=0, scalar=True),
    ),
    tables=(
        Table("trials", TRIAL_COLUMNS),
        Table("layers", LAYER_COLUMNS),
        Table("history", columns_with(HISTORY_COLUMNS, DATA)),
        Table("moments", MOMENT_COLUMNS),
        Table("perturbation", PERTURBATION_COLUMNS),
    ),
    schema_version=1,
    parts=(GAINS, SELF_NORMALIZING, ACCURACY),
    check=check,
    summary=lazily(__name__, "summary"),
    figures=lazily(__name__, "figures"),
    inputs=fingerprints,
    answer=("A1-relu-backward", "training-digits-tanh"),
    statements=(
        "A1: drawn moments of every activation agree with closed forms, or with quadrature where there is none.",
        "A1: at the gain 1 / sqrt(E f^2) activations follow q' = sw2 E f^2, and gradients chi = sw2 E f'^2 along it.",
        "A1: that gain need not keep the variance: SiLU's fixed point repels by E z f f' / E f^2 a layer.",
        "A13: SELU's constants are the closed form that makes mean 0 and variance 1 a fixed point, which attracts.",
        "A13: deviations of the variance decay by 0.7826 a SELU layer, while gradients grow by chi = 1.0716.",
        "Training: with rates tuned for each, an activation ends within 0.05 of ReLU's accuracy, on each data set.",
    ),
)  # fmt: skip
