"""The way to the broker: where it is, as whom we come, by which TLS; and in `trouble`, why that failed."""

import asyncio
import ssl
from asyncio import IncompleteReadError
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Self

import aio_pika
from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import AMQPConnectionError
from yarl import URL

from worker import tls
from worker.settings import Settings, SettingsError

_CONNECT_TIMEOUT_S = 10.0
_PORTS = {"amqp": 5672, "amqps": 5671}
# Its alert is lost where it closes with bytes of ours unread.
_CUT = (
    "it cut the connection after the TLS handshake; if it demands a client's certificate, set "
    "JOBRELAY_AMQP_CERT_FILE and JOBRELAY_AMQP_KEY_FILE to one that it accepts"
)


@dataclass(frozen=True, slots=True)
class Address:
    """Where the broker is, with user and password, and what makes the TLS context of each connection."""

    url: str = field(repr=False)
    context: Callable[[], ssl.SSLContext | None] = field(default=lambda: None, repr=False)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The address that *settings* name. Raises `SettingsError` where TLS cannot be had by them."""
        tls.of_broker(settings)
        return cls(settings.amqp_url.get_secret_value(), partial(tls.of_broker, settings))

    @property
    def user(self) -> str:
        """The user that the broker knows us by."""
        return URL(self.url).user or "guest"

    @property
    def host(self) -> str:
        """The broker's host, without its port."""
        return URL(self.url).host or ""

    @property
    def port(self) -> int:
        """Its port, by default the one of the scheme."""
        url = URL(self.url)
        return url.port or _PORTS[url.scheme]

    @property
    def place(self) -> str:
        """Host and port, as they may be shown."""
        return f"{self.host}:{self.port}"


async def connect(address: Address, name: str, heartbeat_s: int | None = None) -> AbstractConnection:
    """Connects once, or raises `OSError`, `TimeoutError` or an `AMQPError`."""
    try:
        context = address.context()
    except SettingsError as changed:  # it could be made when we began
        raise ConnectionError(str(changed)) from None
    url = URL(address.url)
    url = url if heartbeat_s is None else url.update_query(heartbeat=str(heartbeat_s))
    try:
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            return await aio_pika.connect(
                url, ssl_context=context, client_properties={"connection_name": name}
            )
    except AMQPConnectionError as error:
        if context is not None and isinstance(error.__cause__, (ConnectionResetError, IncompleteReadError)):
            raise ConnectionError(_CUT) from error
        raise
