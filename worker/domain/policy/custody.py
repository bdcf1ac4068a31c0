"""Whose a message is, however often it was sent on: the broker vouches for the last hand, and that for it.

RabbitMQ takes a `user_id` only from the user of that name. Whoever sends a message on can therefore not keep
its sender's, and puts its own there, and the sender's into a header. Anybody can write that header; so it
counts only under the `user_id` of somebody who is believed, and otherwise makes a message nobody's.
So it is with all else that a message's headers say of its past.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from worker.domain.messages import (
    ATTEMPT,
    DELIVERY_COUNTS,
    FIRST_AT,
    HISTORY,
    REPLAYS,
    WINDOW_FOLDER,
    WINDOW_UNTIL,
    Message,
)

USER_ID = "jobrelay-user-id"
EVENT_EXCHANGE, EVENT_KEY = "jobrelay-event-exchange", "jobrelay-event-routing-key"
FINGERPRINT = "jobrelay-fingerprint"
_OF_ITS_PAST = frozenset(
    {
        ATTEMPT,
        FIRST_AT,
        HISTORY,
        REPLAYS,
        WINDOW_FOLDER,
        WINDOW_UNTIL,
        EVENT_EXCHANGE,
        EVENT_KEY,
        FINGERPRINT,
        "x-death",
    }
)
OF_THE_BROKER = ("x-death", "x-first-death-", "x-last-death-", *DELIVERY_COUNTS)
"""How the names of the headers begin that the broker writes."""


@dataclass(frozen=True, slots=True)
class Custody:
    """As whom we send on: *user* is our name at the broker. *others* are believed beside us."""

    user: str
    others: Callable[[], Collection[str]] = frozenset

    def asked_by(self, message: Message) -> str | None:
        """Who has asked for it; None where nobody can be believed to have."""
        named = message.headers.get(USER_ID)
        if named is None:
            return message.user_id or None
        return named or None if self._believed(message) and isinstance(named, str) else None

    def as_believed(self, message: Message) -> Message:
        """*message*, with its past only as far as somebody believed, or the broker itself, tells of one."""
        if self._believed(message):
            return message
        # Wherever RabbitMQ writes the counts, it sets the flag `redelivered` too (rabbit_fifo_client.erl).
        untold = _OF_ITS_PAST if message.redelivered else _OF_ITS_PAST.union(DELIVERY_COUNTS)
        if untold.isdisjoint(message.headers):
            return message
        told = {name: value for name, value in message.headers.items() if name not in untold}
        return replace(message, headers=told)

    def headers(self, message: Message) -> dict[str, str]:
        """What goes with our own `user_id` on *message*: nothing where we ourselves have asked for it."""
        asker = self.asked_by(message)
        return {} if asker == self.user else {USER_ID: asker or ""}

    def believes(self, user_id: str | None) -> bool:
        """True for what comes under the `user_id` of the worker itself or of one of the *others*."""
        return bool(user_id) and (user_id == self.user or user_id in self.others())

    def _believed(self, message: Message) -> bool:
        return self.believes(message.user_id)
