"""Paths as options: where results go has a name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


class OutputPath(click.Path):
    """The path of an output, which an empty text is none of."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        from nnsim.core.output_folders import named

        return super().convert(named(value), param, ctx)
