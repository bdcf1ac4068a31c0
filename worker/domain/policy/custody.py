"""Whose a message is, however often it was sent on: the broker vouches for the last hand, and that for it.

RabbitMQ takes a `user_id` only from the user of that name. Whoever sends a message on can therefore not keep
its sender's, and puts its own there, and the sender's into a header. Anybody can write that header; so it
counts only under the `user_id` of somebody who is believed, and otherwise makes a message nobody's.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from worker.domain.messages import Message

USER_ID = "jobrelay-user-id"


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
        believed = message.user_id == self.user or message.user_id in self.others()
        return named or None if believed and isinstance(named, str) else None

    def headers(self, message: Message) -> dict[str, str]:
        """What goes with our own `user_id` on *message*: nothing where we ourselves have asked for it."""
        asker = self.asked_by(message)
        return {} if asker == self.user else {USER_ID: asker or ""}
