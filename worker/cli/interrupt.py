"""Signals before a command has begun end the process at once: there is nothing to undo and nobody to tell.

And what the first process of a container has to do itself, as there is no other to do it.
"""

import os
import signal
from typing import Any


def end_at_once() -> None:
    """Until `begin`, Ctrl-C is exit code 130 and no word. A process told to ignore it goes on ignoring it.

    The first process of a container also ends at SIGTERM until it says otherwise: the kernel keeps from it
    whatever it has not asked for.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)
    if _is_first() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _end)


def begin() -> None:
    """From now on Ctrl-C is a `KeyboardInterrupt`, or what the event loop makes of it."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def leave_no_zombies() -> None:
    """Whoever has no parent any more is the first process's child. For a process that starts none itself."""
    if _is_first():
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)


def _is_first() -> bool:
    return os.getpid() == 1


def _end(number: int, _: Any) -> None:
    os._exit(128 + number)
