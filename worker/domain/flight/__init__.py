"""Jobs in flight: what is known of each, what follows from a look at it, and what is told of it."""
