"""Tracking documents in few bytes: those of one process, or of one queue, differ in little."""

import zlib
from collections.abc import Hashable

_MOST = 1_000


class Mould:
    """A document of one kind in one folder: packed against it another takes a seventh of its length."""

    __slots__ = ("_sample", "folder_id")

    def __init__(self, folder_id: int, sample: bytes) -> None:
        self.folder_id = folder_id
        self._sample = sample

    def packed(self, body: bytes) -> bytes:
        """The document, as short as what it does not share with the sample."""
        packing = zlib.compressobj(1, zlib.DEFLATED, -15, zdict=self._sample)
        return packing.compress(body) + packing.flush()

    def unpacked(self, packed: bytes) -> bytes:
        """The document as it came."""
        return zlib.decompressobj(-15, zdict=self._sample).decompress(packed)


class Moulds:
    """The moulds of late; slots keep theirs."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, Hashable], Mould] = {}

    def of(self, folder_id: int, kind: Hashable, body: bytes) -> Mould:
        """The mould of a *kind* of documents in a folder; *body* is the sample where it is the first."""
        if (mould := self._known.get((folder_id, kind))) is None:
            if len(self._known) >= _MOST:
                self._known.clear()
            mould = self._known[folder_id, kind] = Mould(folder_id, body)
        return mould
