"""`jobrelay probe`: whether the worker beside it is alive, in a line and exit code 0 or 1.

The image's HEALTHCHECK, every few seconds: nothing is imported that it does not need. Nothing is raised.
"""

import http.client
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_HERE, _PORT = "127.0.0.1", 8080  # the port is the setting's default
_TIMEOUT_S = 3.0
_SETTING = "JOBRELAY_HTTP_PORT"


def asked_by(words: list[str]) -> bool | None:
    """What a command line asks: False for `probe`, True for `probe --ready`, None if it is any other."""
    return {("probe",): False, ("probe", "--ready"): True}.get(tuple(words))


def probe(ready: bool = False) -> int:
    """Asks `/livez`, or `/readyz`; writes the answer as a line, to stderr if it is a bad one."""
    try:
        good, line = ask(port_of(os.environ), "/readyz" if ready else "/livez")
    except (ValueError, OSError) as error:
        good, line = False, str(error)
    (sys.stdout if good else sys.stderr).write(f"{'' if good else 'error: '}{line}\n")
    return 0 if good else 1


def port_of(environment: Mapping[str, str]) -> int:
    """The worker's port by the same settings as the worker's own. Raises ValueError where there is none."""
    folder = environment.get("JOBRELAY_SECRETS_DIR")
    file = Path(folder, _SETTING.lower()) if folder else None
    text = environment.get(_SETTING) or (file.read_text() if file and file.is_file() else str(_PORT))
    if not text.strip().isdecimal() or not 0 < int(text) < 65536:
        raise ValueError(
            f"{_SETTING} is no port that could be asked (1 to 65535); give the worker a fixed one"
        )
    return int(text)


def ask(port: int, path: str) -> tuple[bool, str]:
    """Whether the answer on *port* is a good one, and a line that says so, or what is wrong."""
    url = f"http://{_HERE}:{port}{path}"
    connection = http.client.HTTPConnection(_HERE, port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return _told(url, answer.status, answer.read())
    except (OSError, http.client.HTTPException) as error:
        why = str(error) or type(error).__name__
        return (
            False,
            f"{url} does not answer ({why}); is it the worker's port ({_SETTING}), and has it the role web?",
        )
    finally:
        connection.close()


def _told(url: str, status: int, body: bytes) -> tuple[bool, str]:
    try:
        document = json.loads(body)
        good = bool(document["live" if "live" in document else "ready"])
        lacking = "; ".join(_lacking(document))
    except (ValueError, LookupError, TypeError, AttributeError):
        return False, f"{url} answered {status}, and not as a worker does; who is on that port?"
    if good and status == 200:
        return True, f"{url}: ok"
    return False, f"{url} answered {status}: {lacking or 'no reason given'}"


def _lacking(document: Mapping[str, Any]) -> list[str]:
    """Why it is not alive, or each condition that it needs to be ready and that does not hold."""
    if "live" in document:
        return [str(document["reason"])] if document.get("reason") else []
    return [
        f"{name}: {condition['reason']}"
        for name, condition in document["conditions"].items()
        if condition["required"] and not condition["ok"]
    ]
