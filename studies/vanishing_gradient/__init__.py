"""Why do gradients vanish or explode, and what helps? Depth, activation and scheme, measured and trained."""

from __future__ import annotations

from nnsim.networks.initializers import parse as parse_scheme
from nnsim.study.axes import batch_axis, data_axes
from nnsim.study.checks import check_batch_size, check_normalizable, check_trainable, data_hash, data_settings
from nnsim.study.declaration import Axis, Table, presets
from nnsim.study.network_trials import HISTORY_COLUMNS, LAYER_COLUMNS, TRIAL_COLUMNS, columns_with
from nnsim.study.parts import Config, lazily, study_of
from nnsim.training.recipe import Recipe

from .bound import BOUND, SPECTRA_COLUMNS
from .explosion import EXPLOSION
from .fluctuation import FLUCTUATION
from .layer_factors import LAYER_FACTORS
from .remedies import KEEPING
from .shared import LOG_GRADIENT, REMEDY, WIDE
from .training import LEARNING, parse_arm
from .trap import TRAP

SCHEMES = ("xavier_normal", "he_normal", "torch_default", "preserving_normal")
ARM_TEXTS = (
    *("sigmoid/xavier_normal", "sigmoid/xavier_normal/skip", "sigmoid/xavier_normal/batch"),
    *("sigmoid/xavier_normal/layer", "relu/xavier_normal", "relu/he_normal"),
)
MORE_ARMS = (*ARM_TEXTS, "tanh/xavier_normal", "sigmoid/mean_field:11", "relu/he_normal/skip", "relu/he_normal/batch")
RATES = (0.001, 0.008, 0.064, 0.512, 4.096)


def check(config: Config) -> None:
    """Raise UsageError for a name or a data set that cannot be used."""
    for scheme in config["scheme"]:
        parse_scheme(scheme)
    check_trainable(config["activation"])
    Recipe(momentum=config["momentum"])
    check_batch_size(config["batch_size"], data_settings(config))
    if "batch" in {parse_arm(text)["remedy"] for text in config["arm"]}:
        check_normalizable(config["batch_size"])


study = study_of(
    name="vanishing-gradient",
    title="Why gradients vanish or explode",
    question=(
        "What becomes of a gradient on its way back through many layers, how much of it is the activation's doing and "
        "how much the weights', and what brings a deep network that has stalled back to learning?"
    ),
    expect=(
        "Each layer multiplies the gradient's mean square by chi = sw2 E f'^2: below 1 it vanishes, above 1 it "
        "explodes. The teaching page says that a sigmoid's slope is at most 0.25, so ten layers leave 0.25^10. That is "
        "a bound for weights of norm 1: at Glorot scale less is left, with large weights more, and with very large "
        "ones the gradient grows. It says that ReLU's gradients do not shrink: right with variance 2 / fan_in, on "
        "average over networks; with 1 / fan_in they halve each layer. Skip connections and batch normalisation bring "
        "chi of sigmoid layers to 1 and let deep ones learn; layer normalisation does not."
    ),
    falsify=(
        "A factor per layer outside the printed margin around the prediction; a sigmoid network at Glorot scale that "
        "keeps 0.25^10; a deep one that learns at some rate of the grid, or one with skip connections that does not."
    ),
    misreading=(
        "Equal weight gradients do not mean that nothing vanishes: where activations shrink forward as errors shrink "
        "backward, their products stay equal. And a gradient that arrives is not yet one that teaches: the claims on "
        "training stand beside those on chi because neither implies the other."
    ),
    references=(
        "X. Glorot and Y. Bengio, Understanding the difficulty of training deep feedforward networks, AISTATS 2010",
        "K. He, X. Zhang, S. Ren and J. Sun, Delving deep into rectifiers, ICCV 2015",
        "S. Schoenholz, J. Gilmer, S. Ganguli and J. Sohl-Dickstein, Deep information propagation, ICLR 2017",
        "G. Yang and S. Schoenholz, Mean field residual networks: on the edge of chaos, NeurIPS 2017",
        "B. Hanin and M. Nica, Products of many large random matrices and gradients in deep neural networks, 2018",
        "G. Yang et al., A mean field theory of batch normalization, ICLR 2019",
        "S. Geman, A limit theorem for the norm of random matrices, Annals of Probability 8, 1980",
    ),
    axes=(
        Axis("activation", str, "activations of the networks that are only looked at, as in relu or leaky_relu:0.2",
             presets(("sigmoid", "tanh", "relu"), ("sigmoid", "tanh", "relu", "gelu"),
                      ("sigmoid", "tanh", "relu", "gelu", "selu", "softsign", "silu")), names="activations"),
        Axis("scheme", str, "their initialization schemes, as in he_normal or mean_field:1.5:0.1",
             presets(SCHEMES, SCHEMES, (*SCHEMES, "standard_uniform")), names="schemes"),
        Axis("probe_depth", int, "their hidden layers", presets((20, 50), (10, 20, 50, 100), (10, 20, 50, 100, 200)),
             minimum=2),
        Axis("probe_width", int, "units of each of their layers", presets(WIDE, WIDE, 256),
             minimum=1, scalar=True),
        Axis("probe_seeds", int, "independent seeds of each of them", presets(40, 100, 400), minimum=1, scalar=True),
        Axis("narrow_nets", int, "narrow networks whose gradients are compared with the exact law",
             presets(3000, 6000, 20000), minimum=1, scalar=True),
        Axis("arm", str, "trained arms: activation/scheme or activation/scheme/remedy (skip, batch, layer)",
             presets(ARM_TEXTS, MORE_ARMS, MORE_ARMS)),
        Axis("depth", int, "hidden layers of the trained networks",
             presets((3, 20), (3, 10, 20, 30), (3, 10, 20, 30, 50)), minimum=1),
        Axis("width", int, "units of each hidden layer of the trained networks", presets(48, 64, 128), minimum=1,
             scalar=True),
        Axis("learning_rate", float, "grid of learning rates, the same for every arm",
             presets(RATES, (0.000125, *RATES), (0.000125, *RATES, 32.0)), minimum=0, exclusive=True),
        Axis("seeds", int, "independent seeds of each trained arm", presets(10, 10, 20), minimum=1, scalar=True),
        Axis("epochs", int, "passes over the training data", presets(6, 12, 30), minimum=1, scalar=True),
        batch_axis(64),
        Axis("momentum", float, "momentum of the descent, below 1", presets(0.9, 0.9, 0.9), minimum=0, scalar=True),
        *data_axes(),
    ),
    tables=(
        Table("trials", columns_with((*TRIAL_COLUMNS, LOG_GRADIENT), REMEDY)),
        Table("layers", columns_with(LAYER_COLUMNS, REMEDY)),
        Table("history", columns_with(HISTORY_COLUMNS, REMEDY)),
        Table("spectra", SPECTRA_COLUMNS, canonical=False),
    ),
    schema_version=1,
    parts=(LAYER_FACTORS, BOUND, EXPLOSION, TRAP, KEEPING, FLUCTUATION, LEARNING),
    check=check,
    summary=lazily(__name__, "summary"),
    figures=lazily(__name__, "figures"),
    inputs=lambda config: {"data_sha256": data_hash(config)},
    answer=("A8-stalls", "A8-skip"),
    statements=(
        "A1: a layer changes the gradient's mean square by chi = sw2 E f'^2, for each activation and scheme.",
        "A3: weight gradients hide vanishing errors where activations decay; bias gradients show them.",
        "A4: ReLU's gradients do not shrink: right with 2 / fan_in, wrong with 1 / fan_in, which halves them a layer.",
        "A5: PyTorch's default divides the gradient's mean square by 6 a ReLU layer.",
        "A7: with the gain 5/3 tanh activations look perfect while gradients explode.",
        "A8: 0.25^L is a bound for weights of norm 1, neither what happens at Glorot scale nor a bound for others.",
        "A8: a deep sigmoid network learns at no rate; skip connections or batch normalisation rescue it.",
        "A9: in the chaotic phase gradients grow by chi a layer, through tanh and through sigmoid layers.",
        "A10: the logarithm of a He-ReLU gradient has the law's mean and variance, and most gradients shrink.",
    ),
)  # fmt: skip
