"""What holds for all tests."""

from __future__ import annotations

import signal

import pytest

# A shell starts a command in the background with Ctrl-C ignored, which every process that a test starts would inherit.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

FIRST = ("test_llvm_ir.py", "test_cuda.py")
"""What compiles all kernels for the files that follow, and what needs none of them in the meantime."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the files go first that make the others faster; the rest keeps its order."""
    items.sort(key=lambda item: FIRST.index(item.path.name) if item.path.name in FIRST else len(FIRST))
