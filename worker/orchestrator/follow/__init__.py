"""What tracking asks of Orchestrator: which jobs changed, why one waits, and what its robot logged."""
