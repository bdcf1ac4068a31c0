"""`jobrelay` as it is typed: a process of its own, with no settings but those that it is given."""

import tempfile
from collections.abc import Mapping

from warm import started
from working import until


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
