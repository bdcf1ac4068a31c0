"""Whether whoever sent a request may have it done, by the policy of the moment; without one everybody may."""

from collections.abc import Callable
from dataclasses import dataclass

from worker.domain.messages import Message
from worker.domain.policy import Policy, nobodys
from worker.domain.policy.custody import USER_ID, Custody
from worker.domain.requests import Kind
from worker.pipeline.ports import Delivery, Receipt


@dataclass(frozen=True, slots=True)
class Believed:
    """A delivery with *message* in place of its own: what is believed of that."""

    of: Delivery
    message: Message

    @property
    def is_open(self) -> bool:
        """As the delivery's."""
        return self.of.is_open

    @property
    def receipt(self) -> Receipt:
        """As the delivery's."""
        return self.of.receipt

    def ack(self) -> None:
        """As the delivery's."""
        self.of.ack()

    def give_back(self) -> None:
        """As the delivery's."""
        self.of.give_back()


class Permission:
    """Asks *policy*, which may change meanwhile. *custody* tells whose a message is."""

    def __init__(self, policy: Callable[[], Policy | None], custody: Custody) -> None:
        self._policy = policy
        self._custody = custody

    def as_believed(self, message: Message) -> Message:
        """*message* as it counts: under a policy only who may say whose it is may tell of its past."""
        return message if self._policy() is None else self._custody.as_believed(message)

    def believed(self, delivery: Delivery) -> Delivery:
        """*delivery*, with its message as it counts."""
        message = self.as_believed(delivery.message)
        return delivery if message is delivery.message else Believed(delivery, message)

    def to_ask(self, message: Message, kind: Kind) -> None:
        """Raises `Rejected` where its sender is not known, or may ask for nothing of that *kind*."""
        policy = self._policy()
        if policy is not None:
            policy.check_user(self._sender(message), kind)

    def to_do(self, message: Message, kind: Kind, folder: str | None, name: str | None) -> None:
        """Raises `Rejected` where its sender may not have that done to *name* in *folder*, as resolved."""
        policy = self._policy()
        if policy is not None:
            policy.check(self._sender(message), kind, folder, name)

    def _sender(self, message: Message) -> str:
        user = self._custody.asked_by(message)
        if user is None:
            raise nobodys(message.user_id, message.headers.get(USER_ID))
        return user


EVERYBODY = Permission(lambda: None, Custody(""))
"""Where there is no policy."""
