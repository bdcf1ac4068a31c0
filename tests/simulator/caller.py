"""A plain client of the simulator: one kept connection, no cookies, nothing clever."""

import http.client
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from simulated import Simulated

F = "UiPath.Server.Configuration.OData."
START = f"/odata/Jobs/{F}StartJobs"
MODERN, CLASSIC = 501, 510
TRIAGE = "b41d77a2-3c5f-4d0b-9f25-7e3d5f0a7001"
CLASSIC_TRIAGE = "b41d77a2-3c5f-4d0b-9f25-7e3d5f0a7002"
INVOICES = "b41d77a2-3c5f-4d0b-9f25-7e3d5f0a7007"
STILL = {"jobs": {"pendingSeconds": 600, "runningSeconds": 600}}
QUICK = {"jobs": {"pendingSeconds": 0, "runningSeconds": 0, "suspendedSeconds": 0, "stoppingSeconds": 0}}


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)

    @property
    def value(self) -> list[dict[str, Any]]:
        """The rows of a list."""
        return list(self.json["value"])

    @property
    def error(self) -> tuple[int, int]:
        """Status and errorCode."""
        return self.status, self.json["errorCode"]


@dataclass
class Caller:
    """Calls one simulator, as the holder of a static token unless told otherwise."""

    simulated: Simulated
    token: str | None = "rt_simulated_access_token"
    cookie: str | None = None
    connection: http.client.HTTPConnection = field(init=False)

    def __post_init__(self) -> None:
        self.connection = http.client.HTTPConnection(urlsplit(self.simulated.url).netloc, timeout=10)

    def call(
        self, method: str, path: str, body: Any = None, folder: int | None = None, **headers: str
    ) -> Answer:
        """One call; bytes go as they are, else JSON; `X_Some_Header=` becomes `X-Some-Header`."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if folder is not None:
            sent["X-UIPATH-OrganizationUnitId"] = str(folder)
        if self.token is not None:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        if self.cookie is not None:
            sent["Cookie"] = self.cookie
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        try:
            self.connection.request(method, path, content, sent)
            answer = self.connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        except (OSError, http.client.HTTPException):
            self.connection.close()
            raise

    def get(self, path: str, folder: int | None = MODERN, **options: str) -> Answer:
        """GET with OData options: `filter=`, `top=` and so on."""
        query = urlencode({f"${name}": value for name, value in options.items()}, quote_via=quote)
        return self.call("GET", f"/odata/{path}" + (f"?{query}" if query else ""), folder=folder)

    def start(self, folder: int = MODERN, **info: Any) -> Answer:
        """StartJobs; without more one job of the triage process in the modern folder."""
        given = (
            {"ReleaseKey": TRIAGE, "Strategy": "ModernJobsCount", "JobsCount": 1} if folder == MODERN else {}
        )
        sent = {name: value for name, value in {**given, **info}.items() if value is not None}
        return self.call("POST", START, {"startInfo": sent}, folder)

    def job(self, number: int) -> dict[str, Any]:
        """GET Jobs(id)."""
        return dict(self.get(f"Jobs({number})").json)

    def behave(self, behaviour: Mapping[str, Any]) -> None:
        """Changes some of the running simulator's behaviour."""
        self.simulated.tell("PATCH", "behaviour", behaviour)

    def state(self, number: int, *wanted: str) -> dict[str, Any]:
        """The job as soon as it is in one of the wanted states."""
        return dict(until(lambda: self.job(number), lambda job: job["State"] in wanted))


def until(ask: Callable[[], Any], good: Callable[[Any], bool], within_s: float = 5.0) -> Any:
    """The first answer that is good; fails with the last one when time is up."""
    deadline = time.monotonic() + within_s
    while not good(found := ask()):
        assert time.monotonic() < deadline, f"not within {within_s} s; last: {found}"
        time.sleep(0.005)
    return found
