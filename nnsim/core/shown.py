"""How a result shows itself at a prompt and in a notebook: in a few facts, however much it holds."""

from __future__ import annotations

from html import escape

LONGEST_FACT = 160
"""Characters of one fact."""


class Shown:
    """What is shown by its facts: on one line as text, as a small table in a notebook."""

    def facts(self) -> dict[str, object]:
        """Return what there is to say, by name, in order."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}: {_cut(value)}' for name, value in self.facts().items())})"

    def _repr_html_(self) -> str:
        rows = (
            f"<tr><th style='text-align: left'>{escape(name)}</th>"
            f"<td style='text-align: left'>{escape(_cut(value))}</td></tr>"
            for name, value in self.facts().items()
        )
        return f"<table><caption>{escape(type(self).__name__)}</caption>{''.join(rows)}</table>"


def _cut(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= LONGEST_FACT else f"{text[: LONGEST_FACT - 1]}…"
