"""What the text of a setting must look like; where it does not, a line that says so and quotes none of it."""

import re
from typing import Annotated, Literal, get_args, get_origin
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, Field, SecretStr, StringConstraints
from pydantic.fields import FieldInfo

_GUID = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_ENCODED = (
    "special characters in a password must be percent-encoded, such as %2F for /, %23 for # and %3F for ?"
)
_TLS_IS_SET = "TLS is amqps:// with JOBRELAY_AMQP_CA_FILE, JOBRELAY_AMQP_CERT_FILE and JOBRELAY_AMQP_KEY_FILE"
_LONGEST_WEBHOOK_SECRET = 100
_REDIS_TLS = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"})
# Both are so by default, and the other way round a certificate would prove nothing.
_REDIS_VERIFIED = frozenset({("ssl_cert_reqs", "required"), ("ssl_check_hostname", "true")})


def _is_url(text: str, *schemes: str) -> bool:
    """Whether *text* names a host, read as its writer meant: what follows the host has no `@`."""
    try:
        url = urlsplit(text)
        named = url.scheme in schemes and url.hostname and url.port != 0
    except ValueError:  # its text quotes the URL, password and all
        return False
    return bool(named) and not re.search(r"\s", text) and "@" not in f"{url.path}{url.query}{url.fragment}"


def is_open_url(text: str) -> bool:
    """Whether *text* is a URL of HTTP that may be shown: with no user and no password in it."""
    return "@" not in text and _is_url(text, "http", "https")


def _open_url(text: str) -> str:
    if not is_open_url(text):
        raise ValueError("must be like https://host/path, with no user and no password in it")
    return text


def _broker_url(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not _is_url(text, "amqp", "amqps"):
        raise ValueError(f"must be like amqp://user:password@host:port/vhost; {_ENCODED}")
    if urlsplit(text).query:  # among them is one that turns verification off
        raise ValueError(f"must have no options after ?: {_TLS_IS_SET}; {_ENCODED}")
    return value


def _redis_url(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not _is_url(text, "redis", "rediss") or not re.fullmatch(r"/?[0-9]{0,9}", urlsplit(text).path):
        raise ValueError(f"must be like redis://user:password@host:port/0; {_ENCODED}")
    url = urlsplit(text)
    given = set(parse_qsl(url.query, keep_blank_values=True)) - _REDIS_VERIFIED
    if {name for name, _ in given} - _REDIS_TLS or (url.query and url.scheme == "redis"):
        raise ValueError(
            f"after ? it takes {', '.join(sorted(_REDIS_TLS))}, with rediss:// only; for the rest, {_ENCODED}"
        )
    return value


def _folder(text: str) -> str:
    if re.match("(id|key):", text) and not re.fullmatch(f"id:[0-9]{{1,18}}|key:{_GUID}", text):
        raise ValueError("must be a path, id:N with N a number, or key:GUID")
    return text


def _policy_file(text: str) -> str:
    if not text.strip():
        raise ValueError("must name a file: leave it out where whoever may publish may all")
    return text


def _folder_of_files(text: str) -> str:
    if not text.strip():
        raise ValueError("must name a folder: leave it out where there are no templates")
    return text


def _webhook_secret(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if len(text) > _LONGEST_WEBHOOK_SECRET or (text and not text.strip()):
        raise ValueError(f"must be 1 to {_LONGEST_WEBHOOK_SECRET} characters, as Orchestrator takes no more")
    return value


def expected(name: str, field: FieldInfo) -> str:
    """What the setting *name* must be, in plain words: one of its words, or a number with its bounds."""
    kinds = (field.annotation, *get_args(field.annotation))
    words = [str(word) for kind in kinds if get_origin(kind) is Literal for word in get_args(kind)]
    if words:
        return f"{', '.join(words[:-1])} or {words[-1]}"
    if not {int, float} & {*kinds}:
        return _PREFIX_FORM
    number = "a whole number" if int in kinds else "a finite number"
    return f"{number}{' of seconds' if name.endswith('_S') else ''} {_bounds(field)}"


def _bounds(field: FieldInfo) -> str:
    limits = {
        bound: getattr(one, bound)
        for one in field.metadata
        for bound in ("ge", "gt", "le")
        if hasattr(one, bound)
    }
    if "gt" in limits:
        return f"above {limits['gt']}"
    return f"from {limits['ge']} to {limits['le']}" if "le" in limits else f"of {limits['ge']} or more"


_PREFIX_FORM = "1 to 27 characters of A-Z, a-z, 0-9, '.', '_' and '-'"
Prefix = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,27}$")]
Url = Annotated[str, AfterValidator(_open_url)]
Folder = Annotated[str, AfterValidator(_folder)]
PolicyFile = Annotated[str, AfterValidator(_policy_file)]
TemplatesDir = Annotated[str, AfterValidator(_folder_of_files)]
BrokerUrl = Annotated[SecretStr, AfterValidator(_broker_url)]
RedisUrl = Annotated[SecretStr, AfterValidator(_redis_url)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
WebhookSecret = Annotated[SecretStr, AfterValidator(_webhook_secret)]
