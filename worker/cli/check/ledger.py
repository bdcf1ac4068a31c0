"""What a worker needs of the shared ledger: reached, written to, and keeping what it is told."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from worker.cli.check.finding import Finding
from worker.ledger.step import Away
from worker.settings import Settings

_AGAIN = "the publisher's duplicate of such a request starts its jobs again"


async def ledger(settings: Settings) -> list[Finding]:
    """Looks at the Redis that is set, if any, writes an entry and releases it."""
    if settings.redis_url is None:
        return [Finding("ledger", "skipped", "each replica has its own, as JOBRELAY_REDIS_URL is not set")]
    from worker.ledger.store import Store  # noqa: PLC0415 - its library is an extra

    store = Store(settings.redis_url.get_secret_value(), settings.prefix, time.time)
    try:
        await store.probe()
        return list(findings_of(await store.describe()))
    except Away as away:
        remedy = "check JOBRELAY_REDIS_URL; without it replicas do not know of each other's requests"
        return [Finding("ledger", "failed", str(away), remedy)]
    finally:
        await store.close()


def findings_of(about: Mapping[str, Any]) -> Iterator[Finding]:
    """What follows from INFO (and CONFIG's `save`, None where it is not told)."""
    name = "Valkey" if "valkey_version" in about else "Redis"
    version = about.get("valkey_version") or about.get("redis_version") or "of unknown version"
    yield Finding("ledger", "ok", f"{name} {version}")
    policy = about.get("maxmemory_policy")
    if policy not in (None, "noeviction"):
        what = f"maxmemory-policy is {policy}: under pressure it forgets requests, and {_AGAIN}"
        yield Finding("ledger", "warning", what, "set maxmemory-policy noeviction")
    if about.get("aof_enabled") == 0 and about.get("save") == "":
        what = f"it keeps nothing on the disk: a restart forgets all requests, and {_AGAIN}"
        yield Finding("ledger", "warning", what, "set appendonly yes, or save")
