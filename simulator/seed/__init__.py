"""What a simulated tenant holds at the start: read from JSON, checked, completed."""

from simulator.seed.checks import SeedError
from simulator.seed.form import DEFAULT_SEED, behaviour, load

__all__ = ["DEFAULT_SEED", "SeedError", "behaviour", "load"]
