"""Small kernels beside the large ones, and kernels that go wrong: what compiling side by side is tested with.

Run as a script with names, this file is to them what ``python -m nnsim.training.precompile`` is to the large ones.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from nnsim.kernels.cpu_only import schedules
from nnsim.training.precompile import LARGE, LargeKernel, Tiny, main

IN_CHILD = __name__ == "__main__"


def die(tiny: Tiny) -> Any:
    """Be killed, as for memory."""
    if IN_CHILD:
        os.kill(os.getpid(), signal.SIGKILL)
    return tiny.row[0], 1.0, tiny.theta


def wait(tiny: Tiny) -> Any:
    """Tell which process this is, by a file in the working folder, and take longer than anybody would wait."""
    if IN_CHILD:
        Path(str(os.getpid())).touch()
        time.sleep(300)
    return tiny.row[0], 1.0, tiny.theta


SMALL = {
    "half_cosines float32": LargeKernel(schedules.half_cosines, lambda tiny: (tiny.row[0], tiny.theta), 10, "float32"),
    "half_cosines float64": LargeKernel(schedules.half_cosines, lambda tiny: (tiny.row[0], tiny.theta), 10, "float64"),
    "fatal float32": LargeKernel(schedules.powers, die, 10, "float32"),
    "endless float32": LargeKernel(schedules.powers, wait, 10, "float32"),
    "endless float64": LargeKernel(schedules.powers, wait, 10, "float64"),
}

if IN_CHILD:
    LARGE.update(SMALL)
    main()
