"""The policy's file: one line says what is wrong with it, and a new one is taken whole or not at all."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from worker.contracts.schemas import root
from worker.domain.failures import Rejected
from worker.domain.requests import Kind
from worker.pipeline.permission.file import PolicyFile
from worker.settings import SettingsError

_RULE = '{"users": ["a"], "folders": ["b"], "start": ["c"]'


def ruled(user: str) -> str:
    """A policy that lets one user do something."""
    return json.dumps({"rules": [{"users": [user], "folders": ["**"], "start": ["**"]}]})


def opened(file: Path, told: list[Any] | None = None) -> PolicyFile:
    """The file as a worker opens it at its start."""
    heard = [] if told is None else told
    return PolicyFile(str(file), lambda ok, reason: heard.append((ok, reason)))


def lets(policy: PolicyFile, user: str) -> bool:
    """Whether *user* may start anything."""
    rules = policy.current()
    assert rules is not None
    try:
        rules.check_user(user, Kind.START)
    except Rejected:
        return False
    return True


def test_the_example_is_taken() -> None:
    """What the documentation shows can be used as it stands."""
    policy = opened(root() / "examples" / "policy.v1" / "teams.json")
    assert lets(policy, "erp-7")
    assert policy.vouchers() == {"jobrelay-operator"}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("p", '{"rules": [}', r"it is not JSON: .* at line 1, column \d+"),
        ("p", '{"rules":\n []}', "/rules must not be empty"),
        ("p", "", "it is empty"),
        ("p", "\n{", "line 2"),
        ("p", b"\xff", "it is not UTF-8: byte 0"),
        ("p", '{"rules": [], "rules": []}', "the key /rules is there twice"),
        ("p", f'{{"rules": [{_RULE}, "strat": 1}}]}}', "/rules/0/strat is not known"),
        ("p", '{"rules": [{"users": ["a"], "start": ["c"]}]}', "/rules/0/folders is required and missing"),
        ("p", '{"rules": [{"users": "a", "folders": ["b"]}]}', "/rules/0/users must be an array"),
        ("p.yaml", "rules:\n- users: [a]\n", "a policy is JSON, YAML is not read"),
        ("p", b" " * 1_048_577, "1,048,577 bytes"),
        (".", None, "cannot be read: Is a directory"),
        ("absent", None, "cannot be read: No such file"),
    ],
)  # fmt: skip
def test_a_file_that_does_not_hold_is_one_line(tmp_path: Path, name: str, content: Any, said: str) -> None:
    """It names the setting, the file, the place in it and what is wrong there."""
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SettingsError, match=said) as raised:
        opened(file)
    assert str(raised.value).startswith(f"JOBRELAY_POLICY_FILE: {file}: ")
    assert len(str(raised.value).splitlines()) == 1


async def test_a_new_file_is_taken_whole_or_not_at_all(tmp_path: Path) -> None:
    """What does not hold leaves the one before in force, is told once, and is over with the next good one."""
    file, told = tmp_path / "policy.json", list[Any]()
    file.write_text(ruled("alice"))
    policy = opened(file, told)
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(policy.watch())

        async def written(text: str | None) -> list[str]:
            file.unlink() if text is None else file.write_text(text)
            with capture_logs() as lines:
                await asyncio.sleep(60)
            return [line["event"] for line in lines]

        assert await written(ruled("alice")) == []
        assert await written(ruled("bob")) == ["policy.taken"]
        assert (lets(policy, "alice"), lets(policy, "bob")) == (False, True)
        assert await written(ruled("carol")[:-1]) == ["policy.not_taken"]
        assert (lets(policy, "bob"), lets(policy, "carol")) == (True, False)
        assert told[-1][0] is False
        assert "stays in force: JOBRELAY_POLICY_FILE" in told[-1][1]
        assert await written(ruled("carol")) == ["policy.taken"]
        assert lets(policy, "carol")
        assert await written(None) == ["policy.not_taken"]
        assert lets(policy, "carol")
        assert await written(ruled("carol")) == ["policy.taken"]
        assert told[-1] == (True, None)
        watching.cancel()


async def test_without_a_file_there_is_no_policy_and_nothing_to_watch() -> None:
    """Everybody who may publish may do all, as ever."""
    policy = PolicyFile(None, lambda *_: None)
    await policy.watch()
    assert (policy.current(), policy.vouchers()) == (None, frozenset())
