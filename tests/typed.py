"""`jobrelay` as it is typed: in a process of its own, with no settings but those given, or in this one."""

import logging
import tempfile
from collections.abc import Mapping

import structlog
from typer.testing import CliRunner, Result
from warm import started
from working import until

from worker.cli.main import app


async def typed(settings: Mapping[str, object], *arguments: str, lines: int | None = None) -> tuple[int, str]:
    """The exit code of `jobrelay ARGUMENTS`, and all that it wrote. After *lines* it gets a SIGTERM."""
    environment = {f"JOBRELAY_{name}": str(value) for name, value in settings.items()}
    with tempfile.TemporaryFile() as said:

        def text() -> str:
            said.seek(0)
            return said.read().decode()

        process = started("-m", "worker", *arguments, output=(said.fileno(),) * 2, environment=environment)
        try:
            if lines is not None:
                await until(lambda: len(text().splitlines()) >= lines, text)
                process.terminate()
            await until(lambda: process.poll() is not None, lambda: f"{arguments} ends: {text()}")
        finally:
            process.kill()
        return process.wait(), text()


def typed_here(*arguments: str, answer: str | None = None) -> Result:
    """What comes of `jobrelay ARGUMENTS` in this process; its log goes on afterwards where it went before."""
    root = logging.getLogger()
    level, handlers, before = root.level, root.handlers[:], structlog.get_config()
    try:
        return CliRunner().invoke(app, arguments, input=answer)
    finally:
        structlog.configure(**before)
        root.setLevel(level)
        root.handlers[:] = handlers
