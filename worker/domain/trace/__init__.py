"""Where in which trace something was asked for, as headers carry it (W3C Trace Context). Pure.

What is malformed counts as absent: nobody's request fails for it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from worker.domain.cloud_events import PREFIXES

PARENT, STATE = "traceparent", "tracestate"
# A header of the message's own, or what a CloudEvent in binary form carries.
_NAMES = tuple((f"{prefix}{PARENT}", f"{prefix}{STATE}") for prefix in ("", *PREFIXES))
# Also the schemas' form: of a later version's, which may be longer, nobody could say what it means.
_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_STATE = re.compile(r"[\x20-\x7e]{1,512}")


@dataclass(frozen=True, slots=True)
class Trace:
    """A place in a trace: *parent* is its `traceparent`, *state* what tracing systems add (`tracestate`)."""

    parent: str
    state: str | None = None

    @property
    def id(self) -> str:
        """The trace's id, which all of it shares."""
        return self.parent[3:35]

    @property
    def headers(self) -> dict[str, str]:
        """The headers that carry it on."""
        return {PARENT: self.parent} | ({STATE: self.state} if self.state else {})


def trace_of(headers: Mapping[str, Any]) -> Trace | None:
    """What *headers* carry, however they name it; None where that is nothing, or malformed."""
    for name, beside in _NAMES if headers else ():
        parent = headers.get(name)
        if isinstance(parent, str) and _PARENT.fullmatch(parent):
            state = headers.get(beside)
            good = isinstance(state, str) and _STATE.fullmatch(state) and "=" in state
            return Trace(parent, state if good else None)
    return None
