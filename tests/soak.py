"""A run that is killed again and again, at random moments, and started again; run as a script, it prints a summary."""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from faults import Laboratory

LONGEST_SECONDS = 0.5


def soak(laboratory: Laboratory, kills: int, seed: int) -> dict[str, int]:
    """Kill so many runs; after each nothing finished is lost and whatever is there is whole. Raises AssertionError."""
    draw = random.Random(seed)
    killed = finished = 0
    folder = laboratory.start("measure", "soak")
    kept: set[int] = set()
    while killed < kills:
        if _killed(laboratory, folder, draw.uniform(0, LONGEST_SECONDS)):
            killed += 1
            laboratory.check_what_is_left(folder)
            before, kept = kept, laboratory.kept(folder)
            assert before <= kept, "a finished chunk is lost"
        else:
            finished += 1
            laboratory.check_recovery(folder)
            folder, kept = laboratory.start("measure", "soak"), set()
    laboratory.check_recovery(folder)
    return {"kills": killed, "finished": finished}


def _killed(laboratory: Laboratory, folder: Path, seconds: float) -> bool:
    """Run in a child, kill it after so many seconds, and return whether that came before its end."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            laboratory.measure(folder)
            laboratory.merge(folder)
            status = 0
        finally:
            os._exit(status)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in {0, -signal.SIGKILL}, status
    return status != 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        laboratory = Laboratory(Path(place), chunks=20, jobs=2, pause=0.01)
        print(json.dumps(soak(laboratory, options.kills, options.seed)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
