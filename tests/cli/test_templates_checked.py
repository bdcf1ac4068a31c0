"""`jobrelay check` of the templates: read as a worker reads them, and their exchanges looked for."""

import json
from pathlib import Path
from typing import Any

from worker.cli.check.templates import templates
from worker.settings import Settings


def _settings(url: str, folder: Path | None) -> Settings:
    given: dict[str, Any] = {"amqp_url": url, "templates_dir": folder and str(folder)}
    return Settings(**given)


def _written(folder: Path, **changes: Any) -> None:
    bindings = [{"exchange": "amq.topic"}, {"exchange": "nobody-declared-this"}]
    own = {"name": "one", "bindings": bindings, "requestId": "data.id", "queueItem": {"queue": "q"}}
    (folder / "one.json").write_text(json.dumps(own | changes))


async def test_without_a_folder_nothing_is_looked_at() -> None:
    """It is said that no event makes a request."""
    (found,) = await templates(_settings("amqp://127.0.0.1:1/", None))
    assert (found.state, "JOBRELAY_TEMPLATES_DIR" in found.detail) == ("skipped", True)


async def test_an_exchange_that_is_not_there_is_told(amqp_url: str, tmp_path: Path) -> None:
    """Beside how many templates there are: its application may declare it yet, so that it is no failure."""
    _written(tmp_path)
    read, missing = await templates(_settings(amqp_url, tmp_path))
    assert (read.state, read.detail) == ("ok", f"{tmp_path}: 1 template")
    assert (missing.state, "'nobody-declared-this'" in missing.detail) == ("warning", True)


async def test_files_that_do_not_hold_are_failures(tmp_path: Path) -> None:
    """Each fault with file and place, before a worker fails to begin with it; without a broker."""
    _written(tmp_path, bindings=[], name="No")
    found = await templates(_settings("amqp://127.0.0.1:1/", tmp_path))
    assert [one.state for one in found] == ["failed", "failed"]
    assert all("one.json" in one.detail and one.remedy for one in found)


async def test_without_a_broker_only_the_files_are_told(tmp_path: Path) -> None:
    """That it is away is another row's failure."""
    _written(tmp_path)
    read, exchanges = await templates(_settings("amqp://127.0.0.1:1/", tmp_path))
    assert (read.state, exchanges.state) == ("ok", "skipped")
