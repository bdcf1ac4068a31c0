"""What stands before each POST: the stop, the lost channel, the expiry and the length of the arguments."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from desk import SLACK, SLOWER, TARGET, Desk
from fake_orchestrator import CLASSIC, MODERN, Lost
from fakes import NOW

from worker.domain.failures import Code, Rejected
from worker.domain.outcomes import Returned, Started


def _stop(desk: Desk) -> None:
    desk.stopping.begin()


def _lose(desk: Desk) -> None:
    desk.mine = False


@pytest.mark.parametrize("happens", [_stop, _lose], ids=["the worker stops", "the channel is lost"])
@pytest.mark.parametrize(
    ("met", "posts"),
    [([], 0), ([SLOWER], 1), ([Lost(0)], 1)],
    ids=["before the first POST", "after a Retry-After", "after a lost answer"],
)
async def test_no_post_is_sent_when(happens: Callable[[Desk], None], met: list[Any], posts: int) -> None:
    """Invariants 2 and 11: somebody else has the request, or will have it."""
    desk = Desk()
    desk.tenant.meets("start", *met)
    if not met:
        happens(desk)
    else:
        _during_the_first_call(desk, happens)
    assert isinstance(await desk.start(), Returned)
    assert desk.tenant.count("start") == posts


def _during_the_first_call(desk: Desk, happens: Callable[[Desk], None]) -> None:
    start = desk.tenant.start

    async def meanwhile(*call: Any, **options: Any) -> Any:
        try:
            return await start(*call, **options)
        finally:
            happens(desk)

    desk.tenant.start = meanwhile  # type: ignore[method-assign]


async def test_a_lost_start_that_is_found_is_told_even_while_stopping() -> None:
    """What is known is not thrown away."""
    desk = Desk()
    desk.tenant.meets("start", Lost(None))
    _during_the_first_call(desk, _stop)
    assert isinstance(await desk.start(), Started)


@pytest.mark.parametrize(
    ("seconds", "met", "posts"),
    [(0, [], 0), (-9, [], 0), (1, [], 1), (1, [SLOWER], 1), (1, [Lost(0)], 1), (9, [Lost(0)], 2)],
    ids=["now", "long ago", "not yet", "during a Retry-After", "inside the window", "after the window"],
)
async def test_no_post_is_sent_after_expiry(seconds: float, met: list[Any], posts: int) -> None:
    """And it is said only when nothing can have been started."""
    desk = Desk(expires_at=datetime.fromtimestamp(NOW + seconds, UTC))
    desk.tenant.meets("start", *met)
    ended = await desk.start()
    assert desk.tenant.count("start") == posts
    expired = isinstance(ended, Rejected) and ended.code == Code.EXPIRED
    assert expired != isinstance(ended, Started)


async def test_a_lost_start_is_not_called_expired() -> None:
    """Invariant 3: what happened before the expiry is adopted after it."""
    desk = Desk(expires_at=datetime.fromtimestamp(NOW + 1, UTC))
    desk.tenant.meets("start", Lost(2, late=2))
    assert isinstance(await desk.start(), Started)


LONG = '{"x":"' + "ä" * 9_992 + '"}'


@pytest.mark.parametrize(
    ("arguments", "api_version", "sent"),
    [
        pytest.param('{"x":1}', 11, "InputArguments", id="short"),
        pytest.param(LONG, 11, "InputArguments", id="10,000 characters"),
        pytest.param(LONG + " ", 20, "InputFile", id="one more: as a file"),
        pytest.param(LONG + " ", 19, None, id="one more, on a server without attachments: refused"),
        pytest.param(LONG + " ", None, None, id="one more, on an unknown server: refused"),
        pytest.param('{"x":"' + "😀" * 4_997 + '"}', 11, None, id="characters outside the plane count twice"),
    ],
)
async def test_long_arguments(arguments: str, api_version: int | None, sent: str | None) -> None:
    """Up to 10,000 characters go as they are; more as an attachment, where the server has them."""
    desk = Desk()
    desk.tenant.api_version = api_version
    ended = await desk.start(replace(TARGET, arguments=arguments))
    bodies = desk.tenant.asked("start")
    assert [sorted(set(body) - set(TARGET.start_info)) for body in bodies] == (
        [sorted(["Reference", sent])] if sent else []
    )
    if sent == "InputFile":
        assert desk.tenant.asked("attach") == [(MODERN.id, "input.json", arguments.encode())]
    if sent is None:
        assert isinstance(ended, Rejected)
        assert ended.code == Code.ARGUMENTS_TOO_LONG


async def test_a_classic_folder_takes_no_attachment() -> None:
    """Its server is asked as an old one."""
    ended = await Desk().start(replace(TARGET, folder=CLASSIC, arguments=LONG + " "))
    assert isinstance(ended, Rejected)


@pytest.mark.parametrize(("held_s", "claims"), [(1.0, 1), (31.0, 2)], ids=["in time", "out of date"])
async def test_no_post_leaves_on_a_claim_that_is_out_of_date(held_s: float, claims: int) -> None:
    """Others may take over once its time is up: after a long wait for a token it is entered anew."""
    desk = Desk()
    start, may_have_waited = desk.tenant.start, [held_s]
    claimed: list[float] = []
    enter = desk.ledger.claim

    async def entered(request_id: str, mine: Any, *, over: str | None) -> Any:
        claimed.append(mine.safe_at)
        return await enter(request_id, mine, over=over)

    async def after_a_wait(*call: Any, **options: Any) -> Any:
        desk.tenant.clock.now += may_have_waited.pop() if may_have_waited else 0
        return await start(*call, **options)

    desk.tenant.start = after_a_wait  # type: ignore[method-assign]
    desk.ledger.claim = entered  # type: ignore[method-assign]
    assert isinstance(await desk.start(), Started)
    assert (desk.tenant.count("start"), len(claimed)) == (1, claims)


async def test_a_post_that_is_torn_off_leaves_its_claim_in_doubt() -> None:
    """Whatever ends the attempt: it may have been sent, until something has proved that it was not."""
    desk = Desk()
    desk.tenant.meets("start", ZeroDivisionError("a defect"))
    with pytest.raises(ZeroDivisionError):
        await desk.start()
    assert (desk.claim.look, desk.claim.safe_at) == (True, NOW + 60 + SLACK)
