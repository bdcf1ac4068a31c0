"""Prometheus's own judge of rules and metrics."""

import subprocess

_WITHIN_S = 60


def promtool(*arguments: str, reads: str | None = None) -> str:
    """What `promtool ARGUMENTS`, which reads that text, finds amiss; empty where it is content."""
    done = subprocess.run(
        ["promtool", *arguments], input=reads, capture_output=True, text=True, timeout=_WITHIN_S, check=False
    )
    return done.stderr + (f"{done.stdout}exit code {done.returncode}" if done.returncode else "")
