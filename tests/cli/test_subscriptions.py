"""`jobrelay webhook` and a simulated Orchestrator: what is made, shown and removed, and what goes wrong."""

import json
from typing import Any

import pytest
from shell import Said, Shell
from simulated import Simulated
from tenant import CLIENT_ID, CLIENT_SECRET

from worker.cli.webhook.subscribe import Order, row, shown, why
from worker.domain.failures import OutcomeUnknown
from worker.domain.webhooks import same_address
from worker.orchestrator.webhooks import Subscription

URL = "https://127.0.0.1/webhooks/orchestrator"
SIX = ["created", "started", "completed", "faulted", "stopped", "suspended"]
EVENTS = [f"job.{name}" for name in [*SIX, "resumed", "stopping", "terminating"]]
ANOTHER = {
    "Name": "Chat",
    "Url": "http://127.0.0.1/chat?sig=planted",
    "Secret": "planted",
    "events": ["job.faulted"],
}
PLANTED = "planted webhook secret"


@pytest.fixture
def webhook(no_settings: pytest.MonkeyPatch, simulator: Simulated, bare: Shell) -> Shell:
    """A shell at the simulator's tenant, with another's webhook in it; no broker is set."""
    simulator.seed({"webhooks": [ANOTHER]})
    no_settings.setenv("JOBRELAY_ORCHESTRATOR_URL", simulator.cloud)
    no_settings.setenv("JOBRELAY_CLIENT_ID", CLIENT_ID)
    no_settings.setenv("JOBRELAY_CLIENT_SECRET", CLIENT_SECRET)
    no_settings.setenv("JOBRELAY_WEBHOOK_SECRET", PLANTED)
    return bare


def _wrote(said: Said) -> dict[str, Any]:
    """The one record that a command wrote, without what differs between runs."""
    assert said.code == 0, said.err
    (record,) = said.lines
    assert "planted" not in said.out + said.err
    return {name: value for name, value in record.items() if name != "id"}


def _sent(simulator: Simulated, method: str) -> list[dict[str, Any]]:
    """The bodies of the calls of that method."""
    asked = [call for call in simulator.requests() if "/odata/Webhooks" in call["path"]]
    return [json.loads(call["body"]) for call in asked if call["method"] == method]


def test_a_webhook_is_made_once_and_then_updated(
    webhook: Shell, simulator: Simulated, no_settings: pytest.MonkeyPatch
) -> None:
    """The same URL, however it is written, is the same webhook; its name stays, its secret is the new one."""
    made = _wrote(webhook("webhook", "register", URL))
    kept = {"name": "jobrelay", "url": URL, "enabled": True, "allEvents": False, "events": EVENTS}
    assert made == {"action": "created", **kept}
    no_settings.setenv("JOBRELAY_WEBHOOK_SECRET", "planted, the second")
    no_settings.setenv("JOBRELAY_WEBHOOK_SECRET_PREVIOUS", PLANTED)
    no_settings.setenv("JOBRELAY_PREFIX", "other")
    again = "HTTPS://127.0.0.1:443/webhooks/orchestrator"
    assert _wrote(webhook("webhook", "register", again, "--insecure-ssl"))["action"] == "updated"
    assert len(webhook("webhook", "list").lines) == 2
    assert [body["Secret"] for body in _sent(simulator, "POST")] == [PLANTED]
    (changed,) = _sent(simulator, "PATCH")
    told = (changed["Name"], changed["Secret"], changed["AllowInsecureSsl"])
    assert told == ("jobrelay", "planted, the second", True)


def test_a_webhook_is_named(webhook: Shell) -> None:
    """By --name, also anew."""
    for name in ("blue", "green"):
        assert _wrote(webhook("webhook", "register", URL, "--name", name))["name"] == name


@pytest.mark.parametrize(("version", "named"), [(11, False), (15, False), (16, True), (20, True)])
def test_only_what_the_server_knows_is_sent(
    webhook: Shell, simulator: Simulated, version: int, named: bool
) -> None:
    """Webhooks of older servers have no names."""
    simulator.seed({"behaviour": {"apiVersion": version}})
    _wrote(webhook("webhook", "register", URL))
    assert ("Name" in _sent(simulator, "POST")[0]) is named


def test_all_webhooks_are_listed_without_their_secrets(webhook: Shell) -> None:
    """Nor is the query of a URL shown, which often is one."""
    webhook("webhook", "register", URL)
    said = webhook("webhook", "list")
    assert [(one["name"], one["url"]) for one in said.lines] == [
        ("Chat", "http://127.0.0.1/chat?…"),
        ("jobrelay", URL),
    ]
    assert "planted" not in said.out + said.err


def test_more_webhooks_than_a_page_has_are_listed(webhook: Shell, simulator: Simulated) -> None:
    """Every one of them, each once."""
    simulator.seed({"webhooks": [{"Name": f"{n}", "Url": f"http://127.0.0.1/{n}"} for n in range(1001)]})
    assert len({one["id"] for one in webhook("webhook", "list").lines}) == 1001


def test_a_webhook_is_removed_by_its_id_or_its_url(webhook: Shell) -> None:
    """What is not there is told, with where to look."""
    webhook("webhook", "register", URL)
    chat, ours = (one["id"] for one in webhook("webhook", "list").lines)
    assert _wrote(webhook("webhook", "remove", URL))["action"] == "removed"
    assert [one["id"] for one in webhook("webhook", "list").lines] == [chat]
    for which in (URL, str(ours), "twelve"):
        said = webhook("webhook", "remove", which)
        assert (said.code, said.out) == (1, "")
        assert f"no webhook {which}: jobrelay webhook list" in said.err
    assert webhook("webhook", "remove", str(chat)).code == 0
    assert webhook("webhook", "list").out == ""


def test_what_may_be_otherwise_than_meant_is_noted(webhook: Shell, simulator: Simulated) -> None:
    """A URL that is not the workers' own path, and other webhooks with the same URL."""
    url = "http://127.0.0.1/behind-a-proxy"
    simulator.seed({"webhooks": [{"Name": name, "Url": url} for name in ("a", "b")]})
    said = webhook("webhook", "register", url)
    assert "take notices at /webhooks/orchestrator" in said.err
    assert "has other webhooks" in said.err
    assert "jobrelay webhook remove ID" in said.err
    assert "note:" not in webhook("webhook", "register", URL).err


@pytest.mark.parametrize(
    ("unset", "arguments", "code", "told"),
    [
        ("WEBHOOK_SECRET", ["register", URL], 3, "JOBRELAY_WEBHOOK_SECRET is missing"),
        ("CLIENT_ID", ["list"], 3, "JOBRELAY_CLIENT_ID is missing"),
        ("", ["register", "worker/hook"], 2, "https://host/path"),
        ("", ["register", "https://user:planted@host/"], 2, "no password"),
        ("", ["register", f"https://host/{'x' * 2000}"], 2, "2000"),
        ("", ["register", URL, "--name", "x" * 129], 2, "128"),
        ("", ["remove"], 2, "ID|URL"),
    ],
)
def test_what_cannot_be_done_is_told_before_it_is_begun(
    webhook: Shell, no_settings: pytest.MonkeyPatch, unset: str, arguments: list[str], code: int, told: str
) -> None:
    """Usage is 2, settings are 3; Orchestrator is not asked."""
    no_settings.delenv(f"JOBRELAY_{unset}", raising=False)
    said = webhook("webhook", *arguments)
    assert (said.code, said.out) == (code, "")
    assert told in " ".join(said.err.replace("│", " ").split())
    assert "planted" not in said.err


FAULTS: dict[str, tuple[dict[str, Any], int, str]] = {
    "no right": ({"do": "status", "status": 403}, 1, "the scope OR.Webhooks"),
    "no more tries": ({"do": "status", "status": 503}, 4, "Webhooks got 503"),
    "a web page": ({"do": "html"}, 4, "JOBRELAY_ORCHESTRATOR_URL is probably wrong"),
    "made, and the answer lost": ({"do": "commit-then-reset", "skip": 2}, 4, "run it again"),
    "refused": ({"do": "status", "status": 400, "code": 1009, "skip": 2}, 1, "1009"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_orchestrator_will_not_do_is_told_with_its_remedy(
    webhook: Shell, simulator: Simulated, no_settings: pytest.MonkeyPatch, fault: str
) -> None:
    """Run again once that is mended, it makes one webhook, whatever came of the first try."""
    rule, code, told = FAULTS[fault]
    no_settings.setenv("JOBRELAY_HTTP_TIMEOUT_S", "1")
    simulator.faults([{"operation": "Webhooks", **rule}])
    said = webhook("webhook", "register", URL)
    assert (said.code, said.out, len(said.err.splitlines())) == (code, "", 1)
    assert told in said.err
    assert "planted" not in said.err
    simulator.heal()
    assert webhook("webhook", "register", URL).code == 0
    assert len(webhook("webhook", "list").lines) == 2


def test_a_missing_scope_is_told_by_its_name(webhook: Shell, simulator: Simulated) -> None:
    """The external application must have it; JOBRELAY_SCOPE, which the worker asks for, need not."""
    client = {"id": CLIENT_ID, "secret": CLIENT_SECRET, "scope": "OR.Jobs OR.Folders"}
    simulator.seed({"identity": {"clients": [client]}})
    said = webhook("webhook", "list")
    assert (said.code, said.out, len(said.err.splitlines())) == (1, "", 1)
    assert "give the external application the scope OR.Webhooks" in said.err


def test_an_orchestrator_that_is_away_is_exit_code_4(webhook: Shell, no_settings: pytest.MonkeyPatch) -> None:
    """In one line, which says where."""
    no_settings.setenv("JOBRELAY_ORCHESTRATOR_URL", "http://127.0.0.1:1")
    no_settings.setenv("JOBRELAY_HTTP_TIMEOUT_S", "1")
    said = webhook("webhook", "list")
    assert (said.code, said.out, len(said.err.splitlines())) == (4, "", 1)
    assert "127.0.0.1:1" in said.err


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a/x", "https://a/x", True),
        ("https://A:443/x", "HTTPS://a/x", True),
        ("http://a", "http://a:80/", True),
        ("https://a/x", "https://a/X", False),
        ("https://a/x", "http://a/x", False),
        ("https://a/x", "https://a/x?y", False),
        ("http://[", "http://[", True),
        ("http://[", "http://a:99999", False),
    ],
)
def test_two_urls_are_the_same_place(one: str, other: str, same: bool) -> None:
    """However host and port are written; a path is to the letter."""
    assert same_address(one, other) is same


def test_a_person_is_shown_a_row_for_each() -> None:
    """What is shown of a URL is no secret."""
    assert row(Subscription(7, "n", "https://u:p@h:1/x?k=v", enabled=False, all_events=True, events=())) == [
        7, "n", "https://h:1/x?…", "no", "all",
    ]  # fmt: skip
    assert shown("http://[") == "?"
    assert "planted" not in repr(Order(URL, None, insecure_ssl=False))
    assert why(OutcomeUnknown("lost")).code == 4
