"""The TLS that settings ask for: always verifying, and a file that does not fit is one line that names it."""

import ssl
from pathlib import Path
from typing import Any

import pytest
from authority import Authority
from cryptography.hazmat.primitives import serialization as form

from worker import tls
from worker.settings import Settings, SettingsError

PASSPHRASE = b"hunter2-planted"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """`ca.pem`, a client's `mine.pem` and `mine.key`, another's key, a locked one, both in one, text."""
    authority = Authority(tmp_path_factory.mktemp("certificates"))
    cert, key = (Path(file) for file in authority.issue("mine", "client@jobrelay"))
    authority.issue("other", "other@jobrelay")
    (authority.folder / "both.pem").write_bytes(key.read_bytes() + cert.read_bytes())
    (authority.folder / "text").write_text("no certificate")
    locked = form.load_pem_private_key(key.read_bytes(), None).private_bytes(
        form.Encoding.PEM, form.PrivateFormat.PKCS8, form.BestAvailableEncryption(PASSPHRASE)
    )
    (authority.folder / "locked.key").write_bytes(locked)
    return authority


def given(files: Authority, url: str = "amqps://h/", **names: str) -> Settings:
    """Settings whose files for the broker (ca, cert, key) are those of these names."""
    paths: dict[str, Any] = {f"amqp_{kind}_file": str(files.folder / file) for kind, file in names.items()}
    return Settings.model_validate({"amqp_url": url, **paths})


def given_to_orchestrator(files: Authority, name: str | None) -> Settings:
    """Settings whose file for Orchestrator has that name."""
    path = str(files.folder / name) if name else None
    return Settings.model_validate({"amqp_url": "amqp://h/", "orchestrator_ca_file": path})


@pytest.mark.parametrize(
    "names",
    [
        {},
        {"ca": "ca.pem"},
        {"cert": "mine.pem", "key": "mine.key"},
        {"cert": "both.pem", "ca": "ca.pem"},
    ],
    ids=str,
)
def test_every_context_verifies_the_certificate_and_its_host(files: Authority, names: dict[str, str]) -> None:
    """Whatever is set, nobody else is taken for the broker."""
    context = tls.of_broker(given(files, **names))
    assert context is not None
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert "ca" not in names or len(context.get_ca_certs()) == 1


@pytest.mark.parametrize("name", [None, "ca.pem"])
def test_so_does_the_one_for_orchestrator(files: Authority, name: str | None) -> None:
    """Its own file replaces the system's authorities."""
    context = tls.of_orchestrator(given_to_orchestrator(files, name))
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert not name or len(context.get_ca_certs()) == 1


def test_a_broker_without_tls_needs_none(files: Authority) -> None:
    """`amqp://` has no context."""
    assert tls.of_broker(given(files, "amqp://h/")) is None


@pytest.mark.parametrize(
    ("url", "names", "said"),
    [
        ("amqps", {"ca": "absent"}, "CA_FILE: .*/absent cannot be read: No such file"),
        ("amqps", {"ca": "."}, "CA_FILE: .* cannot be read: Is a directory"),
        ("amqps", {"ca": "text"}, "CA_FILE: .*/text holds no certificate in PEM form"),
        ("amqps", {"cert": "absent"}, "CERT_FILE: .* cannot be read"),
        ("amqps", {"cert": "mine.pem"}, "CERT_FILE: .*no private key.*_KEY_FILE"),
        ("amqps", {"key": "mine.key"}, "KEY_FILE goes with JOBRELAY_AMQP_CERT_FILE"),
        ("amqps", {"cert": "mine.pem", "key": "other.key"}, "KEY_FILE: .* not the"),
        ("amqps", {"cert": "mine.pem", "key": "locked.key"}, "KEY_FILE: .*encrypted"),
        ("amqps", {"cert": "mine.pem", "key": "text"}, "CERT_FILE: .* PEM form"),
        ("amqp", {"ca": "ca.pem"}, "CA_FILE is for TLS: .*amqps://"),
        ("amqp", {"cert": "both.pem"}, "CERT_FILE is for TLS: .*amqps://"),
    ],
)  # fmt: skip
def test_a_file_that_does_not_fit_is_named(
    files: Authority, url: str, names: dict[str, str], said: str
) -> None:
    """One line says which setting, which file and what it should be; nobody is asked for a passphrase."""
    with pytest.raises(SettingsError, match=f"^JOBRELAY_AMQP_{said}") as raised:
        tls.of_broker(given(files, f"{url}://h/", **names))
    assert len(str(raised.value).splitlines()) == 1


def test_orchestrators_file_is_named_too(files: Authority) -> None:
    """The line is of its own setting."""
    with pytest.raises(SettingsError, match=r"^JOBRELAY_ORCHESTRATOR_CA_FILE: .*/text holds no certificate"):
        tls.of_orchestrator(given_to_orchestrator(files, "text"))


@pytest.mark.parametrize(
    ("urls", "told"),
    [
        ({}, []),
        ({"amqp_url": "amqp://127.0.0.1/", "orchestrator_url": "http://localhost:8090"}, []),
        ({"amqp_url": "amqp://rabbit/"}, ["AMQP_URL"]),
        ({"orchestrator_url": "http://o", "redis_url": "redis://cache"}, ["ORCHESTRATOR_URL", "REDIS_URL"]),
        ({"token_url": "http://identity/token", "redis_url": "rediss://cache"}, ["TOKEN_URL"]),
    ],
)  # fmt: skip
def test_what_leaves_this_machine_as_plain_text_is_told(urls: dict[str, Any], told: list[str]) -> None:
    """An operator hears that secrets can be read on the way; on the loopback interface nobody can."""
    settings = Settings.model_validate({"amqp_url": "amqps://h/", **urls})
    assert tls.unencrypted(settings) == [f"JOBRELAY_{name}" for name in told]


@pytest.mark.parametrize(
    ("ours", "said"),
    [((tls.OURS,), "set JOBRELAY_AMQP_CERT_FILE and"), ((), "shows none there: name a host")],
)
def test_who_wants_a_certificate_of_us_is_told_with_what_can_be_done(
    ours: tuple[str, ...], said: str
) -> None:
    """The broker can be shown one, Orchestrator cannot: no setting is named that would not help."""
    error = ssl.SSLError(1, "refused")
    error.library, error.reason = "SSL", "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    told = tls.trouble(error, "THE_CA_FILE", "THE_URL", *ours)
    assert told is not None
    assert said in told
    assert ("JOBRELAY_AMQP" in told) == bool(ours)
