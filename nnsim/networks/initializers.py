"""How a network starts: named schemes, each a few lines over the same stream of Gaussian draws.

A scheme is written ``name`` or ``name:number`` (``normal:0.01``, ``mean_field:1.5:0.3``). For one key every scheme
scales the same draws, so that arms which differ in the scheme alone are paired.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from nnsim.core.errors import UsageError
from nnsim.core.registry import look_up
from nnsim.kernels.cpu.draws import fill_normal, fill_uniform
from nnsim.kernels.cpu.probes import scale_to_unit_variance
from nnsim.kernels.cpu_only.linalg import orthonormal_columns
from nnsim.kernels.formulas.philox import INIT
from nnsim.networks.memory import check_memory
from nnsim.networks.spec import NetworkSpec

WEIGHTS, BIASES, CHOICES, FRACTIONS = range(4)  # streams of one layer
TRUNCATED_DEVIATION = 0.8796256610342398  # of a standard normal cut at +-2
LARGEST = 1e30  # of a scheme's numbers: its square, too, is within float64, itself within float32
ASYMMETRIC_SIGMA = 0.6007  # Lu et al. 2020, section 4


@dataclass(frozen=True)
class Layer:
    """One layer to be filled: its shape, its number, the network and the key of its draws."""

    spec: NetworkSpec
    number: int
    key: np.uint64

    @property
    def fan_in(self) -> int:
        """Width of the layer before."""
        return self.spec.widths[self.number]

    @property
    def fan_out(self) -> int:
        """Width of the layer itself."""
        return self.spec.widths[self.number + 1]

    def _draw(self, fill: Callable, shape: tuple[int, ...], stream: int, dtype: type) -> np.ndarray:
        out: np.ndarray = np.empty(math.prod(shape), dtype)
        fill(out, self.key, INIT, 4 * self.number + stream)
        return out.reshape(shape)

    def normals(self, shape: tuple[int, ...], stream: int = WEIGHTS, dtype: type | None = None) -> np.ndarray:
        """Return standard normal draws, an array of the given shape.

        Parameters
        ----------
        shape : tuple of int
        stream : int
            Which of the layer's draws: `WEIGHTS`, `BIASES`, `CHOICES` or `FRACTIONS`.
        dtype : type, optional
            Precision of the draws; by default the network's.
        """
        return self._draw(fill_normal, shape, stream, dtype or self.spec.numpy_dtype)

    def uniforms(self, shape: tuple[int, ...], stream: int = WEIGHTS) -> np.ndarray:
        """Return uniform draws on (0, 1) in the network's precision."""
        return self._draw(fill_uniform, shape, stream, self.spec.numpy_dtype)

    def symmetric(self, bound: float, shape: tuple[int, ...], stream: int = WEIGHTS) -> np.ndarray:
        """Return uniform draws on (-bound, bound) in the network's precision, an array of the given shape.

        Parameters
        ----------
        bound : float
        shape, stream
            As for `normals`.
        """
        real = self.spec.numpy_dtype
        return (real(2) * self.uniforms(shape, stream) - real(1)) * real(bound)

    @property
    def shape(self) -> tuple[int, int]:
        """(fan_in, fan_out), the shape of W."""
        return self.fan_in, self.fan_out


Filled = tuple[np.ndarray, np.ndarray | None]  # W, and b where it is not zero


def _truncated_normals(layer: Layer) -> np.ndarray:
    """Standard normal draws within +-2, the first of the stream that are."""
    wanted = layer.fan_in * layer.fan_out
    drawn = layer.normals((wanted + wanted // 8 + 64,))
    kept = drawn[np.abs(drawn) < 2]
    while kept.size < wanted:
        drawn = layer.normals((2 * drawn.size,))
        kept = drawn[np.abs(drawn) < 2]
    return kept[:wanted].reshape(layer.shape)


def variance_scaling(layer: Layer, scale: float, mode: str, distribution: str) -> np.ndarray:
    """Return W with independent entries of mean 0 and variance scale / n.

    Parameters
    ----------
    layer : Layer
    scale : float
        At least 0.
    mode : {"fan_in", "fan_out", "fan_avg"}
        Whether n is the fan-in, the fan-out or their mean.
    distribution : {"normal", "truncated_normal", "uniform"}
        The truncated one is a normal distribution that is cut at two of its deviations, then scaled to the variance.

    Returns
    -------
    array (fan_in, fan_out) of the network's dtype
    """
    fans = {"fan_in": layer.fan_in, "fan_out": layer.fan_out, "fan_avg": (layer.fan_in + layer.fan_out) / 2}
    deviation = math.sqrt(scale / fans[mode])
    real = layer.spec.numpy_dtype
    if distribution == "uniform":
        return layer.symmetric(math.sqrt(3) * deviation, layer.shape)
    if distribution == "truncated_normal":
        return _truncated_normals(layer) * real(deviation / TRUNCATED_DEVIATION)
    return layer.normals(layer.shape) * real(deviation)


def _scaling(scale: float, mode: str, distribution: str) -> Callable[..., Filled]:
    return lambda layer: (variance_scaling(layer, scale, mode, distribution), None)


@cache
def preserving_gain(activation: str, parameter: float | None) -> float:
    """Return 1 / sqrt(E f(z)^2), z ~ N(0, 1), on a grid of 2^-20 so that no library's last digit enters a result."""
    from nnsim.networks.gaussian_moments import gain

    return round(gain(activation, parameter) * 2**20) / 2**20


def _gain(layer: Layer) -> float:
    return preserving_gain(layer.spec.activation, layer.spec.parameter)


def _zeros(layer: Layer) -> Filled:
    return np.zeros(layer.shape, layer.spec.numpy_dtype), None


def _constant(layer: Layer, value: float = 0.1) -> Filled:
    return np.full(layer.shape, value, layer.spec.numpy_dtype), None


def _normal(layer: Layer, deviation: float = 0.01) -> Filled:
    return layer.normals(layer.shape) * layer.spec.numpy_dtype(deviation), None


def _uniform(layer: Layer, bound: float = 0.05) -> Filled:
    return layer.symmetric(bound, layer.shape), None


def _truncated_normal(layer: Layer, deviation: float = 0.01) -> Filled:
    return _truncated_normals(layer) * layer.spec.numpy_dtype(deviation), None


def _torch_default(layer: Layer) -> Filled:
    bound = math.sqrt(1 / layer.fan_in)
    return layer.symmetric(bound, layer.shape), layer.symmetric(bound, (layer.fan_out,), BIASES)


def _standard_uniform(layer: Layer) -> Filled:
    return layer.symmetric(math.sqrt(1 / layer.fan_in), layer.shape), None


def _preserving_normal(layer: Layer) -> Filled:
    return variance_scaling(layer, _gain(layer) * _gain(layer), "fan_in", "normal"), None


def _orthonormal(layer: Layer) -> np.ndarray:
    """A matrix, uniform over those with orthonormal rows or columns, whichever are fewer; in float64."""
    tall = (max(layer.shape), min(layer.shape))
    Q = orthonormal_columns(layer.normals(tall, dtype=np.float64))
    return Q if layer.fan_in >= layer.fan_out else np.ascontiguousarray(Q.T)


def _orthogonal(layer: Layer, gain: float | None = None) -> Filled:
    factor = _gain(layer) if gain is None else gain
    return (_orthonormal(layer) * factor).astype(layer.spec.numpy_dtype), None


def _sparse(layer: Layer, incoming: float = 15.0) -> Filled:
    keep = min(int(incoming), layer.fan_in)
    order = np.argsort(layer.uniforms(layer.shape, CHOICES), axis=0, kind="stable")
    mask = np.zeros(layer.shape, bool)
    np.put_along_axis(mask, order[:keep], True, axis=0)
    return np.where(mask, layer.normals(layer.shape), layer.spec.numpy_dtype(0)), None


def _identity(layer: Layer, gain: float = 1.0) -> Filled:
    return np.eye(*layer.shape, dtype=layer.spec.numpy_dtype) * layer.spec.numpy_dtype(gain), None


def _mean_field(layer: Layer, sigma_w: float = 1.0, sigma_b: float = 0.0) -> Filled:
    W = variance_scaling(layer, sigma_w * sigma_w, "fan_in", "normal")
    return W, layer.normals((layer.fan_out,), BIASES) * layer.spec.numpy_dtype(sigma_b)


def _asymmetric(layer: Layer) -> Filled:
    real = layer.spec.numpy_dtype
    rows = layer.fan_in + 1  # the last one holds the biases
    V = layer.normals((rows, layer.fan_out)) * real(ASYMMETRIC_SIGMA / math.sqrt(layer.fan_in))
    chosen = (layer.uniforms((layer.fan_out,), CHOICES) * real(rows)).astype(np.int64).clip(max=rows - 1)
    V[chosen, np.arange(layer.fan_out)] = np.sqrt(layer.uniforms((layer.fan_out,), FRACTIONS))  # Beta(2, 1)
    return V[:-1], V[-1]


@dataclass(frozen=True)
class Scheme:
    """An initialization scheme: how it fills a layer, the numbers it takes, where it comes from."""

    fill: Callable[..., Filled]
    source: str
    numbers: tuple[str, ...] = ()
    needs_data: bool = False


SCHEMES: dict[str, Scheme] = {
    "zeros": Scheme(_zeros, "every weight 0"),
    "constant": Scheme(_constant, "every weight the same", ("value",)),
    "normal": Scheme(_normal, "N(0, deviation^2)", ("deviation",)),
    "uniform": Scheme(_uniform, "U(-bound, bound)", ("bound",)),
    "truncated_normal": Scheme(_truncated_normal, "N(0, deviation^2) cut at two deviations", ("deviation",)),
    "lecun_normal": Scheme(_scaling(1, "fan_in", "normal"), "LeCun, Bottou, Orr and Müller 1998: variance 1 / fan_in"),
    "lecun_uniform": Scheme(_scaling(1, "fan_in", "uniform"), "LeCun et al. 1998: variance 1 / fan_in"),
    "xavier_normal": Scheme(_scaling(1, "fan_avg", "normal"), "Glorot and Bengio 2010: 2 / (fan_in + fan_out)"),
    "xavier_uniform": Scheme(_scaling(1, "fan_avg", "uniform"), "Glorot and Bengio 2010: 2 / (fan_in + fan_out)"),
    "he_normal": Scheme(_scaling(2, "fan_in", "normal"), "He, Zhang, Ren and Sun 2015: variance 2 / fan_in"),
    "he_uniform": Scheme(_scaling(2, "fan_in", "uniform"), "He et al. 2015: variance 2 / fan_in"),
    "standard_uniform": Scheme(_standard_uniform, "U(-1, 1) / sqrt(fan_in), what Glorot and Bengio 2010 start from"),
    "torch_default": Scheme(_torch_default, "PyTorch's nn.Linear: U(-1, 1) / sqrt(fan_in), biases too"),
    "preserving_normal": Scheme(_preserving_normal, "variance 1 / (fan_in E f(z)^2), the gain computed"),
    "orthogonal": Scheme(_orthogonal, "Saxe, McClelland and Ganguli 2014; gain computed unless given", ("gain",)),
    "lsuv": Scheme(_orthogonal, "Mishkin and Matas 2016: orthonormal, then unit variance on a batch", (), True),
    "sparse": Scheme(_sparse, "Martens 2010: a few incoming N(0, 1) weights a unit", ("incoming",)),
    "identity": Scheme(_identity, "gain times the unit matrix", ("gain",)),
    "mean_field": Scheme(_mean_field, "Poole et al. 2016: N(0, sw^2 / fan_in), N(0, sb^2)", ("sigma_w", "sigma_b")),
    "asymmetric": Scheme(_asymmetric, "Lu, Shin, Su and Karniadakis 2020: randomised asymmetric"),
}


def parse(scheme: str) -> tuple[Scheme, tuple[float, ...]]:
    """Return the scheme and the numbers that ``name:number:...`` gives it.

    Raises
    ------
    UnknownNameError
        If there is no such scheme.
    UsageError
        If it takes fewer numbers, or one of them is not a finite number.
    """
    name, *texts = scheme.split(":")
    entry = look_up(SCHEMES, "scheme", name)
    if len(texts) > len(entry.numbers):
        takes = " and ".join(entry.numbers) or "no number"
        raise UsageError(f"scheme '{name}' takes {takes}, got '{scheme}'")
    try:
        numbers = tuple(float(text) for text in texts)
    except ValueError:
        raise UsageError(
            f"scheme '{scheme}': {' and '.join(entry.numbers)} must be numbers, as in '{name}:0.5'"
        ) from None
    if entry.fill is _sparse and any(number < 1 or number != int(number) for number in numbers):
        raise UsageError(f"scheme 'sparse' takes a whole number of at least 1 incoming weights, got '{texts[0]}'")
    for meaning, number in zip(entry.numbers, numbers, strict=False):
        least = -LARGEST if meaning in {"value", "gain"} else 0.0
        if not least <= number <= LARGEST:
            raise UsageError(f"scheme '{scheme}': {meaning} must be from {least:g} to {LARGEST:g}, got {number:g}")
    return entry, numbers


def variances(scheme: str, spec: NetworkSpec) -> tuple[float, float] | None:
    """Return (fan_in Var W, Var b) of a hidden layer of a network of equal hidden widths, or None.

    None stands for the other schemes: no prediction is made for them.
    """
    name, numbers = scheme.split(":")[0], parse(scheme)[1]
    width = spec.widths[1]
    if name in {"he_normal", "he_uniform"}:
        return 2.0, 0.0
    if name in {"xavier_normal", "xavier_uniform", "lecun_normal", "lecun_uniform"}:
        return 1.0, 0.0
    if name == "standard_uniform":
        return 1 / 3, 0.0
    if name == "torch_default":
        return 1 / 3, 1 / (3 * width)
    if name == "preserving_normal":
        return preserving_gain(spec.activation, spec.parameter) ** 2, 0.0
    if name == "mean_field":
        sigma_w, sigma_b = (*numbers, *(1.0, 0.0)[len(numbers) :])
        return sigma_w**2, sigma_b**2
    if name == "normal":
        return width * (*numbers, 0.01)[0] ** 2, 0.0
    return None


def initialize(spec: NetworkSpec, scheme: str, key: int, X: np.ndarray | None = None) -> np.ndarray:
    """Return a flat parameter vector.

    Parameters
    ----------
    spec : NetworkSpec
    scheme : str
        ``name`` or ``name:number`` from `SCHEMES`.
    key : int
        64-bit key of the draws, see `nnsim.core.seeding.key`.
    X : array (rows, inputs), optional
        Batch of inputs for the scheme that needs one (LSUV).

    Returns
    -------
    array (spec.n_parameters,) of the network's dtype

    Raises
    ------
    UsageError
        If the scheme does not exist, or lacks the inputs that it needs.
    MemoryShortageError
        If the parameters are more than the memory.
    """
    entry, numbers = parse(scheme)
    check_memory(spec)
    theta = np.zeros(spec.n_parameters, spec.numpy_dtype)
    for number, (W, b) in enumerate(spec.layers(theta)):
        weights, biases = entry.fill(Layer(spec, number, np.uint64(key)), *numbers)
        W[:] = weights
        if biases is not None:
            b[:] = biases
    for gamma in spec.views(theta, "scale"):
        gamma[:] = 1
    if entry.needs_data:
        if X is None:
            raise UsageError(f"scheme '{scheme}' needs a batch of inputs, and none was given")
        batch = np.ascontiguousarray(X, spec.numpy_dtype)
        spec.check(theta, batch)
        scale_to_unit_variance(spec.architecture, theta, batch)
    return theta
