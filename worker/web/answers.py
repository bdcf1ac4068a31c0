"""What is answered over HTTP: JSON, with a remedy where something is refused."""

from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web


def in_json(status: int, document: Mapping[str, Any], **headers: str) -> web.Response:
    """An answer with *document* as its body."""
    body = orjson.dumps(document)
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)
