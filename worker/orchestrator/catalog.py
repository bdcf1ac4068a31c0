"""What names are resolved from: folders, and the processes, robots, machines and queues of each, remembered.

Whole lists are read, so that any number of names costs one look-up per folder and kind.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from worker.domain.failures import Code, Rejected
from worker.domain.processes import Folder, Machine, Process, Robot, Session
from worker.domain.queues import Queue
from worker.domain.requests import FolderRef
from worker.orchestrator import wire
from worker.orchestrator.cache import Cache
from worker.orchestrator.http.transport import Transport

T = TypeVar("T")
_NOT_OFFERED = frozenset({404, 405})


class Catalog:
    """Cached reads. Each raises `Rejected` or `Unavailable`; `Cache` tells of *fresh* and of old values.

    *heard* is told of each name asked: of which cache, and how it was answered.
    """

    def __init__(
        self, transport: Transport, base: str, ttl: float, heard: Callable[[str, str], None]
    ) -> None:
        self._transport = transport
        self._base = base
        self._folders: Cache[Folder] = Cache(ttl, partial(heard, "folders"))
        self._own_folders: Cache[tuple[Folder, ...]] = Cache(ttl)
        self._processes: Cache[tuple[Process, ...]] = Cache(ttl, partial(heard, "processes"))
        self._robots: Cache[tuple[Robot, ...]] = Cache(ttl, partial(heard, "robots"))
        self._machines: Cache[tuple[Machine, ...]] = Cache(ttl, partial(heard, "machines"))
        self._queues: Cache[tuple[Queue, ...]] = Cache(ttl, partial(heard, "queues"))

    async def folder(self, ref: FolderRef, *, fresh: bool) -> Folder:
        """The folder, or `Rejected(FOLDER_UNKNOWN)`."""
        return await self._folders.get(ref, lambda: self._find_folder(ref, fresh=fresh), fresh=fresh)

    async def processes(self, folder: Folder, *, fresh: bool) -> tuple[Process, ...]:
        """The processes of a folder, without the deleted ones."""
        return await self._processes.get(folder.id, lambda: self._read_processes(folder.id), fresh=fresh)

    async def robots(self, folder: Folder, environment: str | None, *, fresh: bool) -> tuple[Robot, ...]:
        """The robots of a folder or of one of its environments."""
        key = (folder.id, environment)
        return await self._robots.get(key, lambda: self._read_robots(folder, environment), fresh=fresh)

    async def machines(self, folder: Folder, *, fresh: bool) -> tuple[Machine, ...]:
        """The machine templates assigned to a folder."""
        return await self._machines.get(folder.id, lambda: self._read_machines(folder.id), fresh=fresh)

    async def queues(self, folder: Folder, *, fresh: bool) -> tuple[Queue, ...]:
        """The queues of a folder."""
        return await self._queues.get(folder.id, lambda: self._read_queues(folder.id), fresh=fresh)

    async def robot_of_session(self, folder: Folder, session_id: int) -> Robot | None:
        """The robot of a session; None too where sessions may not be read: this only explains an error."""
        options: dict[str, str | int] = {"filter": f"Id eq {session_id}", "expand": "Robot"}
        try:
            rows = await self._list("Sessions", "/odata/Sessions", folder.id, _robot_inside, **options)
        except Rejected:
            return None
        return next((robot for robot in rows if robot is not None), None)

    async def sessions(self, folder: Folder) -> tuple[Session, ...]:
        """The sessions of a folder's robots, as they are now."""
        found = await self._list("Sessions", "/odata/Sessions", folder.id, wire.session_of, expand="Robot")
        return tuple(session for session in found if session is not None)

    async def _find_folder(self, ref: FolderRef, *, fresh: bool) -> Folder:
        found: Sequence[Folder]
        try:
            found = await self._list(
                "Folders", "/odata/Folders", None, wire.folder_of, filter=_condition(ref)
            )
        except Rejected as refusal:
            if _status(refusal) != 403:
                raise
            found = await self._folders_of_account(ref, fresh=fresh)
        for same in (_is_exactly, _is_but_for_case):
            matching = [folder for folder in found if same(folder, ref)]
            if len(matching) == 1:
                return matching[0]
        raise Rejected(
            Code.FOLDER_UNKNOWN,
            f"Orchestrator shows the worker no folder {ref}",
            "check its full path (Parent/Child), and assign the worker's account to it",
        )

    async def _folders_of_account(self, ref: FolderRef, *, fresh: bool) -> Sequence[Folder]:
        """For accounts that may not read Folders: their own, or the one that a path header opens."""
        try:
            return await self._own_folders.get("own", self._read_own_folders, fresh=fresh)
        except Rejected:
            if ref.path is None:
                raise
            return await self._folder_behind_header(_clean(ref.path))

    async def _read_own_folders(self) -> tuple[Folder, ...]:
        found: list[Folder] = []
        while True:
            path = f"/api/Folders/GetAllForCurrentUser?take={wire.PAGE}&skip={len(found)}"
            call = wire.Call("Folders", "GET", wire.url(self._base, path))
            rows = await self._transport.get(call, _items)
            found += wire.each(wire.folder_of, rows)
            if len(rows) < wire.PAGE:
                return tuple(found)

    async def _folder_behind_header(self, path: str) -> tuple[Folder, ...]:
        """The folder that the path header opens, as the rows of its processes tell of it."""
        call = wire.Call("Releases", "GET", wire.url(self._base, "/odata/Releases", top=1))
        header = {"X-UIPATH-FolderPath-Encoded": wire.encoded_path(path)}
        page = await self._transport.get(call, wire.page_of, extra=header)
        rows = [row for row in page.rows if row.get("OrganizationUnitId")]
        return tuple(
            Folder(row["OrganizationUnitId"], None, path, modern=not row.get("EnvironmentId")) for row in rows
        )

    async def _read_processes(self, folder_id: int) -> tuple[Process, ...]:
        found = await self._list("Releases", "/odata/Releases", folder_id, _process_if_kept)
        return tuple(process for process in found if process is not None)

    async def _read_robots(self, folder: Folder, environment: str | None) -> tuple[Robot, ...]:
        async def all_robots() -> tuple[Robot, ...]:
            return await self._list("Robots", "/odata/Robots", folder.id, wire.robot_of)

        if environment is not None:
            return await _or_else(self._robots_of_environment(folder.id, environment), all_robots)
        if not folder.modern:
            return await all_robots()
        path = f"/odata/Robots/{wire.ODATA}.GetRobotsFromFolder(folderId={folder.id})"
        return await _or_else(self._list("Robots", path, folder.id, wire.robot_of), all_robots)

    async def _robots_of_environment(self, folder_id: int, environment: str) -> tuple[Robot, ...]:
        condition = f"Name eq {wire.literal(environment)}"
        found = await self._list(
            "Environments",
            "/odata/Environments",
            folder_id,
            lambda row: wire.each(wire.robot_of, row.get("Robots") or ()),
            expand="Robots",
            filter=condition,
        )
        return tuple(robot for robots in found for robot in robots)

    async def _read_machines(self, folder_id: int) -> tuple[Machine, ...]:
        path = f"/odata/Machines/{wire.ODATA}.GetAssignedMachines(folderId={folder_id})"
        return await _or_else(
            self._list("Machines", path, folder_id, wire.machine_of),
            lambda: self._list("Machines", "/odata/Machines", folder_id, wire.machine_of),
        )

    async def _read_queues(self, folder_id: int) -> tuple[Queue, ...]:
        return await self._list("QueueDefinitions", "/odata/QueueDefinitions", folder_id, wire.queue_of)

    async def _list(
        self,
        operation: str,
        path: str,
        folder_id: int | None,
        parse: Callable[[Mapping[str, Any]], T],
        **options: str | int,
    ) -> tuple[T, ...]:
        """Every page of a list, in the order of Id."""
        parsed: list[T] = []
        while True:
            paging: dict[str, str | int] = {"orderby": "Id", "top": wire.PAGE}
            if parsed:
                paging["skip"] = len(parsed)
            call = wire.Call(operation, "GET", wire.url(self._base, path, **options, **paging))
            rows, count = await self._transport.get(call, lambda text: _parsed(text, parse), folder_id)
            parsed += rows
            if not rows or (len(parsed) >= count if count is not None else len(rows) < wire.PAGE):
                return tuple(parsed)


async def _or_else(first: Awaitable[T], second: Callable[[], Awaitable[T]]) -> T:
    """The second way where the server does not offer the first."""
    try:
        return await first
    except Rejected as refusal:
        if _status(refusal) not in _NOT_OFFERED:
            raise
    return await second()


def _status(refusal: Rejected) -> int:
    return refusal.answer.status if refusal.answer else 0


def _parsed(document: Any, parse: Callable[[Mapping[str, Any]], T]) -> tuple[tuple[T, ...], int | None]:
    page = wire.page_of(document)
    return wire.each(parse, page.rows), page.count


def _items(document: Any) -> list[Any]:
    items = wire.mapping(document).get("PageItems")
    if not isinstance(items, list):
        raise ValueError("the list has no 'PageItems'")  # noqa: TRY004 - all that does not fit is a ValueError
    return items


def _process_if_kept(row: Mapping[str, Any]) -> Process | None:
    return None if row.get("IsProcessDeleted") else wire.process_of(row)


def _robot_inside(row: Mapping[str, Any]) -> Robot | None:
    return wire.robot_of(row["Robot"]) if row.get("Robot") else None


def _condition(ref: FolderRef) -> str:
    if ref.path is not None:
        return f"FullyQualifiedName eq {wire.literal(_clean(ref.path))}"
    return f"Id eq {ref.id}" if ref.id is not None else f"Key eq {_guid(ref)}"


def _guid(ref: FolderRef) -> UUID:
    try:
        return UUID(ref.key or "")
    except ValueError:
        raise Rejected(Code.FOLDER_UNKNOWN, f"the folder {ref}: a key is a GUID", "correct it") from None


def _clean(path: str) -> str:
    return path.strip("/")


def _is_exactly(folder: Folder, ref: FolderRef) -> bool:
    if ref.path is not None:
        return folder.path == _clean(ref.path)
    return folder.id == ref.id or (ref.key is not None and (folder.key or "").lower() == ref.key.lower())


def _is_but_for_case(folder: Folder, ref: FolderRef) -> bool:
    return ref.path is not None and folder.path.casefold() == _clean(ref.path).casefold()
