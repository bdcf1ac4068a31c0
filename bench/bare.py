"""The bare loop: consume, POST, publish, ack. What a plain program does, and nothing of what it lacks.

No validation, no resolution, no retry, no timeout of its own, no log. It uses what makes such a program fast
without making it strange: uvloop, orjson, one session, a prefetch of 200, a task for each delivery (which is
what `consume` does). It is run as `python -m bench.bare PREFIX ORCHESTRATOR_URL PUBLISHES`.
"""

import asyncio
import os
import sys

import aio_pika
import aiohttp
import orjson
import uvloop
from aio_pika.abc import AbstractIncomingMessage, DeliveryMode

from bench.stage import ACCESS_TOKEN, FOLDER_ID, RELEASE_KEY

PREFETCH = 200


async def main(prefix: str, orchestrator: str, publishes: int) -> None:
    """Handles the requests of *prefix* until it is ended."""
    start_jobs = f"{orchestrator}/odata/Jobs/UiPath.Server.Configuration.OData.StartJobs"
    headers = {
        "Authorization": f"Bearer {ACCESS_TOKEN}",
        "X-UIPATH-OrganizationUnitId": str(FOLDER_ID),
        "Content-Type": "application/json",
    }
    connection = await aio_pika.connect_robust(os.environ["JOBRELAY_AMQP_URL"])
    async with connection, aiohttp.ClientSession(headers=headers) as session:
        channel = await connection.channel(publisher_confirms=True)
        await channel.set_qos(prefetch_count=PREFETCH)
        requests = await channel.get_queue(f"{prefix}.start")
        events = await channel.get_exchange(f"{prefix}.events")

        async def handle(message: AbstractIncomingMessage) -> None:
            request = orjson.loads(message.body)
            async with session.post(start_jobs, data=start_info(prefix, request)) as response:
                response.raise_for_status()
                (job,) = orjson.loads(await response.read())["value"]
            body = orjson.dumps({"requestId": request["requestId"], "job": job})
            await events.publish(persistent(body), "job.created")
            if publishes == 2:
                await channel.default_exchange.publish(persistent(body), f"{prefix}.tracking")
            await message.ack()

        await requests.consume(handle)
        await asyncio.Future()


def start_info(prefix: str, request: dict[str, object]) -> bytes:
    """The body of StartJobs, as the worker sends it, from constants where the worker looks things up."""
    info = {
        "ReleaseKey": RELEASE_KEY,
        "Strategy": "ModernJobsCount",
        "JobsCount": 1,
        "Reference": f"{prefix}:{request['requestId']}",
        "InputArguments": orjson.dumps(request["inputArguments"]).decode(),
    }
    return orjson.dumps({"startInfo": info})


def persistent(body: bytes) -> aio_pika.Message:
    """A message that a durable queue keeps."""
    return aio_pika.Message(body, content_type="application/json", delivery_mode=DeliveryMode.PERSISTENT)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
