"""`jobrelay jobs`: what trackers hold, as they tell it; and what is said where they do not."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractIncomingMessage
from shell import Broker, Said, Shell, sent

from worker.cli import jobs
from worker.domain.flight.listing import age_order, row, wanted

EXAMPLE = Path(__file__).parents[2] / "schemas/examples/tracking.v1/running.json"


def held(number: int, **more: Any) -> dict[str, Any]:
    """The tracking document of a job; the smaller its number, the older it is."""
    document = json.loads(EXAMPLE.read_text())
    job = {**document["job"], "id": number, "key": f"4d0c1a0e-91a7-4c55-8d3c-2a0f6a0e{number:04}"}
    return {**document, "job": job, "createdAt": f"2026-01-01T00:00:{number:02}Z", **more}


@asynccontextmanager
async def tracker(broker: Broker, *documents: dict[str, Any], mute: bool = False) -> AsyncIterator[None]:
    """Somebody who consumes as a tracker does, and answers as it should: here held to what is asked of it."""

    async def answer(message: AbstractIncomingMessage) -> None:
        question = json.loads(message.body)
        found = sorted(map(row, filter(wanted(question), documents)), key=age_order)
        told = {"kind": "listed", "consumers": 2, "held": len(documents), "matching": len(found)}
        body = json.dumps({**told, "rows": found[: question["limit"]]}).encode()
        if not mute:
            reply = aio_pika.Message(body, correlation_id=message.correlation_id)
            await channel.default_exchange.publish(reply, message.reply_to or "")

    async def hold(_message: AbstractIncomingMessage) -> None:
        """A job in hand stays unsettled."""

    async with await aio_pika.connect(broker.url) as connection, connection.channel() as channel:
        tracking = await channel.get_queue(f"{broker.prefix}.tracking", ensure=False)
        for _ in range(2):
            await tracking.consume(hold)
        own = await channel.declare_queue(exclusive=True)
        await own.bind(f"{broker.prefix}.hints")
        await own.consume(answer, no_ack=True)
        yield


async def typed(shell: Shell, *arguments: str) -> Said:
    """The command beside what else runs here."""
    return await asyncio.to_thread(shell, "jobs", *arguments)


def ids(said: Said) -> Sequence[int]:
    """The jobs of the output, in its order."""
    return [line["job"]["id"] for line in said.lines]


async def test_what_all_trackers_hold_is_one_list(jobrelay: Shell, broker: Broker) -> None:
    """The oldest first, each job once, and no more than wanted: then it is said how many there are."""
    async with tracker(broker, held(3), held(1)), tracker(broker, held(2), held(3, state="Resumed")):
        said = await typed(jobrelay)
        assert (said.code, ids(said), said.err) == (0, [1, 2, 3], "")
        assert said.lines[0].keys() >= {"job", "state", "process", "folder", "requestId", "createdAt"}
        few = await typed(jobrelay, "--limit", "2")
        assert (few.code, ids(few)) == (0, [1, 2])
        assert "the oldest 2 of 4" in few.err


async def test_filters_choose_the_jobs(jobrelay: Shell, broker: Broker) -> None:
    """By state, process, folder and request; names in any case; all of them at once."""
    documents = (
        held(1, state="Pending", requestId="r-1"),
        held(2, folder={"id": 7, "key": None, "path": "Other/Place"}),
        held(3, process={**held(3)["process"], "name": "Another", "packageId": "Pack"}),
    )
    async with tracker(broker, *documents):
        for arguments, found in (
            (["--state", "pending"], [1]),
            (["--state", "0"], [1]),
            (["--state", "Pending", "--state", "Running"], [1, 2, 3]),
            (["--request", "r-1"], [1]),
            (["--folder", "other/place"], [2]),
            (["--folder", "id:7"], [2]),
            (["--process", "another"], [3]),
            (["--process", "PACK", "--state", "Running"], [3]),
            (["--process", "another", "--folder", "id:7"], []),
        ):
            said = await typed(jobrelay, *arguments)
            assert (said.code, ids(said)) == (0, found), arguments


async def test_a_list_that_lacks_something_says_so(
    jobrelay: Shell, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1 where a tracker is silent, where there is none, and where jobs are in nobody's hands."""
    monkeypatch.setattr(jobs, "_WITHIN_S", 0.3)
    async with tracker(broker, held(1)), tracker(broker, held(2), mute=True):
        said = await typed(jobrelay)
    assert (said.code, ids(said)) == (1, [1])
    assert "2 of 4 consumers did not answer" in said.err
    async with await aio_pika.connect(broker.url) as connection, connection.channel() as channel:
        await channel.default_exchange.publish(sent(b"{}"), f"{broker.prefix}.tracking")
    alone = await typed(jobrelay)
    assert (alone.code, alone.out) == (1, "")
    assert (
        "no tracker is running, and 1 jobs wait for a tracker; start one with `jobrelay run`\n" in alone.err
    )


def test_a_person_is_shown_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    """With ages; where a folder's path is not known, its id."""
    rows = [row(held(1)), row(held(2, folder={"id": 7, "key": None, "path": None}))]
    table = jobs._table(rows)
    assert [line[1] for line in table] == ["Running", "Running"]
    assert [line[4] for line in table] == ["Shared", "id:7"]
    assert all(" d " in str(line[2]) for line in table)
