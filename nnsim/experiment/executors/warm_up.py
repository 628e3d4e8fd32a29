"""The first compilation on all cores: Numba compiles under one lock, so processes share the work and keep the code.

They compile kernels of the library alone, never a user's file. What one of them does not finish is compiled here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import groupby
from subprocess import DEVNULL, PIPE, Popen

from nnsim.core.progress import Progress
from nnsim.kernels.compiling.compile_cache import folder
from nnsim.study.declaration import Study
from nnsim.training.precompile import LARGE, lacking, seconds

COMMAND = [
    sys.executable,
    "-P",
    "-m",
    "nnsim.training.precompile",
]  # -P: nothing in the working folder is taken for a module

WORTH_SECONDS = 4.0
"""What one more process must save: it has to start, and compiles what another one compiles, too."""


def warm_up(study: Study, jobs: int, progress: Progress | None = None, cold: bool = False) -> None:
    """Make ready what the trials of `study` call: load what is kept, and compile the rest on up to `jobs` cores.

    Parameters
    ----------
    study : Study
    jobs : int
        How many processes may compile at the same time.
    progress : Progress, optional
        Is told which of the two it is.
    cold : bool
        Whether it is known that something is to be compiled.

    Raises
    ------
    UnknownNameError
        The study names a large kernel that does not exist.
    """
    if study.warm_up is None:
        return
    names = lacking(study.kernels)
    if progress is not None:
        progress.phase("compiling kernels (first run only)" if names or cold else "loading kernels")
    compile_side_by_side(names, jobs)
    study.warm_up()


def compile_side_by_side(names: Iterable[str], jobs: int) -> None:
    """Let up to `jobs` processes compile large kernels and keep their code, where that is faster than one alone."""
    shares = divide(names, jobs)
    if len(shares) < 2 or folder() is None:
        return
    children: list[Popen[bytes]] = []
    try:
        with suppress(OSError):  # no room for one more process
            for share in shares:
                children.append(Popen([*COMMAND, *share], stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL))
        for child in children:
            child.wait()
    finally:
        for child in children:
            child.kill()
            with child:  # which waits for it
                pass


def divide(names: Iterable[str], count: int) -> list[list[str]]:
    """Return `names` in up to `count` shares of much the same time; kernels of one precision have much in common."""
    if count < 2:
        return [list(names)]
    by_precision = sorted(names, key=_precision)
    shares = [list(share) for _, share in groupby(by_precision, _precision)]
    while 0 < len(shares) < count:
        longest = max(shares, key=seconds)
        halves = _halve(longest)
        if seconds(longest) - max(map(seconds, halves)) < WORTH_SECONDS:
            break
        shares.remove(longest)
        shares += halves
    return shares


def _precision(name: str) -> str:
    return LARGE[name].precision


def _halve(names: Sequence[str]) -> tuple[list[str], list[str]]:
    first: list[str] = []
    second: list[str] = []
    for name in sorted(names, key=lambda name: LARGE[name].seconds, reverse=True):
        min(first, second, key=seconds).append(name)
    return first, second
