"""What holds for all tests."""

from __future__ import annotations

import signal

# A shell starts a command in the background with Ctrl-C ignored, which every process that a test starts would inherit.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
