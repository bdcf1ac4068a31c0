"""An event that the broker took out of the templates' queue, and where it says it comes from."""

from typing import Any

import pytest

from worker.broker.topology import EVENT_KEY as BACK_KEY
from worker.broker.topology import Topology
from worker.broker.visits.letters import Letter
from worker.domain.messages import REPLAYS, Message
from worker.domain.policy.custody import EVENT_EXCHANGE, EVENT_KEY, Custody

P = Topology("p")
OURS = {EVENT_EXCHANGE: "crm", EVENT_KEY: "order.new"}
CUSTODY = Custody("operator", lambda: {"worker"})


def _letter(exchange: str, key: str, user: str, **headers: Any) -> Letter:
    death = {"queue": P.templates, "reason": "expired", "exchange": exchange, "routing-keys": ["job.stop"]}
    known = {"x-death": [death], **headers}
    return Letter.of(Message(body=b"{}", headers=known, user_id=user, exchange=P.dead, routing_key=key), P)


@pytest.mark.parametrize(
    ("letter", "origin"),
    [
        (_letter("app", "job.start", "shop"), ("app", "job.start")),
        (_letter("app", "some.key", "shop", **OURS), ("app", "some.key")),
        (_letter(P.retry, BACK_KEY, "worker", **OURS), ("crm", "order.new")),
        (_letter("", P.templates, "operator", **OURS), ("crm", "order.new")),
        (_letter("", P.templates, "shop", **OURS), (None, None)),
        (_letter(P.retry, BACK_KEY, "shop", **OURS), (None, None)),
    ],
    ids=["fresh", "the sender names another", "on its round", "sent again", "forged", "forged on a round"],
)
def test_an_event_out_of_our_queue_goes_home_and_names_its_origin(
    letter: Letter, origin: tuple[str | None, str | None]
) -> None:
    """The broker's word for a fresh one; of one that goes round, the word of who is believed."""
    for asked in (None, "job.start"):
        assert letter.place(P, asked) == ("", P.templates)
    headers = letter.again(P, CUSTODY.as_believed, 0.0).headers
    assert (headers.get(EVENT_EXCHANGE), headers.get(EVENT_KEY)) == origin
    assert headers[REPLAYS] == 1
