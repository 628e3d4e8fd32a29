"""How should a network start? Signal propagation at initialisation, and what it means for training."""

from __future__ import annotations

from nnsim.networks.initializers import parse as parse_scheme
from nnsim.study.axes import batch_axis, data_axes
from nnsim.study.checks import TRAINABLE, check_batch_size, check_trainable, data_hash, data_settings
from nnsim.study.declaration import Axis, Table, presets
from nnsim.study.network_trials import HISTORY_COLUMNS, LAYER_COLUMNS, TRIAL_COLUMNS
from nnsim.study.parts import Config, lazily, study_of
from nnsim.training.recipe import Recipe

from .fluctuation import FLUCTUATION
from .gains import GAINS
from .input_pairs import INPUT_PAIRS, PAIR_COLUMNS
from .jacobian_spectra import JACOBIAN_COLUMNS, JACOBIAN_SPECTRA
from .linear_depth import LINEAR_DEPTH, STEPS
from .linear_modes import LINEAR_MODES, MODE_COLUMNS
from .linear_regime import LINEAR_REGIME, SPECTRA_COLUMNS
from .lsuv import LSUV_COLUMNS
from .order_and_chaos import ORDER_AND_CHAOS
from .propagation import PROPAGATION
from .sigmoid_bound import SIGMOID_BOUND
from .starts import STARTS
from .symmetry import SYMMETRY
from .trainability import TRAINABILITY
from .trainable_depth import TRAINABLE_DEPTH

SCHEMES = ("he_normal", "xavier_normal", "torch_default")
RATES = (0.001, 0.004, 0.016, 0.064, 0.256)


def check(config: Config) -> None:
    """Raise UsageError for a name or a data set that cannot be used."""
    for scheme in config["scheme"]:
        parse_scheme(scheme)
    check_trainable([*config["activation"], *config["gain_activation"]])
    Recipe(momentum=config["momentum"])
    check_batch_size(config["batch_size"], data_settings(config))


study = study_of(
    name="init",
    title="How a network starts",
    question=(
        "How must the weights of a deep network be drawn so that signals reach its last layer, gradients reach its "
        "first, and training starts at all?"
    ),
    expect=(
        "A scheme keeps signals alive if its variance undoes what the activation takes away: 2 / fan_in for ReLU. "
        "With 1 / fan_in a ReLU layer halves the mean square each way, which 5 layers survive and 30 do not. PyTorch's "
        "default divides the gradient's mean square by 6 a layer. He's variance is right on average only: the "
        "logarithm of what arrives spreads with the sum of the inverse widths. All-zero and constant weights never "
        "learn to differ. For tanh a line in the plane of weight and bias variances parts order, where gradients "
        "vanish and two inputs become one, from chaos, where gradients explode and close inputs part; trained depth "
        "goes with the depth scale on the ordered side. Orthogonal weights keep the singular values of a linear "
        "network together, and so its steps to learn. The teaching page names one start, He's for ReLU, and writes its "
        "deviation where the usual notation has the variance."
    ),
    falsify=(
        "A per-layer change outside the printed margin around its prediction, at a depth at which neighbouring gains "
        "(1.8 instead of 2) are told apart; a 30-layer ReLU network that learns with 1 / fan_in at any rate of the "
        "grid, or that does not with 2 / fan_in; gradients that grow left of the critical line; a spectrum whose "
        "variance is not that of its case; orthogonal linear networks whose steps to learn double with depth."
    ),
    misreading=(
        "Equal weight gradients in all layers do not mean that nothing vanishes: with shrinking activations and "
        "shrinking errors the products stay equal while both factors die (Glorot and Bengio 2010, figures 7 and 8). "
        "And a scheme that starts better is not one that ends better: compare the accuracies at the chosen rates. "
        "Activations of constant size do not mean a healthy start: with the gain 5/3 tanh keeps them for ever, while "
        "gradients explode."
    ),
    references=(
        "X. Glorot and Y. Bengio, Understanding the difficulty of training deep feedforward networks, AISTATS 2010",
        "K. He, X. Zhang, S. Ren and J. Sun, Delving deep into rectifiers, ICCV 2015",
        "B. Poole et al., Exponential expressivity in deep neural networks through transient chaos, NeurIPS 2016",
        "S. Schoenholz et al., Deep information propagation, ICLR 2017",
        "B. Hanin and D. Rolnick, How to start training: the effect of initialization and architecture, NeurIPS 2018",
        "B. Hanin and M. Nica, Products of many large random matrices and gradients in deep neural networks, 2018",
        "D. Mishkin and J. Matas, All you need is a good init, ICLR 2016",
        "Y. Cho and L. Saul, Kernel methods for deep learning, NIPS 2009",
        "J. Pennington, S. Schoenholz and S. Ganguli, Resurrecting the sigmoid in deep learning through dynamical "
        "isometry: theory and practice, NIPS 2017",
        "A. Saxe, J. McClelland and S. Ganguli, Exact solutions to the nonlinear dynamics of learning in deep linear "
        "neural networks, ICLR 2014",
    ),
    axes=(
        Axis("scheme", str, "initialization schemes, as in he_normal or normal:0.05",
             presets(SCHEMES, (*SCHEMES, "orthogonal"), (*SCHEMES, "preserving_normal", "orthogonal", "lsuv")),
             names="schemes"),
        Axis("activation", str, "activations of the trained networks, as in relu or leaky_relu:0.2",
             presets(("relu", "tanh"), ("relu", "tanh", "gelu"), ("relu", "tanh", "gelu", "selu", "sigmoid")),
             names="activations"),
        Axis("depth", int, "hidden layers of the trained networks",
             presets((5, 30), (2, 5, 10, 20, 30), (2, 5, 10, 20, 30, 50)), minimum=1),
        Axis("probe_depth", int, "hidden layers of the networks that are only looked at",
             presets((30, 100), (10, 30, 100), (10, 30, 100, 300)), minimum=2),
        Axis("width", int, "units of each hidden layer", presets(48, 64, 128), minimum=1, scalar=True),
        Axis("learning_rate", float, "grid of learning rates, the same for every arm",
             presets(RATES[1:], (0.00025, *RATES), (0.00006, 0.00025, *RATES, 1.0)), minimum=0, exclusive=True),
        Axis("seeds", int, "independent seeds of each trained arm", presets(8, 10, 20), minimum=1, scalar=True),
        Axis("probe_seeds", int, "independent seeds of each network that is only looked at",
             presets(40, 100, 400), minimum=1, scalar=True),
        Axis("epochs", int, "passes over the training data", presets(4, 10, 30), minimum=1, scalar=True),
        Axis("probe_epoch", int, "epochs after which layers are looked at; the last one always is",
             presets((0,), (0, 1), (0, 1, 5)), minimum=0),
        batch_axis(64),
        Axis("momentum", float, "momentum of the descent, below 1", presets(0.9, 0.9, 0.9), minimum=0, scalar=True),
        Axis("gain_activation", str, "activations whose gain and recursion are tested",
             presets(TRAINABLE, TRAINABLE, TRAINABLE), names="activations"),
        Axis("phase_weight", float, "weight variances times fan-in of the tanh networks trained on the way to chaos",
             presets((0.3, 0.6), (0.3, 0.5, 0.7, 1.0), (0.3, 0.5, 0.7, 1.0, 1.3)), minimum=0, exclusive=True),
        Axis("phase_depth", int, "hidden layers of these networks",
             presets((5, 10, 20), (4, 7, 12, 20, 34), (3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96)), minimum=1),
        Axis("fluctuation_nets", int, "narrow networks whose spread is compared with the exact law",
             presets(3000, 6000, 20000), minimum=1, scalar=True),
        *data_axes(),
    ),
    tables=(
        Table("trials", (*TRIAL_COLUMNS, STEPS)),
        Table("layers", LAYER_COLUMNS),
        Table("history", HISTORY_COLUMNS),
        Table("lsuv", LSUV_COLUMNS),
        Table("spectra", SPECTRA_COLUMNS, canonical=False),
        Table("pairs", PAIR_COLUMNS, canonical=False),
        Table("jacobians", JACOBIAN_COLUMNS, canonical=False),
        Table("modes", MODE_COLUMNS, canonical=False),
    ),
    schema_version=2,
    parts=(
        *(PROPAGATION, GAINS, LINEAR_REGIME, SIGMOID_BOUND, FLUCTUATION, TRAINABILITY, SYMMETRY, STARTS),
        *(ORDER_AND_CHAOS, INPUT_PAIRS, TRAINABLE_DEPTH, JACOBIAN_SPECTRA, LINEAR_MODES, LINEAR_DEPTH),
    ),
    check=check,
    summary=lazily(__name__, "summary"),
    figures=lazily(__name__, "figures"),
    inputs=lambda config: {"data_sha256": data_hash(config)},
    answer=("A4-deep-he", "A4-deep-xavier"),
    statements=(
        "A1: a layer changes the variance as q' = sw2 E f^2 + sb2 and the gradient's square by chi = sw2 E f'^2.",
        "A2: in the linear regime U(+-1/sqrt n) divides both by 3 a layer, Glorot and Bengio's variance keeps them.",
        "A3: weight gradients are equal in all layers even while the error signal vanishes.",
        "A4: ReLU keeps its mean square with variance 2 / fan_in; 30 layers learn with it and stall with 1 / fan_in.",
        "A5: PyTorch's default divides the gradient's mean square by 6 a ReLU layer.",
        "A6: LSUV gives every layer unit variance on the batch that scaled it, and nearly so on other inputs.",
        "A7: with sw2 = 1 tanh fades as 1 / (2 l); with the gain 5/3 it does not fade, but its gradients explode.",
        "A8: what a gradient keeps through ten sigmoid layers at Glorot scale is less than 0.25^10.",
        "A9: tanh's critical line is where chi_1 = 1; lengths, correlations and gradients change over xi_q, xi_c and "
        "xi; trained accuracy falls off at a multiple of xi_c; ReLU's correlation map is the arc-cosine kernel.",
        "A10: the logarithm of a He-ReLU network's gain has the exact mean and variance of Hanin's product law.",
        "A11: over L critical layers eigenvalues of J J^T have variance L (linear, Gaussian), 2 L (ReLU, Gaussian), "
        "0 (linear, orthogonal) or L (ReLU, orthogonal).",
        "A12: a linear network learns its modes on sigmoid curves; depth costs steps from Gaussian weights, and hardly "
        "any from orthogonal ones.",
        "A14: all-zero and constant weights never break the symmetry between units.",
    ),
)  # fmt: skip
