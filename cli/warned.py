"""What the library warns of, as one line on standard error."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from nnsim.core.errors import NnsimWarning


@contextmanager
def one_line_warnings() -> Iterator[None]:
    """Print the library's own warnings as a sentence within the block, and others as Python does."""

    def show(message: Warning | str, category: type[Warning], *place: Any) -> None:
        if issubclass(category, NnsimWarning):
            click.echo(f"nnsim: {message}", err=True)
        else:
            others(message, category, *place)

    others = warnings.showwarning
    with warnings.catch_warnings():
        warnings.showwarning = show  # type: ignore[assignment]
        yield
