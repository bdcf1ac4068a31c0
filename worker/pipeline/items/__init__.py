"""Requests to add queue items: one item each, added once."""
