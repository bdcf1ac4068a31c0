"""Jobs that notices name within a moment are handed on together: few calls, none late, each job once."""

import asyncio

import pytest

from worker.web.gathering import Gathering


class Heard:
    """What was handed on, and when."""

    def __init__(self) -> None:
        self.calls: list[tuple[float, list[str]]] = []
        self.named = Gathering(lambda jobs: self.calls.append((self.now, list(jobs))))

    @property
    def now(self) -> float:
        """Seconds since the test began, to the hundredth."""
        return round(asyncio.get_running_loop().time(), 2)


@pytest.mark.parametrize(
    ("notices", "calls"),
    [
        pytest.param([(0, "a")], [(0, "a")], id="one goes on at once"),
        pytest.param([(0, "a"), (0, "b")], [(0, "ab")], id="those of one moment go together"),
        pytest.param([(0, "a"), (0.03, "b"), (0.06, "c")], [(0, "a"), (0.1, "bc")], id="more after it"),
        pytest.param([(0, "a"), (0.04, "b"), (0.14, "c")], [(0, "a"), (0.1, "b"), (0.2, "c")], id="so on"),
        pytest.param([(0, "a"), (0.5, "b")], [(0, "a"), (0.5, "b")], id="nobody waits for one long ago"),
        pytest.param([(0, "a"), (0.03, "b"), (0.06, "b")], [(0, "a"), (0.1, "b")], id="each once"),
        pytest.param([(0, "a"), (0.03, "a")], [(0, "a"), (0.1, "a")], id="anew, once it was handed on"),
        pytest.param([(0, "abc")], [(0, "abc")], id="all of one notice"),
    ],
)  # fmt: skip
async def test_what_is_named_within_a_moment_is_handed_on_together(
    notices: list[tuple[float, str]], calls: list[tuple[float, str]]
) -> None:
    """A letter stands for a job: when each notice came, and when which were handed on."""
    heard = Heard()
    for at, jobs in notices:
        await asyncio.sleep(at - heard.now)
        before = len(heard.calls)
        heard.named.add(jobs)
        assert len(heard.calls) == before, "whoever names jobs waits for nobody"
    await asyncio.sleep(1)
    assert heard.calls == [(at, list(jobs)) for at, jobs in calls]


async def test_no_more_than_a_thousand_go_at_once() -> None:
    """So that no tracker is held up by one call, nor a message grows beyond bounds."""
    heard = Heard()
    for first in range(0, 2_500, 500):
        heard.named.add(str(number) for number in range(first, first + 500))
    await asyncio.sleep(1)
    assert [len(jobs) for _, jobs in heard.calls] == [1_000, 1_000, 500]
    assert [job for _, jobs in heard.calls for job in jobs] == [str(number) for number in range(2_500)]


async def test_one_that_cannot_be_handed_on_stops_no_other() -> None:
    """A defect of who is told is his alone."""
    told: list[str] = []

    def look(jobs: object) -> None:
        told.append(str(jobs))
        if len(told) == 1:
            raise ValueError("a defect of its own")

    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    named = Gathering(look)
    for job in "ab":
        named.add(job)
        await asyncio.sleep(1)
    assert told == ["['a']", "['b']"]
