"""A real Slurm of one node, as an ordinary process tree in a folder of its own."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

DAEMONS = ("munged", "slurmctld", "slurmd")
CONF = """\
ClusterName=tiny
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={root}/run/munge.socket
SlurmctldPort=16817
SlurmdPort=16818
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool
SlurmctldPidFile={root}/run/slurmctld.pid
SlurmdPidFile={root}/run/slurmd.pid
SlurmctldLogFile={root}/log/slurmctld.log
SlurmdLogFile={root}/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,bf_interval=1
MpiDefault=none
ReturnToService=2
MinJobAge=600
KillWait=5
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
{node} NodeAddr=127.0.0.1 State=UNKNOWN
PartitionName=work Nodes=ALL Default=YES MaxTime=60 PriorityTier=1 GraceTime=0 State=UP
PartitionName=urgent Nodes=ALL MaxTime=60 PriorityTier=10 State=UP
"""


def missing_programs() -> list[str]:
    """Return what of Slurm is not installed here."""
    return [name for name in (*DAEMONS, "sbatch") if shutil.which(name, path=_path()) is None]


@contextmanager
def running(root: Path) -> Iterator[dict[str, str]]:
    """Start Slurm in `root`, whose path is short, and stop it after the block; gives the environment to use it."""
    environment = os.environ | {"SLURM_CONF": f"{root}/etc/slurm.conf", "PATH": _path()}
    try:
        _start(root, environment)
        yield environment
    finally:
        user = pwd.getpwuid(os.getuid()).pw_name
        subprocess.run(["scancel", f"--user={user}"], env=environment, check=False, capture_output=True)
        time.sleep(1)
        for name in reversed(DAEMONS):
            with suppress(OSError, ValueError, TimeoutError):
                _end(int((root / "run" / f"{name}.pid").read_text()), name)


def _end(pid: int, name: str) -> None:
    """Ask a daemon to end and wait until it has: it writes its state into a folder that is removed after that."""
    os.kill(pid, signal.SIGTERM)
    wait_for(lambda: not Path(f"/proc/{pid}").exists(), f"the end of {name}", 10)


def wait_for(condition: Callable[[], object], what: str, seconds: float = 90) -> None:
    """Wait until `condition` holds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:g} s for {what}")
        time.sleep(0.2)


def _start(root: Path, environment: dict[str, str]) -> None:
    for name, mode in (("etc", 0o700), ("run", 0o755), ("state", 0o700), ("spool", 0o755), ("log", 0o700)):
        (root / name).mkdir()
        (root / name).chmod(mode)
    key = root / "etc" / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    node = _run(["slurmd", "-C"], environment).splitlines()[0]
    user = pwd.getpwuid(os.getuid()).pw_name
    conf = CONF.format(host=socket.gethostname().split(".")[0], user=user, root=root, node=node)
    (root / "etc" / "slurm.conf").write_text(conf)
    munge = {"key-file": "etc/munge.key", "socket": "run/munge.socket", "pid-file": "run/munged.pid"}
    munge |= {"log-file": "log/munged.log", "seed-file": "state/munged.seed"}
    _run(["munged", "--force", *(f"--{name}={root}/{place}" for name, place in munge.items())], environment)
    for daemon in ("slurmctld", "slurmd"):
        _run([daemon, "-c"], environment)
    sinfo = ["sinfo", "--noheader", "--format=%T", "--partition=work"]
    wait_for(
        lambda: subprocess.run(sinfo, env=environment, capture_output=True).stdout.strip() == b"idle", "a node", 30
    )


def _run(words: list[str], environment: dict[str, str]) -> str:
    # Daemons keep what they inherit: a pipe would never end.
    with (Path(environment["SLURM_CONF"]).parent / "output").open("w+") as output:
        subprocess.run(words, env=environment, check=True, stdout=output, stderr=output)
        output.seek(0)
        return output.read()


def _path() -> str:
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
