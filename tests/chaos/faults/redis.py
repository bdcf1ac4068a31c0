"""What happens to the shared ledger: killed with all it holds, frozen, out of a worker's reach, not there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import time

from chaos.faults.play import Play
from chaos.faults.workers import replace

_KIND = "Redis faults"
_COPIES_S = 7.0  # the latest copy of a request comes so much after its first


async def kill(play: Play) -> None:
    """SIGKILL, nothing for a while, and an empty one at the same place."""
    redis, seconds = play.stage.ground.redis, play.random.uniform(0.5, 4.0)
    if redis is None:
        return
    begin = time()
    await asyncio.to_thread(redis.kill)
    await asyncio.sleep(seconds)
    await asyncio.to_thread(redis.start)
    _without(play, begin)
    play.note(f"Redis was dead for {seconds:.1f} s", _KIND)


async def freeze(play: Play) -> None:
    """Connections stay open, nothing is answered."""
    redis, seconds = play.stage.ground.redis, play.random.uniform(1.0, 4.0)
    if redis is None:
        return
    begin = time()
    redis.pause()
    try:
        await asyncio.sleep(seconds)
    finally:
        redis.resume()
    _without(play, begin)
    play.note(f"Redis was frozen for {seconds:.1f} s", _KIND)


async def part(play: Play) -> None:
    """One worker does not reach it, the others do."""
    replica, seconds, begin = play.anyone(), play.random.uniform(1.0, 4.0), time()
    replica.redis.stall()
    await asyncio.sleep(seconds)
    replica.redis.heal()
    _without(play, begin)
    play.note(f"{replica.name} was parted from Redis for {seconds:.1f} s", _KIND)


@asynccontextmanager
async def there(play: Play, wanted: bool) -> AsyncIterator[None]:
    """For the time of the block workers share a ledger or not, as *wanted*: each is replaced for it."""
    stage = play.stage
    if stage.ground.redis is None or stage.shared == wanted:
        yield
        return
    begin = time()
    stage.shared = wanted
    for replica in stage.replicas:
        await replace(play, replica)
    yield
    stage.shared = not wanted
    for replica in stage.replicas:
        await replace(play, replica)
    _without(play, begin)


def believe(play: Play) -> None:
    """Where workers took Redis for away they said so, and promised no more: told with the results."""
    for gone, _ in play.stage.words("ledger.away"):
        _without(play, gone, gone)
    for back, word in play.stage.words("ledger.back"):
        began = back - word["away_s"]
        play.away.append(f"{began - play.began:7.1f} for {word['away_s']} s")
        _without(play, began, back)


def _without(play: Play, begin: float, end: float | None = None) -> None:
    """From *begin* on the ledger was away: it does not guard what was in hand, or waited for a window."""
    margin = play.stage.window_s + _COPIES_S
    play.span("without", begin - margin, (time() if end is None else end) + margin)
