"""`start --wait` as a person sees it on a terminal: the states live, the outputs, and the exit code."""

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from shell import Broker, Running, Shell, sent

from worker.settings import Settings

EXAMPLES = Path(__file__).parents[2] / "schemas/examples"
_DRAWN = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_WITHIN_S, _LOOK_AGAIN_S = 30.0, 0.02
WAITED = ("start", "SupportTriage_QuickstartDemo", "--folder", "Shared", "--wait", "--request-id", "r-1")


class Terminal:
    """A terminal of 100 by 20; `said` is what was ever written on it."""

    def __init__(self) -> None:
        self._reads, self.writes = os.openpty()
        os.set_blocking(self._reads, False)
        self._said = b""

    def said(self) -> str:
        """All of it so far, without colours and the moves of the cursor."""
        try:
            while more := os.read(self._reads, 65_536):
                self._said += more
        except OSError:  # nothing yet, or its last writer is gone
            pass
        return _DRAWN.sub("", self._said.decode())

    def close(self) -> None:
        """Takes it away."""
        os.close(self._reads)
        os.close(self.writes)


@pytest.fixture
def terminal(no_settings: pytest.MonkeyPatch) -> Iterator[Terminal]:
    """A terminal that can draw."""
    for name, value in {"TERM": "xterm", "COLUMNS": "100", "LINES": "20"}.items():
        no_settings.setenv(name, value)
    terminal = Terminal()
    yield terminal
    terminal.close()


def told(name: str, **data: Any) -> Any:
    """The event of an example, about the request."""
    event = json.loads((EXAMPLES / f"{name}.json").read_text())
    event["data"] |= {"requestId": "r-1", **data}
    return sent(json.dumps(event).encode())


def seen(found: Callable[[], object], what: str) -> None:
    """Returns once *found* is true; fails with *what* when that takes too long."""
    end = time.monotonic() + _WITHIN_S
    while not found():
        assert time.monotonic() < end, f"not within {_WITHIN_S} s: {what}"
        time.sleep(_LOOK_AGAIN_S)


def asked(broker: Broker) -> None:
    """Returns when the request is in its queue: by then the command listens."""
    seen(lambda: broker.take("start"), "the request was sent")


@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_states_are_seen_as_they_come_and_outputs_at_the_end(
    jobrelay: Shell, broker: Broker, terminal: Terminal, no_settings: pytest.MonkeyPatch, term: str
) -> None:
    """Also on a terminal that cannot draw; 0, as the job was successful."""
    no_settings.setenv("TERM", term)
    start = Running(*WAITED, terminal=terminal.writes)
    asked(broker)
    broker.publish("events", "job.created", [told("job-created.v1/modern-folder", count=1)])
    seen(lambda: "job 1 of 1" in terminal.said(), "the job is seen")
    broker.publish("events", "job.state.running", [told("job-state.v1/running")])
    seen(lambda: "Running" in terminal.said(), "its state is seen")
    broker.publish("events", "job.state.successful", [told("job-state.v1/successful")])
    assert start.end()[0] == 0
    assert "Successful" in terminal.said()
    assert '"Priority": "P2"' in terminal.said().partition("output of job")[2]


def test_whoever_leaves_is_told_how_to_come_back(jobrelay: Shell, broker: Broker) -> None:
    """Ctrl-C is 130; the request goes on, and the line says how to follow it."""
    start = Running(*WAITED)
    asked(broker)
    start.signal()
    code, out, err = start.end()
    assert (code, out) == (130, "")
    assert err == "the request goes on: follow it with `jobrelay follow --request r-1`\n"


def test_a_name_that_nobody_knows_is_told_with_what_looks_at_it_at_once(
    jobrelay: Shell, broker: Broker
) -> None:
    """A wait that is over while a name is unknown names `check`, with what was typed."""
    start = Running("start", "No Such", "--folder", "id:7", "--request-id", "r-1", "--timeout", "3s")
    asked(broker)
    deferred = told("request-deferred.v1/outcome-unknown", code="not_yet_visible", detail="no process")
    broker.publish("events", "request.deferred", [deferred])
    code, _, err = start.end()
    assert (code, "(not_yet_visible: no process" in err) == (5, True)
    assert err.endswith("; `jobrelay check 'No Such' --folder id:7` says at once what is wrong\n")


def test_the_simulator_invites_a_worker_with_the_scopes_for_queue_items_too(terminal: Terminal) -> None:
    """What it prints for a person is all that a worker needs: its own scopes and OR.Queues."""
    simulate = Running("simulate", terminal=terminal.writes)
    seen(lambda: "OR.Queues" in terminal.said(), "the scopes are seen")
    assert simulate.interrupt() == 130
    assert f"export JOBRELAY_SCOPE='{Settings.model_fields['scope'].default} OR.Queues'" in terminal.said()
