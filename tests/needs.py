"""What some tests need and a machine may lack."""

from __future__ import annotations

import importlib.util

import pytest

numba_cuda = pytest.mark.skipif(
    importlib.util.find_spec("numba_cuda") is None, reason="numba-cuda is not installed: pip install 'nnsim[cuda]'"
)
