"""Programs of other languages, run to their end."""

import asyncio
import os
import subprocess
from pathlib import Path

_WITHIN_S = 60


async def ran(*command: str | Path, **environment: str) -> tuple[int, str, str]:
    """Its exit code, stdout and stderr. *environment* is added to this process's."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **environment}
    )
    try:
        async with asyncio.timeout(_WITHIN_S):
            printed, complaints = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, printed.decode(), complaints.decode()
