"""Whatever the broker does to a running worker: it says so, loses nothing, and goes on by itself."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import aio_pika
import pytest
from relay import starts_of
from simulated import Simulated
from station import Station, station
from tenant import SEED, request
from working import Working, until

from simulator.rabbitmq import PrivateNode
from simulator.rabbitmq.node import installed_server
from worker.broker.topology import Topology

pytestmark = pytest.mark.skipif(installed_server() is None, reason="RabbitMQ is not installed")
_NAMES = Topology("t-hurt")
_IN_HAND = 5
_CLOSE_ALL = (
    'length([rabbit_networking:close_connection(Pid, "enough") || Pid <- rabbit_networking:connections()])'
)
_MEMORY = "vm_memory_monitor:set_vm_memory_high_watermark({})"
_NEW = {"process": {"name": "Yet to come"}, "folder": {"path": "Shared"}}


@dataclass(slots=True)
class Scene:
    """One node that may be hurt, and one worker on it."""

    node: PrivateNode
    worker: Working
    simulator: Simulated
    _seen: int = field(default=0)

    def starts(self, name: str) -> int:
        """How often a request was started."""
        return len(starts_of(self.simulator, f"{_NAMES.prefix}:{name}"))

    def connections(self, link: str) -> float:
        """How many connections a link has made."""
        return self.worker.metric(f'jobrelay_broker_connections_total{{link="{link}"}}')

    async def lost(self, link: str) -> str:
        """Why *link* was lost, once it is; each loss is told once."""

        def losses() -> list[str]:
            lines = self.worker.said("broker.connection_lost")[self._seen :]
            return [line["reason"] for line in lines if line["link"] == link]

        (reason, *_) = await until(losses, lambda: f"{link} is lost; {self.worker.last_words()}")
        return reason


@pytest.fixture(scope="module")
def scene(_simulated: Simulated, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One for all tests: each start of a node costs seconds."""
    _simulated.seed(SEED)
    log = tmp_path_factory.mktemp("hurt") / "worker.log"
    settings = {"PREFIX": _NAMES.prefix, "ORCHESTRATOR_URL": _simulated.onprem}
    with (
        PrivateNode(console=True) as node,
        Working(log, AMQP_URL=node.url, CONCURRENCY=_IN_HAND, **settings) as worker,
    ):
        yield Scene(node, worker, _simulated)


@pytest.fixture
async def here(scene: Scene) -> AsyncIterator[Station]:
    """A station at a worker that is well; and afterwards it is well again, and starts what it is asked."""
    await scene.worker.ready()
    scene._seen = len(scene.worker.said("broker.connection_lost"))
    async with station(scene.node.url, _NAMES.prefix) as opened:
        yield opened
    await _is_well(scene)


async def _is_well(scene: Scene) -> None:
    await scene.worker.ready()
    async with station(scene.node.url, _NAMES.prefix) as here:
        name = await here.ask(request())
        (created,) = await here.outcome(name)
    assert created.key == "job.created"
    assert scene.starts(name) == 1


async def test_a_memory_alarm_is_sat_out_with_what_is_in_hand(scene: Scene, here: Station) -> None:
    """The publishing connection alone is blocked; nothing more is taken, nothing is lost or said twice."""
    slow = {"operation": "StartJobs", "do": "commit-then-delay", "seconds": 1.5, "times": _IN_HAND}
    scene.simulator.faults([slow])
    before = {link: scene.connections(link) for link in ("broker-consume", "broker-publish")}
    names = [await here.ask(request()) for _ in range(4 * _IN_HAND)]
    await until(lambda: sum(map(scene.starts, names)) == _IN_HAND, "some are started, none is answered")
    watermark = scene.node.tell("vm_memory_monitor:get_vm_memory_high_watermark()")
    scene.node.tell(_MEMORY.format("0.00001"))
    health = await scene.worker.health(lambda it: not it["conditions"]["broker-publish"]["ok"])
    assert "memory" in health["conditions"]["broker-publish"]["reason"]
    assert health["conditions"]["broker-consume"]["ok"]
    assert not health["ready"]
    assert scene.worker.metric('jobrelay_broker_blocked{link="broker-publish"}') == 1
    assert scene.worker.metric('jobrelay_broker_blocked{link="broker-consume"}') == 0
    await here.until_waiting("start", len(names) - _IN_HAND)
    assert sum(map(scene.starts, names)) == _IN_HAND
    scene.node.tell(_MEMORY.format(watermark))
    created = await here.outcomes(names)
    await scene.worker.ready()
    assert {len(events) for events in created.values()} == {1}
    assert [scene.starts(name) for name in names] == [1] * len(names)
    assert {link: scene.connections(link) for link in before} == before, "nothing was given up"


async def test_an_operator_who_closes_all_connections_is_survived(scene: Scene, here: Station) -> None:
    """Both links come back, each counted."""
    before = {link: scene.connections(link) for link in ("broker-consume", "broker-publish")}
    scene.node.tell(_CLOSE_ALL)
    for link, count in before.items():
        assert "enough" in await scene.lost(link)
        await until(lambda link=link, count=count: scene.connections(link) == count + 1, "it is back")  # type: ignore[misc]


@pytest.mark.parametrize("queue", [_NAMES.start, _NAMES.tracking])
async def test_a_queue_that_is_deleted_is_declared_anew(scene: Scene, here: Station, queue: str) -> None:
    """The broker cancels the consumer; the worker says so and begins anew."""
    await here.channel.queue_delete(queue)
    assert f"cancelled the consumer of {queue}" in await scene.lost("broker-consume")


@pytest.mark.parametrize("unbound", [False, True], ids=["exchange gone", "unbound"])
async def test_a_delay_that_has_nowhere_to_go_is_declared_anew(
    scene: Scene, here: Station, unbound: bool
) -> None:
    """A deferral that no exchange or no queue takes ends the session; with the next one it is taken, once."""
    delay = _NAMES.delay(5)
    channel = await here.channel.get_underlay_channel()
    if unbound:
        await channel.queue_unbind(delay, delay, "", timeout=5)
    else:
        await channel.exchange_delete(delay, timeout=5)
    name = await here.ask(_NEW)
    assert ("no queue took it" if unbound else "NOT_FOUND") in await scene.lost("broker-publish")
    await here.until_waiting("delay.5s", 1)
    assert len(here.heard(name, "request.deferred")) == 1
    await channel.queue_purge(delay, timeout=5)


async def test_what_a_full_queue_refuses_is_said_again_as_the_same_event(scene: Scene, here: Station) -> None:
    """A publisher's nack settles nothing: the event comes again, with its id, until all queues take it."""
    async with await aio_pika.connect(scene.node.url) as other, other.channel() as channel:
        full = await channel.declare_queue(
            exclusive=True, arguments={"x-max-length": 1, "x-overflow": "reject-publish"}
        )
        await channel.default_exchange.publish(aio_pika.Message(b"fills it"), full.name)
        await full.bind(_NAMES.events, "job.created")
        name = await here.ask(request())
        await until(lambda: len(here.heard(name, "job.created")) > 1, "it is said again")
    await here.until_waiting("start", 0)
    assert len({event.id for event in here.heard(name, "job.created")}) == 1
    assert scene.starts(name) == 1


async def test_a_node_that_stands_still_is_noticed(scene: Scene, here: Station) -> None:
    """All connections look open; the heartbeats are missed, and the worker is not ready until it is back."""
    name = await here.ask(request())
    scene.node.pause()
    try:
        health = await scene.worker.health(
            lambda it: (
                not (it["conditions"]["broker-consume"]["ok"] or it["conditions"]["broker-publish"]["ok"])
            )
        )
        assert not health["ready"]
    finally:
        scene.node.resume()
    await scene.worker.ready()
    assert scene.starts(name) <= 1
    said = [line["reason"] for line in scene.worker.said("broker.connection_lost")]
    assert "channel closed: nothing was heard of the broker for three heartbeats" in said
    assert scene.worker.said("library.log") == []


async def test_a_delivery_that_is_held_too_long_is_not_started_twice(scene: Scene, here: Station) -> None:
    """The broker closes the channel of a consumer that does not acknowledge in its time."""
    scene.node.tell("[application:set_env(rabbit, K, 300) || K <- [consumer_timeout, channel_tick_interval]]")
    scene.node.tell(_CLOSE_ALL)
    await scene.lost("broker-consume")
    try:
        await scene.worker.ready()
        scene._seen = len(scene.worker.said("broker.connection_lost"))
        async with station(scene.node.url, _NAMES.prefix) as again:
            slow = {"operation": "StartJobs", "do": "commit-then-delay", "seconds": 1.2, "times": 1}
            scene.simulator.faults([slow])
            name = await again.ask(request())
            assert "acknowledgement" in await scene.lost("broker-consume")
            await again.hear(name, "job.created")
    finally:
        scene.node.tell("application:set_env(rabbit, consumer_timeout, 1800000)")
        scene.node.tell("application:set_env(rabbit, channel_tick_interval, 60000)")
        scene.node.tell(_CLOSE_ALL)
    assert scene.starts(name) == 1


async def test_other_credentials_and_a_missing_virtual_host_are_waited_for(scene: Scene) -> None:
    """The worker says why it is let in no more, and is back when it is let in again."""
    await _is_well(scene)
    user, password = scene.node.url.partition("//")[2].partition("@")[0].split(":")
    change = f'rabbit_auth_backend_internal:change_password(<<"{user}">>, <<"{{}}">>, <<"test">>)'
    scene.node.tell(change.format("another"))
    scene.node.tell(_CLOSE_ALL)
    health = await scene.worker.health(lambda it: "correct JOBRELAY_AMQP_URL" in str(it["conditions"]))
    assert not health["ready"]
    assert password not in str(health)
    scene.node.tell(change.format(password))
    await scene.worker.ready()
    await asyncio.to_thread(scene.node.tell, 'rabbit_vhost:delete(<<"/">>, <<"test">>)')
    await scene.worker.health(lambda it: "create it" in str(it["conditions"]["broker-consume"]["reason"]))
    scene.node.tell('rabbit_vhost:add(<<"/">>, <<"test">>)')
    every = '<<".*">>, <<".*">>, <<".*">>'
    scene.node.tell(
        f'rabbit_auth_backend_internal:set_permissions(<<"{user}">>, <<"/">>, {every}, <<"test">>)'
    )
    await _is_well(scene)


async def test_a_queue_of_another_form_is_named_and_waited_for(scene: Scene, here: Station) -> None:
    """A queue of ours has other arguments: readiness names it; once it is gone, all goes on."""
    channel = await here.channel.get_underlay_channel()
    name = _NAMES.delay(1800)
    await channel.queue_delete(name, timeout=5)
    await channel.queue_declare(name, durable=True, timeout=5)
    scene.node.tell(_CLOSE_ALL)
    health = await scene.worker.health(lambda it: not it["conditions"]["topology"]["ok"])
    assert name in health["conditions"]["topology"]["reason"]
    assert "delete it" in health["conditions"]["topology"]["reason"]
    await scene.worker.health(lambda it: it["conditions"]["broker-consume"]["reason"] == "see topology")
    async with await aio_pika.connect(scene.node.url) as other, other.channel() as another:
        await another.queue_delete(name)
