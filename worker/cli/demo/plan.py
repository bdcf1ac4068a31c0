"""What a demonstration is told to do. By itself, so that nothing else is loaded before there is one."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """What the command was told."""

    requests: int
    kill: bool
    seed: int
    keep: bool
