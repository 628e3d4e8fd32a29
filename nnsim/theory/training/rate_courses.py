"""Learning-rate schedules in closed form: the rate of every step, written down apart from `nnsim.training.schedules`.

Times t count steps from 0, and the largest rate is 1. These are the papers' formulas by the library's cosine and
powers, to hold the traces of the training against.
"""

from __future__ import annotations

import math

import numpy as np


def step(t: np.ndarray, size: int, gamma: float) -> np.ndarray:
    """Return gamma^floor(t / size) (Szegedy et al. 2015, section 6).

    Parameters
    ----------
    t : int64 array (steps,)
    size : int
        Steps between two falls of the rate.
    gamma : float
        Factor of each fall.
    """
    return gamma ** (t // size).astype(float)


def exponential(t: np.ndarray, gamma: float) -> np.ndarray:
    """Return gamma^t (Szegedy et al. 2016, section 8)."""
    return gamma ** t.astype(float)


def cosine(t: np.ndarray, length: int) -> np.ndarray:
    """Return (1 + cos(pi t / T)) / 2 (Loshchilov and Hutter 2017, equation 5)."""
    return (1 + np.cos(math.pi * t / length)) / 2


def cosine_restarts(t: np.ndarray, first: int, factor: int) -> np.ndarray:
    """Return the cosine over T_0, then T_0 m, T_0 m^2, ... steps, each from 1 again (the same, equation 5).

    Cycle i begins after T_0 (m^i - 1) / (m - 1) steps.

    Parameters
    ----------
    t : int64 array (steps,)
    first, factor : int
        T_0 and m, at least 1.
    """
    if factor == 1:
        return cosine(t % first, first)
    cycle = np.floor(np.log1p(t * (factor - 1) / first) / math.log(factor) + 1e-9)
    length = first * factor**cycle
    return (1 + np.cos(math.pi * (t - (length - first) / (factor - 1)) / length)) / 2


def one_cycle(t: np.ndarray, total: int, rise: float = 0.3, start: float = 25.0, end: float = 1e4) -> np.ndarray:
    """Return half a cosine up from 1 / start over the share `rise`, and half one down to 1 / (start end).

    Smith and Topin 2019, with the cosines and the numbers that PyTorch's OneCycleLR made usual.

    Parameters
    ----------
    t : int64 array (steps,)
    total : int
        Steps of the run.
    rise : float
        Above 1 / total and below 1: the peak is at t = rise total - 1, the end at t = total - 1.
    start, end : float
        Largest rate over the first one, and the first one over the last.
    """
    peak = rise * total - 1
    up = 1 / start + (1 - 1 / start) * (1 - np.cos(math.pi * t / peak)) / 2
    last = 1 / (start * end)
    down = last + (1 - last) * (1 + np.cos(math.pi * (t - peak) / (total - 1 - peak))) / 2
    return np.where(t <= peak, up, down)


def plateau(losses: np.ndarray, patience: int, factor: float, threshold: float = 1e-4) -> np.ndarray:
    """Return the rate with which each epoch was trained, given the validation losses after the epochs.

    The rate is multiplied by `factor` after more than `patience` epochs in a row none of which was below
    (1 - threshold) times the best loss so far; then the count starts again (ReduceLROnPlateau).

    Parameters
    ----------
    losses : float64 array (epochs,)
    patience : int
        At least 0.
    factor, threshold : float
        As above.

    Returns
    -------
    float64 array (epochs,)
    """
    rates, rate, best, waited = [], 1.0, math.inf, 0
    for loss in losses:
        rates.append(rate)
        if loss < best * (1 - threshold):
            best, waited = loss, 0
        else:
            waited += 1
        if waited > patience:
            rate, waited = rate * factor, 0
    return np.array(rates)
