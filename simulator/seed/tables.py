"""The tables of a seed: the keys of each kind of row, their checks and their values when left out."""

from simulator.seed.checks import (
    Key,
    anything,
    flag,
    guid,
    mapping,
    number,
    one_of,
    optional,
    record,
    several,
    span,
    text,
)

_id = number(1, 2**53, whole=True)

ARGUMENT = record(
    {
        "name": Key(text, required=True),
        "type": Key(text, required=True),
        "required": Key(flag, default=False),
        "hasDefault": Key(flag, default=False),
    }
)

LINE = record(
    {
        "Level": Key(one_of("Trace", "Debug", "Info", "Warn", "Error", "Fatal"), "Info"),
        "Message": Key(text, required=True),
    }
)

JOBS = {
    "pendingSeconds": Key(span, (0.1, 0.5)),
    "runningSeconds": Key(span, (0.5, 2.0)),
    "suspendedSeconds": Key(span, (0.5, 1.0)),
    "stoppingSeconds": Key(span, (0.1, 0.3)),
    # what becomes of a job, by weight; "Pending" stays pending for ever, "NotStarted" faults before it runs,
    # "Suspended" is suspended and resumed once on its way to success, "StaysSuspended" waits for ResumeJob
    "outcomes": Key(mapping(number(0, 1e9)), lambda: {"Successful": 1.0}),
    "output": Key(
        record({"echo": Key(flag, default=False), "values": Key(mapping(anything), dict)}),
        lambda: {"echo": True, "values": {}},
    ),
    "error": Key(mapping(anything), dict),
    # what a job that runs logs, beside what its error says, and why one stays pending
    "logs": Key(several(LINE), list),
    "pendingReasons": Key(several(text), lambda: ["TemplateNoHostsAvailable"]),
    "ignoresSoftStop": Key(flag, default=False),
}
OUTCOMES = frozenset(
    {"Successful", "Faulted", "Stopped", "Pending", "NotStarted", "Suspended", "StaysSuspended", "Running"}
)

_where = Key(several(text), required=True)
FOLDER = {
    "Id": Key(_id),
    "Key": Key(guid),
    "FullyQualifiedName": Key(text, required=True),
    "DisplayName": Key(text),
    "Description": Key(text),
    "FolderType": Key(one_of("Standard", "Personal", "Virtual", "Solution", "DebugSolution"), "Standard"),
    "ProvisionType": Key(one_of("Automatic", "Manual"), "Automatic"),
    "PermissionModel": Key(one_of("InheritFromTenant", "FineGrained"), "FineGrained"),
    "FeedType": Key(text, "Processes"),
}
RELEASE = {
    "Id": Key(_id),
    "Key": Key(guid),
    "Name": Key(text, required=True),
    "ProcessKey": Key(text, required=True),
    "ProcessVersion": Key(text, "1.0.0"),
    "folder": _where,
    "EnvironmentName": Key(text),
    "Description": Key(text, ""),
    "IsProcessDeleted": Key(flag, default=False),
    "InputArguments": Key(text),
    "ProcessType": Key(text, "Process"),
    "JobPriority": Key(one_of("Low", "Normal", "High"), "Normal"),
    "RequiresUserInteraction": Key(flag, default=False),
    "TargetFramework": Key(one_of("Legacy", "Windows", "Portable"), "Windows"),
    "EntryPointPath": Key(text, "Main.xaml"),
    "input": Key(optional(several(ARGUMENT))),
    "output": Key(optional(several(ARGUMENT))),
    "jobs": Key(record(JOBS, partial=True), dict),
}
ENVIRONMENT = {
    "Id": Key(_id),
    "Name": Key(text, required=True),
    "folder": _where,
    "Description": Key(text, ""),
    "robots": Key(several(text), list),
}
ROBOT = {
    "Id": Key(_id),
    "Name": Key(text, required=True),
    "folder": _where,
    "sessionId": Key(_id),
    "MachineName": Key(text),
    "Username": Key(text),
    "Type": Key(text, "Unattended"),
    "state": Key(one_of("Available", "Busy", "Disconnected", "Unknown"), "Available"),
}
MACHINE = {
    "Id": Key(_id),
    "Key": Key(guid),
    "Name": Key(text, required=True),
    "LicenseKey": Key(text),
    "Type": Key(one_of("Standard", "Template"), "Template"),
    "folders": Key(several(text), list),
    "runtimes": Key(mapping(number(0, 100_000, whole=True)), lambda: {"Unattended": 1}),
}
USER = {
    "Id": Key(_id),
    "Key": Key(guid),
    "UserName": Key(text, required=True),
    "Name": Key(text),
    "Surname": Key(text),
    "EmailAddress": Key(text),
    "Type": Key(text, "User"),
}
QUEUE = {
    "Id": Key(_id),
    "Key": Key(guid),
    "Name": Key(text, required=True),
    "folder": _where,
    "Description": Key(text),
    "EnforceUniqueReference": Key(flag, default=False),
    "MaxNumberOfRetries": Key(number(0, 50, whole=True), 0),
}
WEBHOOK = {
    "Name": Key(text, required=True),
    "Url": Key(text, required=True),
    "Secret": Key(text),
    "Enabled": Key(flag, default=True),
    "events": Key(several(text), list),  # none: all
}
TABLES = {
    "folders": FOLDER,
    "releases": RELEASE,
    "environments": ENVIRONMENT,
    "robots": ROBOT,
    "machines": MACHINE,
    "users": USER,
    "queues": QUEUE,
    "webhooks": WEBHOOK,
}
