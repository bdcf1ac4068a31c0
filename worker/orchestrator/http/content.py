"""The content of an answer, of bounded size: whatever its server sends, and whatever is packed into it."""

import zlib
from collections.abc import AsyncIterator

import aiohttp

MOST_BYTES = 32 * 2**20
"""Unpacked. A page of 1,000 jobs with the longest arguments stays below; many of them fit into memory."""


class Unreadable(aiohttp.ClientError):
    """The answer has come, but its content cannot or must not be read."""


async def content_of(response: aiohttp.ClientResponse) -> bytes:
    """All that came, unpacked; `Unreadable` (and no more is read) where that is beyond `MOST_BYTES`."""
    try:
        body = await _bounded(response.content.iter_any())
        packing = response.headers.get("Content-Encoding", "").strip().lower()
        return body if packing in ("", "identity") or not body else unpacked(body, packing)
    except Unreadable:
        response.close()
        raise


async def _bounded(chunks: AsyncIterator[bytes]) -> bytes:
    parts, size = [], 0
    async for chunk in chunks:
        size += len(chunk)
        if size > MOST_BYTES:
            raise Unreadable(f"it is longer than {MOST_BYTES} bytes")
        parts.append(chunk)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def unpacked(body: bytes, packing: str) -> bytes:
    """The content of *body*, of gzip's or zlib's form, or `Unreadable`."""
    if packing not in ("gzip", "x-gzip", "deflate"):
        raise Unreadable("it is packed in a way that was not asked for")
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)  # either header is taken
    try:
        content = unpacker.decompress(body, MOST_BYTES + 1)
    except zlib.error as error:
        raise Unreadable("it cannot be unpacked") from error
    if len(content) > MOST_BYTES:
        raise Unreadable(f"it is longer than {MOST_BYTES} bytes once unpacked")
    if not unpacker.eof:
        raise Unreadable("it ends before its end")
    return content
