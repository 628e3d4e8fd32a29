"""What is asked of Slurm, checked, and the two scripts that ask for it: an array of shards, and a merge after it."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from nnsim.core.errors import UsageError

REQUEUES = 20
"""How often a shard that was stopped before its time limit puts itself back into the queue."""

NOTICE_SECONDS = 60
LEAST_MINUTES = 5
"""Slurm may tell a shard to stop up to two minutes before its time limit, and sooner it has done nothing."""

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}")
NAMES = re.compile(rf"{NAME.pattern}(,{NAME.pattern})*")
GRES = re.compile(rf"{NAME.pattern}(:{NAME.pattern})*")
MEMORY = re.compile(r"[1-9]\d{0,11}[KMGT]?")
STUDY = re.compile(r"study (run [^-]|(?!run\b)[^-])")
TIME = re.compile(
    r"(?:(?P<days>\d{1,5})-(?P<hours>\d{1,5})(?::(?P<minutes>\d{1,5}))?(?::\d{1,5})?"
    r"|(?P<long_hours>\d{1,5}):(?P<long_minutes>\d{1,5}):\d{1,5}"
    r"|(?P<short>\d{1,9})(?::\d{1,5})?)"
)

LISTEN = """\
# The worker stops within seconds of USR1 (the time limit is near) or TERM, keeps what is finished, and exits with 75.
worker=
ended=
stopped=
tell() {
  stopped=$1
  [ -z "$worker" ] || kill -"$1" "$worker" 2>/dev/null || true
}
trap 'tell USR1' USR1
trap 'ended=yes; tell TERM' TERM

"""

WAIT = (
    f"""\
worker=$!
[ -z "$stopped" ] || kill -"$stopped" "$worker" 2>/dev/null || true  # the signal came before there was a worker
most_requeues={REQUEUES}
"""
    + """\
wait "$worker"
code=$?
while kill -0 "$worker" 2>/dev/null; do  # a signal ended the wait, not the worker
  wait "$worker"
  code=$?
done
# Told before it could listen, it died of the signal: USR1 is 138, TERM is 143.
if [ -n "$stopped" ] && { [ "$code" -eq 138 ] || [ "$code" -eq 143 ]; }; then
  code=75
fi
# After TERM it is decided already what becomes of this task: it is cancelled, or requeued by Slurm.
if [ "$code" -eq 75 ] && [ -z "$ended" ] && [ "${SLURM_RESTART_COUNT:-0}" -lt "$most_requeues" ]; then
  scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"
fi
exit "$code"
"""
)


@dataclass(frozen=True)
class Request:
    """What is asked of Slurm for one run; raises UsageError where a value cannot be used.

    Attributes
    ----------
    folder : str
        The output folder, absolute.
    workdir : str
        Where the jobs work: relative paths of the study count from there.
    command : tuple of str
        What stands behind ``nnsim``: the study with its options, without output, jobs and shard.
    shards : int
        Tasks of the array.
    job_name : str
        How the queue calls it.
    log : str
        Folder of the output of the jobs, absolute.
    cpus : int
        CPUs, and so threads, of a shard.
    partition, time, account, qos, gres, mem : str, optional
        As in ``sbatch``; the site's default where None. Only shards get ``gres``.
    max_running : int, optional
        How many shards run at once, at most.
    """

    folder: str
    workdir: str
    command: tuple[str, ...]
    shards: int
    job_name: str
    log: str
    cpus: int = 1
    partition: str | None = None
    time: str | None = None
    account: str | None = None
    qos: str | None = None
    gres: str | None = None
    mem: str | None = None
    max_running: int | None = None

    def __post_init__(self) -> None:
        """Check every value: each ends in a script that a shell runs."""
        object.__setattr__(self, "command", tuple(self.command))
        if not all(isinstance(word, str) for word in self.command) or not STUDY.match(shlex.join(self.command)):
            raise UsageError(f"the command must be a study with its options, got {self.command!r}")
        for name in ("shards", "cpus", "max_running"):
            _check_count(name, getattr(self, name))
        for name in ("account", "qos", "job_name"):
            _check_text(name, getattr(self, name), NAME, "letters, digits and . _ + -, such as astro_1")
        _check_text("partition", self.partition, NAMES, "names of letters, digits and . _ + -, such as cpu,long")
        _check_text("gres", self.gres, GRES, "devices and how many, such as gpu:1 or gpu:h100:2")
        _check_text("mem", self.mem, MEMORY, "a number and K, M, G or T, such as 4G")
        _check_time(self.time)
        for name in ("folder", "workdir", "log"):
            _check_path(name, getattr(self, name))

    @property
    def program(self) -> str:
        """The name or the file of the study."""
        return self.command[2 if self.command[1] == "run" else 1]

    def of_file(self, path: str) -> Request:
        """Return the same request for the study in the file `path`."""
        options = self.command[3 if self.command[1] == "run" else 2 :]
        return replace(self, command=("study", "run", path, *options))


def shards_script(request: Request, tasks: Iterable[int], mark: str) -> str:
    """Return the array script that measures some shards of a run.

    Parameters
    ----------
    request : Request
    tasks : iterable of int
        Numbers of the shards, from 0 and below ``request.shards``.
    mark : str
        The jobs' comment, by which the queue finds them again.
    """
    limit = f"%{request.max_running}" if request.max_running else ""
    options = _options(request, "", f"{request.log}/shard-%A_%a.log", mark) | {
        "array": compressed(tasks) + limit,
        "signal": f"B:USR1@{NOTICE_SECONDS}",
        "requeue": "",
        **({"gres": request.gres} if request.gres else {}),
    }
    command = _nnsim(*request.command, "--output", request.folder, "--quiet")
    # Slurm fills in the rest, so it stands outside the quotes.
    command += ' --jobs "${SLURM_CPUS_PER_TASK:-1}" --shard "${SLURM_ARRAY_TASK_ID}/' + f'{request.shards}"'
    return f"{_header(options)}{LISTEN}{command} &\n{WAIT}"


def merge_script(request: Request, array: str, mark: str) -> str:
    """Return the script that merges the shards when all tasks of an array have ended, whichever way.

    Parameters
    ----------
    request : Request
    array : str
        Slurm's id of the array job.
    mark : str
        The job's comment, by which the queue finds it again.
    """
    options = _options(request, "-merge", f"{request.log}/merge-%j.log", mark) | {"dependency": f"afterany:{array}"}
    return _header(options) + f"exec {_nnsim(*merge_words(request), '--quiet')}\n"


def merge_words(request: Request) -> tuple[str, ...]:
    """Return what stands behind ``nnsim`` to merge the shards; a study in a file is named, as no folder does it."""
    study = ("--study", request.program) if request.program.endswith(".py") else ()
    return ("merge", request.folder, *study)


def compressed(numbers: Iterable[int]) -> str:
    """Return numbers as Slurm lists them, e.g. ``3,7-9``."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return ",".join("-".join(map(str, run)) for run in runs)


def _options(request: Request, suffix: str, log: str, mark: str) -> dict[str, str]:
    wanted = {
        "job-name": request.job_name + suffix,
        "comment": mark,
        "partition": request.partition,
        "time": request.time,
        "account": request.account,
        "qos": request.qos,
        "cpus-per-task": str(request.cpus),
        "mem": request.mem,
        "chdir": request.workdir,
        "output": _literal_folder(log, request.log),
        "open-mode": "append",
    }
    return {name: value for name, value in wanted.items() if value is not None}


def _literal_folder(pattern: str, folder: str) -> str:
    """Return `pattern` with each ``%`` of its `folder` doubled: there it stands for nothing."""
    return folder.replace("%", "%%") + pattern.removeprefix(folder)


def _header(options: Mapping[str, str]) -> str:
    lines = [
        f"#SBATCH --{name}={shlex.quote(value)}" if value else f"#SBATCH --{name}" for name, value in options.items()
    ]
    return "\n".join(["#!/bin/bash", *lines, "", ""])


def _nnsim(*words: str) -> str:
    # -P: a file of the working folder must not stand in for a module.
    return shlex.join([sys.executable, "-P", "-m", "nnsim_cli", *words])


def _check_count(name: str, value: int | None) -> None:
    if value is not None and (not isinstance(value, int) or value < 1):
        raise UsageError(f"{_flag(name)} must be a whole number of at least 1, got {value!r}")


def _check_text(name: str, value: str | None, pattern: re.Pattern[str], allowed: str) -> None:
    if value is not None and not pattern.fullmatch(value):
        raise UsageError(f"{_flag(name)} must be {allowed}, got {value!r}")


def _check_time(value: str | None) -> None:
    if value is None:
        return
    found = TIME.fullmatch(value)
    if found is None:
        allowed = "minutes, hours:minutes:seconds, days-hours or days-hours:minutes:seconds, such as 30 or 1-12:00:00"
        raise UsageError(f"--time must be {allowed}, got {value!r}")
    part = {name: int(digits or 0) for name, digits in found.groupdict().items()}
    hours = 24 * part["days"] + part["hours"] + part["long_hours"]
    if 60 * hours + part["minutes"] + part["long_minutes"] + part["short"] < LEAST_MINUTES:
        raise UsageError(
            f"--time {value} is too short: shards stop up to two minutes before their end, so it must be at least "
            f"{LEAST_MINUTES} minutes, such as {LEAST_MINUTES}"
        )


def _check_path(name: str, value: str) -> None:
    if not Path(value).is_absolute() or "\\" in value or not value.isprintable():
        raise UsageError(f"the path of the {name} must have no backslash and no line break, got {value!r}")


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
