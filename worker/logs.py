"""One way of logging for our lines and the libraries': an event's name and its facts, and never a secret.

JSON, one object a line, where a program reads; colours where a person does.
"""

import json
import logging
import os
import re
import sys
from collections.abc import MutableMapping
from functools import cache
from typing import Any, Literal, TextIO

import orjson
import structlog
from structlog.typing import Processor

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["json", "console"]

_HIDDEN = "***"
_SECRET_NAME = re.compile(
    r".*(authorization|password|passwd|secret|token|user_?key|api_?key|cookie)", re.IGNORECASE
)
_SECRET_TEXT = re.compile(
    r"(?P<url>://[^/\s:@]*:)(?!password@host:port/)[^/\s@]+(?=@)"  # that is our own example
    r"|(?P<bearer>\b(?:bearer|basic)\s+)[\w.~+/=-]{8,}"
    r"|(?P<pair>\b\w*(?:password|secret|access_token|refresh_token|user_?key)\b[\"']?\s*[=:]\s*[\"']?)[^\s\"'&,;}]+",
    re.IGNORECASE,
)
# What the AMQP library says of each lost connection or consumer, some with a traceback; our own line says it
# better, and once.
_SAID_BETTER = (
    "Callback <OneShotCallback",
    "Cancelling cause reader exited abnormally",
    "Unexpected connection close from remote",
    "error when creating transport",
    "Closing channel",
    "Channel not opened",
    "Got frame for closed channel",
    "Transport is not ready",
    "Server connection <",
    "Consumer 'jobrelay' cancelled by the broker",
)
_ALARM = re.compile(r"Connection <.*> was (?P<what>blocked|unblocked)( by: '?(?P<reason>.*?)'?)?")


def configure(level: Level = "info", form: Format | None = None, *, to: TextIO | None = None) -> None:
    """Sends every log line of *level* and above to *to* (stderr), as *form* (console on a terminal)."""
    stream = to or sys.stderr
    as_json = (form or ("console" if stream.isatty() else "json")) == "json"
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.format_exc_info,
            hide_secrets,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=_line) if as_json else _console(stream),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(stream.buffer)
        if as_json
        else structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_Libraries()], force=True)


def hide_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blanks what has a secret's name, and what reads like one inside a text."""
    for name, value in event.items():
        if value is None or isinstance(value, (bool, int, float)):
            continue
        if _named_like_a_secret(name):
            event[name] = _HIDDEN
        elif type(value) is not str:
            event[name] = _inside(value)
        # The pattern is asked only where one of its signs is there: most texts are plain words.
        elif ":" in value or "=" in value or "earer " in value or "asic " in value:
            event[name] = without_secrets(value)
    return event


def without_secrets(text: str) -> str:
    """*text* with the passwords of URLs, bearer tokens and `password=…` blanked."""
    return _SECRET_TEXT.sub(_blank, text)


def _blank(found: re.Match[str]) -> str:
    return (found["url"] or found["bearer"] or found["pair"] or "") + _HIDDEN


def _inside(value: Any) -> Any:
    if isinstance(value, dict):
        return hide_secrets(None, "", dict(value))
    if isinstance(value, (list, tuple)):
        return [_inside(item) for item in value]
    if isinstance(value, (bool, int, float, type(None))):
        return value
    return without_secrets(str(value))


@cache
def _named_like_a_secret(name: str) -> bool:
    return _SECRET_NAME.fullmatch(str(name)) is not None


def _line(event: Any, **_: Any) -> bytes:
    try:
        return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:  # a lone surrogate or an enormous number: the line is worth more than its speed
        return json.dumps(event, default=str).encode()


def _console(stream: TextIO) -> Processor:
    colours = stream.isatty() and "NO_COLOR" not in os.environ
    # The richer tracebacks print the values of local variables.
    plain = structlog.dev.plain_traceback
    return structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=plain, pad_event_to=28)


class _Libraries(logging.Handler):
    """Passes on what aio-pika, aiormq, aiohttp and asyncio log."""

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        alarm = _ALARM.fullmatch(message)
        if alarm is not None:
            structlog.get_logger().warning("broker.alarm", state=alarm["what"], reason=alarm["reason"])
            return
        known = message.startswith(_SAID_BETTER)
        structlog.get_logger().log(
            logging.DEBUG if known else min(record.levelno // 10 * 10, logging.CRITICAL),
            "library.log",
            logger=record.name,
            message=message,
            exc_info=None if known else record.exc_info,
        )
