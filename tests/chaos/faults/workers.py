"""What happens to worker processes: killed at random and between two steps, frozen, replaced."""

import asyncio
from time import monotonic, time

from chaos.faults.play import WORKER_KILL, Play
from chaos.proxies.tcp import BACK, OUT, Trap
from chaos.stage import Replica

_PATIENCE_S = 10.0
_ANSWER_S = 2.0
_PUBLISHING, _CONSUMING, _HTTP = b"broker-publish", b"broker-consume", b""
_ACK = b"\x00\x3c\x00\x50"  # class basic, method ack
# Where a worker is between two of its steps, told by what passes the network; never by a hook in it.
STEPS = {
    "before POST": (_HTTP, b".StartJobs", OUT),
    "after commit": (_HTTP, b".StartJobs", BACK),
    "after add": (_HTTP, b"AddQueueItem", BACK),
    "after answer": (_PUBLISHING, b"job.created", OUT),
    "after event": (_PUBLISHING, b"job.created", BACK),
    "after tracking": (_PUBLISHING, b'"trackedSince"', BACK),
    "before ack": (_CONSUMING, _ACK, OUT),
    "in a look-up": (_HTTP, b"GET /odata/Jobs?", BACK),
}


async def kill(play: Play) -> None:
    """SIGKILL at any moment, and a new process."""
    await _killed(play, play.anyone(), "any moment")


async def kill_two(play: Play) -> None:
    """Two at once."""
    victims = play.random.sample(play.stage.replicas, 2)
    for replica in victims:
        await replica.kill()
        play.note(f"killed {replica.name} beside another", WORKER_KILL)
    for replica in victims:
        await replica.start()


async def kill_newborn(play: Play) -> None:
    """SIGKILL while it resolves its first names: requests are in its hands, nothing is sent."""
    replica = play.anyone()
    await replica.kill()
    trap = replica.http.set(Trap(b"/odata/", BACK))
    await replica.start()
    await _sprung(trap)
    await _killed(play, replica, "first look at names")


async def kill_at(play: Play, step: str) -> None:
    """SIGKILL right at *step*, seen by what passes the network."""
    replica = play.anyone()
    await replica.ready()
    line, pattern, hold = STEPS[step]
    proxy = replica.http if line == _HTTP else replica.amqp
    trap = proxy.set(Trap(pattern, hold, on=line))
    if not await _sprung(trap):
        proxy.spring_nothing()
        play.note(f"{replica.name} never came to the step {step}", "steps missed")
        return
    if hold == BACK and trap.line is not None:
        await _until_answered(trap)
    await _killed(play, replica, step)


async def freeze_briefly(play: Play) -> None:
    """Stands still for less than the window: its messages go to others, its POSTs must not."""
    replica, seconds = play.anyone(), play.random.uniform(1.0, 4.0)
    await _frozen(play, replica, seconds)


async def freeze_long(play: Play) -> None:
    """Stands still for longer than the window: what it then still sends may double, and is told apart."""
    begin, window_s = time(), play.stage.window_s
    await _frozen(play, play.anyone(), window_s + play.random.uniform(2.0, 4.0))
    play.span("frozen", begin - window_s, time() + 2.0)


async def replace_all(play: Play) -> None:
    """One after the other is asked to stop, ends by itself, and gets a successor."""
    for replica in play.stage.replicas:
        await replace(play, replica)


async def replace(play: Play, replica: Replica) -> None:
    """SIGTERM, and a successor once it has ended by itself."""
    await replica.ready()
    code = await replica.stop()
    play.note(f"replaced {replica.name}, exit code {code}", "replacements")
    if code != 0:
        play.troubles.append(f"{replica.name} ended with {code} when asked to stop, during {play.phase}")
    await replica.start()
    await replica.ready()


async def _frozen(play: Play, replica: Replica, seconds: float) -> None:
    process = replica.process
    if process is None:
        return
    process.freeze()
    try:
        await asyncio.sleep(seconds)
    finally:
        process.thaw()
    play.note(f"froze {replica.name} for {seconds:.1f} s", "freezes")


async def _killed(play: Play, replica: Replica, when: str) -> None:
    await replica.kill()
    play.note(f"killed {replica.name}: {when}", WORKER_KILL)
    await replica.start()


async def _sprung(trap: Trap) -> bool:
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await trap.sprung.wait()
    except TimeoutError:
        return False
    return True


async def _until_answered(trap: Trap) -> None:
    """Until the other side has done its part: its answer is there, and held."""
    end = monotonic() + _ANSWER_S
    while trap.line is not None and not trap.line.holds_back() and monotonic() < end:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
