"""Batch normalisation: gradients at the start, learning rates that survive, distributions, dropout in front of it."""

from __future__ import annotations

from nnsim.core.errors import UsageError
from nnsim.study.axes import data_axes
from nnsim.study.checks import (
    TRAINABLE,
    check_batch_size,
    check_normalizable,
    check_trainable,
    data_hash,
    data_settings,
)
from nnsim.study.declaration import Axis, Table, presets
from nnsim.study.parts import Config, lazily, study_of

from .columns import COLUMNS, DRIFT, LAYERS, SHIFT
from .explosion import EXPLOSION
from .scale import SCALE_FREEDOM
from .training import TRAINING
from .variance_shift import VARIANCE_SHIFT

RATES = tuple(0.02 * 2**k for k in range(10))
ACTIVATION_SET = ("relu", "tanh", "gelu", "sigmoid", "identity")


def check(config: Config) -> None:
    """Raise UsageError for what cannot be used; a batch of one row cannot be normalised."""
    check_trainable(config["activation"])
    for dropout in config["dropout"]:
        if dropout >= 1:
            raise UsageError(f"dropout must be above 0 and below 1, got {dropout:g}")
    check_batch_size(config["batch_size"], data_settings(config))
    check_normalizable(config["batch_size"])


study = study_of(
    name="batch-norm",
    title="Batch normalisation",
    question=(
        "What does batch normalisation do to a deep network: to its gradients at the start, to the learning rates it "
        "survives, to the distributions that its layers see, and to dropout?"
    ),
    expect=(
        "At the start it makes gradients explode with depth, by pi / (pi - 1) = 1.467 a ReLU layer, whatever the scale "
        "of the weights. Yet in training it bears far higher rates: a unit's weights are orthogonal to their "
        "gradient, so each step makes them longer and the next step relatively smaller. Behind dropout its running "
        "variance is too large for the test. The teaching page says that without it covariate shift makes deep "
        "networks unstable: with He's variance and a rate of their own they learn, while what their layers see drifts."
    ),
    falsify=(
        "A growth of the errors outside the printed margin around E f'^2 / Var f; a largest rate that is not ten times "
        "the plain network's; a deep network with He's variance that learns at no rate without normalisation."
    ),
    misreading=(
        "That higher rates survive does not say that the network ends better: compare each arm at its own rate. And a "
        "drift that normalisation takes away at the activations is not gone: the linear outputs in front of it move."
    ),
    references=(
        "S. Ioffe and C. Szegedy, Batch normalization, ICML 2015",
        "G. Yang et al., A mean field theory of batch normalization, ICLR 2019",
        "J. Bjorck, C. Gomes, B. Selman and K. Weinberger, Understanding batch normalization, NeurIPS 2018",
        "S. Santurkar et al., How does batch normalization help optimization?, NeurIPS 2018",
        "X. Li, S. Chen, X. Hu and J. Yang, Disharmony between dropout and batch normalization, CVPR 2019",
        "S. Arora, Z. Li and K. Lyu, Theoretical analysis of auto rate-tuning by batch normalization, ICLR 2019",
    ),
    axes=(
        Axis("activation", str, "activations whose errors are followed back through normalised layers",
             presets(ACTIVATION_SET, TRAINABLE, TRAINABLE), names="activations"),
        Axis("dropout", float, "probabilities of dropout in front of a normalisation, below 1",
             presets((0.2, 0.5), (0.1, 0.2, 0.5), (0.1, 0.2, 0.3, 0.5)), minimum=0, exclusive=True),
        Axis("probe_seeds", int, "independent seeds of each network that is only looked at", presets(18, 24, 60),
             minimum=1, scalar=True),
        Axis("depth", int, "hidden layers of the trained networks", presets((3, 10), (3, 16), (3, 16, 40)), minimum=1),
        Axis("width", int, "units of each hidden layer of the trained networks", presets(32, 64, 128), minimum=1,
             scalar=True),
        Axis("learning_rate", float, "grid of learning rates, the same for every arm",
             presets(RATES, (0.005, 0.01, *RATES), (0.005, 0.01, *RATES, 40.96, 163.84)), minimum=0, exclusive=True),
        Axis("seeds", int, "independent seeds of each trained arm", presets(12, 16, 20), minimum=1, scalar=True),
        Axis("epochs", int, "passes over the training data", presets(12, 16, 40), minimum=1, scalar=True),
        Axis("batch_size", int, "rows a step, at least 2", presets(32, 32, 32), minimum=1, scalar=True),
        *data_axes(samples=(900, 0, 0)),
    ),
    tables=(Table("trials", COLUMNS), Table("layers", LAYERS), Table("drift", DRIFT), Table("shift", SHIFT)),
    schema_version=1,
    parts=(SCALE_FREEDOM, EXPLOSION, VARIANCE_SHIFT, TRAINING),
    check=check,
    summary=lazily(__name__, "summary"),
    figures=lazily(__name__, "figures"),
    inputs=lambda config: {"data_sha256": data_hash(config)},
    answer=("D1-explosion-relu", "D1-survival-deep"),
    statements=(
        "D1: normalised units have <w, dL/dw> = 0, and scaled weights give the same loss.",
        "D1: at the start errors grow by E f'^2 / Var f a layer (ReLU: 1.467); without normalisation, with He, by 1.",
        "D1: normalised networks learn at far higher rates than plain ones, deep or shallow.",
        "D1: normalised weights never shrink under plain descent.",
        "D1: without normalisation a deep network with He's variance is stable at its own rate.",
        "D1: what activations see drifts less with normalisation, what linear layers give does not.",
        "D1: dropout makes the running variance too large by 1 + p / (1 - p) E f^2 / Var f a layer.",
    ),
)  # fmt: skip
