"""Every error that a user can cause, with its data in attributes and one sentence in ``str``; and what is warned of."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

SHOWN_NAMES = 60
"""Names that a sentence lists; a table may have thousands of columns."""


class NnsimError(Exception):
    """Root of all errors raised on purpose; the command line prints its sentence and exits with `exit_code`."""

    exit_code = 1


class NnsimWarning(UserWarning):
    """What was done otherwise than asked for; the command line prints its sentence on standard error."""


class UsageError(NnsimError):
    """A value that cannot be used: wrong option, wrong combination, wrong shape."""

    exit_code = 2

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)


class UnknownNameError(UsageError):
    """A name that a registry does not hold; offers the nearest one and lists the rest."""

    def __init__(self, kind: str, name: object, known: Iterable[str]) -> None:
        self.kind = kind
        self.name = str(name)
        self.known = sorted(known)
        lowered = {name.lower(): name for name in self.known}
        nearest = get_close_matches(self.name.lower(), lowered, n=1, cutoff=0.5)
        hint = f"did you mean '{lowered[nearest[0]]}'? " if nearest else ""
        more = len(self.known) - SHOWN_NAMES
        rest = f" and {more} more" if more > 0 else ""
        names = ", ".join(self.known[:SHOWN_NAMES])
        super().__init__(f"unknown {kind} '{self.name}': {hint}known are {names}{rest}")


class ParameterError(UsageError, ValueError):
    """A value that an estimator cannot use; a ValueError, too, as scikit-learn's tools expect."""


class DeviceError(NnsimError):
    """A GPU that failed while it worked."""

    exit_code = 3


class MemoryShortageError(NnsimError, MemoryError):
    """A network that is larger than the memory."""


class DivergenceError(NnsimError):
    """A network that answers with infinities or NaN."""


class DataError(NnsimError):
    """A data file that cannot be read as numbers: names the file, the row and the column."""


class StoreError(NnsimError):
    """An output folder that cannot be used: not writable, damaged, or another configuration's."""
