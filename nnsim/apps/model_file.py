"""A trained network with its preprocessing: prediction from raw features, and the file it is kept in.

The file's tensors are those of the equivalent ``torch.nn.Sequential(Linear, [BatchNorm1d | LayerNorm], activation,
[Dropout], ..., Linear)``, so that ``load_state_dict(safetensors.torch.load_file(path))`` takes them as they are. With
``norm_after`` the normalisation stands behind the activation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nnsim.core.errors import DataError, NnsimError
from nnsim.core.shown import Shown
from nnsim.core.tensor_file import TensorFile, write
from nnsim.data.dialects import Dialect
from nnsim.data.features import (
    Feature,
    encode,
    expand,
    first_hole,
    from_record,
    input_names,
    plain_features,
    to_record,
)
from nnsim.data.scaling import Scaling, check_distance
from nnsim.experiment.results.environment import version_of
from nnsim.kernels.cpu import training as kernels
from nnsim.networks.spec import NetworkSpec

FORMAT = 1
"""Raised when the file's layout changes."""

TASKS = ("classification", "regression")
_ROWS = 256  # of a batch
_SHOWN = 8  # of the names of features and classes that are shown


@dataclass(frozen=True, repr=False)
class Model(Shown):
    """A trained network and what turns raw features into its inputs, and its outputs into answers.

    Attributes
    ----------
    spec : NetworkSpec
        Its Huber's delta is that of standardised targets.
    theta, statistics : vectors
        Parameters, and running statistics of batch normalisation.
    task : {"classification", "regression"}
    feature_names : tuple of str
    class_names : tuple of str
        Class c's label; none for regression.
    scaling : Scaling
        Of the inputs.
    target_scaling : Scaling or None
        Of a regression's targets.
    steps : int
        Training steps that the running statistics have seen.
    features : tuple of Feature
        How columns become inputs; by default as they are.
    dialect : Dialect
        How the file was written that the model was trained on.
    """

    spec: NetworkSpec
    theta: np.ndarray
    statistics: np.ndarray
    task: str
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...]
    scaling: Scaling
    target_scaling: Scaling | None
    steps: int
    features: tuple[Feature, ...] = ()
    dialect: Dialect = field(default_factory=Dialect)

    @property
    def columns(self) -> tuple[Feature, ...]:
        """The raw features, each with what it becomes."""
        return self.features or plain_features(self.feature_names)

    def facts(self) -> dict[str, object]:
        """Return what it answers, from what, and its network."""
        spec, classes = self.spec, self.class_names
        return {
            "task": self.task,
            "features": f"{len(self.feature_names)}: {', '.join(self.feature_names[:_SHOWN])}",
            **({"classes": f"{len(classes)}: {', '.join(classes[:_SHOWN])}"} if classes else {}),
            "widths": "-".join(map(str, spec.widths)),
            "activation": spec.activation,
            "parameters": spec.n_parameters,
        }

    def logits(self, X: Any) -> np.ndarray:
        """Return the last layer's Z in the network's precision, shape (rows, outputs).

        Parameters
        ----------
        X : array-like (rows, features) or DataFrame
            Raw features, in the order of `feature_names`; of a DataFrame the columns of these names.

        Raises
        ------
        UsageError
            If X has another number of columns.
        DataError
            If a cell is missing or cannot be read, lies far beyond all training rows, or an answer is not finite.
        """
        return self._logits(encode(self.columns, X), lambda row: f"row {row}", "X")

    def _logits(self, columns: np.ndarray, row: Callable[[int], str], file: str) -> np.ndarray:
        def where(number: int, column: int) -> str:
            return f"{row(number)}, column '{names[column]}' of {file}"

        hole, names = first_hole(self.columns, columns), self.feature_names
        if hole is not None:
            raise DataError(f"{where(*hole)} is missing, and the model has not learned what to put in its place")
        values, names = expand(self.columns, columns), input_names(self.columns)
        scaled = self.scaling.apply(values)
        check_distance(values, scaled, where)
        inputs = np.ascontiguousarray(scaled, self.spec.numpy_dtype)
        Z = kernels.logits(self.spec.architecture, self.theta, self.statistics, inputs, _ROWS)
        wrong = ~np.isfinite(Z).all(axis=1)
        if wrong.any():
            number = int(wrong.argmax())
            column = int(np.abs(scaled[number]).argmax())
            raise DataError(
                f"the answer to {row(number)} of {file} is not finite: farthest from the training rows is column "
                f"'{names[column]}' with {values[number, column]:.6g}"
            )
        return Z

    def probabilities(self, X: Any) -> np.ndarray:
        """Return each class's probability, float64 of shape (rows, classes); raises as `logits` does."""
        return self._shares(self.logits(X))

    def predict(self, X: Any) -> np.ndarray:
        """Return class numbers, int64 (rows,), or targets in their own units, float64 (rows, targets)."""
        return self._answers(self.logits(X))[0]

    def answers(self, columns: np.ndarray, rows: np.ndarray, file: str) -> tuple[np.ndarray, np.ndarray | None]:
        """Return what `predict` does and, for classes, what `probabilities` does.

        Parameters
        ----------
        columns : float64 array (n, features)
            As `nnsim.data.readers.read_features` returns them.
        rows : int array (n,)
            Numbers of the rows, for sentences.
        file : str
            Where they come from, for sentences.
        """
        return self._answers(self._logits(columns, lambda number: f"row {rows[number]}", f"'{file}'"))

    def _answers(self, Z: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        if self.target_scaling is not None:
            return self.target_scaling.undo(Z.astype(np.float64)), None
        numbers = (Z[:, 0] > 0).astype(np.int64) if Z.shape[1] == 1 else Z.argmax(axis=1)
        return numbers, self._shares(Z)

    def _shares(self, Z: np.ndarray) -> np.ndarray:
        Z = Z.astype(np.float64)
        if Z.shape[1] == 1:  # BCE's logit is that of class 1 against class 0, whose own is 0
            Z = np.concatenate([np.zeros_like(Z), Z], axis=1)
        weights = np.exp(Z - Z.max(axis=1, keepdims=True))
        return weights / weights.sum(axis=1, keepdims=True)

    def save(self, path: Path | str) -> None:
        """Write the model as a safetensors file; raises StoreError where the disk refuses."""
        write(Path(path), {place.name: self._tensor(place) for place in layout(self.spec)}, self._record())

    def _tensor(self, place: Place) -> np.ndarray:
        if place.role == "steps":
            return np.array(self.steps, np.int64)
        return place.read(self.statistics if place.is_statistic else self.theta)

    def _record(self) -> dict[str, Any]:
        """Return what the tensors do not say; what is plain is left out, so that plain files stay as they were."""
        extra: dict[str, Any] = (
            {"columns": to_record(self.columns)} if self.columns != plain_features(self.feature_names) else {}
        )
        extra |= {"dialect": asdict(self.dialect)} if self.dialect != Dialect() else {}
        return {
            "format": FORMAT,
            "nnsim": version_of("nnsim"),
            "task": self.task,
            "spec": asdict(self.spec),
            "features": {"names": self.feature_names, **_scaling_record(self.scaling), **extra},
            "targets": self.target_scaling and _scaling_record(self.target_scaling),
            "classes": self.class_names,
        }


# Layout --------------------------------------------------------------------------------------------------------------


class Place(NamedTuple):
    """A tensor of the file: its name, its role, its shape, and where it begins in nnsim's flat vector."""

    name: str
    role: str
    shape: tuple[int, ...]
    start: int

    @property
    def is_statistic(self) -> bool:
        """True if it belongs to the running statistics, False if to the parameters."""
        return self.role in {"running_mean", "running_var"}

    def read(self, vector: np.ndarray) -> np.ndarray:
        """Return the tensor as PyTorch shapes it: weights are (out, in), nnsim's W is (fan_in, fan_out)."""
        return vector[self.start : self.start + int(np.prod(self.shape))].reshape(self.shape[::-1]).T

    def write(self, vector: np.ndarray, tensor: np.ndarray) -> None:
        """Put the tensor into nnsim's vector."""
        vector[self.start : self.start + tensor.size] = tensor.T.ravel()


_NAMES = {"weight": "weight", "bias": "bias", "scale": "weight", "shift": "bias"}


def layout(spec: NetworkSpec) -> list[Place]:
    """Return every tensor of the equivalent ``torch.nn.Sequential``, in the order of the layers."""
    return list(_places(spec))


def _places(spec: NetworkSpec) -> Iterator[Place]:
    normalized = spec.normalization != "none"
    modules = 2 + normalized + (spec.dropout > 0)  # of a hidden layer: Linear, [norm], activation, [Dropout]
    at = 0
    for tensor in spec.tensors:
        is_norm = tensor.role in {"scale", "shift"}
        module = tensor.layer * modules + is_norm * (1 + spec.norm_after)
        yield Place(f"{module}.{_NAMES[tensor.role]}", tensor.role, tensor.shape[::-1], tensor.start)
        if tensor.role == "shift" and spec.normalization == "batch":
            (width,) = tensor.shape
            yield Place(f"{module}.running_mean", "running_mean", (width,), at)
            yield Place(f"{module}.running_var", "running_var", (width,), at + width)
            yield Place(f"{module}.num_batches_tracked", "steps", (), 0)
            at += 2 * width


# Reading -------------------------------------------------------------------------------------------------------------


def load_model(path: Path | str) -> Model:
    """Read a model that `Model.save` has written.

    Raises
    ------
    DataError
        The file is missing, truncated, not a model of nnsim, or does not fit what it says of itself.
    """
    file = TensorFile(Path(path))
    if file.record.get("format") != FORMAT:
        raise DataError(f"'{path}' holds no model that this version reads: expected format {FORMAT}")
    try:
        known = _known(file.record)
    except (KeyError, TypeError, ValueError, OverflowError, NnsimError) as error:
        reason = error if isinstance(error, NnsimError) else f"{type(error).__name__} {error}"
        raise DataError(f"the description in '{path}' is damaged: {reason}") from None
    return _filled(file, known)


def _filled(file: TensorFile, known: dict[str, Any]) -> Model:
    spec = known["spec"]
    places = layout(spec)
    wanted = {place.name: (place.shape, np.int64 if place.role == "steps" else spec.numpy_dtype) for place in places}
    tensors = file.arrays(wanted)
    theta, statistics, steps = np.empty(spec.n_parameters, spec.numpy_dtype), spec.initial_statistics(), 0
    for place in places:
        tensor = tensors[place.name]
        if not np.isfinite(tensor).all():
            raise DataError(f"tensor '{place.name}' of '{file.path}' holds numbers that are not finite")
        if place.role == "steps":
            steps = int(tensor)
        else:
            place.write(statistics if place.is_statistic else theta, tensor)
    return Model(theta=theta, statistics=statistics, steps=steps, **known)


def _known(record: dict[str, Any]) -> dict[str, Any]:
    """Return what the record tells, every part of it checked."""
    spec = _spec(record["spec"])
    task, classes = record["task"], _texts(record["classes"])
    if task not in TASKS or (task == "classification") != bool(classes):
        raise ValueError("task")
    names = _texts(record["features"]["names"])
    features = from_record(record["features"].get("columns", []))
    inputs = input_names(features or plain_features(names))
    if (features and tuple(feature.name for feature in features) != names) or len(inputs) != spec.widths[0]:
        raise ValueError("names")
    if classes and spec.widths[-1] not in {len(classes), len(classes) - 1}:
        raise ValueError("names")
    return {
        "spec": spec,
        "task": task,
        "feature_names": names,
        "class_names": classes,
        "scaling": _scaling(record["features"], len(inputs)),
        "target_scaling": None if classes else _scaling(record["targets"], spec.widths[-1]),
        "features": features,
        "dialect": Dialect(**record["features"].get("dialect", {})),
    }


def _spec(record: dict[str, Any]) -> NetworkSpec:
    if not isinstance(record, dict) or record.keys() != {entry.name for entry in fields(NetworkSpec)}:
        raise ValueError("spec")
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in record.items()
    }
    for entry in fields(NetworkSpec):
        if isinstance(entry.default, bool) != isinstance(values[entry.name], bool):
            raise TypeError(entry.name)
    return NetworkSpec(**values)


def _texts(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError("names")
    return tuple(values)


def _scaling(record: dict[str, Any], count: int) -> Scaling:
    parts = [np.array(record[name], np.float64) for name in ("origin", "mean", "deviation")]
    if any(part.shape != (count,) or not np.isfinite(part).all() for part in parts) or not (parts[2] > 0).all():
        raise ValueError("scaling")
    return Scaling(*parts)


def _scaling_record(scaling: Scaling) -> dict[str, list[float]]:
    return {name: getattr(scaling, name).tolist() for name in ("origin", "mean", "deviation")}
