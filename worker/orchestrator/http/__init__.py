"""HTTP to Orchestrator: connections, bounded answers, masked secrets, and calls with a token."""
