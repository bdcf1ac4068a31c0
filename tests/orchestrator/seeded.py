"""A seed for the simulator, and clients that sign in to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from simulated import Simulated
from stub_server import settings

from worker.domain.processes import Folder
from worker.domain.requests import FolderRef
from worker.orchestrator import Client
from worker.orchestrator.http.reports import SILENT, Reports

KEY = "5a1f0c52-3b5e-4d0a-9a51-7f3c7c0f{:04x}"
SOUTH = "Shared/Süd"
SEED: dict[str, Any] = {
    "identity": {
        "organization": "acme",
        "tenant": "DefaultTenant",
        "clients": [
            {
                "id": "the-client",
                "secret": "s3cr3t-for-tests",
                "scope": "OR.Jobs OR.Execution OR.Folders OR.Robots OR.Machines OR.Monitoring",
            }
        ],
        "accessTokens": ["rt_test"],
        "users": [{"username": "admin", "password": "qwe123!Q"}],
        "userKeys": [{"clientId": "the-client", "userKey": "test-user-key"}],
    },
    "folders": [
        {"Id": 101, "FullyQualifiedName": "Shared", "ProvisionType": "Automatic"},
        {"Id": 102, "FullyQualifiedName": SOUTH, "ProvisionType": "Automatic"},
        {"Id": 103, "FullyQualifiedName": "admin's workspace", "ProvisionType": "Automatic"},
        {"Id": 110, "FullyQualifiedName": "Default", "ProvisionType": "Manual"},
    ],
    "releases": [
        {"Id": 1000 + n, "Key": KEY.format(n), "Name": f"P{n}", "ProcessKey": "P", "folder": folder}
        for n, folder in enumerate(["Shared", SOUTH, "admin's workspace"] * 7)
    ]
    + [
        {"Id": 1100, "Key": KEY.format(100), "Name": "P_E", "ProcessKey": "P", "folder": "Default"}
        | {"EnvironmentName": "E"}
    ],
    "environments": [{"Id": 1, "Name": "E", "folder": "Default", "robots": ["robot-a"]}],
    "robots": [
        {"Id": 7, "Name": "robot-a", "folder": ["Default", "Shared"], "sessionId": 4778},
        {"Id": 8, "Name": "robot-b", "folder": "Default", "sessionId": 4779},
    ],
    "machines": [
        {"Id": 31, "Name": "template-1", "folders": ["Shared", SOUTH], "runtimes": {"Unattended": 4}}
    ],
    "behaviour": {"apiVersion": 20, "cookies": True, "jobs": {"pendingSeconds": [60, 60]}},
}


@asynccontextmanager
async def client_of(simulator: Simulated, reports: Reports = SILENT, /, **more: Any) -> AsyncIterator[Client]:
    """A client that signs in with the seed's credentials."""
    async with Client(settings(simulator.url, **more), reports) as client:
        yield client


def start_info(reference: str, **more: Any) -> dict[str, Any]:
    """A start in the folder Shared."""
    info = {"ReleaseKey": KEY.format(0), "Strategy": "ModernJobsCount", "JobsCount": 1}
    return info | {"InputArguments": "{}", "Reference": reference} | more


async def shared(client: Client) -> Folder:
    """The folder that most tests start in."""
    return await client.folder(FolderRef(path="Shared"))
