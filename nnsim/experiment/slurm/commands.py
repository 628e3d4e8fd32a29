"""Slurm's own commands, called so that a busy or silent controller is one sentence, and a job is submitted once."""

from __future__ import annotations

import re
import shlex
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from nnsim.core.errors import NnsimError

BACK_OFF = (2.0, 4.0, 8.0)
"""Seconds between attempts."""

PATIENCE = 60.0
"""Seconds after which a command of Slurm is given up."""

TRANSIENT = re.compile(r"unable to contact|temporarily|connection refused|connection reset|try again", re.IGNORECASE)
UNKNOWN = re.compile(r"timed out", re.IGNORECASE)
JOB_ID = re.compile(r"^(\d+)(;\S+)?$", re.MULTILINE)
"""The answer under ``--parsable``, with the cluster's name where there are several."""

Answer = subprocess.CompletedProcess[str] | None


class SlurmError(NnsimError):
    """Slurm refused, or is not there."""


class UnknownOutcomeError(SlurmError):
    """Slurm gave no answer: the job may be in the queue or not."""

    def __init__(self, mark: str) -> None:
        self.mark = mark
        look = f"squeue --me --format='%i %j %k' | grep {shlex.quote(mark)}"
        super().__init__(
            f"sbatch gave no answer, so the job may be submitted or not: find out with: {look}; "
            "the same command again submits nothing while the folder's jobs are in the queue"
        )


def submit(script: Path, mark: str) -> str:
    """Submit `script` and return the id of its job.

    Parameters
    ----------
    script : Path
        A batch script whose jobs have the comment `mark`, which no other has.
    mark : str
        By it the job is found where ``sbatch`` gives no answer.

    Raises
    ------
    SlurmError
        Slurm is not installed, refuses the job, or cannot be reached in several attempts.
    UnknownOutcomeError
        There was no answer, and the job is not in the queue, or not yet.
    """
    result = _patiently(["sbatch", "--parsable", str(script)], _is_busy)
    if result is None or UNKNOWN.search(result.stderr):
        return _found(mark)
    if result.returncode != 0:
        raise SlurmError(f"sbatch refused the job: {_reason(result)}")
    answer = JOB_ID.search(result.stdout)
    return answer[1] if answer else _found(mark)


def queued(mark: str) -> list[str]:
    """Return the ids of the user's jobs in the queue whose comment begins with `mark`, sorted.

    Raises
    ------
    SlurmError
        The queue cannot be read.
    """
    result = _patiently(["squeue", "--me", "--noheader", "--format=%F %k"], _has_failed)
    if result is None or result.returncode != 0:
        reason = "it gave no answer" if result is None else _reason(result)
        raise SlurmError(f"cannot read the queue with squeue: {reason}")
    rows = [line.split(maxsplit=1) for line in result.stdout.splitlines()]
    return sorted({row[0] for row in rows if len(row) == 2 and row[1].startswith(mark)}, key=int)


def _found(mark: str) -> str:
    """Look for a job that may have arrived without an answer."""
    for pause in BACK_OFF:
        time.sleep(pause)
        try:
            jobs = queued(mark)
        except SlurmError:
            break
        if jobs:
            return jobs[0]
    raise UnknownOutcomeError(mark)


def _patiently(words: Sequence[str], again: Callable[[Answer], bool]) -> Answer:
    """Run a command of Slurm, several times where the answer is worth another attempt."""
    for pause in BACK_OFF:
        answer = _call(words)
        if not again(answer):
            return answer
        time.sleep(pause)
    return _call(words)


def _is_busy(answer: Answer) -> bool:
    return answer is not None and answer.returncode != 0 and bool(TRANSIENT.search(answer.stderr))


def _has_failed(answer: Answer) -> bool:
    return answer is None or answer.returncode != 0


def _call(words: Sequence[str]) -> Answer:
    """Run a command of Slurm; None where it gives no answer in time."""
    try:
        return subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        return None
    except OSError as error:
        reason = "is not on the PATH" if isinstance(error, FileNotFoundError) else f"cannot run ({error.strerror})"
        raise SlurmError(
            f"{words[0]} {reason}: submit from a login node of a Slurm cluster, or run the shards with any other "
            "batch system: nnsim study NAME --shard i/N"
        ) from error


def _reason(result: subprocess.CompletedProcess[str]) -> str:
    words = (result.stderr or result.stdout).replace("sbatch: error: ", "").replace("squeue: error: ", "").split()
    return " ".join(words) or f"exit code {result.returncode}"
