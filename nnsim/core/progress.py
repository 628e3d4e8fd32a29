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
        """Start counting.

        Parameters
        ----------
        trials, finished : int
            How many there are in all, and how many of them are kept from before.
        seconds : float
            Expected cost of the rest on one core. Only its ratio to what `advance` counts matters, so any unit will do.
        unit : str
            Word for what is counted.
        """

    def advance(self, seconds: float, count: int = 1, note: str = "") -> None:
        """Count more trials as finished.

        Parameters
        ----------
        seconds : float
            Their expected cost, as in `begin`.
        count : int
            How many they are.
        note : str
            A few words on how things stand, shown until the next call.
        """

    def end(self) -> None:
        """Stop counting; called exactly once after `begin`, also where the run is stopped."""
