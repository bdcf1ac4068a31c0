"""What happens on the network between workers, broker and Orchestrator."""

import asyncio

from chaos.faults.play import Play
from chaos.proxies.tcp import BACK, OUT, Proxy

_KIND = "network faults"


async def cut_broker(play: Play) -> None:
    """A worker's connections to the broker are reset."""
    replica = play.anyone()
    replica.amqp.cut()
    play.note(f"cut {replica.name} off from the broker", _KIND)
    await asyncio.sleep(play.random.uniform(0.1, 1.0))


async def cut_orchestrator(play: Play) -> None:
    """A worker's connections to Orchestrator are reset, whatever is on its way."""
    replica = play.anyone()
    replica.http.cut()
    play.note(f"cut {replica.name} off from Orchestrator", _KIND)
    await asyncio.sleep(play.random.uniform(0.1, 1.0))


async def hold_one_way(play: Play) -> None:
    """One connection to the broker, one direction: acks, events, confirms or deliveries do not arrive."""
    replica, seconds = play.anyone(), play.random.uniform(0.5, 5.0)
    role, way = play.random.choice((b"broker-publish", b"broker-consume")), play.random.choice((OUT, BACK))
    lines = [line for line in replica.amqp.lines if role in line.first]
    for line in lines:
        line.hold(way)
    await asyncio.sleep(seconds)
    for line in lines:
        line.let_go()
    play.note(f"held {replica.name}'s {role.decode()} {way} for {seconds:.1f} s", _KIND)


async def part_from_broker(play: Play) -> None:
    """A silent partition: a worker still reaches Orchestrator, and others get its messages."""
    await _stalled(play, play.anyone().amqp, "a partition from the broker", (2.0, 8.0))


async def part_from_orchestrator(play: Play) -> None:
    """A silent partition: nothing comes back from Orchestrator, and nobody knows what arrived."""
    await _stalled(play, play.anyone().http, "a partition from Orchestrator", (1.0, 4.0))


async def outage(play: Play) -> None:
    """Nobody reaches Orchestrator for a while."""
    seconds = play.random.uniform(2.0, 5.0)
    proxies = [replica.http for replica in play.stage.replicas]
    for proxy in proxies:
        proxy.refuse()
    await asyncio.sleep(seconds)
    for proxy in proxies:
        proxy.heal()
    play.note(f"Orchestrator was out of reach for {seconds:.1f} s", _KIND)


async def _stalled(play: Play, proxy: Proxy, what: str, least_and_most: tuple[float, float]) -> None:
    seconds = play.random.uniform(*least_and_most)
    proxy.stall()
    await asyncio.sleep(seconds)
    proxy.heal()
    play.note(f"{what} for {seconds:.1f} s", _KIND)
