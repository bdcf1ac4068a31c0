"""What a run came to, as figures and as promises that were kept or not: nothing here talks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fleet.history import History, judged
from fleet.plan import Plan
from fleet.stage import Look

_SHOWN = 20
_MOST_BYTES = 1536.0


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure, and how far it may go. Those that must hold make a run good or bad."""

    name: str
    figure: float
    most: float
    must: bool = True

    @property
    def met(self) -> bool:
        """True when the figure keeps to its bound."""
        return self.figure <= self.most


@dataclass(frozen=True, slots=True)
class Results:
    """The whole run."""

    goals: Sequence[Goal]
    figures: Mapping[str, Any]
    troubles: Sequence[str]

    @property
    def good(self) -> bool:
        """True when every promise was kept that does not depend on how fast this machine is."""
        return not self.troubles and all(goal.met for goal in self.goals if goal.must)

    def document(self) -> dict[str, Any]:
        """The results for programs."""
        goals = {
            goal.name: {"figure": goal.figure, "most": goal.most, "met": goal.met} for goal in self.goals
        }
        return {"good": self.good, "goals": goals, **self.figures, "troubles": list(self.troubles)}


def quantiles(lags: Sequence[float]) -> dict[str, float]:
    """Half, 95 of 100 and all of them are at most so long."""
    ordered = sorted(lags) or [0.0]
    places = {"p50": 0.5, "p95": 0.95, "max": 1.0}
    return {
        name: round(ordered[min(int(len(ordered) * at), len(ordered) - 1)], 3) for name, at in places.items()
    }


def results(plan: Plan, ledger: Mapping[str, Any], history: History, course: Mapping[str, Any]) -> Results:
    """Judges every job that the simulator started. *course* is what the run has noted besides."""
    started = [job for start in ledger["starts"] for job in start["jobIds"]]
    wrong = judged(started, history.courses)
    looks: Mapping[str, Mapping[str, Look]] = course["trackers"]
    memory, lags = _memory(looks), _lags(history, course["ended before the kill"])
    early = sum(
        not course["killed"] or repeat.ended <= course["ended before the kill"] for repeat in history.repeats
    )
    held = looks[course["killed"]]["done"].held if course["killed"] else 0
    goals = [
        *(Goal(what, len(jobs), 0) for what, jobs in wrong.items()),
        Goal("jobs not started", plan.jobs - len(started), 0),
        Goal("repeats after the kill, of slots it had in hand", len(history.repeats) - early, held),
        Goal("repeats before", early, 0, must=False),
        Goal("429s caused", sum(ledger["throttled"].values()), 0),
        Goal("list calls in the busiest minute", ledger["busiest"].get("JobsList", 0), plan.budget),
        Goal("lag of an end, p95 (s)", lags["end"]["p95"], plan.lag_s, must=False),
        Goal("RSS a job held (bytes)", memory["bytes a job"], _MOST_BYTES, must=False),
    ]
    figures = {
        "jobs": len(started),
        "plan": {name: getattr(plan, name) for name in plan.__slots__},
        "seconds": {name: round(seconds, 1) for name, seconds in course["times"].items()},
        "lag": lags,
        "memory": memory,
        "CPU": _cpu(looks, history, course["others"]),
        "load average": {when: round(load, 1) for when, load in course["load"].items()},
        "calls": ledger["calls"],
        "webhooks": ledger.get("webhooks", []),
        "repeats": [[*repeat[:-1], round(repeat.after_s, 3)] for repeat in history.repeats[:_SHOWN]],
        "wrong": {what: jobs[:_SHOWN] for what, jobs in wrong.items() if jobs},
    }
    return Results(goals, figures, course["troubles"])


def _lags(history: History, before: int) -> dict[str, dict[str, float]]:
    return {
        "running": quantiles(history.running),
        "end": quantiles(history.ends),
        "end, before the kill": quantiles(history.ends[:before]),
        "end, after the kill": quantiles(history.ends[before:]),
    }


def _memory(looks: Mapping[str, Mapping[str, Look]]) -> dict[str, Any]:
    """What a tracker's process grew by, when it held the most, for each job that it held."""
    each = {
        name: {
            "held": seen["full"].held,
            "MiB empty": round(seen["empty"].rss / 2**20, 1),
            "MiB full": round(seen["full"].rss / 2**20, 1),
        }
        for name, seen in looks.items()
    }
    return {
        "trackers": each,
        "held": sum(seen["full"].held for seen in looks.values()),
        "bytes a job": _grown(looks, "empty"),
        "bytes a job of the second half": _grown(looks, "half"),
    }


def _grown(looks: Mapping[str, Mapping[str, Look]], since: str) -> int:
    """Bytes of resident memory for each job that came to hand since that look."""
    grown = sum(seen["full"].rss - seen[since].rss for seen in looks.values())
    came = sum(seen["full"].held - seen[since].held for seen in looks.values())
    return round(grown / came) if came > 0 else 0


def _cpu(
    looks: Mapping[str, Mapping[str, Look]], history: History, others: Mapping[str, Mapping[str, float]]
) -> dict[str, Any]:
    """CPU seconds of each tracker while jobs came, and while they ended; changes told for each of them.

    Beside them what the others cost while jobs ended.
    """
    filling = {name: round(seen["full"].cpu_s - seen["empty"].cpu_s, 1) for name, seen in looks.items()}
    ending = {name: round(seen["done"].cpu_s - seen["full"].cpu_s, 1) for name, seen in looks.items()}
    return {
        "s, filling": filling,
        "s, ending": ending,
        "s, ending, of others": {
            name: round(seconds - others["full"][name], 1) for name, seconds in others["done"].items()
        },
        "ends a CPU second": round(len(history.ends) / (sum(ending.values()) or 1)),
    }
