"""Once: the claim on a request, and the start that it allows."""
