"""Who may ask for what: whether a worker could begin with the policy's file, and what it has."""

from worker.cli.check.finding import Finding
from worker.pipeline.permission.file import PolicyFile
from worker.settings import Settings, SettingsError


def policy(settings: Settings) -> Finding:
    """Reads the policy, as a worker does at its start."""
    if settings.policy_file is None:
        return Finding("policy", "skipped", "whoever may publish may all, as JOBRELAY_POLICY_FILE is not set")
    try:
        found = PolicyFile(settings.policy_file, lambda *_: None).current()
    except SettingsError as wrong:
        return Finding("policy", "failed", str(wrong), "correct it: no worker begins with it")
    rules, vouchers = (len(found.rules), len(found.vouchers)) if found else (0, 0)
    return Finding("policy", "ok", f"{settings.policy_file}: rules {rules}, vouchers {vouchers}")
