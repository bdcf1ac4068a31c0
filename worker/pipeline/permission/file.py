"""The policy's file: read at the start, and again whenever it has changed, all of it or nothing."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog

from worker.contracts import parse, violations
from worker.domain.failures import Rejected
from worker.domain.policy import Policy
from worker.settings import SettingsError

SCHEMA = "policy.v1"
_LOOK_EVERY_S = 5.0
_LARGEST = 1_048_576
_LOOKS_LIKE_YAML = (".yaml", ".yml")

_log = structlog.get_logger(__name__)

Told = Callable[[bool, str | None], None]
"""Hears whether the file holds, and if not, why."""


class PolicyFile:
    """The policy of the moment, none where there is no *file*.

    Raises `SettingsError` at first: one line with the place in the file and what is wrong there. `watch`
    renews it; a file that does not hold leaves the one before in force.
    """

    def __init__(self, file: str | None, told: Told) -> None:
        self._file = file
        self._told = told
        self._seen = _content(file) if file else b""
        self._policy = _policy(file, self._seen) if file else None

    def current(self) -> Policy | None:
        """The policy in force; None where everybody may do all."""
        return self._policy

    def vouchers(self) -> frozenset[str]:
        """The users of the broker whose word it takes for others'."""
        return self._policy.vouchers if self._policy else frozenset()

    async def watch(self) -> None:
        """Looks every few seconds, until cancelled. Contents are compared: a mount changes its place."""
        while self._file:
            await asyncio.sleep(_LOOK_EVERY_S)
            self._look(self._file)

    def _look(self, file: str) -> None:
        """Tells of each content once: of one that cannot be read, too."""
        trouble, policy = None, self._policy
        try:
            content = _content(file)
        except SettingsError as unread:
            trouble, content = unread, str(unread).encode()
        if content == self._seen:
            return
        self._seen = content
        try:
            policy = policy if trouble else _policy(file, content)
        except SettingsError as wrong:
            trouble = wrong
        self._take(policy, trouble)

    def _take(self, policy: Policy | None, trouble: SettingsError | None) -> None:
        self._policy = policy
        if trouble is not None:
            self._told(False, f"the policy before stays in force: {trouble}")
            _log.error("policy.not_taken", reason=str(trouble))
        else:
            self._told(True, None)
            _log.warning("policy.taken", rules=len(policy.rules) if policy else 0)


def _content(file: str) -> bytes:
    try:
        content = Path(file).read_bytes()
    except OSError as error:
        raise _wrong(file, f"cannot be read: {error.strerror}") from None
    if len(content) > _LARGEST:
        raise _wrong(file, f"has {len(content):,} bytes; at most {_LARGEST:,} are read")
    return content


def _policy(file: str, content: bytes) -> Policy:
    try:
        document = parse(content)
    except Rejected as why:
        only = "; a policy is JSON, YAML is not read" if file.endswith(_LOOKS_LIKE_YAML) else ""
        raise _wrong(file, f"{why.detail.replace('the body', 'it')}{only}") from None
    found = violations(SCHEMA, document)
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise _wrong(file, f"{found[0].pointer or 'the document'} {found[0].message}{more}")
    return Policy.of(document)


def _wrong(file: str, what: str) -> SettingsError:
    return SettingsError(f"JOBRELAY_POLICY_FILE: {file}: {what}")
