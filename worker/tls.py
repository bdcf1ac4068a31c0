"""Whom a connection trusts, and how it proves who we are: TLS contexts, made of the files that settings name.

Certificates are verified, with their host's name, by every context that is made here. Nothing turns that off.
"""

import ssl
from functools import cache
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from worker.settings import Settings, SettingsError

ENCRYPT = "use TLS: secrets can be read on the way"
"""What mends each of `unencrypted`."""

NONE_OURS = "Jobrelay shows none there: name a host that asks for none"
"""What mends that a server of HTTP wants a certificate of us."""

OURS = "set JOBRELAY_AMQP_CERT_FILE and JOBRELAY_AMQP_KEY_FILE to one of an authority that it trusts"
"""What mends that the broker wants one."""

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_NO_KEY = "JOBRELAY_AMQP_CERT_FILE: {} holds no private key: name its file in JOBRELAY_AMQP_KEY_FILE"
_UNFIT = "JOBRELAY_AMQP_KEY_FILE: {} is not the private key of the certificate in JOBRELAY_AMQP_CERT_FILE"
_LOCKED = "JOBRELAY_AMQP_KEY_FILE: {} is encrypted: give one without a passphrase, which others cannot read"
_EXPIRED, _OTHER_NAMES = 10, (62, 64)  # OpenSSL's X509_V_ERR_…
_WANTS_OURS = ("CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE", "BAD_CERTIFICATE", "UNKNOWN_CA")


def of_broker(settings: Settings) -> ssl.SSLContext | None:
    """The context of `amqps://`, None for `amqp://`. Raises `SettingsError` where a file is not fit for it.

    Each call reads the files anew: certificates are renewed while we run.
    """
    ca, cert, key = settings.amqp_ca_file, settings.amqp_cert_file, settings.amqp_key_file
    if urlsplit(settings.amqp_url.get_secret_value()).scheme != "amqps":
        for name in ("amqp_ca_file", "amqp_cert_file", "amqp_key_file"):
            if getattr(settings, name):
                raise SettingsError(
                    f"JOBRELAY_{name.upper()} is for TLS: begin JOBRELAY_AMQP_URL with amqps://"
                )
        return None
    context = _trusting("JOBRELAY_AMQP_CA_FILE", ca)
    if cert:
        _shown(context, cert, key)
    elif key:
        raise SettingsError("JOBRELAY_AMQP_KEY_FILE goes with JOBRELAY_AMQP_CERT_FILE, which is missing")
    return context


def of_orchestrator(settings: Settings) -> ssl.SSLContext:
    """The context of every call to Orchestrator and to where its tokens come from; errors as above.

    Without a file it is one for the whole process: reading all authorities of a system takes long.
    """
    file = settings.orchestrator_ca_file
    return _trusting("JOBRELAY_ORCHESTRATOR_CA_FILE", file) if file else of_the_system()


@cache
def of_the_system() -> ssl.SSLContext:
    """The context that trusts whom this system trusts, as it was when this was first called."""
    return _trusting("", None)


def unencrypted(settings: Settings) -> list[str]:
    """The settings, by their full names, by which secrets leave this machine as plain text."""
    urls = {
        "AMQP_URL": settings.amqp_url.get_secret_value(),
        "ORCHESTRATOR_URL": settings.orchestrator_url or "",
        "TOKEN_URL": settings.token_url or "",
        "REDIS_URL": settings.redis_url.get_secret_value() if settings.redis_url else "",
    }
    return [f"JOBRELAY_{name}" for name, url in urls.items() if _is_plain(url)]


def trouble(error: BaseException, ca_file: str, url: str, ours: str = NONE_OURS) -> str | None:
    """What is wrong with whose certificate, and what mends it, by the names of those two settings.

    *ours* mends that the other side wants a certificate of us. None where TLS is not the trouble.
    """
    cause: BaseException | None = error
    while cause is not None and not (isinstance(cause, ssl.SSLError) and hasattr(cause, "library")):
        cause = cause.__cause__  # the HTTP library's is one too, and has nothing of it but the name
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _unverified(cause, ca_file, url)
    if cause is None:
        return None
    reason = cause.reason or str(cause)
    if any(sign in reason for sign in _WANTS_OURS):
        return f"it does not take our certificate, or the lack of one ({reason}): {ours}"
    return f"TLS failed ({reason}): is that port of {url} the one for TLS?"


def _unverified(error: ssl.SSLCertVerificationError, ca_file: str, url: str) -> str:
    said = error.verify_message.rstrip(".")
    if error.verify_code == _EXPIRED:
        return f"its certificate is out of date ({said}): renew it there"
    if error.verify_code in _OTHER_NAMES:
        return f"its certificate is another host's ({said}): put a name of it into {url}"
    mend = f"put the certificate of the authority that signed it into the file that {ca_file} names"
    return f"its certificate is not to be trusted ({said}): {mend}"


def _is_plain(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("amqp", "http", "redis") and parts.hostname not in _LOOPBACK


def _trusting(name: str, file: str | None) -> ssl.SSLContext:
    """A context that trusts the authorities in *file* and no other; those of the system without one."""
    context = ssl.create_default_context() if not file else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # some builds of Python leave that to the system
    if file:
        _readable(name, file)
        try:
            context.load_verify_locations(cafile=file)
        except ssl.SSLError:
            raise SettingsError(f"{name}: {file} holds no certificate in PEM form") from None
    return context


def _shown(context: ssl.SSLContext, cert: str, key: str | None) -> None:
    """Shows the broker, where it asks, the certificate in *cert*, whose key is in *key* or beside it."""
    _readable("JOBRELAY_AMQP_CERT_FILE", cert)
    if key:
        _readable("JOBRELAY_AMQP_KEY_FILE", key)

    def locked() -> NoReturn:  # the library would ask for it on the terminal
        raise SettingsError(_LOCKED.format(key or cert))

    try:
        context.load_cert_chain(cert, key or None, password=locked)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise SettingsError(_UNFIT.format(key or cert)) from None
        if not key:
            raise SettingsError(_NO_KEY.format(cert)) from None
        text = f"no certificate in {cert}, or no private key in {key}, in PEM form"
        raise SettingsError(f"JOBRELAY_AMQP_CERT_FILE: {text}") from None


def _readable(name: str, file: str) -> None:
    try:
        Path(file).read_bytes()
    except OSError as error:
        raise SettingsError(f"{name}: {file} cannot be read: {error.strerror}") from None
