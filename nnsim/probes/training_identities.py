"""Identities of training, measured on the kernels as they run: decay, a first step, starting losses, dropout.

Each function runs what a user would run and returns what came out, for a study to hold against the formula.

References
----------
D. P. Kingma and J. Ba, "Adam", ICLR 2015, algorithm 1; I. Loshchilov and F. Hutter, "Decoupled weight decay
regularization", ICLR 2019, algorithm 2; N. Srivastava et al., "Dropout", JMLR 15 (2014) 1929, section 10.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nnsim.kernels.cpu.training import loss_and_gradient
from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec
from nnsim.training.recipe import Recipe
from nnsim.training.trainer import Batches, train

ROWS = 8


def shrinkage(recipe: Recipe, key: int, width: int = 8) -> tuple[float, float]:
    """Return the smallest and the largest theta_t / theta_0 over the weights of a network that gets no gradient.

    Inputs and targets are zero and so are the biases: the output is the target, to the last bit.

    Parameters
    ----------
    recipe : Recipe
        Of t = ``recipe.epochs`` steps: a batch is all rows.
    key : int
        64-bit key of the initial weights.
    width : int
        Units of each of two hidden tanh layers.
    """
    spec = NetworkSpec((width, width, width, 1), "tanh", loss="mse", dtype="float64")
    start = initialize(spec, "xavier_normal", key)
    X, Y = np.zeros((ROWS, width)), np.zeros((ROWS, 1))
    run = train(spec, start, Batches(X, Y, X[:0], Y[:0]), replace(recipe, batch_size=ROWS), key)
    weights = start != 0
    ratios = run.theta[weights] / start[weights]
    return float(ratios.min()), float(ratios.max())


def first_step(spec: NetworkSpec, theta: np.ndarray, data: Batches, recipe: Recipe) -> tuple[np.ndarray, np.ndarray]:
    """Return the change of the parameters in the first step over all rows, and the gradient before it.

    Parameters
    ----------
    spec : NetworkSpec
        Without dropout.
    theta : vector (spec.n_parameters,)
    data : Batches
    recipe : Recipe
        Its batch size and epochs do not matter.
    """
    gradient = np.empty_like(theta)
    loss_and_gradient(spec.architecture, theta, data.X, data.Y, gradient, np.uint64(0), 0)
    run = train(spec, theta, data, replace(recipe, batch_size=data.X.shape[0], epochs=1), key=0)
    return run.theta - theta, gradient


def start_loss(spec: NetworkSpec, theta: np.ndarray, X: np.ndarray, Y: np.ndarray) -> float:
    """Return the mean loss of a network whose readout is set to zero, in nats or squared units.

    Parameters
    ----------
    spec : NetworkSpec
    theta : vector (spec.n_parameters,) of the network's dtype
        It is left as it is: weights and biases of the last layer are set to zero in a copy.
    X, Y : arrays (rows, inputs), (rows, 1 or outputs) of the same dtype
    """
    silent = theta.copy()
    for part in spec.layers(silent)[-1]:
        part[:] = 0
    return float(loss_and_gradient(spec.architecture, silent, X, Y, np.empty_like(silent), np.uint64(0), 0))


def dropout_moments(rate: float, key: int, rows: int = 16384) -> tuple[float, float]:
    """Return mean and mean square of a hidden activation of 1 after dropout in a training pass.

    The network is x = 1 -> one linear unit of weight 1 -> one output of weight 1, with target 0 and the loss
    (output - target)^2: its mean loss is the mean square, and half of its slope in the output's bias is the mean.

    Parameters
    ----------
    rate : float in [0, 1)
        Probability with which the unit is dropped.
    key : int
        64-bit key of the masks.
    rows : int
        Number of independent draws.
    """
    spec = NetworkSpec((1, 1, 1), "identity", loss="mse", dtype="float64", dropout=rate)
    theta = np.array([1.0, 0.0, 1.0, 0.0])
    gradient = np.empty_like(theta)
    X, Y = np.ones((rows, 1)), np.zeros((rows, 1))
    square = loss_and_gradient(spec.architecture, theta, X, Y, gradient, np.uint64(key), 0)
    return float(gradient[-1]) / 2, float(square)
