"""One run, from the first process to the verdict: the load, the faults beside it, and the rest at the end."""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from time import monotonic, process_time, time

from chaos.faults import redis
from chaos.faults.orchestrator import rules
from chaos.faults.play import Play
from chaos.ledger.history import History, took_effect
from chaos.ledger.listener import listen
from chaos.load.asks import asks
from chaos.load.robots import Robots
from chaos.load.sender import Senders, senders
from chaos.plan import Phase, Plan
from chaos.report.results import PhaseResult, Results, results
from chaos.stage import WORKER, Ground, Stage, staged

Tell = Callable[[str], None]
_LOOK_S = 0.25
_QUIET_S = 1.5
_STRIKE_S = 60.0
_END = "the end"


def _silent(_line: str) -> None:
    """Nobody listens."""


@dataclass(slots=True)
class Run:
    """A run in progress; *tell* gets a line now and then."""

    plan: Plan
    stage: Stage
    history: History
    play: Play
    tell: Tell
    seconds: dict[str, float] = field(default_factory=dict)
    hits: int = 0

    async def load(self, out: Senders) -> None:
        """Requests come in, and phase after phase goes wrong."""
        plan = self.plan
        async with asyncio.TaskGroup() as tasks:
            load = asks(plan.seed, plan.duplicates, plan.items)
            sending = tasks.create_task(out.send_all(load, plan.requests / plan.load_s, self._enough))
            whole = sum(phase.share for phase in plan.phases)
            for phase in plan.phases:
                await self._pass(phase, plan.load_s * phase.share / whole)
            self.play.phase = _END
            await sending

    def _enough(self, sent: int) -> bool:
        """Requests come until all phases are over, late or not, or there are too many."""
        return sent >= (self.plan.requests if self.play.phase == _END else self.plan.most)

    async def drain(self) -> None:
        """Nothing fails any more: waits until all is told, or the time is over."""
        await self._heal()
        end = monotonic() + self.plan.drain_s
        while monotonic() < end and not await self._at_rest():
            self.tell(self._progress("waiting for the rest"))
            await asyncio.sleep(_LOOK_S)

    async def stop(self) -> None:
        """All workers are asked to stop; each must end by itself, and leave nothing."""
        for replica in self.stage.replicas:
            await replica.ready()
        codes = await asyncio.gather(*(replica.stop() for replica in self.stage.replicas))
        names = (replica.name for replica in self.stage.replicas)
        bad = [
            f"{name} ended with {code} when asked to stop"
            for name, code in zip(names, codes, strict=True)
            if code
        ]
        self.play.troubles += bad
        left = await self.stage.left()
        self.play.troubles += [f"{count} messages are left in {name}" for name, count in left.items()]

    async def _pass(self, phase: Phase, seconds: float) -> None:
        began = monotonic()
        end = began + seconds
        self.play.phase = phase.name
        self.play.random = Random(f"{self.plan.seed}:{phase.name}")  # noqa: S311 - chance that can be repeated
        await self._fail(phase)
        async with redis.there(self.play, phase.ledger):
            turn = 0
            while monotonic() < end or turn < phase.least:
                await self._wait(self.play.random.uniform(*phase.pause_s))
                if phase.strikes and (monotonic() < end or turn < phase.least):
                    async with asyncio.timeout(_STRIKE_S):
                        await phase.strikes[turn % len(phase.strikes)](self.play)
                    turn += 1
        self.seconds[phase.name] = monotonic() - began

    async def _wait(self, seconds: float) -> None:
        end = monotonic() + seconds
        while (left := end - monotonic()) > 0:
            await self._supervise()
            self.tell(self._progress(self.play.phase))
            await asyncio.sleep(min(left, _LOOK_S))

    async def _fail(self, phase: Phase) -> None:
        """The simulator's faults of this phase, instead of the former."""
        await self._heal()
        faults = [*phase.rules, *rules(phase.faulty)]
        await asyncio.to_thread(self.stage.simulator.faults, faults)

    async def _supervise(self) -> None:
        """A worker that ended by itself is a trouble, and gets a successor, as it would anywhere."""
        for replica in self.stage.replicas:
            if replica.process is not None and replica.process.code is not None:
                self.play.troubles.append(f"{replica.name} ended by itself: {replica.process.last_words()}")
                await replica.kill()
                await replica.start()

    async def _heal(self) -> None:
        struck = await asyncio.to_thread(self.stage.simulator.tell, "GET", "faults")
        self.hits += sum(fault["hits"] for fault in struck)
        await asyncio.to_thread(self.stage.simulator.heal)

    async def _at_rest(self) -> bool:
        if self.history.open or time() - self.history.heard_at < _QUIET_S:
            return False
        return not await self.stage.left()

    def _progress(self, doing: str) -> str:
        asked, waiting = len(self.history.known), self.history.open
        return f"{time() - self.play.began:5.0f} s  {doing:<24} {asked:6} asked  {waiting:5} open"


async def run(
    plan: Plan, ground: Ground, folder: Path, tell: Tell = _silent, program: Sequence[str] = WORKER
) -> Results:
    """Plays *plan* on *ground*, with logs in *folder*, and says what came of it. No worker is left.

    *program* is what Python runs as a worker.
    """
    async with staged(ground, folder, plan.workers, program) as stage:
        play = Play(stage, Random(plan.seed))  # noqa: S311 - chance that can be repeated
        if ground.redis is None:
            play.span("without", 0.0, math.inf)
        run = Run(plan, stage, History(), play, tell)
        async with _ends(run) as out:
            await run.load(out)
            await run.drain()
            await run.stop()
            await _heard(run)
        redis.believe(play)
        return _judged(run)


@asynccontextmanager
async def _ends(run: Run) -> AsyncIterator[Senders]:
    """Senders at one end, the ear at the other, and robots beyond."""
    url, topology = run.stage.ground.amqp_url, run.stage.topology
    async with asyncio.TaskGroup() as tasks:
        hearing = tasks.create_task(listen(url, topology, run.history))
        working = tasks.create_task(Robots(run.stage.simulator, run.history, topology.prefix).work())
        async with senders(url, topology.requests, run.history, lambda: run.play.phase) as out:
            yield out
        hearing.cancel()
        working.cancel()


def _judged(run: Run) -> Results:
    ledger, play, history = run.stage.simulator.ledger(), run.play, run.history
    about = {
        "seed": run.plan.seed,
        "seconds": round(time() - play.began, 1),
        "own CPU seconds": round(process_time(), 1),
        "jobs": sum(len(start["jobIds"]) for start in ledger["starts"]),
        "queue items": len(ledger["items"]),
        "calls": ledger["calls"],
        "faults struck": run.hits,
        "events": dict(history.events),
        "states told": dict(history.states),
        "repeated events": history.repeated,
        "deferrals": dict(history.deferrals),
        "refusals of good requests": dict(history.refusals),
        "ledger away, by the workers' word": play.away,
        "course": play.done,
    }
    names = [phase.name for phase in run.plan.phases]
    phases = [
        PhaseResult(name, run.seconds.get(name, 0.0), play.counts.get(name, Counter()))
        for name in [*names, _END]
    ]
    stories = list(history.stories(took_effect(ledger), run.stage.ground.prefix, play.spans))
    return results(about, phases, stories, [*play.troubles, *history.strange, *run.stage.defects()])


async def _heard(run: Run) -> None:
    """Returns when nothing new has been heard for a moment."""
    while time() - run.history.heard_at < _QUIET_S / 3:  # noqa: ASYNC110
        await asyncio.sleep(_LOOK_S)
