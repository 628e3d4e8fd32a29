"""Standard output and error take every text: what their encoding lacks is written as an escape."""

from __future__ import annotations

import codecs
import os
import sys
from typing import Any


def escape_what_is_missing() -> None:
    r"""Let both streams write ``\u65e5``, or ``\udce9`` for a byte of a file's name, where they lack the character."""
    sys.stdout, sys.stderr = map(_escaping, (sys.stdout, sys.stderr))


def _escaping(stream: Any) -> Any:
    if stream is None:  # closed by who started the command
        return open(os.devnull, "w", encoding="utf-8")
    if not hasattr(stream, "reconfigure"):  # a notebook's
        return stream
    if codecs.lookup(stream.encoding).name == "ascii":
        # Through the buffer of a stream of ASCII click would write UTF-8: this one shows none.
        writer = codecs.getwriter("ascii")(stream.buffer, "backslashreplace")
        writer.encoding = "ascii"  # type: ignore[attr-defined]  # rich asks
        return writer
    stream.reconfigure(errors="backslashreplace")
    return stream
