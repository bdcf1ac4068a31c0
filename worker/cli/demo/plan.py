"""What a demonstration is told to do. By itself, so that nothing else is loaded before there is one."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """What the command was told. With a *simulator* nothing is begun: its workers run already."""

    requests: int
    kill: bool
    seed: int
    keep: bool
    simulator: str | None = None
