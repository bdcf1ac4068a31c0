"""What senders ask for: many requests, most of them good, some sent twice."""
