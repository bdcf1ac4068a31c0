"""Every knob, read once from the environment or from files of secrets, typed and frozen.

A wrong or missing setting is one clear line (`SettingsError`); an unknown one with our prefix is warned of.
"""

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as NotRead

from worker.forms import (
    BrokerUrl,
    Folder,
    PolicyFile,
    Positive,
    Prefix,
    RedisUrl,
    TemplatesDir,
    Url,
    WebhookSecret,
    expected,
)

_PREFIX = "JOBRELAY_"
# Read by the program itself or by its scripts, not settings of the worker.
_BESIDE = frozenset({"SECRETS_DIR", "REQUIRE", "FACTS_DIR"})

NEEDED_BY = {
    "client_credentials": ("client_id", "client_secret"),
    "access_token": ("access_token",),
    "user_key": ("client_id", "user_key"),
    "password": ("username", "password"),
}

# Fixed already, so that deployments can be written; nothing reads them so far.
NOT_USED_YET = frozenset({"audit_database_url"})


class SettingsError(Exception):
    """The settings do not hold; the text names each one and what is expected of it."""


class Settings(BaseSettings):
    """The worker's settings. The environment wins over the files in JOBRELAY_SECRETS_DIR."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True
    )

    amqp_url: BrokerUrl = Field(
        description="RabbitMQ, such as amqp://localhost:5672/ with user and password in it"
    )
    amqp_ca_file: str | None = Field(
        None, description="certificates (PEM) of whom to trust for amqps://, in place of the system's"
    )
    amqp_cert_file: str | None = Field(
        None, description="the worker's own certificate (PEM), for a broker that demands one"
    )
    amqp_key_file: str | None = Field(None, description="its private key (PEM), where that is another file")
    prefix: Prefix = Field("jobrelay", description="begins the name of every exchange, queue and Reference")
    orchestrator_url: Url | None = Field(
        None, description="base URL of Orchestrator: what stands before /odata"
    )
    orchestrator_ca_file: str | None = Field(
        None, description="certificates (PEM) of whom to trust for https://, in place of the system's"
    )
    tenant: str | None = Field(None, description="tenant name, sent as a header (on-premises)")
    folder: Folder | None = Field(
        None, description="folder of requests without one: a path, id:N or key:GUID"
    )
    auth: Literal["client_credentials", "access_token", "user_key", "password"] = Field(
        "client_credentials", description="how the worker signs in to Orchestrator"
    )
    client_id: str | None = Field(None, description="external application's id (or the user key's client id)")
    client_secret: SecretStr | None = Field(None, description="external application's secret")
    scope: str = Field(
        "OR.Jobs OR.Execution.Read OR.Folders.Read OR.Robots.Read OR.Machines.Read",
        description="OAuth scopes, separated by spaces; beside them OR.Monitoring.Read: Faulted jobs' logs; "
        "OR.Queues: queue items",
    )
    token_url: Url | None = Field(None, description="token endpoint; derived from ORCHESTRATOR_URL")
    access_token: SecretStr | None = Field(None, description="personal access token")
    user_key: SecretStr | None = Field(None, description="legacy user key")
    username: str | None = Field(None, description="on-premises user")
    password: SecretStr | None = Field(None, description="on-premises password")
    concurrency: int = Field(
        64, ge=1, le=2000, description="requests in hand at once, the prefetch of P.start"
    )
    http_port: int = Field(
        8080, ge=0, le=65535, description="port of /livez, /readyz, /metrics and webhooks; 0 picks one"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level logged")
    log_format: Literal["json", "console"] | None = Field(None, description="json, or console on a terminal")
    redis_url: RedisUrl | None = Field(
        None, description="Redis >= 6 or Valkey: one ledger for all replicas, such as redis://host:6379/0"
    )
    webhook_secret: WebhookSecret | None = Field(
        None, description="secret that Orchestrator signs its webhook notices with; none: none are taken"
    )
    webhook_secret_previous: WebhookSecret | None = Field(
        None, description="the secret before that one: its signatures are good too, while secrets change"
    )
    http_timeout_s: Positive = Field(30, description="total time for one call to Orchestrator")
    grace_s: Positive = Field(
        45, description="time to finish what is in hand at a stop, at least HTTP_TIMEOUT_S + 10"
    )
    heartbeat_s: int = Field(5, ge=1, le=60, description="AMQP heartbeat")
    commit_slack_s: Positive = Field(40, description="how long a lost StartJobs may still commit")
    max_attempts: int = Field(10, ge=1, le=1000, description="deferrals before a request is rejected")
    cache_ttl_s: Positive = Field(300, description="how long folders, processes and robots are remembered")
    poll_interval_s: Positive = Field(10, description="time between two looks at a job in flight")
    poll_budget_per_min: int = Field(
        60, ge=1, description="lists of jobs that this process reads in a minute; Cloud allows a tenant 100"
    )
    pending_reasons_s: Positive = Field(
        300, description="how long a job may be Pending before Orchestrator is asked why"
    )
    expire_after_s: Positive = Field(
        600, description="how long a job may be gone before it is followed no more"
    )
    consumer_timeout_s: Positive = Field(
        1800, description="consumer_timeout of the broker: how long it waits for an ack"
    )
    policy_file: PolicyFile | None = Field(
        None,
        description="JSON file that says who may start, stop and add what; none: whoever may publish may all",
    )
    templates_dir: TemplatesDir | None = Field(
        None,
        description="folder of templates, by which applications' events become requests; none: no templates",
    )
    audit_database_url: SecretStr | None = Field(
        None, description="database of the searchable audit (not used yet)"
    )

    @field_validator("*", mode="before")
    @classmethod
    def _be_text(cls, value: Any) -> Any:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if isinstance(text, str):
            if re.search(r"[\x00-\x1f\x7f-\x9f]", text):
                raise ValueError("must not contain line breaks or other control characters")
            if re.search(r"[\ud800-\udfff]", text):
                raise ValueError("must be UTF-8 text")
        return value

    @model_validator(mode="after")
    def _hold_together(self) -> Self:
        if self.grace_s < self.http_timeout_s + 10:
            raise ValueError(f"GRACE_S must be at least HTTP_TIMEOUT_S + 10 = {self.http_timeout_s + 10:g}")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - looking for it takes as long as the rest
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What wins over what; no `.env` file is read."""
        return init_settings, env_settings, file_secret_settings

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        """What a webhook notice may be signed with, the newest first; none without WEBHOOK_SECRET."""
        texts = [
            value.get_secret_value() if value else ""
            for value in (self.webhook_secret, self.webhook_secret_previous)
        ]
        return tuple(filter(None, texts)) if texts[0] else ()

    def missing_credentials(self) -> list[str]:
        """The settings that AUTH needs and that are absent, by their full names."""
        names = ("orchestrator_url", *NEEDED_BY[self.auth])
        return [_full(name) for name in names if not getattr(self, name)]

    def require_credentials(self) -> None:
        """Raises `SettingsError` where AUTH lacks something, a line for each: its name and what it is."""
        missing = self.missing_credentials()
        if missing:
            needed = f"JOBRELAY_AUTH={self.auth} needs it"
            raise SettingsError("\n".join(f"{_missing(name)} ({needed})" for name in missing))


def read_settings(*, broker: bool = True) -> Settings:
    """Reads the settings or raises `SettingsError`, one line for each that does not hold.

    Who talks to no *broker* needs no AMQP_URL, and is not stopped by a wrong one.
    """
    given: dict[str, Any] = {} if broker else {"amqp_url": "amqp://nobody.invalid/"}
    folder = os.environ.get(f"{_PREFIX}SECRETS_DIR")
    if folder and not Path(folder).is_dir():
        raise SettingsError(f"{_PREFIX}SECRETS_DIR names {folder}, which is not a folder")
    try:
        return Settings(_secrets_dir=folder, **given)  # type: ignore[call-arg]
    except ValidationError as error:
        raise SettingsError("\n".join(_line(problem) for problem in error.errors())) from None
    except NotRead as error:
        need = "its file must be UTF-8 text that this user may read"
        raise SettingsError(f"{_PREFIX}SECRETS_DIR={folder}: {error}; {need}") from None


def unknown_settings(environ: Mapping[str, str] = os.environ) -> list[str]:
    """A line for each variable with our prefix that means nothing, naming the nearest that does."""
    known = [name.upper() for name in Settings.model_fields] + sorted(_BESIDE)
    strangers = (name[len(_PREFIX) :] for name in environ if name.startswith(_PREFIX))
    return [_stranger(name, known) for name in sorted(strangers) if name not in known]


def _stranger(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {_PREFIX}{near[0]}?" if near else ""
    return f"{_PREFIX}{name} is not a setting of Jobrelay{hint}"


def _full(name: str) -> str:
    return _PREFIX + name.upper()


def _missing(full_name: str) -> str:
    field = Settings.model_fields[full_name.removeprefix(_PREFIX).lower()]
    return f"{full_name} is missing: {field.description}"


def _line(problem: Any) -> str:
    if not problem["loc"]:
        return f"{_PREFIX}{problem['msg'].removeprefix('Value error, ')}"
    name = _full(str(problem["loc"][0]))
    if problem["type"] == "missing":
        return _missing(name)
    if problem["type"] != "value_error":
        field = Settings.model_fields[str(problem["loc"][0])]
        return f"{name} must be {expected(name, field)} ({field.description})"
    said = problem["msg"].removeprefix("Value error, ")
    # After a secret's name and a colon the first word would be blanked.
    return f"{name} {said}" if said.startswith("must ") else f"{name}: {said}"
