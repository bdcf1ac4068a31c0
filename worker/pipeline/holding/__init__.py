"""Why a request in hand waits: the worker stops, Orchestrator is away, or it asks for patience."""
