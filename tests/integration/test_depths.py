"""What waits in queues is told, and asking for it is in nobody's way."""

import asyncio

from station import station
from working import until

from worker.broker.address import Address, connect
from worker.broker.depths import Depths
from worker.broker.topology import Topology


async def test_what_waits_is_told_and_a_queue_that_is_gone_ends_nothing(amqp_url: str, prefix: str) -> None:
    """The look at it closes the channel; the others are looked at on a new one."""
    topology, told = Topology(prefix), dict[str, tuple[int, int]]()
    depths = Depths(
        (topology.dead_letters, topology.start),
        up=lambda: told.update(up=(0, 0)),
        tell=lambda queue, *found: told.update({queue: found}),
        every_s=0.1,
    )
    async with (
        station(amqp_url, prefix) as here,
        await connect(Address(amqp_url), "depths") as connection,
        asyncio.TaskGroup() as tasks,
    ):
        looking = tasks.create_task(depths.session(connection))
        await here.ask({})
        await until(lambda: told.get(topology.start) == (1, 0), lambda: f"one waits: {told}")
        assert (told["up"], told[topology.dead_letters]) == ((0, 0), (0, 1))
        await here.channel.queue_delete(topology.start)
        for _ in range(3):
            told.clear()
            await until(lambda: topology.dead_letters in told, lambda: f"the others are looked at: {told}")
        assert topology.start not in told
        looking.cancel()
