"""Once: the claim on a request, the one POST that it allows, and the one end that is told of it."""
