"""The tests of the edges run in virtual time."""

from virtual_time import pytest_asyncio_loop_factories  # noqa: F401
