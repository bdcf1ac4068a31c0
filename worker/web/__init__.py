"""What the worker serves over HTTP: its health and its metrics."""
