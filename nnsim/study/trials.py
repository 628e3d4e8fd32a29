"""The settings of a trial, typed: what a study lays out, and what its measurement reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

GIVEN_BY_ENGINE = ("id", "root_seed")


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One trial; a study derives its own, with a field for each of its settings.

    A field that is None is a setting that the trial does not have: it is no part of the trial's identity.

    Attributes
    ----------
    kind : str
        What the trial is for.
    repeat : int
        Number of the independent seed.
    id, root_seed : str, int
        Given by the engine: the trial's identifier, and the root of all its draws.
    """

    kind: str
    repeat: int
    id: str = ""
    root_seed: int = 0

    def settings(self) -> dict[str, Any]:
        """Return the settings as JSON takes them."""
        values = ((name, getattr(self, name)) for name in setting_names(type(self)))
        return {name: value for name, value in values if value is not None}

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Self:
        """Return the trial of some settings, as the engine hands them over."""
        return cls(**settings)

    def given(self, names: Sequence[str]) -> dict[str, Any]:
        """Return those of the named settings that this trial has."""
        own = self.settings()
        return {name: own[name] for name in names if name in own}

    def smallest(self) -> Self:
        """Return a trial that calls the same kernels on next to nothing, to compile them."""
        return replace(self, repeat=0, root_seed=0)


def setting_names(kind: type[Trial]) -> tuple[str, ...]:
    """Return the names of a kind's settings: all fields but those that the engine gives."""
    return tuple(field.name for field in fields(kind) if field.name not in GIVEN_BY_ENGINE)


@dataclass(frozen=True, kw_only=True)
class DataTrial(Trial):
    """A trial on a data set.

    Attributes
    ----------
    data, target, samples : str, str, int
        Name or file of the data set, target column of a file, rows to use (0 is all).
    fingerprint : str, optional
        What tells one file from another of the same name.
    """

    data: str
    target: str = ""
    samples: int = 0
    fingerprint: str | None = None

    def smallest(self) -> Self:
        """Return it on sixty rows."""
        return replace(super().smallest(), data="xor", target="", samples=60, fingerprint=None)


@dataclass(frozen=True, kw_only=True)
class NetworkTrial(DataTrial):
    """A network that is looked at.

    Attributes
    ----------
    scheme, activation : str
        Initialization scheme and activation, with their numbers.
    depth, width : int
        Hidden layers, and units of each.
    """

    scheme: str
    activation: str
    depth: int
    width: int

    def smallest(self) -> Self:
        """Return one hidden layer of two units."""
        return replace(super().smallest(), depth=1, width=2)


@dataclass(frozen=True, kw_only=True)
class TrainingTrial(NetworkTrial):
    """A network that is trained; settings of `NetworkSpec` and `Recipe` beyond these are fields of a study's own.

    Attributes
    ----------
    learning_rate, epochs, batch_size : float, int, int
        As in `nnsim.training.recipe.Recipe`.
    momentum : float, optional
        As in `nnsim.training.recipe.Recipe`.
    probe_epoch : sequence of int, optional
        Epochs after which layers are looked at, beside the last.
    """

    learning_rate: float
    epochs: int
    batch_size: int | None = None
    momentum: float | None = None
    probe_epoch: Sequence[int] | None = None

    def smallest(self) -> Self:
        """Return one epoch of small batches."""
        return replace(super().smallest(), epochs=1, batch_size=self.batch_size and 8)
