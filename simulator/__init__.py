"""A faithful Orchestrator in memory, for trying and testing clients without one."""
