"""Settings: read once, and a wrong one is one line that names it."""

import os
from pathlib import Path

import pytest

from worker.settings import Settings, SettingsError, read_settings, unknown_settings

URL = "amqp://guest:planted@127.0.0.1/"


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begins without any setting of the machine's."""
    for name in os.environ:
        if name.startswith("JOBRELAY_"):
            monkeypatch.delenv(name)


def having(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    """Sets these settings in the environment."""
    for name, value in values.items():
        monkeypatch.setenv(f"JOBRELAY_{name}", value)


def test_only_the_broker_is_needed_and_the_rest_has_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    """The defaults are those that the design names."""
    having(monkeypatch, AMQP_URL=URL)
    settings = read_settings()
    assert settings.amqp_url.get_secret_value() == URL
    assert (settings.prefix, settings.concurrency, settings.http_port) == ("jobrelay", 64, 8080)
    assert (settings.http_timeout_s, settings.grace_s, settings.commit_slack_s) == (30, 45, 40)


def test_a_missing_broker_is_named_with_its_form(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line says which setting, and what it looks like."""
    with pytest.raises(SettingsError, match=r"^JOBRELAY_AMQP_URL is missing: .*amqp://"):
        read_settings()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("AMQP_URL", "http://127.0.0.1", "JOBRELAY_AMQP_URL must be like amqp://"),
        ("AMQP_URL", "amqp://:99999999", "JOBRELAY_AMQP_URL must be like amqp://"),
        ("AMQP_URL", "amqps://h/?no_verify_ssl=1", "JOBRELAY_AMQP_URL must have no options after .*_CA_FILE"),
        (
            "AMQP_URL",
            "amqps://u:planted@h/?verify=0",
            "JOBRELAY_AMQP_URL must have no options after .*_CA_FILE",
        ),
        ("REDIS_URL", "rediss://host/0?ssl_cert_reqs=none", "JOBRELAY_REDIS_URL: after .*ssl_ca_certs"),
        ("REDIS_URL", "rediss://host/0?ssl_check_hostname=false", "JOBRELAY_REDIS_URL: after .*ssl_ca_certs"),
        ("REDIS_URL", "unix:///run/redis.sock", "JOBRELAY_REDIS_URL must be like redis://"),
        ("REDIS_URL", "redis://host/db", "JOBRELAY_REDIS_URL must be like redis://"),
        ("REDIS_URL", "redis://host/0?ssl_ca_certs=ca.pem", "JOBRELAY_REDIS_URL: .*rediss:// only"),
        ("REDIS_URL", "rediss://host/0?socket_timeout=60", "JOBRELAY_REDIS_URL: .*ssl_ca_certs"),
        ("PREFIX", "has space", "JOBRELAY_PREFIX must be 1 to 27 characters of .* .begins the name"),
        ("PREFIX", "x" * 28, "JOBRELAY_PREFIX must be 1 to 27 characters of A-Z"),
        ("HTTP_PORT", "eighty", "JOBRELAY_HTTP_PORT must be a whole number from 0 to 65535 .*0 picks one"),
        ("HTTP_PORT", "70000", "JOBRELAY_HTTP_PORT must be a whole number from 0 to 65535 .port of"),
        ("AUTH", "kerberos", "JOBRELAY_AUTH must be client_credentials, .* or password .how the"),
        ("ORCHESTRATOR_URL", "cloud.example", "JOBRELAY_ORCHESTRATOR_URL must "),
        ("FOLDER", "id:Shared", "JOBRELAY_FOLDER must be a path, id:N"),
        ("FOLDER", "key:1", "JOBRELAY_FOLDER must be a path, id:N"),
        ("LOG_LEVEL", "loud", "JOBRELAY_LOG_LEVEL must be debug, info, warning or error .least"),
        ("CONCURRENCY", "0", "JOBRELAY_CONCURRENCY must be a whole number from 1 to 2000 .requests in"),
        ("LOG_FORMAT", "xml", "JOBRELAY_LOG_FORMAT must be json or console "),
        ("HEARTBEAT_S", "0.5", "JOBRELAY_HEARTBEAT_S must be a whole number of seconds from 1 to 60 "),
        ("POLL_BUDGET_PER_MIN", "0", "JOBRELAY_POLL_BUDGET_PER_MIN must be a whole number of 1 or more "),
        (
            "COMMIT_SLACK_S",
            "inf",
            "JOBRELAY_COMMIT_SLACK_S must be a finite number of seconds above 0 .how long",
        ),
        ("POLL_INTERVAL_S", "nan", "JOBRELAY_POLL_INTERVAL_S must be a finite number of seconds above 0 "),
        ("WEBHOOK_SECRET", "x" * 101, "JOBRELAY_WEBHOOK_SECRET must be 1 to 100 characters"),
        ("WEBHOOK_SECRET_PREVIOUS", "   ", "JOBRELAY_WEBHOOK_SECRET_PREVIOUS must be 1 to 100 characters"),
        ("POLICY_FILE", "", "JOBRELAY_POLICY_FILE must name a file: leave it out"),
        ("POLICY_FILE", "  ", "JOBRELAY_POLICY_FILE must name a file: leave it out"),
        ("GRACE_S", "35", "JOBRELAY_GRACE_S must be at least HTTP_TIMEOUT_S . 10 = 40"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    """The line names the setting and what is expected, and nothing else is printed."""
    having(monkeypatch, **{"AMQP_URL": URL, name: value})
    with pytest.raises(SettingsError, match=f"^{said}") as raised:
        read_settings()
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["AMQP_URL", "ORCHESTRATOR_URL", "TOKEN_URL", "REDIS_URL"])
@pytest.mark.parametrize(
    "rest",
    [
        "user:PLANTED/pw@host/", "user:PLANTED#pw@host/", "user:PLANTED?pw@host/", "user:77/PLANTED@host/",
        "user:a@PLANTED/pw@host/", "user:PLANTED[@host/", "[::1", "host:9999999", "host:0", "", "a PLANTED",
    ],
)  # fmt: skip
def test_a_url_that_cannot_be_read_is_told_without_a_word_of_it(
    monkeypatch: pytest.MonkeyPatch, name: str, rest: str
) -> None:
    """A password's special characters make it look like a host, a port or a path: none is quoted."""
    scheme = {"AMQP_URL": "amqp", "REDIS_URL": "redis"}.get(name, "https")
    having(monkeypatch, **{"AMQP_URL": URL, name: f"{scheme}://{rest}"})
    with pytest.raises(SettingsError, match=f"^JOBRELAY_{name} must be like {scheme}://[^\\n]*$") as raised:
        read_settings()
    said = str(raised.value)
    assert "PLANTED" not in said
    assert "percent-encoded" in said or "no password" in said


def test_a_password_that_is_percent_encoded_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """So is the host of a URL without any."""
    having(monkeypatch, AMQP_URL="amqps://u:a%2Fb%40c@host:5671/v", REDIS_URL="redis://:p%23@[::1]:6379/0")
    having(monkeypatch, ORCHESTRATOR_URL="https://cloud.example/org/tenant/orchestrator_")
    assert read_settings().redis_url is not None
    having(monkeypatch, REDIS_URL="rediss://host?ssl_ca_certs=/run/ca.pem&ssl_cert_reqs=required")
    assert read_settings().redis_url is not None


@pytest.mark.parametrize(
    "name", ["CLIENT_ID", "CLIENT_SECRET", "ACCESS_TOKEN", "TENANT", "USERNAME", "PASSWORD", "FOLDER"]
)
@pytest.mark.parametrize("value", ["planted\r\nX: y", "planted\n", "planted\x1b[2J", "planted\udcff"])
def test_what_cannot_be_sent_as_text_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """Control characters and bytes that are no text are found at the start, not in a header hours later."""
    having(monkeypatch, **{"AMQP_URL": URL, name: value})
    with pytest.raises(SettingsError, match=f"^JOBRELAY_{name} must (not contain|be UTF-8)") as raised:
        read_settings()
    assert "planted" not in str(raised.value)


def test_several_wrong_settings_are_several_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them are told at once."""
    having(monkeypatch, AMQP_URL=URL, HTTP_PORT="x", AUTH="y")
    with pytest.raises(SettingsError) as raised:
        read_settings()
    assert len(str(raised.value).splitlines()) == 2


def test_a_secret_comes_from_a_file_and_the_environment_wins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Files carry the setting's name in lower case, prefix included."""
    (tmp_path / "jobrelay_client_secret").write_text("from the file\n")
    (tmp_path / "jobrelay_prefix").write_text("from-the-file")
    having(monkeypatch, AMQP_URL=URL, SECRETS_DIR=str(tmp_path), PREFIX="from-the-environment")
    settings = read_settings()
    assert settings.client_secret is not None
    assert settings.client_secret.get_secret_value() == "from the file"
    assert settings.prefix == "from-the-environment"


def test_a_file_of_a_secret_that_is_no_text_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The line names the folder and the setting."""
    (tmp_path / "jobrelay_client_secret").write_bytes(b"\xff\xfe")
    having(monkeypatch, AMQP_URL=URL, SECRETS_DIR=str(tmp_path))
    with pytest.raises(SettingsError, match=r"SECRETS_DIR=.*client_secret.* UTF-8 text"):
        read_settings()


def test_a_missing_folder_of_secrets_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A mount that is not there is a mistake, not an empty folder."""
    having(monkeypatch, AMQP_URL=URL, SECRETS_DIR=str(tmp_path / "absent"))
    with pytest.raises(SettingsError, match=r"JOBRELAY_SECRETS_DIR names .*absent, which is not a folder"):
        read_settings()


def test_no_secret_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the settings' text nor an error about one shows a secret's value."""
    having(monkeypatch, AMQP_URL=URL, CLIENT_SECRET="planted", USER_KEY="planted")
    assert "planted" not in repr(read_settings())
    having(monkeypatch, HTTP_PORT="planted", PREFIX="planted secret")
    with pytest.raises(SettingsError) as raised:
        read_settings()
    assert "planted" not in str(raised.value)


def test_a_setting_that_does_not_exist_names_the_nearest_that_does() -> None:
    """Foreign variables are left alone."""
    said = unknown_settings(
        {"JOBRELAY_PREFX": "x", "JOBRELAY_PREFIX": "x", "HOME": "/", "JOBRELAY_ZZZZ": "x"}
    )
    assert said == [
        "JOBRELAY_PREFX is not a setting of Jobrelay; did you mean JOBRELAY_PREFIX?",
        "JOBRELAY_ZZZZ is not a setting of Jobrelay",
    ]


@pytest.mark.parametrize(
    ("given", "good"),
    [
        ({}, ()),
        ({"webhook_secret": ""}, ()),
        ({"webhook_secret": "new"}, ("new",)),
        ({"webhook_secret": "new", "webhook_secret_previous": "old"}, ("new", "old")),
        ({"webhook_secret": "new", "webhook_secret_previous": ""}, ("new",)),
        ({"webhook_secret_previous": "old"}, ()),
    ],
)
def test_the_secret_before_is_good_beside_a_newer_one_only(
    given: dict[str, str], good: tuple[str, ...]
) -> None:
    """An empty one is none: nobody's signature is made with it."""
    assert Settings.model_validate({"amqp_url": URL, **given}).webhook_secrets == good


@pytest.mark.parametrize(
    ("auth", "missing"),
    [
        ("client_credentials", ["ORCHESTRATOR_URL", "CLIENT_ID", "CLIENT_SECRET"]),
        ("access_token", ["ORCHESTRATOR_URL", "ACCESS_TOKEN"]),
        ("user_key", ["ORCHESTRATOR_URL", "CLIENT_ID", "USER_KEY"]),
        ("password", ["ORCHESTRATOR_URL", "USERNAME", "PASSWORD"]),
    ],
)
def test_each_way_to_sign_in_names_what_it_lacks(auth: str, missing: list[str]) -> None:
    """The credentials that AUTH needs are named in full."""
    settings = Settings.model_validate({"amqp_url": URL, "auth": auth})
    assert settings.missing_credentials() == [f"JOBRELAY_{name}" for name in missing]


def test_what_signing_in_lacks_is_told_line_by_line() -> None:
    """Each line names the setting, what it is, and what needs it."""
    settings = Settings.model_validate({"amqp_url": URL, "auth": "access_token"})
    with pytest.raises(SettingsError) as raised:
        settings.require_credentials()
    needed = "(JOBRELAY_AUTH=access_token needs it)"
    assert str(raised.value).splitlines() == [
        f"JOBRELAY_ORCHESTRATOR_URL is missing: base URL of Orchestrator: what stands before /odata {needed}",
        f"JOBRELAY_ACCESS_TOKEN is missing: personal access token {needed}",
    ]
