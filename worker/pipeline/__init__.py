"""What the worker does with a request: consume, validate, resolve, start once, settle; and then track."""
