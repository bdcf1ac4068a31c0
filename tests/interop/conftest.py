"""Fixtures of the tests with clients in other languages."""

from relay import here, relay

__all__ = ["here", "relay"]
