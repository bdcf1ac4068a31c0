"""What happens to the broker: killed, frozen, out of memory."""

import asyncio

from chaos.faults.play import BROKER_KILL, Play

_ENOUGH = str(1 << 30)


async def kill(play: Play) -> None:
    """SIGKILL, nothing for a moment, and a restart with the same data."""
    node = play.stage.node
    await asyncio.to_thread(node.kill)
    play.note("killed the broker", BROKER_KILL)
    await asyncio.sleep(play.random.uniform(0.0, 2.0))
    await asyncio.to_thread(node.restart)


async def freeze(play: Play) -> None:
    """Connections stay open, nothing is answered."""
    seconds = play.random.uniform(1.0, 5.0)
    play.stage.node.pause()
    try:
        await asyncio.sleep(seconds)
    finally:
        play.stage.node.resume()
    play.note(f"froze the broker for {seconds:.1f} s", "broker faults")


async def alarm(play: Play) -> None:
    """A memory alarm blocks whoever publishes, senders too."""
    seconds = play.random.uniform(2.0, 5.0)
    await _watermark(play, "1")
    try:
        await asyncio.sleep(seconds)
    finally:
        await _watermark(play, _ENOUGH)
    play.note(f"a memory alarm for {seconds:.1f} s", "broker faults")


async def _watermark(play: Play, size: str) -> None:
    await asyncio.to_thread(play.stage.node.ctl, "set_vm_memory_high_watermark", "absolute", size)
