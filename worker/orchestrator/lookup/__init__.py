"""Look-ups by Reference: gathered, within the list budget, and every answer a proof."""

from worker.orchestrator.lookup.gather import Lookup
from worker.orchestrator.lookup.proof import JOBS, Listing

__all__ = ["JOBS", "Listing", "Lookup"]
