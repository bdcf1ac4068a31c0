"""Events and the Orchestrator's ledger to a verdict: what was lost, doubled or wrong. Nothing here talks.

Whoever sends requests and can read a ledger of what was really started can judge by it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from worker.cli.demo.load import ADDED, IGNORED, STARTED, Asked
from worker.domain.failures import Code
from worker.domain.jobs import TERMINAL

_OUTCOMES = ("request-rejected", "request-duplicate", "queue-item-added")


@dataclass(slots=True)
class Tally:
    """What has been heard of a load so far. Events may repeat: each is counted once, by its id.

    What is heard of anything else is not counted.
    """

    load: Sequence[Asked]
    events: Counter[str] = field(default_factory=Counter)
    repeated: int = 0
    created: dict[str, dict[int, str]] = field(default_factory=lambda: defaultdict(dict))
    states: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    refused: dict[str, str] = field(default_factory=dict)
    buried: Counter[str] = field(default_factory=Counter)
    added: set[str] = field(default_factory=set)
    templates: dict[str, str] = field(default_factory=dict)
    _heard: set[str] = field(default_factory=set)
    _open: dict[str, int] = field(init=False)
    _names: frozenset[str] = field(init=False)
    _jobs_open: set[str] = field(default_factory=set)
    _indexes: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))

    def __post_init__(self) -> None:
        # Of an event's copies a killed worker's successor may tell once: they make the same message.
        self._open = {
            asked.id: 1 if asked.template else asked.copies for asked in self.load if asked.expects != IGNORED
        }
        self._names = frozenset(asked.id for asked in self.load)

    def take(self, event: Mapping[str, Any]) -> bool:
        """Hears an event. True when it is about the load."""
        data = event["data"]
        name, kind = data.get("requestId") or data.get("correlationId"), str(event["type"]).split(".")[1]
        if name not in self._names:
            return False
        if kind in _OUTCOMES or self._all_created(name, kind, data):
            self._settled(name)
        if event["id"] in self._heard:
            self.repeated += 1
            return True
        self._heard.add(event["id"])
        self.events[kind] += 1
        if kind == "job-created":
            self.created[name][data["job"]["id"]] = data["job"]["key"]
            self._made(name, data)
            self._follow(data["job"]["key"])
        elif kind == "queue-item-added":
            self.added.add(name)
            self._made(name, data)
        elif kind == "job-state":
            self.states[data["job"]["key"]].append(data["state"])
            self._follow(data["job"]["key"])
        elif kind == "request-rejected":
            self.refused[name] = data["code"]
        return True

    def bury(self, name: str | None, code: str) -> bool:
        """Hears of a dead letter. True when it is of the load."""
        if name is None or name not in self._names:
            return False
        self.buried[name] += 1
        if code == Code.UNKNOWN_ROUTING_KEY:
            self.refused[name] = code
            self._settled(name)
        return True

    @property
    def requests_open(self) -> int:
        """How many requests have not had their outcome."""
        return len(self._open)

    @property
    def jobs_open(self) -> int:
        """How many jobs are not known to be over."""
        return len(self._jobs_open)

    def _all_created(self, name: str, kind: str, data: Mapping[str, Any]) -> bool:
        """True when this event completes the announcement of a request's jobs, be it once more."""
        if kind != "job-created":
            return False
        heard = self._indexes[name]
        before = min(heard[index] for index in range(1, data["count"] + 1))
        heard[data["index"]] += 1
        return min(heard[index] for index in range(1, data["count"] + 1)) > before

    def _made(self, name: str, data: Mapping[str, Any]) -> None:
        template = (data.get("metadata") or {}).get("template")
        if template:
            self.templates[name] = template

    def _settled(self, name: str | None) -> None:
        if name in self._open:
            self._open[name] -= 1
            if self._open[name] == 0:
                del self._open[name]

    def _follow(self, key: str) -> None:
        over = self.states[key] and self.states[key][-1] in TERMINAL
        (self._jobs_open.discard if over else self._jobs_open.add)(key)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a load. Each finding is a sentence about one request or job; none is the goal."""

    outcomes: Mapping[str, int]
    lost: Sequence[str]
    doubled: Sequence[str]
    wrong: Sequence[str]

    @property
    def good(self) -> bool:
        """True when nothing was lost or doubled, and every bad request was refused as it must be."""
        return not (self.lost or self.doubled or self.wrong)


def judge(
    tally: Tally,
    starts: Iterable[Mapping[str, Any]],
    prefix: str,
    items: Iterable[Mapping[str, Any]] = (),
) -> Verdict:
    """Compares what was said with what was done: *starts* and *items* as the simulator lists them."""
    done: dict[str, list[list[int]]] = defaultdict(list)
    for start in starts:
        done[str(start["reference"]).removeprefix(f"{prefix}:")].append(list(start["jobIds"]))
    added = Counter(str(item["reference"]).removeprefix(f"{prefix}:") for item in items)
    known = {asked.id for asked in tally.load}
    lost, doubled, wrong = [], [], []
    for asked in tally.load:
        lost += _lost(asked, tally, done[asked.id]) + _not_added(asked, tally, added[asked.id])
        wrong += _wrong(asked, tally, done[asked.id]) + _misread(asked, tally, added[asked.id])
        if len(done[asked.id]) > 1:
            doubled.append(f"{asked.id} was started {len(done[asked.id])} times")
        if added[asked.id] > 1:
            doubled.append(f"{asked.id} was added {added[asked.id]} times")
    doubled += [f"{name} was started, and nobody asked" for name in sorted(done.keys() - known)]
    doubled += [f"{name} was added, and nobody asked" for name in sorted(added.keys() - known)]
    wrong += [
        f"job {key} was said to be {' then '.join(states)}"
        for key, states in tally.states.items()
        if any(state in TERMINAL for state in states[:-1])
    ]
    return Verdict(_outcomes(tally), lost, doubled, wrong)


def _lost(asked: Asked, tally: Tally, done: list[list[int]]) -> list[str]:
    """What was not done, or not said."""
    if asked.expects in (ADDED, IGNORED):
        return []
    if not asked.good:
        silent = asked.id not in tally.refused
        return [f"{asked.id} should be refused ({asked.expects}), and nothing was said"] if silent else []
    if not done:
        return [f"{asked.id} was not started"]
    said = tally.created[asked.id]
    lost = [f"{asked.id}: job {job} was not announced" for batch in done for job in batch if job not in said]
    if len(done[0]) < asked.jobs:
        lost.append(f"{asked.id} has {len(done[0])} jobs of {asked.jobs}")
    endless = [key for key in said.values() if not TERMINAL.intersection(tally.states[key])]
    return lost + [f"{asked.id}: the end of job {key} was not announced" for key in endless]


def _not_added(asked: Asked, tally: Tally, items: int) -> list[str]:
    """Where its queue item is not there, or was not announced."""
    if items < asked.items:
        return [f"{asked.id} was not added"]
    return (
        [f"the item of {asked.id} was not announced"] if asked.items and asked.id not in tally.added else []
    )


def _misread(asked: Asked, tally: Tally, items: int) -> list[str]:
    """Where an item is there that must not be, or another template made the request."""
    wrong = [f"{asked.id} was added"] * (items > 0 and not asked.items)
    made = tally.templates.get(asked.id)
    return wrong + [f"{asked.id} was made by template {made}"] * (bool(made) and made != asked.template)


def _wrong(asked: Asked, tally: Tally, done: list[list[int]]) -> list[str]:
    """What was done or said otherwise than it must be."""
    refusal = tally.refused.get(asked.id)
    wrong = [f"{asked.id} was started"] * (bool(done) and asked.expects != STARTED)
    if asked.good:
        invented = tally.created[asked.id].keys() - {job for batch in done for job in batch}
        wrong += [f"{asked.id}: job {job} was announced, and does not exist" for job in sorted(invented)]
        return wrong + ([f"{asked.id} was refused as {refusal}"] if refusal else [])
    if refusal not in (None, asked.expects):
        wrong.append(f"{asked.id} was refused as {refusal}, not as {asked.expects}")
    if refusal is not None and not tally.buried[asked.id]:
        wrong.append(f"{asked.id} is not in the dead letters")
    return wrong


def _outcomes(tally: Tally) -> dict[str, int]:
    """Requests by what became of them."""
    return dict(Counter(_outcome(asked, tally) for asked in tally.load).most_common())


def _outcome(asked: Asked, tally: Tally) -> str:
    if asked.id in tally.added:
        return ADDED
    silence = IGNORED if asked.expects == IGNORED else "nothing"
    return STARTED if tally.created.get(asked.id) else tally.refused.get(asked.id, silence)


def by_template(tally: Tally) -> dict[str, dict[str, int]]:
    """For each template: events published to it, requests that it made, their jobs and items, refusals."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for asked in tally.load:
        if asked.template:
            made = asked.id in tally.templates
            found[asked.template].update(
                events=asked.copies,
                requests=int(made),
                jobs=len(tally.created.get(asked.id, ())),
                items=int(asked.id in tally.added),
                refused=int(asked.id in tally.refused),
            )
    return {name: dict(counts) for name, counts in sorted(found.items())}
