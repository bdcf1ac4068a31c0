"""What people type: the command line, and nothing that the worker needs."""
