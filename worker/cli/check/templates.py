"""The templates: whether a worker could begin with the files, and whether their exchanges are there."""

from pathlib import Path

from worker.broker.address import Address
from worker.broker.bindings import closed
from worker.broker.topology import Topology
from worker.broker.visits.visit import BrokerAway, NotThere, absent_exchanges, visit
from worker.cli.check.finding import Finding
from worker.settings import Settings
from worker.templates.files import TemplateErrors, load

_UNSET = "no event makes a request, as JOBRELAY_TEMPLATES_DIR is not set"


async def templates(settings: Settings) -> list[Finding]:
    """Reads the files, as a worker does at its start, and looks for exchanges; nothing is bound."""
    if settings.templates_dir is None:
        return [Finding("templates", "skipped", _UNSET)]
    try:
        found = load(Path(settings.templates_dir), closed(Topology(settings.prefix)))
    except TemplateErrors as wrong:
        remedy = "correct it: no worker begins with it"
        return [Finding("templates", "failed", str(fault), remedy) for fault in wrong.faults]
    count = f"{len(found)} template{'' if len(found) == 1 else 's'}"
    read = Finding("templates", "ok", f"{settings.templates_dir}: {count}")
    names = {binding.exchange for template in found for binding in template.bindings}
    return [read, *await _exchanges(settings, sorted(names))]


async def _exchanges(settings: Settings, names: list[str]) -> list[Finding]:
    try:
        async with visit(Address.of(settings)) as connection:
            missing = await absent_exchanges(connection, names)
    except (BrokerAway, NotThere) as why:
        return [Finding("templates", "skipped", f"their exchanges were not looked for: {why}")]
    remedy = "its application declares it, and a worker binds to it within seconds; or correct its name"
    return [
        Finding("templates", "warning", f"exchange '{name}' is not there: no event comes of it", remedy)
        for name in missing
    ]
