"""Asks for jobs and reads what comes of them, with aio-pika: `python start_job.py REQUEST.json`.

The request was written down, with its requestId, before anything is sent: as long as no confirm has come, the
same one is sent again. Ends with 0 if all its jobs are Successful, with 1 if not, with 4 without the broker.
"""

import asyncio
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import aio_pika
from aio_pika.exceptions import AMQPConnectionError, AMQPError, PublishError

URL = os.environ.get("JOBRELAY_AMQP_URL", "amqp://guest:guest@localhost/")
PREFIX = os.environ.get("JOBRELAY_PREFIX", "jobrelay")
USER = unquote(urlsplit(URL).username or "")
QUEUE = os.environ.get("EVENTS_QUEUE", "my-service.jobrelay-events")
CONFIRM_WITHIN_S, TRIES = 10, 30
AWAY = "check JOBRELAY_AMQP_URL, and run this again with the same file: its requestId starts nothing twice"
REFUSED = "check JOBRELAY_PREFIX, that a worker was started with it, and the rights of this user"


def main(file: Path) -> int:
    """The exit code; what went wrong is a line on stderr."""
    request = json.loads(file.read_text("utf-8"))
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # a lost connection is told of here
    try:
        return 0 if asyncio.run(run(request)) else 1
    except (AMQPConnectionError, OSError) as lost:
        print(f"error: no connection to the broker ({lost}); {AWAY}", file=sys.stderr)
        return 4
    except AMQPError as refused:
        print(f"error: the broker refuses it ({refused}); {REFUSED}", file=sys.stderr)
        return 1


async def run(request: dict[str, Any]) -> bool:
    """Whether all jobs of *request* ended well."""
    async with await aio_pika.connect_robust(URL) as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=50)
        # Durable, and there before the request is sent: what is told while nobody reads is kept.
        queue = await channel.declare_queue(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
        for key in ("job.#", "request.#"):
            await queue.bind(f"{PREFIX}.events", key)
        await publish(request)
        return await follow(queue, request["requestId"])


async def publish(request: dict[str, Any]) -> None:
    """Returns when the broker has the request. It may have it twice then, which starts nothing twice."""
    for _ in range(TRIES):
        try:
            async with asyncio.timeout(CONFIRM_WITHIN_S), await aio_pika.connect(URL) as connection:
                channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
                exchange = await channel.get_exchange(f"{PREFIX}.requests")
                await exchange.publish(message(request), "job.start", mandatory=True)
                return
        except PublishError:  # no second try would change that
            raise AMQPError("the request came back: there is no queue for it") from None
        except (AMQPError, OSError, TimeoutError) as lost:
            print(f"no confirm ({lost!r}): the same request is sent again", file=sys.stderr)
            await asyncio.sleep(1)
    raise TimeoutError(f"no confirm in {TRIES} tries")


def message(request: dict[str, Any]) -> aio_pika.Message:
    """The request as it goes over the wire."""
    return aio_pika.Message(
        json.dumps(request, ensure_ascii=False).encode(),
        content_type="application/json",
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        correlation_id=request["requestId"],
        message_id=request["requestId"],
        user_id=USER or None,  # the broker checks it: a deployment may have rules on who may start what
    )


async def follow(queue: aio_pika.abc.AbstractQueue, request_id: str) -> bool:
    """Shows the events of the request until its last job has ended; whether all of them are Successful."""
    seen: set[str] = set()
    running: set[str] = set()
    well = True
    async with queue.iterator() as messages:
        async for one in messages:
            event = json.loads(one.body)
            data, key = event["data"], one.routing_key or ""
            if data["requestId"] == request_id and event["id"] not in seen:
                seen.add(event["id"])  # an event may come twice: its id is always the same
                print(event["time"], key, json.dumps(event, ensure_ascii=False), flush=True)
                if key == "job.created":
                    running.add(data["job"]["key"])
                elif key == "job.tracking-expired" or (key.startswith("job.state.") and data["terminal"]):
                    running.discard(data["job"]["key"])
                    well = well and key == "job.state.successful"
            await one.ack()  # when what it means has been written down
            if data["requestId"] == request_id and over(key, running):
                return well and key not in ("request.rejected", "request.cancelled")
    raise ConnectionError("the queue is gone")


def over(key: str, running: set[str]) -> bool:
    """Whether an event is the last one: all job.created of a request come before the first job.state."""
    if key == "request.duplicate":
        return not running  # an earlier run asked already, and has read its events
    return key in ("request.rejected", "request.cancelled") or (key.startswith("job.") and not running)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
