"""Words of Orchestrator's that we do not know: counted by their type, and each named once in the log."""

from collections.abc import Callable

import structlog

from worker.domain.words import Word

_MOST_NAMED = 100
_log = structlog.get_logger(__name__)


class Unknown:
    """Hears of words. *count* is told the type of each that is not known."""

    def __init__(self, count: Callable[[str], None]) -> None:
        self._count = count
        self._named: set[tuple[str, str]] = set()

    def heed(self, kind: type[Word], word: str) -> None:
        """*word* was said where a member of *kind* is expected."""
        if isinstance(word, kind):
            return
        self._count(kind.__name__)
        said = (kind.__name__, word)
        if said not in self._named and len(self._named) < _MOST_NAMED:
            self._named.add(said)
            _log.warning("orchestrator.unknown_word", type=kind.__name__, word=word)
