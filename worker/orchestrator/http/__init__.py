"""HTTP to Orchestrator: connections, bounded answers, masked secrets, calls with a token, a pace for lists."""
