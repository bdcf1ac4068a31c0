"""Which properties each type has, with kinds, by the API version that brought (or took) them.

Taken from the published definitions of 11 (2020.10), 17 (2023.10) and 20 (Automation Cloud 2025); what 17
has and 11 has not is said to be there from 15 on.
"""

from functools import lru_cache
from typing import cast

from simulator.odata.model import Kind

MEMBERS: dict[str, tuple[str, ...]] = {
    "JobState": (
        "Pending",
        "Running",
        "Stopping",
        "Terminating",
        "Faulted",
        "Successful",
        "Stopped",
        "Suspended",
        "Resumed",
    ),
    "QueueItemStatus": ("New", "InProgress", "Failed", "Successful", "Abandoned", "Retried", "Deleted"),
    "ProvisionType": ("Manual", "Automatic"),
    "Priority": ("Low", "Normal", "High"),
    "QueuePriority": ("High", "Normal", "Low"),
    "SessionState": ("Available", "Busy", "Disconnected", "Unknown"),
    "LogLevel": ("Trace", "Debug", "Info", "Warn", "Error", "Fatal"),
    "ReviewStatus": ("None", "InReview", "Verified", "Retried"),
    "ProcessingExceptionType": ("ApplicationException", "BusinessException"),
    "JobType": ("Unattended", "Attended", "ServerlessGeneric"),
    "UserType": (
        *("User", "Robot", "DirectoryUser", "DirectoryGroup"),
        *("DirectoryRobot", "DirectoryExternalApplication"),
    ),
    "JobSource": (
        *("Manual", "Schedule", "Agent", "Queue", "StudioWeb", "IntegrationTrigger", "StudioDesktop"),
        *("AutomationOpsPipelines", "Apps", "SAP", "HttpTrigger", "HttpTriggerCallback", "RobotAPI"),
        *("CommandLine", "RobotNetAPI", "Autopilot", "TestManager", "AgentService", "ProcessOrchestration"),
        *("PluginEcosystem", "PerformanceTesting", "AgentHub", "ApiWorkflow"),
    ),
}

_ROBOT = {
    11: """
        LicenseKey MachineName MachineId:int Name Username ExternalName Description Type:enum
        HostingType:enum ProvisionType:ProvisionType Password CredentialStoreId:int UserId:int
        Enabled:bool CredentialType:enum RobotEnvironments ExecutionSettings:json
        IsExternalLicensed:bool LimitConcurrentExecution:bool Id:int
    """,
    15: "LastModificationTime:date LastModifierUserId:int CreationTime:date CreatorUserId:int",
}

# name → {first version: properties}; a negative key means "below that version only"
SHAPES: dict[str, dict[int, str]] = {
    "FolderDto": {
        11: """
            Key:guid DisplayName FullyQualifiedName Description IsPersonal:bool
            ProvisionType:ProvisionType PermissionModel:enum ParentId:int ParentKey:guid
            FeedType:enum Id:int
        """,
        15: "FolderType:enum",
    },
    "ReleaseDto": {
        11: """
            Key:guid ProcessKey ProcessVersion IsLatestVersion:bool IsProcessDeleted:bool
            Description Name InputArguments ProcessType:enum SupportsMultipleEntryPoints:bool
            RequiresUserInteraction:bool Arguments:json ProcessSettings:json AutoUpdate:bool
            FeedId:guid JobPriority:Priority CreationTime:date OrganizationUnitId:int
            OrganizationUnitFullyQualifiedName Id:int
        """,
        -20: "EnvironmentId:int EnvironmentName",
        15: """
            EntryPointId:int EntryPointPath IsAttended:bool IsCompiled:bool AutomationHubIdeaUrl
            VideoRecordingSettings:json HiddenForAttendedUser:bool SpecificPriorityValue:int
            TargetFramework:enum RobotSize:enum Tags:json RemoteControlAccess:enum
            LastModificationTime:date LastModifierUserId:int CreatorUserId:int
        """,
        20: "EnvironmentVariables IsConversational:bool MinRequiredRobotVersion FolderKey:guid",
    },
    "EnvironmentDto": {11: "Name Description Type:enum Id:int"},
    "RobotDto": _ROBOT,
    "ExtendedRobotDto": _ROBOT,
    "RobotsFromFolderModel": {**_ROBOT, 12: "UserType:enum UserEmail UserFullName", 20: "UserKey:guid"},
    "SessionDto": {
        11: """
            HostMachineName MachineId:int MachineName State:SessionState ReportingTime:date Info
            IsUnresponsive:bool LicenseErrorCode:enum OrganizationUnitId:int FolderName Id:int
        """,
        15: """
            RobotSessionType:enum Version Source:enum DebugModeExpirationDate:date
            InstallationId:guid Platform:enum EndpointDetection
        """,
    },
    "MachineDto": {
        11: """
            LicenseKey Name Description Type:enum Scope:enum NonProductionSlots:int
            UnattendedSlots:int HeadlessSlots:int TestAutomationSlots:int Key:guid
            RobotVersions:json Id:int
        """,
        15: """
            AutomationCloudSlots:int AutomationCloudTestAutomationSlots:int
            EndpointDetectionStatus:enum RobotUsers:json AutomationType:enum TargetFramework:enum
            ClientSecret Tags:json
        """,
        20: "HostingSlots:int AppTestSlots:int PerformanceTestSlots:int",
    },
    "UserDto": {
        11: """
            Name Surname UserName Domain FullName EmailAddress LastLoginTime:date IsActive:bool
            CreationTime:date AuthenticationSource IsExternalLicensed:bool RolesList:json
            LoginProviders:json TenantId:int TenancyName TenantDisplayName TenantKey Type:UserType
            ProvisionType:ProvisionType LicenseType:enum Key:guid MayHaveUserSession:bool
            MayHaveRobotSession:bool MayHaveUnattendedSession:bool MayHavePersonalWorkspace:bool
            Id:int
        """,
    },
    "JobDto": {
        11: """
            Key:guid StartTime:date EndTime:date State:JobState JobPriority:Priority Source
            SourceType:JobSource BatchExecutionKey:guid Info CreationTime:date StartingScheduleId:int
            ReleaseName Type:JobType InputArguments OutputArguments HostMachineName
            HasMediaRecorded:bool PersistenceId:guid ResumeVersion:int StopStrategy:enum
            RuntimeType:enum RequiresUserInteraction:bool ReleaseVersionId:int EntryPointPath
            OrganizationUnitId:int OrganizationUnitFullyQualifiedName Reference Id:int
        """,
        15: """
            SpecificPriorityValue:int ResourceOverwrites HasVideoRecorded:bool ProcessType:enum
            ProfilingOptions ResumeOnSameContext:bool LocalSystemAccount OrchestratorUserIdentity
            RemoteControlAccess:enum StartingTriggerId:guid MaxExpectedRunningTimeSeconds:int
            ServerlessJobType:enum ResumeTime:date LastModificationTime:date
        """,
        20: """
            SubState InputFile:guid EnvironmentVariables OutputFile:guid ParentJobKey:guid
            JobError:json ErrorCode FpsProperties TraceId ParentSpanId RootSpanId
            AutopilotForRobots:json FpsContext
        """,
    },
    "LogDto": {
        11: """
            Level:LogLevel WindowsIdentity ProcessName TimeStamp:date Message JobKey:guid RawMessage
            RobotName HostMachineName MachineId:int Id:int
        """,
        15: "MachineKey:guid RuntimeType:enum",
    },
    "QueueDefinitionDto": {
        11: """
            Name Description MaxNumberOfRetries:int AcceptAutomaticallyRetry:bool
            EnforceUniqueReference:bool SpecificDataJsonSchema OutputDataJsonSchema
            AnalyticsDataJsonSchema CreationTime:date ProcessScheduleId:int SlaInMinutes:int
            RiskSlaInMinutes:int ReleaseId:int OrganizationUnitId:int
            OrganizationUnitFullyQualifiedName Id:int
        """,
        15: "Key:guid Encrypted:bool IsProcessInCurrentFolder:bool FoldersCount:int Tags:json",
        20: "RetryAbandonedItems:bool",
    },
    "QueueItemDto": {
        11: """
            QueueDefinitionId:int ProcessingException:json SpecificContent:json Output:json
            OutputData Analytics:json AnalyticsData Status:QueueItemStatus ReviewStatus:ReviewStatus
            ReviewerUserId:int Key:guid Reference ProcessingExceptionType:ProcessingExceptionType DueDate:date
            RiskSlaDate:date Priority:QueuePriority DeferDate:date StartProcessing:date
            EndProcessing:date SecondsInPreviousAttempts:int AncestorId:int RetryNumber:int
            SpecificData CreationTime:date Progress RowVersion OrganizationUnitId:int
            OrganizationUnitFullyQualifiedName Id:int
        """,
        15: """
            Encrypted:bool AncestorUniqueKey:guid ManualAncestorId:int ManualAncestorUniqueKey:guid
            ManualRetryNumber:int UniqueKey:guid HasVideoRecorded:bool
        """,
        20: "Error:json RobotId:int CreatorJobKey:guid ExecutorJobKey:guid ParentOperationId OperationId",
    },
    "WebhookDto": {
        11: "Url Enabled:bool Secret SubscribeToAllEvents:bool AllowInsecureSsl:bool Events:json Id:int",
        15: "Key:guid Name Description",
    },
    "AttachmentDto": {
        11: """
            Name LastModificationTime:date LastModifierUserId:int CreationTime:date
            CreatorUserId:int Id:guid
        """,
    },
}

_START_INFO = {
    11: """
        ReleaseKey MachineSessionIds:ids JobPriority Strategy NoOfRobots:int JobsCount:int Reference Source
        RobotIds:ids RuntimeType InputArguments
    """,
    15: """
        TargetFramework SpecificPriorityValue:int StopStrategy StopProcessExpression
        RequiresUserInteraction:bool RemoteControlAccess AlertRunningExpression ResumeOnSameContext:bool
        BatchExecutionKey:guid AlertPendingExpression KillProcessExpression RunAsMe:bool
        MachineRobots:objects
    """,
    18: "ParentOperationId ProfilingOptions EntryPointPath AutopilotForRobots:object",
    20: """
        TraceId Attachments:objects RootSpanId ParentSpanId ReleaseName VideoRecordingSettings:object
        MachineInfraTarget:object FpsContext FpsProperties EnvironmentVariables InputFile:guid TargetRuntime
    """,
}
# startInfo's properties: the version that brought each, and its kind
START_INFO: dict[str, tuple[int, str]] = {
    text.partition(":")[0]: (version, text.partition(":")[2] or "text")
    for version, texts in _START_INFO.items()
    for text in texts.split()
}


_RUNTIMES = """
    NonProduction Attended Unattended Development Studio RpaDeveloper StudioX CitizenDeveloper Headless
    StudioPro RpaDeveloperPro TestAutomation AutomationCloud Serverless AutomationKit AppTest Hosting
    ServerlessTestAutomation AutomationCloudTestAutomation AttendedStudioWeb AssistantWeb AgentService
    ProcessOrchestration PerformanceTest
"""
# and the words that some of them may be
CHOICES: dict[str, tuple[str, ...]] = {
    "Strategy": ("All", "Specific", "RobotCount", "JobsCount", "ModernJobsCount"),
    "JobPriority": MEMBERS["Priority"],
    "StopStrategy": ("SoftStop", "Kill"),
    "RuntimeType": tuple(_RUNTIMES.split()),
}


@lru_cache(256)
def columns(shape: str, version: int) -> tuple[tuple[str, Kind, tuple[str, ...]], ...]:
    """Name, kind and enum members of every property that `shape` has at API `version`."""
    found = []
    for since, names in SHAPES[shape].items():
        if (since > 0 and version >= since) or (since < 0 and version < -since):
            found += [_column(text) for text in names.split()]
    return tuple(found)


def _column(text: str) -> tuple[str, Kind, tuple[str, ...]]:
    name, _, kind = text.partition(":")
    if kind in MEMBERS:
        return name, "enum", MEMBERS[kind]
    return name, cast("Kind", kind or "text"), ()
