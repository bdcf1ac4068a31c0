"""A webhook over real HTTP, and nothing in the logs that must not be there."""

import logging
from collections.abc import AsyncIterator, Iterator

import pytest
from notified import OLDER, SECRET, Hook, hooked
from structlog.testing import capture_logs


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    """A webhook with two secrets; a body has a quarter of a second."""
    async with hooked(SECRET, OLDER, within_s=0.25) as served:
        yield served


@pytest.fixture(autouse=True)
def _no_traceback(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever a test sends, no library logs an exception, and our lines have no word of a body or secret."""
    caplog.set_level(logging.INFO)
    with capture_logs() as lines:
        yield
    assert [record.getMessage() for record in caplog.get_records("call") if record.exc_info] == []
    said = str(lines)
    assert "planted" not in said
    assert SECRET not in said
    assert not any("exc_info" in line for line in lines)
