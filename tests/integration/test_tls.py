"""TLS with real certificates: the worker works by it, and whoever is not the one that is meant is refused."""

import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aio_pika
import orjson
import pytest
from aiormq.exceptions import ChannelPreconditionFailed
from authority import Authority, orchestrator
from simulated import Simulated
from station import Station, own_queue, station
from tenant import MODERN, SEED, key_of, request
from typed import typed
from working import QUICK, Working, until

from simulator.rabbitmq import PrivateNode
from simulator.rabbitmq.loopback import free_ports
from simulator.rabbitmq.node import installed_server
from worker.domain.failures import Unavailable
from worker.orchestrator.client import Client
from worker.settings import Settings

pytestmark = pytest.mark.skipif(installed_server() is None, reason="RabbitMQ is not installed")
_PREFIX = "t-tls"
_TICK_S = 7
_RULED = "t-ruled"
_OWN = r"^(t-ruled\\.|amq\\.gen)"
_USERS = {
    "worker": (_OWN, r"^(t-ruled\\.|amq\\.gen|amq\\.default$)", _OWN),
    "desk": ("^$", r"^t-ruled\\.requests$", "^$"),
}
_LATER = {"Id": 99, "Key": key_of("later"), "Name": "SupportTriageLater", "ProcessKey": "L", "folder": MODERN}
_POLICY = {"rules": [{"users": ["desk"], "folders": [MODERN], "start": ["SupportTriage*"]}]}
_NOT_MEANT = [
    ("good", "the stranger", "not to be trusted .*JOBRELAY_{}_CA_FILE"),
    ("good", "the system's", "not to be trusted .*JOBRELAY_{}_CA_FILE"),
    ("another", "its own", "another host's .*not valid for '(127.0.0.1|localhost)'.*JOBRELAY_{}_URL"),
    ("expired", "its own", "out of date .*expired.*renew"),
]
"""Which certificate is shown, whom we trust, and what is said then of whose settings."""
_DEMANDING = "{verify,verify_peer},{fail_if_no_peer_cert,true}"
_LISTEN = (
    'rabbit_networking:start_ssl_listener({{"127.0.0.1",{port}}},'
    ' [{{certfile,"{cert}"}},{{keyfile,"{key}"}},{{cacertfile,"{ca}"}}{more}], 2)'
)


@dataclass(frozen=True, slots=True)
class Broker:
    """One node with a port for each certificate that it may show, and one that demands a client's."""

    node: PrivateNode
    authority: Authority
    ports: dict[str, int]

    def settings(self, shown: str, **files: str) -> dict[str, str]:
        """What a worker or command is told for one of the ports; *files* are its own."""
        url = re.sub(r"^amqp(.*):\d+$", rf"amqps\1:{self.ports[shown]}", self.node.url)
        return {"AMQP_URL": url, "PREFIX": _PREFIX, "AMQP_CA_FILE": self.authority.ca, **files}

    def plain(self, user: str) -> str:
        """The address of a user without TLS."""
        return re.sub(r"//.*@", f"//{user}:pw@", self.node.url)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One for all tests: each start of a node costs seconds."""
    authority = Authority(tmp_path_factory.mktemp("authority"))
    shown = {**authority.hosts, "demanding": authority.hosts["good"]}
    ports = dict(zip(shown, free_ports(len(shown)), strict=True))
    with PrivateNode(console=True, tick_s=_TICK_S) as node:
        node.tell("application:ensure_all_started(ssl)")
        for name, (cert, key) in shown.items():
            more = f",{_DEMANDING}" if name == "demanding" else ""
            node.tell(_LISTEN.format(port=ports[name], cert=cert, key=key, ca=authority.ca, more=more))
        yield Broker(node, authority, ports)


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that nobody here trusts."""
    return Authority(tmp_path_factory.mktemp("stranger"))


@asynccontextmanager
async def _as(broker: Broker, user: str) -> AsyncIterator[Callable[..., Awaitable[str]]]:
    """Sends requests as that user, with the rights of a publisher."""
    async with await aio_pika.connect(broker.plain(user)) as connection, connection.channel() as channel:
        exchange = await channel.get_exchange(f"{_RULED}.requests", ensure=False)
        yield Station(_RULED, channel, exchange).ask


def test_a_nodes_queues_check_themselves_as_often_as_is_said(broker: Broker) -> None:
    """A node for very many queues has them do so less often."""
    assert broker.node.tell("application:get_env(rabbit, quorum_tick_interval)") == f"{{ok,{_TICK_S}000}}"


async def test_all_is_done_by_tls_where_it_is_asked_for(broker: Broker, tmp_path: Path) -> None:
    """A broker that demands a certificate, and Orchestrator: a request is started once, and a reply sent."""
    cert, key = broker.authority.issue("worker", "worker@jobrelay")
    mine = broker.settings("demanding", AMQP_CERT_FILE=cert, AMQP_KEY_FILE=key)
    async with orchestrator(broker.authority, "good") as (url, simulator):
        settings = {**mine, "ORCHESTRATOR_URL": url, "ORCHESTRATOR_CA_FILE": broker.authority.ca}
        with Working(tmp_path / "worker.log", **settings) as worker:
            await worker.ready()
            async with station(broker.node.url, _PREFIX) as here:
                queue, replies = await own_queue(here)
                name = await here.ask(request(), reply_to=queue)
                (created,) = await here.hear(name, "job.created")
                await until(lambda: [one.key for one in replies], "the reply")
            starts = [start["reference"] for start in simulator.world.ledger.shown()["starts"]]
            assert starts == [f"{_PREFIX}:{name}"]
            assert created.data["job"]["id"]
            assert not worker.said("settings.not_encrypted")


@pytest.mark.parametrize(
    ("shown", "trusts", "said"),
    [
        *_NOT_MEANT,
        ("demanding", "its own", "certificate.*set JOBRELAY_AMQP_CERT_FILE"),
        ("demanding", "a stranger's client", "certificate.*set JOBRELAY_AMQP_CERT_FILE"),
    ],
)
async def test_a_broker_that_is_not_the_one_meant_is_not_spoken_to(
    broker: Broker, stranger: Authority, shown: str, trusts: str, said: str
) -> None:
    """A command ends with code 4 and a line that says whose certificate is wrong, and what mends it."""
    files = {"the stranger": {"AMQP_CA_FILE": stranger.ca}, "the system's": {"AMQP_CA_FILE": ""}}
    cert, key = stranger.issue("client", "client@stranger")
    files["a stranger's client"] = {"AMQP_CERT_FILE": cert, "AMQP_KEY_FILE": key}
    settings = broker.settings(shown, **files.get(trusts, {}))
    code, text = await typed(settings, "topology", "declare")
    assert code == 4, text
    assert re.search(said.format("AMQP"), text), text
    assert len(text.splitlines()) == 1


async def test_whoever_may_start_what_is_decided_by_the_user_that_the_broker_has_verified(
    broker: Broker, tmp_path: Path
) -> None:
    """Each with the rights of docs/security.md alone: also after a round through a delay queue."""
    for user, rights in _USERS.items():
        told = ", ".join(f'<<"{text}">>' for text in (user, "/", *rights, "tests"))
        broker.node.tell(f'rabbit_auth_backend_internal:add_user(<<"{user}">>, <<"pw">>, <<"tests">>)')
        broker.node.tell(f"rabbit_auth_backend_internal:set_permissions({told})")
    (tmp_path / "policy.json").write_text(orjson.dumps(_POLICY).decode())
    with Simulated() as simulator:
        simulator.seed(SEED)
        settings = {
            "AMQP_URL": broker.plain("worker"),
            "PREFIX": _RULED,
            "ORCHESTRATOR_URL": simulator.onprem,
        }
        with Working(tmp_path / "log", POLICY_FILE=tmp_path / "policy.json", **settings) as worker:
            await worker.ready()
            async with station(broker.node.url, _RULED, new=False) as here, _as(broker, "desk") as desk:
                for wrong in ({}, {"user_id": "desk", "headers": {"jobrelay-user-id": "worker"}}):
                    (end,) = await here.outcome(await desk(request(), **wrong))
                    assert end.data["code"] == "not_allowed"
                bad = request(process={"releaseKey": key_of(f"{MODERN}/Typed")}, inputArguments={"Text": ""})
                (end,) = await here.outcome(await desk(bad, user_id="desk"))
                assert end.data["code"] == "not_allowed"
                name = await desk(request(process={"name": _LATER["Name"]}), user_id="desk")
                await here.hear(name, "request.deferred")
                simulator.seed(SEED | {"releases": [*SEED["releases"], _LATER]})
                await here.hear(name, "job.created")
                with pytest.raises(ChannelPreconditionFailed, match="user_id"):
                    await desk(request(), user_id="worker")


async def test_a_worker_goes_on_trying_and_readyz_says_why(
    broker: Broker, stranger: Authority, tmp_path: Path
) -> None:
    """Certificates are renewed without a restart: the file is read at each connection."""
    ca = tmp_path / "ca.pem"
    shutil.copy(stranger.ca, ca)
    settings = broker.settings("good", AMQP_CA_FILE=str(ca), ORCHESTRATOR_URL="http://127.0.0.1:1")
    with Working(tmp_path / "worker.log", "track,web", **settings) as worker:

        def reason(document: Any) -> str:
            return str(document["conditions"]["broker-consume"]["reason"])

        await worker.health(lambda document: "JOBRELAY_AMQP_CA_FILE" in reason(document))
        ca.write_text("gone")
        await worker.health(lambda document: "no certificate in PEM form" in reason(document))
        shutil.copy(broker.authority.ca, ca)
        await worker.health(lambda document: bool(document["conditions"]["broker-consume"]["ok"]))


async def test_a_worker_without_its_files_does_not_begin(broker: Broker, tmp_path: Path) -> None:
    """That is a wrong setting: exit code 3."""
    wrong = broker.settings("good", AMQP_CA_FILE=str(tmp_path / "absent"), ORCHESTRATOR_URL="http://h")
    code, text = await typed(wrong | QUICK, "run")
    assert (code, text.splitlines()[-1].split(": ")[:2]) == (3, ["error", "JOBRELAY_AMQP_CA_FILE"]), text


@pytest.mark.parametrize(("shown", "trusts", "said"), _NOT_MEANT)
async def test_an_orchestrator_that_is_not_the_one_meant_hears_no_secret(
    broker: Broker, stranger: Authority, shown: str, trusts: str, said: str
) -> None:
    """It counts as away: nothing was sent, and the reason says whose certificate is wrong, and what helps."""
    async with orchestrator(broker.authority, shown) as (url, simulator):
        ca = {"the stranger": stranger.ca, "its own": broker.authority.ca}.get(trusts)
        given = {"amqp_url": "amqp://h/", "orchestrator_url": url, "orchestrator_ca_file": ca}
        given |= {"client_id": "c", "client_secret": "s"}
        async with Client(Settings.model_validate({**given, "http_timeout_s": 2})) as client:
            with pytest.raises(Unavailable) as raised:
                await client.probe()
        assert re.search(said.format("ORCHESTRATOR"), raised.value.detail), raised.value.detail
        assert simulator.world.ledger.shown()["calls"] == {}
