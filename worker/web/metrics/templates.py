"""What becomes of applications' events. Keeps the promises of `templates.ports.Telemetry`."""

from worker.web.metrics.families import Counts, Levels

_OUTCOMES = ("made", "unmet", "failed", "rejected", "unwanted", "repeated", "round")
_NAME = {"template": "its name"}


class TemplateMetrics:
    """Counts events, by what became of them, and requests, by their templates."""

    def __init__(self) -> None:
        about = (
            "made (requests), unmet (no condition held, or it tells of a template's request), "
            "failed (a template could make nothing of it), rejected (not readable), "
            "unwanted (no template listens to it), round (kept for a worker whose templates may), "
            "repeated (told before; the ack alone was lost)"
        )
        self._events = Counts(
            "jobrelay_template_events",
            "Events of applications that were settled, or sent round",
            {"outcome": about},
            known=[(outcome,) for outcome in _OUTCOMES],
        )
        self._made = Counts("jobrelay_template_requests", "Requests that a template made", _NAME)
        self._failed = Counts(
            "jobrelay_template_failures", "Events that a template could make nothing of", _NAME
        )
        self._loaded = Levels("jobrelay_templates", "Templates in force")
        self._refused = Levels(
            "jobrelay_templates_refused", "1 while the files do not hold, and the set before is in force"
        )
        self._loaded.to(0)
        self._refused.to(0)

    def event(self, outcome: str) -> None:
        """An event is settled, or went round."""
        self._events.up(outcome)

    def made(self, template: str) -> None:
        """A request was made by *template*."""
        self._made.up(template)

    def failed(self, template: str) -> None:
        """*template* could make nothing of an event."""
        self._failed.up(template)

    def loaded(self, templates: int) -> None:
        """So many templates are in force."""
        self._loaded.to(templates)

    def refused(self, on: bool) -> None:
        """The files do not hold, or do again."""
        self._refused.to(on)
