"""How a run tells where it stands; the command line draws it, the library is silent."""

from __future__ import annotations


class Progress:
    """A listener that does nothing; subclasses draw.

    `advance` is called from worker threads, everything else from the thread that called the run.
    """

    def phase(self, text: str) -> None:
        """Say what is done now, in a few words."""

    def note(self, text: str) -> None:
        """Say what the user should know whether or not progress is shown."""

    def begin(self, trials: int, finished: int, seconds: float, unit: str = "trials") -> None:
        """Start counting: `finished` of `trials` are kept from before, the rest is expected to take `seconds`."""

    def advance(self, seconds: float, count: int = 1, note: str = "") -> None:
        """Count `count` more trials, whose expected cost was `seconds`; `note` says how things stand."""

    def end(self) -> None:
        """Stop counting; called exactly once after `begin`, also where the run is stopped."""
