"""Ctrl-C before a command has begun ends the process at once: there is nothing to undo and nobody to tell."""

import os
import signal
from typing import Any


def end_at_once() -> None:
    """Until `begin`, Ctrl-C is exit code 130 and no word. A process told to ignore it goes on ignoring it."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def begin() -> None:
    """From now on Ctrl-C is a `KeyboardInterrupt`, or what the event loop makes of it."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(*_: Any) -> None:
    os._exit(130)
