"""Orchestrator over HTTP: the one place that knows its URLs, its JSON, its tokens and its errors."""

from worker.orchestrator.client import Client, Reach

__all__ = ["Client", "Reach"]
