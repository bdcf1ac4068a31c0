"""What a run came to, phase by phase, as figures: nothing here talks."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chaos.faults.play import BROKER_KILL, WORKER_KILL
from chaos.ledger.verdict import FAILURES, Finding, Kind, Story, judge


@dataclass(slots=True)
class PhaseResult:
    """One phase: how its requests ended, and what was done meanwhile."""

    name: str
    seconds: float
    done: Counter[str]
    asked: int = 0
    copies: int = 0
    acknowledged: int = 0
    ends: Counter[Kind] = field(default_factory=Counter)

    def count(self, story: Story, kind: Kind) -> None:
        """One request of this phase."""
        self.asked += 1
        self.copies += story.copies
        self.acknowledged += story.acknowledged
        self.ends[kind] += 1

    def document(self) -> dict[str, Any]:
        """The figures for programs."""
        return {
            "phase": self.name,
            "seconds": round(self.seconds, 1),
            "attempted": self.asked,
            "messages": self.copies,
            "acknowledged": self.acknowledged,
            **{kind.value: self.ends[kind] for kind in Kind},
            **self.done,
        }


@dataclass(frozen=True, slots=True)
class Results:
    """The whole run. *about* names it (seed and so on), *troubles* are what no request can be blamed for."""

    about: Mapping[str, Any]
    phases: Sequence[PhaseResult]
    findings: Sequence[Finding]
    troubles: Sequence[str]

    def total(self, kind: Kind) -> int:
        """How many requests ended so."""
        return sum(phase.ends[kind] for phase in self.phases)

    def done(self, what: str) -> int:
        """How often something was done."""
        return sum(phase.done[what] for phase in self.phases)

    @property
    def unexpected(self) -> int:
        """What must not be, of requests and besides."""
        return self.total(Kind.UNEXPECTED) + len(self.troubles)

    @property
    def good(self) -> bool:
        """True when nothing was lost, doubled or unexpected."""
        return not self.unexpected and not any(self.total(kind) for kind in FAILURES)

    def document(self) -> dict[str, Any]:
        """The results for programs."""
        return {
            **self.about,
            "good": self.good,
            "attempted": sum(phase.asked for phase in self.phases),
            "messages": sum(phase.copies for phase in self.phases),
            "acknowledged": sum(phase.acknowledged for phase in self.phases),
            **{kind.value: self.total(kind) for kind in Kind},
            "unexpected": self.unexpected,
            "worker kills": self.done(WORKER_KILL),
            "broker kills": self.done(BROKER_KILL),
            "phases": [phase.document() for phase in self.phases],
            "findings": [f"{finding.kind}: {finding.text}" for finding in self.findings],
            "troubles": list(self.troubles),
        }


def results(
    about: Mapping[str, Any],
    phases: Iterable[PhaseResult],
    stories: Iterable[tuple[str, Story]],
    troubles: Sequence[str],
) -> Results:
    """Judges every story, each with its phase's name."""
    by_name = {phase.name: phase for phase in phases}
    findings: list[Finding] = []
    for phase, story in stories:
        kind, found = judge(story)
        by_name[phase].count(story, kind)
        findings += found
    return Results(about, list(by_name.values()), findings, troubles)
