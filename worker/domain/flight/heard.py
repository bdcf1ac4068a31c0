"""What trackers hint of themselves and of scans, read strictly: text and whole numbers within bounds. Pure.

What is not raises `ValueError`, `TypeError`, `KeyError` or `AttributeError`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

ID_MOST = 2**63 - 1
"""The largest id that Orchestrator can give."""
_HELD_MOST = 10_000_000
_FOLDERS_MOST = 10_000
_TEXT_MOST = 1_000


def whole(value: Any, most: int = ID_MOST) -> int:
    """*value*, if it is a whole number from 0 to *most*."""
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError("no whole number within bounds")
    return value


def text(value: Any) -> str:
    """*value*, if it is a text of no more than 1,000 characters."""
    if not isinstance(value, str) or len(value) > _TEXT_MOST:
        raise ValueError("no text within bounds")
    return value


def link(said: Mapping[str, Any]) -> tuple[str, int, str | None]:
    """Of a page of a scan: its chain, its number in it, and the word for the next one."""
    word = said.get("next")
    return text(said["chain"]), whole(said["n"]), None if word is None else text(word)


@dataclass(frozen=True, slots=True)
class Holding:
    """What a *tracker* holds: how many jobs of which *folders*, which it *scans*, how *late* it is."""

    tracker: str
    late_s: float
    folders: Mapping[int, int]
    scans: frozenset[int]

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Self:
        """What it says."""
        folders, late_s = said["folders"], float(said.get("late", "inf"))  # an older worker does not say
        if max(len(folders), len(said["scans"])) > _FOLDERS_MOST or not late_s >= 0:
            raise ValueError("not within bounds")
        return cls(
            text(said["tracker"]),
            late_s,
            {whole(int(text(folder))): whole(count, _HELD_MOST) for folder, count in folders.items()},
            frozenset(map(whole, said["scans"])),
        )
