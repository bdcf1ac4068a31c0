"""HTTP to Orchestrator: connections, bounded answers, masked secrets, a token for calls, a pace for lists."""
