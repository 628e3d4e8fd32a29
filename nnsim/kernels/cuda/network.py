"""Where everything of one network stands in the memory of a thread block.

The memory is one vector of the network's precision: shared memory where all fits, else a part of the device's. What is
a matrix of the batch (Z, A, H, delta ...) has rows of an odd length, so that threads which go down a column of shared
memory meet different banks; what stands in the gaps is never read into a result.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np

from nnsim.kernels.compiling.decorators import scalar
from nnsim.kernels.cuda.decorators import device
from nnsim.kernels.formulas.architecture import Architecture, is_normalized, layer_size, skips
from nnsim.kernels.formulas.normalization import NONE
from nnsim.kernels.formulas.written_orders import TILE_WORDS

# What is one layer's: columns of `Places.layer`. WEIGHT to SCALE are parameters, their gradients in the gradient;
# INPUT is H of the layer before, or INPUTS, and INPUT_GRADIENT dL/dINPUT. A shift follows its scale.
(
    WEIGHT,
    BIAS,
    SCALE,
    WEIGHT_GRADIENT,
    BIAS_GRADIENT,
    SCALE_GRADIENT,
    INPUT,
    Z,
    A,
    H,
    DELTA,
    ERROR,
    INPUT_GRADIENT,
    NORMAL,
    KEEP,
    MOMENTS,
    RUNNING,
) = range(17)
# What is the network's: numbers of `Places.network`. WORK begins what a step writes; the last three are sizes.
(
    THETA,
    GRADIENT,
    FIRST,
    SECOND,
    STATISTICS,
    ORDER,
    WORK,
    INPUTS,
    TARGETS,
    MASKS,
    SCRATCH,
    END,
    PARAMETERS,
    MASKS_SIZE,
    MOMENTS_ROW,
) = range(15)


class Places(NamedTuple):
    """Where each part begins: ``layer`` (layers, 17) and ``network`` (15), int64.

    They are looked up where they are needed: as numbers among a kernel's arguments they would fill its registers.
    """

    layer: Any
    network: Any


@scalar
def pitch(width):
    """Return the length of a row of `width` numbers of a batch: odd."""
    return width | 1


def _starts(sizes: list[int]) -> list[int]:
    """Return where each of the parts begins that lie one after the other, and where the last ends."""
    return [0, *accumulate(sizes)]


def places(
    net: Architecture, parameters: int, moments: tuple[bool, bool], targets: int, rows: int, batch: int
) -> Places:
    """Return the layout for batches of up to `batch` rows.

    Parameters
    ----------
    net : Architecture
    parameters : int
        How many the network has.
    moments : pair of bool
        Whether the optimizer remembers a first and a second moment.
    targets : int
        Columns of Y.
    rows : int
        Rows to shuffle.
    batch : int
    """
    widths = [int(width) for width in net.widths]
    hidden, widest = widths[1:-1], max(widths[1:])
    normalized, dropped = net.normalization != NONE, net.dropout > 0
    own_h, matrix = (normalized and net.after) or dropped or net.residual, batch * sum(map(pitch, widths[1:]))
    moments_row = max(widest, batch)
    sizes: dict[int | str, int] = {
        THETA: parameters,
        GRADIENT: parameters,
        FIRST: parameters * moments[0],
        SECOND: parameters * moments[1],
        STATISTICS: 2 * sum(hidden),
        ORDER: rows,
        INPUTS: batch * pitch(widths[0]),
        TARGETS: batch * targets,
        MASKS: (batch * sum(hidden) // TILE_WORDS + 1) * TILE_WORDS * dropped,
        SCRATCH: widths[-1] * batch + 2 * moments_row,
        "z": matrix,
        "a": matrix,
        "h": matrix * own_h,
        "delta": matrix,
        "error": matrix * bool(net.residual),
        "normal": matrix * normalized,
        "moments": 3 * moments_row * len(hidden) * normalized,
    }
    at: dict[int | str, int] = dict(zip([*sizes, END], _starts(list(sizes.values())), strict=True))
    at |= {WORK: at[INPUTS], PARAMETERS: parameters, MASKS_SIZE: sizes[MASKS], MOMENTS_ROW: moments_row}
    at["h"], at["error"] = at["h" if own_h else "a"], at["error" if net.residual else "delta"]
    network = np.array([at[number] for number in range(MOMENTS_ROW + 1)], np.int64)
    return Places(np.array(_layers(net, widths, batch, at), np.int64), network)


def _layers(net: Architecture, widths: list[int], batch: int, at: dict[int | str, int]) -> list[list[int]]:
    """Return the row of `Places.layer` for each layer."""
    rows_at = _starts([batch * pitch(width) for width in widths[1:]])
    units_at = _starts(widths[1:])
    found, weights = [], 0
    for layer, (fan_in, fan_out) in enumerate(pairwise(widths)):
        bias = weights + fan_in * fan_out
        before = rows_at[layer - 1] if layer else 0
        tensors = [weights, bias, bias + fan_out]
        found.append([
            *(at[THETA] + place for place in tensors),
            *(at[GRADIENT] + place for place in tensors),
            at["h"] + before if layer else at[INPUTS],
            *(at[name] + rows_at[layer] for name in ("z", "a", "h", "delta", "error")),
            at["error"] + before,
            at["normal"] + rows_at[layer],
            at[MASKS] + batch * units_at[layer],
            at["moments"] + 3 * at[MOMENTS_ROW] * layer,
            at[STATISTICS] + 2 * units_at[layer],
        ])  # fmt: skip
        normalized = is_normalized.py_func(net.normalization, layer, len(widths) - 2)
        weights += layer_size.py_func(fan_in, fan_out, normalized)
    return found


@device
def has_skip(net, layer):
    """Tell whether the layer before is added to layer `layer`."""
    return skips(net.residual, layer, net.widths.size - 2, net.widths[layer], net.widths[layer + 1])
