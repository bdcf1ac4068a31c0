"""The record of a run, as its senders and its listener fill it; at the end it becomes a story each."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from time import time
from typing import Any

from chaos.ledger.course import TERMINAL, Told
from chaos.ledger.verdict import UNKNOWN, Batch, Story
from chaos.load.asks import ADD, Ask

_WORDS = 60
ITEM = 0
"""The number of a request's queue item, as what is added with others is told without its id."""


@dataclass(slots=True)
class _Known:
    """What is known of one request so far."""

    ask: Ask
    phase: str
    begun: float
    last: float
    sent: int = 0
    confirmed: int = 0
    count: int = 0
    created: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    courses: dict[int, list[Told]] = field(default_factory=lambda: defaultdict(list))
    ended: set[int] = field(default_factory=set)
    early: set[int] = field(default_factory=set)
    rejections: dict[str, tuple[str, float]] = field(default_factory=dict)
    letters: list[str] = field(default_factory=list)
    surplus: set[int] = field(default_factory=set)
    items: dict[str, int] = field(default_factory=dict)

    @property
    def open(self) -> bool:
        """True while something is still to be said about it."""
        if self.created and self.ask.key == ADD:
            return self.ask.followed and not self.ended  # of two, one is followed
        if self.created:
            return len(self.created) < self.count or bool(self.created.keys() - self.ended - self.surplus)
        return bool(self.confirmed) and not self.rejections and UNKNOWN not in self.letters


@dataclass(frozen=True, slots=True)
class Span:
    """From *begin* to *end* (epoch seconds) something was so."""

    begin: float
    end: float

    def touches(self, known: _Known) -> bool:
        """Whether a request was about in that time."""
        return known.begun <= self.end and known.last >= self.begin


class History:
    """Everything that was asked and heard. Events may repeat: each counts once, by its id."""

    def __init__(self) -> None:
        self.known: dict[str, _Known] = {}
        self.strange: list[str] = []
        self.events: Counter[str] = Counter()
        self.deferrals: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.states: Counter[str] = Counter()
        self.repeated = 0
        self.heard_at = time()
        self._heard: set[str] = set()

    def ask(self, ask: Ask, phase: str) -> None:
        """A request is about to be sent."""
        now = time()
        self.known[ask.name] = _Known(ask, phase, now, now)

    def sent(self, name: str, _phase: str) -> None:
        """A message of it goes out now; whether it arrives is another thing."""
        self.known[name].sent += 1
        self.known[name].last = time()

    def confirmed(self, name: str) -> None:
        """The broker has a message of it."""
        self.known[name].confirmed += 1
        self.known[name].last = time()

    @property
    def open(self) -> int:
        """How many requests that the broker has are not at their end."""
        return sum(known.open for known in self.known.values())

    def buried(self, name: str, code: str) -> None:
        """A dead letter came."""
        self.heard_at = time()
        if name in self.known:
            self.known[name].letters.append(code)
        else:
            self.strange.append(f"a dead letter of nobody's: {name} {code}")

    def hear(self, event: Mapping[str, Any]) -> None:
        """An event came."""
        self.heard_at = time()
        identity, data = str(event["id"]), event["data"]
        if identity in self._heard:
            self.repeated += 1
            return
        self._heard.add(identity)
        kind = str(event["type"]).split(".")[1]
        self.events[kind] += 1
        # A message whose body cannot be read is known by its correlation id.
        known = self.known.get(data.get("requestId") or data.get("correlationId") or "")
        if known is None:
            self.strange.append(f"an event of nobody's: {kind} {data.get('requestId')}")
            return
        self._take(known, kind, identity, event)

    def _take(self, known: _Known, kind: str, identity: str, event: Mapping[str, Any]) -> None:
        data = event["data"]
        match kind:
            case "job-created":
                known.created[data["job"]["id"]].add(identity)
                known.count = max(known.count, data["count"])
            case "queue-item-added":
                known.created[ITEM].add(identity)
            case "queue-item-state":
                self.states[f"item {data['status']}"] += 1
                item = known.items.setdefault(data["item"]["key"], len(known.items))
                _take_state(known, item, Told.of_item(event), early=not known.created)
            case "job-state":
                self.states[data["state"]] += 1
                job = data["job"]["id"]
                # The jobs of a second start are told of as duplicates.
                early = not (job in known.created or job in known.surplus)
                _take_state(known, job, Told.by(event), early=early)
            case "request-rejected":
                known.rejections[identity] = (data["code"], epoch(event["time"]))
                if data["code"] != known.ask.expects:
                    self.refusals[f"{data['code']}: {data['detail'][:_WORDS]}"] += 1
            case "request-deferred":
                self.deferrals[f"{data['code']}, {data['delaySeconds']} s"] += 1
            case "job-duplicate":
                known.surplus.add(data["job"]["id"])

    def stories(
        self, done: Iterable[tuple[str, Batch]], prefix: str, spans: Mapping[str, Iterable[Span]]
    ) -> Iterator[tuple[str, Story]]:
        """The phase and the story of each request; *done* is what took effect, each with its Reference.

        *spans* are the times `without` a shared ledger, and those with a worker `frozen`.
        """
        batches: dict[str, list[Batch]] = defaultdict(list)
        for reference, batch in done:
            batches[reference.removeprefix(f"{prefix}:")].append(batch)
        for name in batches.keys() - self.known.keys():
            self.strange.append(f"{name} was started, and nobody asked")
        for name, known in self.known.items():
            # A copy may have waited in the queue for longer than it took to send.
            known.last = max([known.last, *(batch.at for batch in batches.get(name, ()))])
            yield (
                known.phase,
                Story(
                    name=name,
                    expects=known.ask.expects,
                    copies=known.sent,
                    acknowledged=known.confirmed > 0,
                    guarded=not any(span.touches(known) for span in spans.get("without", ())),
                    frozen=any(span.touches(known) for span in spans.get("frozen", ())),
                    batches=tuple(batches.get(name, ())),
                    created=_fixed(known.created),
                    courses={job: tuple(course) for job, course in known.courses.items()},
                    early=frozenset(known.early),
                    rejections=tuple(known.rejections.values()),
                    letters=tuple(known.letters),
                    surplus=frozenset(known.surplus),
                    followed=known.ask.followed,
                ),
            )


def took_effect(ledger: Mapping[str, Any]) -> Iterator[tuple[str, Batch]]:
    """What took effect by the simulator's *ledger*, each with its Reference; an item is a batch alone."""
    for start in ledger["starts"]:
        yield str(start["reference"]), Batch(tuple(start["jobIds"]), epoch(start["at"]))
    for item in ledger["items"]:
        yield str(item["reference"]), Batch((ITEM,), epoch(item["at"]))


def _take_state(known: _Known, job: int, told: Told, *, early: bool) -> None:
    if early:
        known.early.add(job)
    known.courses[job].append(told)
    if told.state in TERMINAL:
        known.ended.add(job)


def epoch(moment: str) -> float:
    """Epoch seconds of an RFC 3339 moment."""
    return datetime.fromisoformat(moment).timestamp()


def _fixed(told: Mapping[int, set[str]]) -> dict[int, frozenset[str]]:
    return {job: frozenset(ids) for job, ids in told.items()}
