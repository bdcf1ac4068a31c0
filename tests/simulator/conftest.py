"""A caller of the simulator, and a simulator that has forgotten all tests before."""

from collections.abc import Iterator

import pytest
from caller import Caller
from simulated import Simulated


@pytest.fixture
def api(simulator: Simulated) -> Iterator[Caller]:
    """A client with a static token; the simulator holds the built-in seed."""
    caller = Caller(simulator)
    yield caller
    caller.connection.close()
