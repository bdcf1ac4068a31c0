"""Where things run and what can be run: folders and releases (the API's word for processes)."""

from simulator.calls import Call, Reply, found, local, reply
from simulator.errors import Refusal

_PERSON = (
    "Key",
    "DisplayName",
    "FullyQualifiedName",
    "Description",
    "FolderType",
    "ParentId",
    "ParentKey",
    "Id",
)


def folders(call: Call) -> Reply:
    """GET /odata/Folders."""
    return call.listing("Folders", call.entities.folder, call.world.folders)


def folder(call: Call) -> Reply:
    """GET /odata/Folders(id)."""
    return call.one(
        "Folders", call.entities.folder, found(call.world.folder(number=call.number()), "NotFound")
    )


def folder_by_key(call: Call) -> Reply:
    """GET /odata/Folders/…GetByKey(identifier=guid)."""
    return call.one("Folders", call.entities.folder, found(call.world.folder(key=call.argument)))


def my_folders(call: Call) -> Reply:
    """GET /api/Folders/GetAllForCurrentUser?take=&skip=: needs no permission."""
    take, skip = call.params.get("take", "1000"), call.params.get("skip", "0")
    if not take.isdecimal() or not skip.isdecimal() or int(take) > 1000:
        raise Refusal("InvalidRequest", "take is a number up to 1000, skip a number.")
    page = call.world.folders[int(skip) : int(skip) + int(take)]
    shown = [call.entities.folder.render(row) for row in page]
    items = [{name: row.get(name) for name in _PERSON} for row in shown]
    return reply({"PageItems": items, "Count": len(call.world.folders)})


def releases(call: Call) -> Reply:
    """GET /odata/Releases, and ListReleases."""
    return call.listing("Releases", call.entities.release, local(call.world.releases, call.folder))


def release(call: Call) -> Reply:
    """GET /odata/Releases(id)."""
    number, rows = call.number(), local(call.world.releases, call.folder)
    row = next((row for row in rows if row["Id"] == number), None)
    return call.one("Releases", call.entities.release, found(row, "ReleaseNotFound"))


def release_by_key(call: Call) -> Reply:
    """GET /odata/Releases/…GetByKey(identifier=guid)."""
    key, rows = call.argument.lower(), local(call.world.releases, call.folder)
    row = next((row for row in rows if row["Key"] == key), None)
    return call.one("Releases", call.entities.release, found(row, "ReleaseNotFound"))


def arguments(call: Call) -> Reply:
    """GET /odata/Processes/…GetArguments(key='Package:1.0.1')."""
    package, _, version = call.argument.partition(":")
    row = next(
        (
            row
            for row in call.world.releases
            if row["ProcessKey"] == package and version in ("", row["ProcessVersion"])
        ),
        None,
    )
    return reply({"@odata.context": call.context("ArgumentMetadata"), **found(row)["Arguments"]})
