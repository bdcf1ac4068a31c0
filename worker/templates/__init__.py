"""Templates: events of applications become requests, by files that say how."""
