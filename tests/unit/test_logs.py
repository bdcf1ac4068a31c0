"""What a log line says, and what it must never say."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from worker import logs
from worker.settings import SettingsError, read_settings

PLANTED = "hunter2-planted"


class Output(io.TextIOWrapper):
    """A stream that the test reads back."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", write_through=True)

    @property
    def text(self) -> str:
        return str(self.buffer.getvalue().decode())  # type: ignore[attr-defined]

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def output() -> Iterator[Output]:
    """An output; afterwards logging is as it was."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    before = structlog.get_config()
    yield Output()
    structlog.configure(**before)
    root.setLevel(level)
    root.handlers[:] = handlers


def test_a_line_is_one_json_object_with_its_event_level_and_utc_time(output: Output) -> None:
    """A program can read the log line by line."""
    logs.configure("info", "json", to=output)
    structlog.get_logger().bind(request_id="inc-1").info("request.settled", outcome="started", jobs=2)
    (line,) = output.lines
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "request.settled",
        "level": "info",
        "request_id": "inc-1",
        "outcome": "started",
        "jobs": 2,
    }


def test_lines_below_the_level_are_not_written(output: Output) -> None:
    """LOG_LEVEL=warning keeps what is informational away, ours and the libraries'."""
    logs.configure("warning", "json", to=output)
    structlog.get_logger().info("request.settled")
    logging.getLogger("aio_pika").info("connected")
    assert output.text == ""


@pytest.mark.parametrize(
    "facts",
    [
        {"authorization": f"Bearer {PLANTED}"},
        {"client_secret": PLANTED},
        {"userKey": PLANTED},
        {"ACCESS_TOKEN": PLANTED},
        {"set_cookie": PLANTED.encode()},
        {"url": f"amqp://guest:{PLANTED}@127.0.0.1:5672/"},
        {"url": f"https://:{PLANTED}@example.org/odata"},
        {"reason": f"POST /token with client_secret={PLANTED}&grant_type=x failed"},
        {"reason": f'the answer was {{"access_token":"{PLANTED}","expires_in":3600}}'},
        {"reason": f"sent authorization: bearer {PLANTED}"},
        {"headers": {"Authorization": f"Bearer {PLANTED}", "X": ["1", f"Basic {PLANTED}"]}},
        {"error": ValueError(f"cannot open amqp://u:{PLANTED}@h/")},
    ],
    ids=lambda facts: next(iter(facts)),
)
@pytest.mark.parametrize("form", ["json", "console"])
def test_no_secret_is_written(output: Output, form: logs.Format, facts: dict[str, Any]) -> None:
    """Neither a value with a secret's name nor one inside a text reaches the output."""
    logs.configure("info", form, to=output)
    structlog.get_logger().info("something.happened", **facts)
    assert PLANTED not in output.text
    assert "***" in output.text


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_hides_secrets_too(output: Output, form: logs.Format) -> None:
    """An exception's text is treated like any other, and no local variable is printed."""
    logs.configure("info", form, to=output)
    try:
        int(f"amqp://u:{PLANTED}@h/")
    except ValueError:
        structlog.get_logger().exception("something.broke")
    assert "ValueError" in output.text
    assert PLANTED not in output.text


def test_what_is_not_secret_stays(output: Output) -> None:
    """Addresses, names that only contain a secret's word, and numbers are left alone."""
    facts = {"token_url": "https://example.org/token", "delivery_tag": 7, "at": "2026-01-01T10:00:00Z"}
    logs.configure("info", "json", to=output)
    structlog.get_logger().info("x", **facts)
    assert facts.items() <= output.lines[0].items()


@pytest.mark.parametrize(
    ("setting", "wrong"),
    [("REDIS_URL", "redis-cluster://x"), ("AMQP_URL", "http://x"), ("CLIENT_SECRET", "a\nb")],
)
def test_what_we_say_of_a_wrong_setting_is_not_blanked(
    monkeypatch: pytest.MonkeyPatch, setting: str, wrong: str
) -> None:
    """Neither the example of a URL nor the word after a secret's name is one."""
    monkeypatch.setenv("JOBRELAY_AMQP_URL", "amqp://h/")
    monkeypatch.setenv(f"JOBRELAY_{setting}", wrong)
    with pytest.raises(SettingsError) as caught:
        read_settings()
    assert logs.without_secrets(str(caught.value)) == str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["redis://user:password@host:6379/0", "redis://user:password@h/", "amqp://u:password@host:portal@x/"],
)
def test_a_password_that_is_the_word_is_hidden(url: str) -> None:
    """Only our example, which no server could have, is shown."""
    assert ":password@" not in logs.without_secrets(url)


@pytest.mark.parametrize("value", [2**70, "\udc80", b"\xff", object(), {1: 2}, {"a": {"b": (1, None)}}])
def test_a_line_is_written_whatever_its_facts_are(output: Output, value: Any) -> None:
    """What strict JSON has no form for costs its form, never the line."""
    logs.configure("info", "json", to=output)
    structlog.get_logger().info("odd.fact", value=value)
    assert output.lines[0]["event"] == "odd.fact"


def test_the_libraries_write_the_same_form(output: Output) -> None:
    """A warning of aiohttp or asyncio is one JSON line with its logger's name."""
    logs.configure("info", "json", to=output)
    logging.getLogger("aiohttp.server").error("Error handling %s", "request", exc_info=ValueError("x"))
    (line,) = output.lines
    assert (line["event"], line["logger"]) == ("library.log", "aiohttp.server")
    assert line["message"] == "Error handling request"
    assert "ValueError: x" in line["exception"]


@pytest.mark.parametrize(
    ("said", "by"),
    [
        ("Cancelling cause reader exited abnormally", "aiormq.connection"),
        ('Server connection <Connection: "amqp://u:p@h"> was stuck. No frames were …', "aiormq.connection"),
        ("Consumer 'jobrelay' cancelled by the broker on <Channel: \"9\" at 0x7f>", "aiormq.channel"),
        ("Got frame for closed channel 21: <Channel.CloseOk object at 0x7f>", "aiormq.connection"),
        ("Callback <OneShotCallback: cb=<Task pending>> error", "aio_pika.tools"),
    ],
)
def test_what_we_say_better_does_not_fill_the_log(output: Output, said: str, by: str) -> None:
    """The AMQP library's lines and tracebacks at every reconnect are kept for debugging only."""
    logs.configure("info", "json", to=output)
    logging.getLogger(by).warning(said, exc_info=ConnectionError("gone"))
    assert output.text == ""
    logs.configure("debug", "json", to=output)
    logging.getLogger(by).warning(said)
    assert [line["level"] for line in output.lines] == ["debug"]


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("was blocked by: 'low on memory'", {"state": "blocked", "reason": "low on memory"}),
        ("was unblocked", {"state": "unblocked", "reason": None}),
    ],
)
def test_an_alarm_of_the_broker_is_said_in_our_words(output: Output, said: str, line: dict[str, Any]) -> None:
    """Without the connection's address in memory, and whatever else the library shows of it."""
    logs.configure("info", "json", to=output)
    connection = '<Connection: "amqp://jobrelay:secret@127.0.0.1:26620/?heartbeat=1" at 0x7f2a>'
    logging.getLogger("aiormq.connection").warning("Connection %s %s", connection, said)
    (written,) = output.lines
    assert {name: written[name] for name in ("state", "reason")} == line
    assert written["event"] == "broker.alarm"
    assert "26620" not in output.text
