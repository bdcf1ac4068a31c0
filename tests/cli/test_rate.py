"""How many letters a second a replay sends: read from its option, and kept."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import typer
from virtual_time import VirtualLoop

from worker.cli.dead import per_second, resend


@pytest.mark.parametrize(
    ("text", "rate"), [("10", 10), ("10/s", 10), ("300/m", 5), ("7200/h", 2), (" 0.5/s ", 0.5)]
)
def test_a_rate_is_read(text: str, rate: float) -> None:
    """So many a second, a minute or an hour."""
    assert per_second(text) == rate


@pytest.mark.parametrize("text", ["", "0", "-1", "inf", "nan", "10/d", "1e9", "fast"])
def test_no_rate_is_a_mistake_in_usage(text: str) -> None:
    """It is refused before anything is sent."""
    with pytest.raises(typer.BadParameter):
        per_second(text)


def test_a_rate_is_kept_however_long_each_letter_takes() -> None:
    """Two a second: a slow letter delays the next ones, and they do not catch up."""

    async def letters() -> AsyncIterator[Any]:
        for _ in range(5):
            yield None

    async def moments() -> list[float]:
        now, taken = asyncio.get_running_loop().time, []
        async for _ in resend._paced(letters(), 2):
            taken.append(now())
            await asyncio.sleep(3 if len(taken) == 3 else 0.1)
        return [moment - taken[0] for moment in taken]

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(moments()) == pytest.approx([0, 0.5, 1, 4, 4.5])
