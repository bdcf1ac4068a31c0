"""Webhook delivery: at most once, signed, with a breaker; nothing is retried or kept."""

import asyncio
import hashlib
import hmac
import itertools
import time
from base64 import b64encode
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, uuid5

import aiohttp
import orjson

from simulator.moments import fresh, now_ms, now_us, stored
from simulator.world.jobs import Job
from simulator.world.tables import World

_JOB = "created started completed faulted stopped suspended resumed stopping terminating"
_ITEM = "added transactionStarted transactionCompleted transactionFailed transactionAbandoned updated deleted"
# all may be subscribed to; job.* and ping are delivered
EVENT_TYPES = (
    *(f"job.{name}" for name in _JOB.split()),
    *(f"queueItem.{name}" for name in _ITEM.split()),
    "ping",
)
_PLURAL = ("job.created", "job.stopped")
_AT_ONCE = 8
_numbers = itertools.count(307_000_000)
Post = tuple[World, dict[str, Any], dict[str, Any]]


class Notices:
    """Posts events to the webhooks that want them."""

    def __init__(self) -> None:
        self._posts: asyncio.Queue[Post] = asyncio.Queue()
        self._workers: list[asyncio.Task[None]] = []
        self._session: aiohttp.ClientSession | None = None

    def begin(self, tasks: asyncio.TaskGroup) -> None:
        """Starts delivering."""
        session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        self._session = session
        self._workers = [tasks.create_task(self._deliver(session)) for _ in range(_AT_ONCE)]

    async def end(self) -> None:
        """Stops; what was not delivered is lost, as with the real one."""
        for worker in self._workers:
            worker.cancel()
        if self._session is not None:
            await self._session.close()

    def announce(self, world: World, event: str, job: Job) -> None:
        """Tells all webhooks that want it; once for each folder of the process, when it is shared."""
        for row in world.webhooks.values():
            if wants(row, event):
                shown = told(world, event, job)
                for number in sorted(job.batch.release["_folders"]):
                    self.post(world, {**envelope(world, event, world.folder_by_id[number]), **shown}, row)

    def post(self, world: World, event: dict[str, Any], row: dict[str, Any]) -> None:
        """Queues one event for one webhook."""
        self._posts.put_nowait((world, event, row))

    async def _deliver(self, session: aiohttp.ClientSession) -> None:
        while True:
            world, event, row = await self._posts.get()
            if not row.get("Enabled") or row["_open_until"] > time.monotonic():
                row["_skipped"] = row.get("_skipped", 0) + 1
                continue
            if await self._arrived(session, world, event, row):
                row["_delivered"] = row.get("_delivered", 0) + 1
            else:
                row["_open_until"] = time.monotonic() + world.behaviour["webhookBreakerSeconds"]
                row["_failed"] = row.get("_failed", 0) + 1

    async def _arrived(
        self, session: aiohttp.ClientSession, world: World, event: dict[str, Any], row: dict[str, Any]
    ) -> bool:
        if not loopback(row["Url"]):
            return False
        body = orjson.dumps(event)
        headers = {"Content-Type": "application/json; charset=utf-8"}
        if row.get("Secret"):
            headers["X-UiPath-Signature"] = signature(row["Secret"], body)
        timeout = aiohttp.ClientTimeout(total=world.behaviour["webhookTimeoutSeconds"])
        try:
            async with session.post(
                row["Url"], data=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as answer:
                return answer.status < 300
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False


def loopback(url: str) -> bool:
    """Whether the URL leads to this machine."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https"):
        return False
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def wants(row: dict[str, Any], event: str) -> bool:
    """Whether a webhook is subscribed to that type of event."""
    return bool(row.get("SubscribeToAllEvents")) or any(one["EventType"] == event for one in row["Events"])


def signature(secret: str, body: bytes) -> str:
    """base64 of HMAC-SHA256 over the raw body, keyed with the secret's UTF-8 bytes."""
    return b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def envelope(world: World, event: str, folder: dict[str, Any] | None) -> dict[str, Any]:
    """What every event has; its number is its own."""
    user = world.users[0]
    return {
        "Type": event,
        "EventId": str(next(_numbers)),
        "Timestamp": fresh(now_us()),
        "EventTime": stored(now_ms()),
        "TenantId": 1,
        "OrganizationUnitId": folder["Id"] if folder else None,
        "OrganizationUnitKey": folder["Key"] if folder else None,
        "UserId": user["Id"],
        "UserKey": user["Key"],
    }


def told(world: World, event: str, job: Job) -> dict[str, Any]:
    """The event's job or jobs. There is no Reference in it; `job.created` alone has the BatchExecutionKey."""
    if event == "job.created":
        return {"StartInfo": job.batch.info, "Jobs": [created(one) for one in world.jobs.of(job.batch)]}
    return {"Jobs": [simple(job)]} if event in _PLURAL else {"EntityKey": job.key, "Job": simple(job)}


def created(job: Job) -> dict[str, Any]:
    """A job as job.created shows it."""
    batch = job.batch
    return {
        "Id": job.id,
        "Key": job.key,
        "State": job.state,
        "Source": batch.extra.get("Source") or "Manual",
        "SourceType": batch.extra.get("Source") or "Manual",
        "BatchExecutionKey": batch.key,
        "CreationTime": stored(job.created),
        "ReleaseName": batch.release["Name"],
        "Type": "Unattended",
        "Release": _release(job),
    }


def simple(job: Job) -> dict[str, Any]:
    """A job as the later events show it; its output is an object here."""
    robot, error = job.robot, job.error
    return {
        "Id": job.id,
        "Key": job.key,
        "Type": "Unattended",
        "State": job.state,
        "StartTime": stored(job.started),
        "EndTime": stored(job.ended),
        "ResumeTime": stored(job.resumed),
        "CreationTime": stored(job.created),
        "Info": job.info,
        "ErrorCode": error["code"] if error else None,
        "Error": error,
        "OutputArguments": orjson.loads(job.output) if job.output else None,
        "Robot": {
            "Id": robot["Id"],
            "Key": str(uuid5(NAMESPACE_URL, f"simulated:robot/{robot['Id']}")),
            "Name": robot["Name"],
            "Type": robot["Type"],
            "MachineName": robot["MachineName"],
        }
        if robot
        else None,
        "Release": _release(job),
    }


def _release(job: Job) -> dict[str, Any]:
    names = ("Id", "Key", "ProcessKey", "Name", "ProcessType")
    return {name: job.batch.release[name] for name in names}
