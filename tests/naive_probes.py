"""What a probe reports, once more as loops over Python numbers: imports nothing from nnsim."""

from __future__ import annotations

import math
from collections.abc import Callable

import naive
import naive_losses

SATURATION = 0.05


def mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def entries(A: naive.Matrix) -> list[float]:
    return [x for row in A for x in row]


def mean_square(values: list[float]) -> float:
    return mean([x * x for x in values])


def mean_log(A: naive.Matrix) -> float:
    """Mean over rows of ln(mean square of the row)."""
    squares = [mean_square(row) for row in A]
    return mean([math.log(square) if square > 0 else -math.inf for square in squares])


def deltas(layers: naive.Layers, df: Callable, Zs: list[naive.Matrix], last: naive.Matrix) -> list[naive.Matrix]:
    """delta_{l-1} = (delta_l W_l^T) * f'(Z_{l-1}), from the last layer down."""
    found = [last]
    for (W, _), Z in zip(layers[:0:-1], Zs[-2::-1], strict=True):
        before = naive.matmul(found[0], naive.transposed(W))
        rows = zip(before, Z, strict=True)
        found.insert(0, [[d * df(z) for d, z in zip(*row, strict=True)] for row in rows])
    return found


def largest_slope(df: Callable) -> float:
    """The largest |f'| on a grid of |z| <= 8, step 1/64."""
    return max(abs(df(k / 64)) for k in range(-512, 513))


def slope_facts(df: Callable, Z: naive.Matrix) -> dict[str, float]:
    """Share of entries with |f'| < 5 % of its largest value, and of units with f' = 0 on every row."""
    threshold = SATURATION * largest_slope(df)
    slopes = [[df(z) for z in row] for row in Z]
    saturated = mean([float(abs(slope) < threshold) for slope in entries(slopes)])
    return {"saturated": saturated, "dead": mean([float(not any(unit)) for unit in naive.transposed(slopes)])}


def probe(
    layers: naive.Layers, f: Callable, df: Callable, loss: str, X: naive.Matrix, Y: naive.Matrix, signal=None
) -> list[dict[str, float]]:
    """Return one dict of facts a layer; `signal` stands in for the gradient of the loss."""
    inputs, Zs = naive.forward(layers, f, X)
    last = naive_losses.LOSSES[loss](Zs[-1], Y).delta if signal is None else signal
    gradients = naive.backward(layers, df, inputs, Zs, last)
    outputs = [*inputs[1:], Zs[-1]]
    facts = []
    for (W, _), (grad_W, grad_b), Z, A, delta in zip(
        layers, gradients, Zs, outputs, deltas(layers, df, Zs, last), strict=True
    ):
        slopes = {"saturated": 0.0, "dead": 0.0} if A is Z else slope_facts(df, Z)
        facts.append(
            {
                "z_mean": mean(entries(Z)),
                "z_square": mean_square(entries(Z)),
                "a_mean": mean(entries(A)),
                "a_square": mean_square(entries(A)),
                "a_log": mean_log(A),
                "delta_square": mean_square(entries(delta)),
                "delta_log": mean_log(delta),
                **slopes,
                "weight_squares": math.fsum(w * w for w in entries(W)),
                "weight_gradient_squares": math.fsum(g * g for g in entries(grad_W)),
                "bias_gradient_squares": math.fsum(g * g for g in grad_b),
            }
        )
    return facts
