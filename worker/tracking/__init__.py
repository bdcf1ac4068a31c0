"""Jobs in flight, followed to their end. The tracking queue is the set of them."""
