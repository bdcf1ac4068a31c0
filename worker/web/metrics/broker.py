"""What the connections to the broker go through, and what it confirms."""

from worker.web.metrics.families import Counts, Levels, Times

_CONFIRM = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_LINK = {"link": "broker-consume, broker-publish, broker-lease, broker-templates"}
_CONSUMED = ("start", "stop", "queue-item", "templates", "tracking")
_QUEUE = {"queue": f"{', '.join(_CONSUMED)}, dead-letters: without their prefix"}
_PLACES = ("events", "requests", "tracking", "delay", "dead")
_FAILURES = ("lost", "returned", "refused")


class BrokerMetrics:
    """Counts connections, consumers, queues and publishes."""

    def __init__(self, prefix: str) -> None:
        self._prefix = f"{prefix}."
        self._made = Counts(
            "jobrelay_broker_connections",
            "Connections made to the broker; each beyond the first came back",
            _LINK,
        )
        self._blocked = Levels(
            "jobrelay_broker_blocked", "1 while the broker takes nothing from publishers: an alarm", _LINK
        )
        self._renewed = Counts(
            "jobrelay_consumers_renewed",
            "Consumers that the watchdog found gone, and began anew",
            {"queue": ", ".join(_CONSUMED)},
            known=[(queue,) for queue in _CONSUMED],
        )
        self._messages = Levels(
            "jobrelay_queue_messages", "Messages of a queue that are in nobody's hands", _QUEUE
        )
        self._consumers = Levels("jobrelay_queue_consumers", "Consumers of a queue, everybody's", _QUEUE)
        to = {"to": ", ".join(_PLACES)}
        self._confirmed = Times("jobrelay_publish_seconds", "From a publish to its confirm", _CONFIRM, to)
        self._unconfirmed = Counts(
            "jobrelay_publishes_unconfirmed",
            "Publishes that were not confirmed, and are repeated",
            to | {"why": "lost (with its channel), returned (no queue took it), refused"},
            known=[(place, why) for place in _PLACES for why in _FAILURES],
        )
        self._replies_lost = Counts("jobrelay_replies_lost", "Events that a request's reply_to did not get")

    def connected(self, link: str) -> None:
        """A connection was made."""
        self._made.up(link)
        self._blocked.to(0, link)

    def blocked(self, link: str, on: bool) -> None:
        """The broker takes nothing more from publishers, or does again."""
        self._blocked.to(on, link)

    def renewed(self, queue: str) -> None:
        """The watchdog found the consumer of *queue* gone."""
        self._renewed.up(queue.removeprefix(self._prefix))

    def waits(self, queue: str, messages: int, consumers: int) -> None:
        """So much waits in a queue, and so many consume from it."""
        name = queue.removeprefix(self._prefix)
        self._messages.to(messages, name)
        self._consumers.to(consumers, name)

    def published(self, to: str, failure: str | None, seconds: float) -> None:
        """A publish was confirmed, or was not, because of a *failure*."""
        if failure is None:
            self._confirmed.took(seconds, to)
        else:
            self._unconfirmed.up(to, failure)

    def reply_lost(self) -> None:
        """An event did not reach its request's reply_to."""
        self._replies_lost.up()
