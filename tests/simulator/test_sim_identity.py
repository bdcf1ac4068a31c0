"""Tokens of every mode, what they allow and how long, and how a base URL is taken."""

import time
from base64 import b64encode
from typing import Any
from urllib.parse import urlencode

import pytest
from caller import MODERN, START, TRIAGE, Answer, Caller

CLIENT = "5c7d3f10-6b1e-4f6a-9d55-2f1f6f0c0a01"
FORM = "application/x-www-form-urlencoded"
CONNECT = ["/acorn/identity_/connect/token", "/identity_/connect/token", "/identity/connect/token"]


def _connect(api: Caller, path: str = CONNECT[0], **changed: str) -> Answer:
    form = {"grant_type": "client_credentials", "client_id": CLIENT, "client_secret": "simulated-secret"}
    api.token = None
    return api.call("POST", path, urlencode({**form, **changed}).encode(), Content_Type=FORM)


@pytest.mark.parametrize("path", CONNECT)
def test_client_credentials_give_an_hour(api: Caller, path: str) -> None:
    """At the cloud's, the suite's and the stand-alone server's address."""
    answer = _connect(api, path, scope="OR.Jobs OR.Folders.Read")
    assert answer.status == 200
    assert answer.json["expires_in"] == 3600
    assert answer.json["scope"] == "OR.Folders.Read OR.Jobs"
    assert "refresh_token" not in answer.json
    api.token = answer.json["access_token"]
    assert api.get("Folders").status == 200
    assert api.get("Jobs").status == 200
    refused = api.get("Machines")
    assert refused.error == (403, 0)
    assert refused.json["message"] == "You are not authorized!"


def test_client_credentials_may_come_as_basic_authorization(api: Caller) -> None:
    """Id and secret in the header instead of the form."""
    basic = b64encode(f"{CLIENT}:simulated-secret".encode()).decode()
    body = urlencode({"grant_type": "client_credentials", "scope": "OR.Jobs"}).encode()
    answer = api.call("POST", CONNECT[1], body, Authorization=f"Basic {basic}", Content_Type=FORM)
    assert answer.status == 200


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"client_id": "wrong"}, "invalid_client"),
        ({"scope": "OR.Jobs offline_access"}, "invalid_scope"),
        ({"scope": "OR.Jobs OR.Assets"}, "invalid_scope"),
        ({"scope": "OR.Jobs OR.Jobs.Read OR.Jobs.Write"}, "invalid_scope"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
    ],
)
def test_client_credentials_are_refused_as_oauth_says(
    api: Caller, changed: dict[str, str], error: str
) -> None:
    """400 with the error's name."""
    answer = _connect(api, **changed)
    assert (answer.status, answer.json["error"]) == (400, error)


def test_a_token_request_must_be_form_encoded(api: Caller) -> None:
    """JSON is refused: a common mistake."""
    answer = api.call("POST", CONNECT[0], {"grant_type": "client_credentials"})
    assert (answer.status, answer.json["error"]) == (400, "invalid_request")


def test_a_user_key_gives_a_day_and_does_not_rotate(api: Caller) -> None:
    """JSON at /oauth/token, as often as one likes; a wrong key is an invalid grant."""
    given = {
        "grant_type": "refresh_token",
        "client_id": "simulated-client-id",
        "refresh_token": "simulated-user-key",
    }
    api.token = None
    for _ in range(2):
        answer = api.call("POST", "/oauth/token", given)
        assert answer.json["expires_in"] == 86400
        assert {"access_token", "id_token", "scope", "token_type"} <= answer.json.keys()
    refused = api.call("POST", "/oauth/token", {**given, "refresh_token": "wrong"})
    assert (refused.status, refused.json["error"]) == (403, "invalid_grant")
    api.token = answer.json["access_token"]
    assert api.get("Jobs").status == 200


def test_user_and_password_give_half_an_hour_in_the_old_shape(api: Caller) -> None:
    """Names of keys in any case, quotes of any kind; the old framework's envelope."""
    given = {"tenancyName": "Main", "usernameOrEmailAddress": "admin", "password": "simulated-password"}
    api.token = None
    answer = api.call("POST", "/api/Account/Authenticate", given)
    assert answer.json | {"result": ""} == {
        "result": "",
        "targetUrl": None,
        "success": True,
        "error": None,
        "unAuthorizedRequest": False,
        "__abp": True,
    }
    single = str({name.title().replace("name", "Name"): value for name, value in given.items()}).encode()
    assert api.call("POST", "/api/Account/Authenticate", single).status == 200
    for wrong in ({"password": "x"}, {"tenancyName": "Other"}, {"usernameOrEmailAddress": "x"}):
        refused = api.call("POST", "/api/Account/Authenticate", {**given, **wrong})
        assert refused.error == (400, 1000)
        assert refused.json["success"] is False
    assert "Set-Cookie" in answer.headers
    api.token = answer.json["result"]
    assert api.get("Jobs").status == 200


@pytest.mark.parametrize("mode", ["client_credentials", "access_token"])
def test_a_token_ends(api: Caller, mode: str) -> None:
    """By its lifetime, which a seed may shorten."""
    api.simulated.seed({"behaviour": {"tokenSeconds": {mode: 0.05}}})
    if mode == "access_token":  # a static one has no lifetime
        time.sleep(0.06)
        assert api.get("Folders").status == 200
        return
    api.token = _connect(api).json["access_token"]
    deadline = time.monotonic() + 5
    while api.get("Folders").status == 200:
        assert time.monotonic() < deadline
    assert api.get("Folders").error == (401, 0)


@pytest.mark.parametrize(("version", "abp"), [(20, False), (17, True)])
def test_no_token_a_wrong_one_and_another_tenants_are_401(api: Caller, version: int, *, abp: bool) -> None:
    """With WWW-Authenticate; on-prem in the old framework's envelope."""
    api.simulated.seed({"behaviour": {"apiVersion": version}})
    answers = [
        api.call("GET", "/odata/Folders", Authorization="Bearer wrong"),
        api.call("GET", "/odata/Folders", Authorization="Basic abc"),
        api.call("GET", "/odata/Folders", X_UIPATH_TenantName="Other"),
    ]
    api.token = None
    answers.append(api.call("GET", "/odata/Folders"))
    for answer in answers:
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert ("__abp" in answer.json) is abp
        assert answer.json["message"] == "You are not authenticated!"


@pytest.mark.parametrize(
    "base", ["", "/acorn/Main/orchestrator_", "/ACORN/main/orchestrator_", "/acorn/Main"]
)
def test_every_base_serves(api: Caller, base: str) -> None:
    """On-prem, cloud or suite, and the gateway without `orchestrator_`; every answer tells the versions."""
    answer = api.call("GET", f"{base}/odata/Folders")
    assert answer.status == 200
    assert answer.headers["api-supported-versions"].split(", ")[-1] == "20.0"
    assert answer.json["@odata.context"] == f"{api.simulated.url}{base}/odata/$metadata#Folders"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("GET", "/acorn/odata/Folders", 200),
        ("GET", "/other/Main/orchestrator_/odata/Folders", 200),
        ("POST", "/acorn/Other/orchestrator_/odata/Jobs", 404),
    ],
)
def test_a_wrong_base_answers_html(api: Caller, method: str, path: str, status: int) -> None:
    """The portal's page, not JSON: what a client sees with a wrong base URL."""
    answer = api.call(method, path)
    assert (answer.status, answer.headers.get_content_type()) == (status, "text/html")
    assert b"<html>" in answer.body


def test_an_unknown_path_or_method_below_a_base_is_404_or_405(api: Caller) -> None:
    """No JSON there either."""
    assert api.call("GET", "/odata/Nothing").status == 404
    assert api.call("GET", "/odata/odata/Folders").status == 404
    assert api.call("GET", START).status == 405


def _forged(api: Caller, **headers: str) -> Answer:
    info = {"ReleaseKey": TRIAGE, "Strategy": "ModernJobsCount", "JobsCount": 1}
    return api.call("POST", START, {"startInfo": info}, MODERN, **headers)


def test_cookies_sent_back_are_refused_with_an_empty_400(api: Caller) -> None:
    """The trap: answers set a cookie; who returns it with a POST, without its token, gets 400 and no body."""
    cookie = api.get("Folders").headers["Set-Cookie"].partition(";")[0]
    refused = _forged(api, Cookie=cookie)
    assert (refused.status, refused.body) == (400, b"")
    assert refused.headers["Content-Length"] == "0"
    assert api.call("GET", "/odata/Folders", Cookie=cookie).status == 200
    assert _forged(api, Cookie=cookie, X_XSRF_TOKEN="other").status == 400
    assert _forged(api, Cookie=cookie, X_XSRF_TOKEN=cookie.partition("=")[2]).status == 201
    assert _forged(api).status == 201
    assert len(api.simulated.ledger()["starts"]) == 2


def test_cookies_can_be_turned_off(api: Caller) -> None:
    """For clients under test that cannot drop them."""
    api.behave({"cookies": False})
    assert "Set-Cookie" not in api.get("Folders").headers


def test_control_shows_what_was_sent_but_no_token(api: Caller) -> None:
    """Headers, path, query and body of the last requests; Authorization is left out."""
    api.get("Folders", filter="Id eq 1")
    api.start(NoOfRobots=0)
    seen: list[dict[str, Any]] = api.simulated.tell("GET", "requests?last=2")
    assert [one["path"] for one in seen] == ["/odata/Folders", START]
    assert seen[0]["query"] == "%24filter=Id%20eq%201"
    names = {name.lower() for one in seen for name, _ in one["headers"]}
    assert "x-uipath-organizationunitid" in names
    assert "authorization" not in names
    assert '"NoOfRobots": 0' in seen[1]["body"]
    assert api.simulated.ledger()["starts"][0]["noOfRobots"] == 0
