"""Linear networks on whitened inputs: the modes of a task, how strong each has become, and when the task is learnt.

Saxe, McClelland and Ganguli 2014, Exact solutions to the nonlinear dynamics of learning in deep linear neural networks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnsim.core.errors import UsageError
from nnsim.kernels.cpu.draws import fill_normal
from nnsim.kernels.cpu_only.linalg import orthonormal_columns
from nnsim.kernels.formulas.philox import DATA
from nnsim.networks.spec import NetworkSpec
from nnsim.training import trainer
from nnsim.training.recipe import Recipe

STRETCH = 20
"""Steps between two looks at the loss."""


@dataclass(frozen=True)
class LinearTask:
    """A linear map with known modes: y = sum over k of strengths_k (x . inputs_k) outputs_k.

    Attributes
    ----------
    inputs, outputs : float64 arrays (features, modes), (targets, modes)
        Orthonormal columns.
    strengths : float64 array (modes,)
    """

    inputs: np.ndarray
    outputs: np.ndarray
    strengths: np.ndarray

    def batches(self) -> trainer.Batches:
        """Return +- sqrt(features) times the unit vectors, whose mean is 0 and whose covariance is 1, with targets."""
        features, targets = self.inputs.shape[0], self.outputs.shape[0]
        T = np.zeros((features, targets))
        for strength, u, v in zip(self.strengths, self.inputs.T, self.outputs.T, strict=True):
            T += strength * u[:, None] * v
        X, Y = math.sqrt(features) * np.eye(features), math.sqrt(features) * T
        empty = np.empty((0, features)), np.empty((0, targets))
        return trainer.Batches(np.concatenate([X, -X]), np.concatenate([Y, -Y]), *empty)


def orthonormal(rows: int, columns: int, key: int, stream: int = 0) -> np.ndarray:
    """Return a random matrix with orthonormal columns, uniform over all of them (Haar).

    Parameters
    ----------
    rows, columns : int
        No more columns than rows.
    key : int
        64-bit key of the draws.
    stream : int
        Number of this matrix among those of one key.

    Returns
    -------
    float64 array (rows, columns)
    """
    draws = np.empty(rows * columns)
    fill_normal(draws, np.uint64(key), DATA, stream)
    return orthonormal_columns(draws.reshape(rows, columns))


def draw_task(features: int, targets: int, strengths: Sequence[float], key: int) -> LinearTask:
    """Return a task with random modes of the given strengths.

    Parameters
    ----------
    features, targets : int
        Inputs and outputs of the map.
    strengths : sequence of float
        Singular value of each mode.
    key : int
        64-bit key of the modes.

    Raises
    ------
    UsageError
        If there are more modes than features or targets.
    """
    modes = len(strengths)
    if modes > min(features, targets):
        raise UsageError(
            f"{modes} modes do not fit {features} features and {targets} targets: "
            f"choose at most {min(features, targets)}"
        )
    u, v = orthonormal(features, modes, key, 0), orthonormal(targets, modes, key, 1)
    return LinearTask(u, v, np.array(strengths, dtype=np.float64))


def balanced_start(spec: NetworkSpec, task: LinearTask, start: float, key: int) -> np.ndarray:
    """Return parameters whose two layers are equally strong along each mode and do nothing else: Saxe 2014, eq. 8.

    Parameters
    ----------
    spec : NetworkSpec
        Linear, one hidden layer of at least as many units as the task has modes, float64.
    task : LinearTask
    start : float
        Product of the two layers along each mode, at least 0.
    key : int
        64-bit key of the directions of the modes in the hidden layer.

    Returns
    -------
    float64 vector (spec.n_parameters,)
        Its biases are 0.
    """
    theta = np.zeros(spec.n_parameters)
    (W1, _), (W2, _) = spec.layers(theta)
    hidden = orthonormal(spec.widths[1], task.strengths.size, key, 2)
    for u, r, v in zip(task.inputs.T, hidden.T, task.outputs.T, strict=True):
        W1 += math.sqrt(start) * u[:, None] * r
        W2 += math.sqrt(start) * r[:, None] * v
    return theta


def mode_starts(spec: NetworkSpec, task: LinearTask, theta: np.ndarray) -> np.ndarray:
    """Return what each mode grows from: |(W1^T u + W2 v) / 2|^2.

    The half sum grows and the half difference decays, so that from a small start, whatever it is, the two layers end
    up balanced along each mode; a balanced start has its own product here.

    Parameters
    ----------
    spec : NetworkSpec
        Linear, one hidden layer.
    task : LinearTask
    theta : vector (spec.n_parameters,)

    Returns
    -------
    float64 array (modes,)
    """
    (W1, _), (W2, _) = spec.layers(theta)
    return np.sum(((W1.T @ task.inputs + W2 @ task.outputs) / 2.0) ** 2, axis=0)


def follow_modes(
    spec: NetworkSpec, theta: np.ndarray, task: LinearTask, learning_rate: float, stops: Sequence[int], key: int
) -> np.ndarray:
    """Return u . W1 W2 v of each mode after each number of steps of gradient descent.

    Parameters
    ----------
    spec : NetworkSpec
        Linear, one hidden layer, float64, loss "mse".
    theta : vector
    task : LinearTask
    learning_rate : float
        Of half the squared error, summed over outputs.
    stops : sequence of int
        Ascending.
    key : int
        64-bit key of the order of the rows.

    Returns
    -------
    float64 array (stops, modes)
    """
    data = task.batches()
    recipe = _descent(spec, data, learning_rate, stops[-1])
    run: np.ndarray | trainer.Run = theta
    found = np.empty((len(stops), task.strengths.size))
    for number, stop in enumerate(stops):
        run = trainer.train(spec, run, data, recipe, key, until=stop)
        (W1, _), (W2, _) = spec.layers(run.theta)
        found[number] = np.sum((W1.T @ task.inputs) * (W2 @ task.outputs), axis=0)
    return found


def steps_to_learn(
    spec: NetworkSpec, theta: np.ndarray, task: LinearTask, learning_rate: float, share: float, most: int, key: int
) -> tuple[trainer.Run, int | None]:
    """Return the run and the steps after which the loss is below `share` of that of the answer zero; None if never.

    Parameters
    ----------
    spec, theta, task, learning_rate, key
        As for `follow_modes`, at any depth.
    share : float
        Of the targets' mean square.
    most : int
        Steps after which to give up.
    """
    data = task.batches()
    recipe = _descent(spec, data, learning_rate, most)
    goal = share * float(np.sum(task.strengths * task.strengths)) / spec.widths[-1]
    run = trainer.train(spec, theta, data, recipe, key, until=0)
    for stop in range(STRETCH, most + STRETCH, STRETCH):
        run = trainer.train(spec, run, data, recipe, key, until=stop)
        below = np.flatnonzero(run.history[:, 0] < goal)
        if below.size or run.status == "diverged":
            break
    return run, int(below[0]) if below.size else None


def _descent(spec: NetworkSpec, data: trainer.Batches, learning_rate: float, steps: int) -> Recipe:
    """Plain gradient descent on the whole batch; the loss "mse" is 2 / outputs of half the summed squared error."""
    rate = learning_rate * spec.widths[-1] / 2.0
    return Recipe(learning_rate=rate, batch_size=data.X.shape[0], epochs=steps, optimizer="sgd")
