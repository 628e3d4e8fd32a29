"""When ReLU units die, as they are drawn or in training, what helps, and whether the dead come back."""

from __future__ import annotations

import numpy as np

from nnsim.core.errors import UsageError
from nnsim.kernels.formulas.activations import ACTIVATIONS
from nnsim.networks.activations import evaluate
from nnsim.networks.activations import parse as parse_activation
from nnsim.study.axes import data_axes
from nnsim.study.checks import data_hash
from nnsim.study.declaration import Axis, Table, presets
from nnsim.study.parts import Config, lazily, study_of

from .born_dead import BORN_DEAD
from .columns import COLUMNS, SHARPNESS_COLUMNS, UNIT_COLUMNS
from .descent import DESCENT
from .off_units import OFF_UNITS

RATES = tuple(round(0.0625 * 2 ** (k / 2), 6) for k in range(2, 18))


def _mortal() -> tuple[str, ...]:
    """Activations that are flat beyond a kink, to a side at least: those of which a unit can be dead."""
    flat = {name: evaluate(name, np.array([-50.0]))[1][0] == 0 for name in ACTIVATIONS}
    return tuple(name for name, entry in ACTIVATIONS.items() if entry.kinks and entry.differentiable and flat[name])


def check(config: Config) -> None:
    """Raise UsageError for an activation of which no unit can die, and for biases that cannot be compared."""
    name = parse_activation(config["activation"])[0]
    if name not in _mortal():
        raise UsageError(
            f"activation '{name}' is nowhere flat, so its units cannot die: choose {' or '.join(_mortal())}"
        )
    if 0.0 not in config["bias"]:
        raise UsageError("every bias is compared with a bias of 0: add 0 to --bias")


study = study_of(
    name="dead-neurons",
    title="Dead neurons",
    question="When do ReLU units die, as they are drawn or in training; what prevents it, and do the dead come back?",
    expect=(
        "Narrow deep networks are born dead with a probability that the width and the depth decide, and the variance "
        "of the weights does not. In training units die above a learning rate that the sharpness of the loss sets: at "
        "2 / sharpness by the argument of the quadratic, near 12 / sharpness if the catapult of ReLU networks carries "
        "over. The teaching page says that dead units come from pushed weights and never activate again, and advises "
        "leaky ReLU or He's initialization: leaky ReLU cannot die, He's variance is no help, and units above the first "
        "layer can come back when the layers below them move."
    ),
    falsify=(
        "A share of silent or constant networks outside the printed margin, at which one layer more or less is told "
        "apart; one dead unit of the first layer that revives; units that begin to die an octave away from the rate."
    ),
    misreading=(
        "A unit is dead relative to a set of inputs, here all training rows: on others it may answer. And a rate at "
        "which units die need not be too high for the accuracy: compare the metrics in the table of trials."
    ),
    references=(
        "L. Lu, Y. Shin, Y. Su and G. E. Karniadakis, Dying ReLU and initialization, Commun. Comput. Phys. 28, 2020",
        "A. Lewkowycz et al., The large learning rate phase of deep learning: the catapult mechanism, 2020",
        "G. Sokar, R. Agarwal, P. S. Castro and U. Evci, The dormant neuron phenomenon, ICML 2023",
        "S. Ioffe and C. Szegedy, Batch normalization, ICML 2015",
        "A. Maas, A. Hannun and A. Ng, Rectifier nonlinearities improve neural network acoustic models, 2013",
    ),
    axes=(
        Axis("activation", str, "activation of the trained networks, one whose units can die",
             presets("relu", "relu", "relu"), scalar=True, names="activations"),
        Axis("narrow_width", int, "units a layer of the networks of one input",
             presets((2, 3), (2, 3, 4), (2, 3, 4, 5)), minimum=1),
        Axis("narrow_depth", int, "hidden layers of the networks of one input",
             presets((2, 4, 8), (2, 3, 4, 6, 8, 12), (2, 3, 4, 6, 8, 12, 20)), minimum=1),
        Axis("nets", int, "random networks of each narrow shape", presets(2500, 6000, 20000), minimum=1, scalar=True),
        Axis("probe_seeds", int, "independent seeds of the networks with and without batch normalisation",
             presets(40, 100, 400), minimum=1, scalar=True),
        Axis("depth", int, "hidden layers of the trained networks", presets(2, 2, 3), minimum=1, scalar=True),
        Axis("width", int, "units of each hidden layer of the trained networks", presets(32, 48, 64), minimum=1,
             scalar=True),
        Axis("bias", float, "biases of the hidden units at the start; 0 must be among them",
             presets((-1.0, 0.0, 0.5), (-1.0, -0.5, 0.0, 0.1, 0.5), (-1.0, -0.5, 0.0, 0.1, 0.5, 1.0))),
        Axis("learning_rate", float, "grid of learning rates, the same for every arm", presets(RATES, RATES, RATES),
             minimum=0, exclusive=True),
        Axis("seeds", int, "independent seeds of each trained arm", presets(16, 20, 40), minimum=1, scalar=True),
        Axis("epochs", int, "steps of full-batch descent", presets(100, 200, 600), minimum=1, scalar=True),
        Axis("tau", float, "threshold of the dormancy score", presets(0.1, 0.1, 0.1), minimum=0, scalar=True),
        *data_axes("digits", (400, 800, 0)),
    ),
    tables=(
        Table("trials", COLUMNS),
        Table("units", UNIT_COLUMNS),
        Table("sharpness", SHARPNESS_COLUMNS, canonical=False),
    ),
    schema_version=2,
    parts=(BORN_DEAD, OFF_UNITS, DESCENT),
    check=check,
    summary=lazily(__name__, "summary"),
    figures=lazily(__name__, "figures"),
    inputs=lambda config: {"data_sha256": data_hash(config)},
    answer=("B4-catapult", "B4-revivals"),
    statements=(
        "B1: a random ReLU network is silent at a given input with probability 1 - prod (1 - 2^-N).",
        "B2: two narrow layers are born dead as often as Lu's exact law says, deeper ones at least so often.",
        "B3: leaky ReLU is never dead, the asymmetric scheme and a positive mean die less, He's variance is no help.",
        "B3: behind batch normalisation no unit starts off on the whole batch.",
        "B4: rates below 2 / sharpness kill hardly any unit; above a threshold the share of dead units jumps.",
        "B4: a dead unit of the first layer stays dead; above it units come back.",
        "B4: a positive bias lets units stand higher rates, a negative one starts with more dead.",
    ),
)  # fmt: skip
