"""The tests of the edges run in virtual time, and their logs are kept from the screen."""

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs
from virtual_time import pytest_asyncio_loop_factories  # noqa: F401


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with capture_logs():
        yield
