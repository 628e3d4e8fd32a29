"""Every benchmark runs on one core: the process is bound to it before any library starts its threads."""

from __future__ import annotations

from nnsim.benchmarks.process import bind

bind(1)
