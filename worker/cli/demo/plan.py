"""What a demonstration is told to do. By itself, so that nothing else is loaded before there is one."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """What the command was told. With a *simulator* nothing is begun: its workers run already.

    With *templates* the load is events of applications instead of requests.
    """

    requests: int
    kill: bool
    seed: int
    keep: bool
    templates: bool = False
    simulator: str | None = None
