"""The settings reach those who keep the promises with them."""

from typing import Any

from worker.app import Worker
from worker.settings import Settings

_PLAIN: dict[str, Any] = {"amqp_url": "amqp://nowhere/", "orchestrator_url": "http://nowhere"}


def test_a_former_owner_is_waited_for_as_long_as_its_post_may_commit() -> None:
    """It may notice its loss only after three missed heartbeats, and then its last call still runs."""
    settings = Settings(**_PLAIN, http_timeout_s=20, heartbeat_s=7, commit_slack_s=11)
    rules = Worker(settings, {"start"})._starter().rules
    assert rules.window_s == 20 + 3 * (7 + 1) + 11
    assert (rules.http_timeout_s, rules.commit_slack_s) == (20, 11)


def test_the_prefetch_is_the_concurrency() -> None:
    """Invariant 8: the setting is what the broker hands out at once, to requests alone."""
    worker = Worker(Settings(**_PLAIN, concurrency=17), {"start", "track"})
    start, *others = worker._broker.inboxes_of("start")
    assert start._prefetch == 17
    assert all(inbox._prefetch != 17 for inbox in others)
    assert worker._broker.inboxes_of("track")[0]._prefetch != 17


def test_notices_are_taken_with_both_secrets_and_handed_on() -> None:
    """While a secret is changed, what is signed with the one before is good too."""
    secrets = {"webhook_secret": "new", "webhook_secret_previous": "old"}
    worker = Worker(Settings.model_validate(_PLAIN | secrets), {"web"})
    assert worker._webhook._secrets == ("new", "old")
    assert worker._webhook._look == worker._named.add
    assert worker._named._look == worker._look
    assert Worker(Settings(**_PLAIN), {"web"})._webhook._secrets == ()
