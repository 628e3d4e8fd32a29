"""What other processes are asked to do in the tests of benchmarks: found there by its name."""

from __future__ import annotations

import os

from nnsim.core.errors import UsageError
from nnsim.experiment.executors.threads import usable_cpus


def tell_twice(first, second, told):
    told(first)
    told(second)
    return usable_cpus()


def refuse(told):
    raise UsageError("not with me")


def die(told):
    os._exit(3)
