"""Look-ups by Reference: gathered, within the list budget, and every answer a proof."""

from worker.orchestrator.lookup.gather import Lookup

__all__ = ["Lookup"]
