"""What a training is asked for: one table of settings, from which options, TOML files and command lines are made."""

from __future__ import annotations

import csv
import io
import json
import shlex
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from nnsim.core.errors import DataError, UnknownNameError, UsageError
from nnsim.data.data_paths import has_labels_file, into_path


def _whole(value: Any) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError
    return int(value)


def _number(value: Any) -> float:
    if isinstance(value, bool):
        raise ValueError
    return float(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value


def _texts(value: Any) -> tuple[str, ...]:
    """Read names as a line of CSV holds them: one with a comma stands in double quotes."""
    try:
        return tuple(next(csv.reader([value], skipinitialspace=True)) if isinstance(value, str) else map(_text, value))
    except csv.Error as error:
        raise ValueError(value) from error


def _sign(value: Any) -> str:
    return "\t" if value in {"tab", "\\t"} else _text(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def _several(read: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, ...]]:
    def read_all(value: Any) -> tuple[Any, ...]:
        if isinstance(value, str):
            value = [] if value.strip().lower() == "none" else value.split(",")
        return tuple(map(read, value if isinstance(value, list | tuple) else [value]))

    return read_all


class Kind(NamedTuple):
    """How a value is read from text or TOML, what a sentence calls it, and what help calls it."""

    read: Callable[[Any], Any]
    wanted: str
    metavar: str


WHOLE = Kind(_whole, "a whole number", "N")
NUMBER = Kind(_number, "a number", "X")
TEXT = Kind(_text, "a text", "NAME")
FLAG = Kind(_flag, "true or false", "")
WHOLES = Kind(_several(_whole), "whole numbers separated by commas", "N,...")
NUMBERS = Kind(_several(_number), "numbers separated by commas", "X,...")
TEXTS = Kind(_texts, "names separated by commas", "NAME,...")
SIGN = Kind(_sign, "a sign", "SIGN")


def _one_of(*words: str) -> Kind:
    def read(value: Any) -> str:
        if value not in words:
            raise ValueError
        return value

    return Kind(read, f"{', '.join(words[:-1])} or {words[-1]}", "|".join(words))


GROUPS = ("data", "network", "loss", "training", "course")
"""Groups of settings: what is learnt, what learns, by which loss, how, and how long."""


def _setting(group: str, kind: Kind, default: Any, help_text: str, shown: str | None = None) -> Any:
    """Return a dataclass field; `shown` says in words what None stands for."""
    metadata = {"group": group, "kind": kind, "help": help_text, "shown": shown}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that decides the result of a training; every field is an option and a key of the TOML file."""

    data: str | None = _setting(
        "data",
        TEXT,
        None,
        "Data set by name, or a CSV, NPZ or IDX file, CSV and IDX also gzipped; - is CSV from standard input, of which "
        "the same bytes must come again to go on, or to repeat the training.",
    )
    target: str | None = _setting("data", TEXT, None, "Target column of a CSV file.")
    task: str = _setting(
        "data",
        _one_of("auto", "classification", "regression"),
        "auto",
        "What the target is. auto: text is classes, numbers with fractions are a regression, whole numbers are classes "
        "where there are at most 30 different ones; of more, all written as 100.0 is a regression, else say which.",
    )
    missing_target: str = _setting(
        "data",
        _one_of("refuse", "drop"),
        "refuse",
        "Rows without a target: with an empty cell or, among numbers, NA, NaN, null, none, ?, - or a point.",
    )
    features: tuple[str, ...] | None = _setting("data", TEXTS, None, "Columns to learn from.", "all but the target")
    drop: tuple[str, ...] = _setting("data", TEXTS, (), "Columns to leave out.")
    categorical: tuple[str, ...] = _setting(
        "data",
        TEXTS,
        ("auto",),
        "Text of which each word becomes an input of 0 and 1: auto takes columns without numbers and with at most 100 "
        "words, refuse none, names take these. True, false, yes and no are always 1 and 0.",
    )
    missing: str = _setting(
        "data",
        _one_of("refuse", "mean", "median", "most_frequent"),
        "refuse",
        "Missing cells: what of the training rows stands in their place; of text always the most frequent.",
    )
    delimiter: str | None = _setting(
        "data", SIGN, None, "What separates columns; tab is a word for one.", "a comma, semicolon or tab, as found"
    )
    decimal: str = _setting("data", SIGN, ".", "What stands before a fraction.")
    thousands: str = _setting("data", SIGN, "", "What stands between thousands.", "nothing")
    samples: int | None = _setting("data", WHOLE, None, "Use so many rows, drawn at random.", "all")
    validation: float = _setting("data", NUMBER, 0.15, "Share of the rows for validation.")
    test: float = _setting("data", NUMBER, 0.15, "Share of the rows for the test after training.")
    data_sha256: str | None = _setting("data", TEXT, None, "Refuse a data file with another SHA-256.", "any")
    seed: int = _setting("data", WHOLE, 0, "Root of all random draws.")

    hidden: tuple[int, ...] = _setting("network", WHOLES, (64,), "Hidden widths; none is a linear model.")
    activation: str = _setting("network", TEXT, "relu", "Activation, as relu or leaky_relu:0.2.")
    batch_norm: bool = _setting(
        "network", FLAG, False, "Normalise each hidden unit over the batch; a last batch of one row is left out."
    )
    layer_norm: bool = _setting("network", FLAG, False, "Normalise each row over the layer.")
    norm_after: bool = _setting("network", FLAG, False, "Normalise after the activation, not before it.")
    norm_epsilon: float = _setting("network", NUMBER, 1e-5, "Added to the variance.")
    norm_momentum: float = _setting("network", NUMBER, 0.1, "Weight of a batch in the running statistics.")
    dropout: float = _setting("network", NUMBER, 0.0, "Probability to drop a hidden unit in training.")
    residual: bool = _setting("network", FLAG, False, "Add a layer's input to its output, between equal widths.")
    init: str = _setting("network", TEXT, "torch_default", "Initialization scheme, as he_normal or normal:0.05.")
    dtype: str = _setting("network", TEXT, "float32", "Precision: float32 or float64.")

    loss: str | None = _setting(
        "loss", TEXT, None, "Loss: cross_entropy, bce, mse, mae or huber.", "bce for two classes, cross_entropy, or mse"
    )
    label_smoothing: float = _setting("loss", NUMBER, 0.0, "Share of a label spread over all classes.")
    huber_delta: float | None = _setting(
        "loss", NUMBER, None, "Where Huber's loss turns linear, in the target's units.", "its standard deviation"
    )
    loss_weights: tuple[float, ...] | None = _setting(
        "loss", NUMBERS, None, "Weight of each class; BCE takes one, of class 1.", "all 1"
    )

    optimizer: str = _setting("training", TEXT, "adam", "sgd, momentum, nesterov, adagrad, rmsprop, adam or adamw.")
    lr: float = _setting("training", NUMBER, 1e-3, "Learning rate.")
    momentum: float | None = _setting("training", NUMBER, None, "Momentum, or Adam's b1.", "the optimizer's")
    beta2: float | None = _setting("training", NUMBER, None, "Decay of the second moment.", "the optimizer's")
    epsilon: float | None = _setting("training", NUMBER, None, "Added to its root.", "the optimizer's")
    weight_decay: float = _setting("training", NUMBER, 0.0, "Decoupled in adamw, an L2 penalty in others.")
    spare_biases: bool = _setting("training", FLAG, False, "Decay weights only, not biases, scales and shifts.")
    layer_rates: tuple[float, ...] | None = _setting(
        "training", NUMBERS, None, "Factor of the learning rate for each layer's weights.", "all 1"
    )
    clip_norm: float | None = _setting("training", NUMBER, None, "Largest norm of the gradient.", "none")
    clip_value: float | None = _setting("training", NUMBER, None, "Largest size of its numbers.", "none")
    batch_size: int | None = _setting("training", WHOLE, None, "Rows a step.", "32, or all rows where there are fewer")
    drop_last: bool = _setting("training", FLAG, False, "Leave out an epoch's last batch where it is smaller.")

    epochs: int = _setting("course", WHOLE, 50, "Passes over the training rows.")
    schedule: str = _setting("course", TEXT, "constant", "Course of the learning rate, as cosine or step:size=10.")
    patience: int | None = _setting(
        "course", WHOLE, None, "Stop after so many epochs without improvement and restore the best.", "never"
    )
    min_delta: float = _setting(
        "course", NUMBER, 0.0, "What counts as an improvement, in the units of what is watched."
    )
    watch: str = _setting("course", TEXT, "loss", "What patience and plateau go by: loss or metric.")

    @property
    def given(self) -> dict[str, Any]:
        """Every setting that is not None, in order."""
        values = {name: getattr(self, name) for name in SETTINGS}
        return {name: value for name, value in values.items() if value is not None}


SETTINGS = {entry.name: entry for entry in fields(Settings)}


def option_of(name: str) -> str:
    """Return a setting's option: ``--batch-norm`` of ``batch_norm``."""
    return f"--{name.replace('_', '-')}"


def resolve(values: Mapping[str, Any], base: Settings | None = None) -> Settings:
    """Return settings with `values` (as text, or as TOML holds them; None is not given) in place of those of `base`.

    Raises
    ------
    UnknownNameError
        If there is no setting of that name; hyphens and underscores are the same.
    UsageError
        If a value is of another kind.
    """
    read = {}
    for key, value in values.items():
        name = key.replace("-", "_")
        if name not in SETTINGS:
            raise UnknownNameError("setting", key, SETTINGS)
        if value is not None:
            read[name] = _read(name, value)
    return replace(base or Settings(), **read)


def given_signs(signs: Mapping[str, str | None]) -> dict[str, str]:
    """Return the signs of a file that are given, each read as its setting is."""
    return {name: _read(name, sign) for name, sign in signs.items() if sign is not None}


def _read(name: str, value: Any) -> Any:
    kind = SETTINGS[name].metadata["kind"]
    try:
        return kind.read(value)
    except (ValueError, TypeError, OverflowError):
        raise UsageError(f"{option_of(name)} must be {kind.wanted}, got {value!r}") from None


def read_toml(path: Path) -> Settings:
    """Return the settings of a TOML file, whose keys are the options' names, and whose paths begin at its folder.

    Raises
    ------
    DataError
        If the file cannot be read or is not TOML.
    UnknownNameError, UsageError
        If a key or a value cannot be used.
    """
    try:
        settings = resolve(tomllib.loads(path.read_text(encoding="utf-8-sig")))
    except OSError as error:
        raise DataError(f"'{path}' cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"'{path}' is not TOML: {error}") from None
    return with_files(settings, partial(into_path, folder=path.parent))


def with_files(settings: Settings, name: Callable[[str], str]) -> Settings:
    """Return settings in which the data, and the labels where they are a file of their own, are called by `name`."""
    if not settings.data:
        return settings
    labels = settings.target is not None and has_labels_file(settings.data)
    target = name(settings.target) if labels and settings.target else settings.target
    return replace(settings, data=name(settings.data), target=target)


def to_toml(settings: Settings) -> str:
    """Return the text from which `read_toml` reads the same settings."""
    lines = []
    for group in GROUPS:
        lines.append(f"# {group}")
        lines += [f"{name} = {_toml(value)}" for name, value in settings.given.items() if _group(name) == group]
        lines.append("")
    return "\n".join(lines)


def _group(name: str) -> str:
    return SETTINGS[name].metadata["group"]


def _toml(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def command_line(settings: Settings) -> str:
    """Return the shell command that trains with these settings."""
    words = ["nnsim", "train"]
    for name, value in settings.given.items():
        if value == SETTINGS[name].default:
            continue
        words.append(option_of(name))
        if not isinstance(value, bool):
            words.append(_words(value))
    return shlex.join(words)


def _words(value: Any) -> str:
    if not isinstance(value, tuple):
        return str(value)
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(value)
    return line.getvalue() or "none"
