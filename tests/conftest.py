"""What holds for all tests: they start from the signals a person at a terminal has, however they were started."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """A shell starts what it puts into the background deaf to Ctrl-C, and its children stay so."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
