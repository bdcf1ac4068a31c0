"""Ends what this process has started, however this process itself ends."""

import subprocess
from types import TracebackType
from typing import Self

# A process group of its own keeps Ctrl-C away from the watcher, the trap keeps everything else away.
_WATCH = "trap '' INT TERM HUP; while read -r _; do :; done; "


class Guard:
    """Runs a shell text when it is closed, or when this process is gone without closing it (even by SIGKILL).

    The watching process reads from a pipe whose other end nobody but this process holds.
    """

    def __init__(self, text: str, *arguments: str) -> None:
        """Watches from now on; `text` sees the arguments as $1, $2 and so on."""
        self._watcher = subprocess.Popen(
            ["/bin/sh", "-c", _WATCH + text, "guard", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Runs the text and waits for its end; an interrupt ends the waiting only."""
        if self._watcher.stdin:
            self._watcher.stdin.close()
        self._watcher.wait()
