"""Where a run's report goes: tables on a terminal, and JSON for programs."""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console


def put_out(
    document: Mapping[str, Any], show: Callable[[Console], None], file: Path | None, width: int
) -> None:
    """Shows the tables, *width* wide without a terminal; a pipe gets the JSON, and so does *file*."""
    text = json.dumps(document, indent=2)
    if file is not None:
        file.write_text(text + "\n")
    if sys.stdout.isatty():
        show(Console())
    else:
        show(Console(stderr=True, width=width))
        sys.stdout.write(f"{text}\n")
