"""What the shell offers after Tab: names, several of them behind commas, and files.

No file is loaded for it: a study in a file completes its options only once it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click
from click.shell_completion import CompletionItem

from nnsim.core.vocabulary import VOCABULARY

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

TRAINING_NAMES = {
    "activation": "activations",
    "init": "schemes",
    "optimizer": "optimizers",
    "schedule": "schedules",
    "data": "datasets",
}
"""Settings of a training to the kind of name that each takes."""

TRAINING_CHOICES = {
    "loss": ("cross_entropy", "bce", "mse", "mae", "huber"),
    "dtype": ("float32", "float64"),
    "watch": ("loss", "metric"),
}
"""Settings of a training whose few names stand in their help."""

FIGURE_FORMATS = ("png", "pdf", "svg")


def offer(known: Callable[[], Iterable[str]], several: bool = False, files: bool = False) -> Complete:
    """Return a completion that offers names.

    Parameters
    ----------
    known : callable
        Returns the names; it is called after Tab alone.
    several : bool
        Whether names may follow each other behind commas.
    files : bool
        Whether a file will do, too.
    """
    return lambda context, parameter, incomplete: offered(known(), incomplete, several, files)


def offered(known: Iterable[str], incomplete: str, several: bool = False, files: bool = False) -> list[CompletionItem]:
    """Return those of `known` that go on from `incomplete`, and that the shell may offer files; as in `offer`."""
    before, comma, begun = incomplete.rpartition(",") if several else ("", "", incomplete)
    names = [CompletionItem(before + comma + name) for name in known if name.startswith(begun)]
    return [CompletionItem(incomplete, type="file"), *names] if files else names  # bash forgets what stands before it


def installed_studies() -> list[str]:
    """Return the names of the installed studies."""
    from nnsim.study.discovery import study_names

    return study_names()


def offer_for(setting: str) -> Complete | None:
    """Return the completion of a setting of a training, if it takes names."""
    if setting in TRAINING_CHOICES:
        return offer(lambda: TRAINING_CHOICES[setting])
    kind = TRAINING_NAMES.get(setting)
    return None if kind is None else offer(lambda: VOCABULARY[kind], files=kind == "datasets")


studies_and_files = offer(installed_studies, files=True)
