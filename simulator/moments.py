"""Instants as the server writes them (7 digits in a StartJobs answer, 3 in what is stored), and new GUIDs."""

import time
from datetime import UTC, datetime
from functools import lru_cache
from secrets import token_hex


def now_us() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1000


def now_ms() -> int:
    """Milliseconds since 1970: the precision of everything stored."""
    return time.time_ns() // 1_000_000


def new_guid() -> str:
    """A random GUID; uuid4, at half its cost."""
    text = token_hex(16)
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


@lru_cache(8192)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def stored(ms: int | None) -> str | None:
    """A stored instant: `2026-01-31T09:30:00.85Z`."""
    if ms is None:
        return None
    seconds, rest = divmod(ms, 1000)
    return f"{_second(seconds)}.{rest:03d}".rstrip("0").rstrip(".") + "Z"


def fresh(us: int) -> str:
    """An instant not yet stored, with the seven digits of .NET."""
    seconds, rest = divmod(us, 1_000_000)
    return f"{_second(seconds)}.{rest:06d}{us % 7}Z"
