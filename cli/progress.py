"""Progress on standard error: a bar on a terminal, and a line now and then in a log."""

from __future__ import annotations

import sys
import threading
import time

import click

from nnsim.core.progress import Progress

LINE_SECONDS = 30.0
BAR_SECONDS = 0.1  # a million tiny trials must not wait for the bar


def make_progress(quiet: bool) -> Progress:
    """Return what suits standard error: a bar, plain lines, or silence."""
    if quiet:
        return Notes()
    return BarProgress() if sys.stderr.isatty() else LineProgress()


def duration(seconds: float) -> str:
    """Return a length of time with two digits that matter, e.g. ``45 s``, ``12 min``, ``3.4 h``."""
    for unit, size, limit in (("s", 1, 99.5), ("min", 60, 5970)):
        if seconds < limit:
            return f"{seconds / size:.{0 if seconds >= 9.5 * size else 1}f} {unit}"
    return f"{seconds / 3600:.{0 if seconds >= 9.5 * 3600 else 1}f} h"


class Meter:
    """Counts trials (or what else `unit` says) and their expected cost, from which rate and remaining time follow."""

    def __init__(self, trials: int, finished: int, seconds: float, unit: str = "trials") -> None:
        self.trials = trials
        self.unit = unit
        self.note = ""
        self.finished = finished
        self.measured = 0
        self.expected = seconds
        self.done = 0.0
        self.start = time.monotonic()

    def add(self, seconds: float, count: int = 1, note: str = "") -> None:
        """Count trials of this expected cost."""
        self.finished += count
        self.measured += count
        self.done += seconds
        self.note = note

    def __str__(self) -> str:
        elapsed = time.monotonic() - self.start
        text = f"{self.finished}/{self.trials} {self.unit}"
        if self.measured and elapsed > 0:
            text += f", {self.measured / elapsed:.3g}/s"
        if self.done > 0 and self.finished < self.trials:
            text += f", {duration(elapsed * max(self.expected / self.done - 1, 0))} left"
        return f"{text}, {self.note}" if self.note else text


class Notes(Progress):
    """Silence, but for what the user should know."""

    def note(self, text: str) -> None:
        """Write the note."""
        click.echo(f"nnsim: {text}", err=True)


class LineProgress(Notes):
    """One plain line at most every 30 s, and one at the end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._meter = Meter(0, 0, 0)
        self._last = 0.0

    def phase(self, text: str) -> None:
        """Write the phase."""
        click.echo(text, err=True)

    def begin(self, trials: int, finished: int, seconds: float, unit: str = "trials") -> None:
        """Start counting."""
        self._meter = Meter(trials, finished, seconds, unit)
        self._last = time.monotonic()

    def advance(self, seconds: float, count: int = 1, note: str = "") -> None:
        """Count a trial, and say so if the last line is old."""
        with self._lock:
            self._meter.add(seconds, count, note)
            if time.monotonic() - self._last >= LINE_SECONDS:
                self._last = time.monotonic()
                click.echo(str(self._meter), err=True)

    def end(self) -> None:
        """Write the last line."""
        click.echo(str(self._meter), err=True)


class BarProgress(Notes):
    """A bar with trials, rate and time left."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bar

        self._console = Console(stderr=True, highlight=False, markup=False)
        self._bar = Bar(BarColumn(), TextColumn("{task.description}", markup=False), console=self._console)
        self._lock = threading.Lock()
        self._meter = Meter(0, 0, 0)
        self._last = 0.0

    def phase(self, text: str) -> None:
        """Write the phase."""
        self._console.print(text, style="dim")

    def begin(self, trials: int, finished: int, seconds: float, unit: str = "trials") -> None:
        """Show the bar."""
        self._meter = Meter(trials, finished, seconds, unit)
        self._task = self._bar.add_task(str(self._meter), total=trials, completed=finished)
        self._bar.start()

    def advance(self, seconds: float, count: int = 1, note: str = "") -> None:
        """Count a trial, and move the bar now and then."""
        with self._lock:
            self._meter.add(seconds, count, note)
            if time.monotonic() - self._last >= BAR_SECONDS:
                self._last = time.monotonic()
                self._show()

    def end(self) -> None:
        """Leave the bar as it is."""
        self._show()
        self._bar.stop()

    def _show(self) -> None:
        self._bar.update(self._task, completed=self._meter.finished, description=str(self._meter))
