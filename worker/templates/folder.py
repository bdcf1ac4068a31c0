"""The folder of templates: read at the start, and again whenever it has changed, all of it or nothing."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from hashlib import sha256
from pathlib import Path

import structlog

from worker.settings import SettingsError
from worker.templates.files import TemplateErrors, files, load
from worker.templates.files.documents import LARGEST
from worker.templates.model import Template
from worker.templates.ports import Bindings, Telemetry

_LOOK_EVERY_S = 2.0
_BINDING_S = 15.0

_log = structlog.get_logger(__name__)


class TemplateFolder:
    """The templates in force, none where there is no *folder*.

    Raises `SettingsError` at first, with file, line and reason. `watch` renews them: what a new set listens
    to is bound before it is in force, what only the old one did is taken off after. Files that do not hold
    leave the set before in force; *told* hears of that, and None once all holds. No template may listen to an
    exchange that is *closed*.
    """

    def __init__(
        self,
        folder: str | None,
        telemetry: Telemetry,
        told: Callable[[str | None], None],
        closed: Collection[str] = (),
    ) -> None:
        self._folder = Path(folder) if folder else None
        self._telemetry = telemetry
        self._told = told
        self._closed = closed
        self._seen, self._templates = self._first()

    def current(self) -> Sequence[Template]:
        """The templates in force."""
        return self._templates

    def _first(self) -> tuple[str, tuple[Template, ...]]:
        if self._folder is None:
            return "", ()
        try:
            seen, templates = _fingerprint(self._folder), load(self._folder, self._closed)
        except TemplateErrors as wrong:
            raise SettingsError(f"JOBRELAY_TEMPLATES_DIR: {self._folder}: {wrong}") from None
        self._telemetry.loaded(len(templates))
        return seen, templates

    async def watch(self, bindings: Bindings, every_s: float = _LOOK_EVERY_S) -> None:
        """Binds what is in force, and looks every few seconds, until cancelled."""
        if self._folder is None:
            return
        await bindings.want(_pairs(self._templates), _BINDING_S)
        while True:
            await asyncio.sleep(every_s)
            await self._look(self._folder, bindings)

    async def _look(self, folder: Path, bindings: Bindings) -> None:
        """Contents are compared: a mount changes its place. Tells of each content once."""
        seen = await asyncio.to_thread(_fingerprint, folder)
        if seen == self._seen:
            return
        found = await asyncio.to_thread(_read, folder, self._closed)
        if await asyncio.to_thread(_fingerprint, folder) != seen:
            return  # it has changed under the reading: the next look sees all of it
        self._seen = seen
        if isinstance(found, TemplateErrors):
            self._refused(found)
        else:
            await self._take(found, bindings)

    async def _take(self, templates: tuple[Template, ...], bindings: Bindings) -> None:
        before = _pairs(self._templates)
        await bindings.want(before | _pairs(templates), _BINDING_S)
        self._templates = templates
        self._told(None)
        self._telemetry.refused(on=False)
        self._telemetry.loaded(len(templates))
        _log.info("templates.taken", templates=[template.name for template in templates])
        await bindings.want(_pairs(templates), _BINDING_S)

    def _refused(self, wrong: TemplateErrors) -> None:
        self._told(f"the templates before stay in force: {wrong}")
        self._telemetry.refused(on=True)
        for fault in wrong.faults:
            _log.error(
                "templates.not_taken",
                file=fault.file,
                line=fault.line,
                reason=f"{fault.pointer} {fault.reason}".strip(),
                remedy=fault.remedy,
            )


def _read(folder: Path, closed: Collection[str]) -> tuple[Template, ...] | TemplateErrors:
    try:
        return load(folder, closed)
    except TemplateErrors as wrong:
        return wrong


def _pairs(templates: Sequence[Template]) -> set[tuple[str, str]]:
    return {
        (binding.exchange, key)
        for template in templates
        for binding in template.bindings
        for key in binding.keys
    }


def _fingerprint(folder: Path) -> str:
    """Of the names and contents of the files that count; what cannot be read counts as its error.

    Of one that is too big to be read, its size and its moment of change.
    """
    known = sha256()
    try:
        for path in files(folder):
            about = path.stat()
            known.update(repr((path.name, about.st_size)).encode())
            known.update(path.read_bytes() if about.st_size <= LARGEST else repr(about.st_mtime_ns).encode())
    except OSError as error:
        known.update(repr(error.strerror).encode())
    return known.hexdigest()
