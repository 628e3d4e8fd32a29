"""What nobody foresaw: a sentence for the user, and a file with the traceback for whoever mends it."""

from __future__ import annotations

import os
import platform
import shlex
import tempfile
import traceback
from collections.abc import Sequence

SHOWN = 300
"""Characters of an error's own message that its sentence quotes."""


def sentence_about(error: Exception, words: Sequence[str]) -> str:
    """Keep the traceback of `error`, which ended the command with these words, and return what to tell the user."""
    message = " ".join(f"{type(error).__name__}: {error}".split())[:SHOWN].rstrip(": ")
    try:
        return f"nobody foresaw this: {message}; its traceback is in '{_keep(error, words)}', and --debug shows it"
    except OSError:  # no folder for temporary files, or a full one
        return f"nobody foresaw this: {message}; --debug shows its traceback"


def _keep(error: Exception, words: Sequence[str]) -> str:
    """Write the traceback into a new file that only its owner can read; returns the file's path."""
    lines = [shlex.join(["nnsim", *words]), f"Python {platform.python_version()}, {platform.platform()}", ""]
    text = "\n".join([*lines, *traceback.format_exception(error)])
    descriptor, path = tempfile.mkstemp(prefix="nnsim-", suffix=".log")
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)
    return path
