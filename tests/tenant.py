"""The tenant that the worker's tests run against: folders of both kinds, and one process for each purpose."""

from typing import Any
from uuid import NAMESPACE_OID, uuid5

CLIENT_ID, CLIENT_SECRET = "5c7d3f10-6b1e-4f6a-9d55-2f1f6f0c0a01", "simulated-secret"  # the built-in identity

MODERN, UMLAUT, QUOTE, CLASSIC = "Shared", "Shared/Größe Süd", "O'Hara's desk", "Default"
FOLDER_IDS = {MODERN: 601, UMLAUT: 602, QUOTE: 603, CLASSIC: 610}
ROBOT_IDS = {"porter-1": 81, "porter-2": 82, "porter-3": 83, "clerk-1": 91, "clerk-2": 92}
SESSION_IDS = {name: number + 8000 for name, number in ROBOT_IDS.items()}
MACHINE_ID = 51
FAULTS_MOST = 12
QUEUE_IDS = {
    "Invoices": 71,
    **{
        f"{kind}-{n}": number + n
        for kind, number in (("Plain", 100), ("Unique", 200))
        for n in range(FAULTS_MOST)
    },
}

_CORELIB = "System.Private.CoreLib"
_INCIDENT = [
    {
        "name": "IncidentId",
        "type": "System.String, mscorlib, Version=4.0.0.0, Culture=neutral, PublicKeyToken=b77a5c561934e089",
        "required": True,
    }
]
_TYPED = [
    {"name": "Text", "type": f"System.String, {_CORELIB}", "required": True},
    {"name": "Count", "type": f"System.Int32, {_CORELIB}"},
    {"name": "Flag", "type": f"System.Boolean, {_CORELIB}"},
    {"name": "When", "type": f"System.DateTime, {_CORELIB}"},
    {"name": "Rate", "type": f"System.Double, {_CORELIB}"},
    {"name": "Names", "type": f"System.String[], {_CORELIB}"},
    {
        "name": "Table",
        "type": f"System.Collections.Generic.Dictionary`2[[System.String, {_CORELIB}],"
        f"[System.Int32, {_CORELIB}]], {_CORELIB}",
    },
    {"name": "Rows", "type": "System.Data.DataTable, System.Data.Common"},
]


def key_of(name: str) -> str:
    """The GUID of a folder or process of this tenant, by its own name (`FOLDER/PROCESS` for a process)."""
    return str(uuid5(NAMESPACE_OID, name))


def _release(number: int, folder: str, name: str, package: str, **more: Any) -> dict[str, Any]:
    named = {"Id": number, "Key": key_of(f"{folder}/{name}"), "Name": name, "ProcessKey": package}
    return {**named, "folder": folder, **more}


def _robot(name: str, *folders: str) -> dict[str, Any]:
    return {"Id": ROBOT_IDS[name], "Name": name, "folder": folders, "sessionId": SESSION_IDS[name]}


SEED: dict[str, Any] = {
    "folders": [
        {"Id": number, "Key": key_of(path), "FullyQualifiedName": path}
        | ({"ProvisionType": "Manual"} if path == CLASSIC else {})
        for path, number in FOLDER_IDS.items()
    ],
    "releases": [
        _release(1, MODERN, "SupportTriage_QuickstartDemo", "SupportTriage", input=_INCIDENT),
        _release(2, MODERN, "Typed", "Typed.Package", input=_TYPED),
        _release(3, MODERN, "Waits", "Waits", jobs={"pendingSeconds": 86_400, "outcomes": {"Running": 1}}),
        _release(4, MODERN, "Faults", "Faults", jobs={"outcomes": {"Faulted": 1}}),
        _release(5, MODERN, "Retired", "Retired", IsProcessDeleted=True),
        _release(6, UMLAUT, "Überprüfung", "Pruefung"),
        _release(7, QUOTE, "Kim's report & more", "Report"),
        _release(
            10,
            CLASSIC,
            "SupportTriage_QuickstartDemo",
            "SupportTriage",
            EnvironmentName="QuickstartDemo",
            input=_INCIDENT,
        ),
        _release(
            11,
            CLASSIC,
            "SupportTriage_Production",
            "SupportTriage",
            EnvironmentName="Production",
            input=_INCIDENT,
        ),
    ],
    "environments": [
        {"Id": 901, "Name": "QuickstartDemo", "folder": CLASSIC, "robots": ["porter-1", "porter-2"]},
        {"Id": 902, "Name": "Production", "folder": CLASSIC, "robots": ["porter-3"]},
    ],
    "robots": [
        *(_robot(name, CLASSIC) for name in ("porter-1", "porter-2", "porter-3")),
        *(_robot(name, MODERN, UMLAUT, QUOTE) for name in ("clerk-1", "clerk-2")),
    ],
    "machines": [
        {
            "Id": MACHINE_ID,
            "Name": "office-template",
            "folders": [MODERN, UMLAUT, QUOTE],
            "runtimes": {"Unattended": 8},
        }
    ],
    "queues": [
        {"Id": QUEUE_IDS[name], "Name": name, "folder": MODERN, "EnforceUniqueReference": "Unique" in name}
        for name in QUEUE_IDS
    ],
    "behaviour": {
        "apiVersion": 20,
        "cookies": True,
        "rateLimitPerMinute": 0,
        "jobs": {
            "pendingSeconds": 0.05,
            "runningSeconds": 0.05,
            "outcomes": {"Successful": 1},
            "output": {"echo": True},
        },
    },
}


def request(**properties: Any) -> dict[str, Any]:
    """A request for the seeds' process in the modern folder, without its requestId; *properties* win.

    A property given as None is left out.
    """
    whole = {
        "process": {"name": "SupportTriage_QuickstartDemo"},
        "folder": {"path": MODERN},
        "inputArguments": {"IncidentId": "INC-1"},
        **properties,
    }
    return {name: value for name, value in whole.items() if value is not None}
