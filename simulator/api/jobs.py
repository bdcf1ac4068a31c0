"""Jobs after their start: listed, read, stopped, restarted, resumed, asked why they wait, and their logs."""

from typing import Any

from simulator.calls import MOST_ROWS, Call, Reply, reply
from simulator.errors import Refusal
from simulator.odata.model import ODataError
from simulator.odata.query import Query
from simulator.odata.syntax import Call as Function
from simulator.odata.syntax import Compare, In, Literal, Logic, Node, Path
from simulator.world.jobs import FINAL, Job
from simulator.world.jobs.store import in_folder
from simulator.world.logs import lines_of

_STRATEGIES = {"1": "SoftStop", "2": "Kill", "softstop": "SoftStop", "kill": "Kill"}


def job_list(call: Call) -> Reply:
    """GET /odata/Jobs. On Cloud a list shows no arguments: they are read one job at a time."""
    entity = call.entities.job
    query = call.query(entity)
    _check_filter(query.tree, call)
    total, page = _page(call, query)
    shown = [query.render(job, entity) for job in page]
    if call.cloud:
        for row in shown:
            for name in ("InputArguments", "OutputArguments"):
                if name in row:
                    row[name] = None
    return call.page("Jobs", query, total, shown)


def _page(call: Call, query: Query) -> tuple[int, Any]:
    jobs = call.world.jobs
    rows = jobs.candidates(query.tree)
    if call.folder is not None:
        rows = list(filter(in_folder(call.folder), rows))
    if len(query.order) == 1 and query.order[0].path in (
        "id",
        "creationtime",
    ):  # rows are in that order already
        rows = rows[::-1] if query.order[0].descending else rows
        return Query(predicate=query.predicate, top=query.top, skip=query.skip).page(rows, MOST_ROWS)
    return query.page(rows, MOST_ROWS)


def _check_filter(tree: Node | None, call: Call) -> None:
    """Refuses what this server was told not to know: some properties, or the `in` operator."""
    behaviour = call.world.behaviour
    refused = {name.lower() for name in behaviour["notFilterable"]}
    for node in _nodes(tree):
        if isinstance(node, In) and not behaviour["inOperator"]:
            raise ODataError("Syntax error: the operator 'in' is not supported.")
        if isinstance(node, Path) and node.parts[0].lower() in refused:
            raise ODataError(
                f"Invalid OData query options. The property '{node.parts[0]}' cannot be used in the $filter."
            )


def _nodes(node: Node | None) -> list[Node]:
    match node:
        case Logic(_, items) | Function(_, items):
            return [node, *(inner for item in items for inner in _nodes(item))]
        case Compare(_, left, right):
            return [node, *_nodes(left), *_nodes(right)]
        case In(left, _):
            return [node, *_nodes(left)]
    return [] if node is None else [node]


def job_by_id(call: Call) -> Reply:
    """GET /odata/Jobs(id): not limited, and with arguments."""
    return call.one("Jobs", call.entities.job, _visible(call, call.world.jobs.get(call.number())))


def job_by_key(call: Call) -> Reply:
    """GET /odata/Jobs/…GetByKey(identifier=guid)."""
    return call.one(
        "Jobs", call.entities.job, _visible(call, call.world.jobs.by_key.get(call.argument.lower()))
    )


def _visible(call: Call, job: Job | None) -> Job:
    if job is None or (call.folder is not None and job.batch.folder is not call.folder):
        raise Refusal("ItemNotFound", "The job does not exist.")
    return job


def stop_job(call: Call) -> Reply:
    """POST /odata/Jobs(id)/…StopJob {"strategy"}: 200 with no body."""
    strategy = _strategy(call.json())
    _stop(call, [_visible(call, call.world.jobs.get(call.number()))], strategy)
    return Reply(200, b"")


def stop_jobs(call: Call) -> Reply:
    """POST /odata/Jobs/…StopJobs {"jobIds", "strategy"}: all or none; 200 with no body."""
    given = call.json()
    strategy, ids = _strategy(given), given.get("jobIds")
    if not isinstance(ids, list) or not all(isinstance(number, int) for number in ids):
        raise Refusal("InvalidRequest", "jobIds must be a list of numbers.")
    _stop(call, [_visible(call, call.world.jobs.get(number)) for number in ids], strategy)
    return Reply(200, b"")


def _strategy(given: dict[str, Any]) -> str:
    found = _STRATEGIES.get(str(given.get("strategy")).lower())
    if found is None:
        raise Refusal("InvalidRequest", "strategy must be SoftStop or Kill.")
    return found


def _stop(call: Call, jobs: list[Job], strategy: str) -> None:
    if any(job.state in FINAL for job in jobs):
        raise Refusal("JobCannotBeCancelled")
    for job in jobs:
        job.stop_strategy = strategy
        if job.state in ("Pending", "Suspended", "Resumed"):
            call.world.clock.enter(job, "Stopped")
        elif strategy == "Kill" and job.state != "Terminating":
            call.world.clock.enter(job, "Terminating")
        elif job.state == "Running":
            call.world.clock.enter(job, "Stopping")


def restart_job(call: Call) -> Reply:
    """POST /odata/Jobs/…RestartJob {"jobId"}: a new job like the old, which must be finished.

    Whether the real one keeps the Reference is not known; this one does not.
    """
    number = call.json().get("jobId")
    job = _visible(call, call.world.jobs.get(number) if isinstance(number, int) else None)
    if job.state not in FINAL:
        raise Refusal("CannotRestartUnfinishedJob")
    batch = job.batch
    info = {name: batch.info[name] for name in batch.info.keys() - {"BatchExecutionKey", "Reference"}}
    made = call.world.commit(batch.release, batch.folder, info, [None])
    return call.one("Jobs", call.entities.job, made[0])


def resume_job(call: Call) -> Reply:
    """POST /odata/Jobs/…ResumeJob {"jobKey"}: a suspended job waits for a robot again."""
    key = str(call.json().get("jobKey")).lower()
    job = _visible(call, call.world.jobs.by_key.get(key))
    if job.state != "Suspended":
        raise Refusal("InvalidArgument", "Only a suspended job can be resumed.")
    call.world.clock.enter(job, "Resumed")
    return call.one("Jobs", call.entities.job, job)


def validate_job(call: Call) -> Reply:
    """POST /odata/Jobs(id)/…ValidateExistingJob: why a job is still pending. API 15 brought it."""
    if call.version < 15:
        raise Refusal("NotFound")
    job = _visible(call, call.world.jobs.get(call.number()))
    waits = job.state == "Pending" and job.due == 0.0
    codes = call.world.settings(job)["pendingReasons"] if waits else []
    return reply(
        {
            "@odata.context": call.context("UiPath.Server.Configuration.OData.ValidationResultDto"),
            "IsValid": not codes,
            "Errors": [f"It cannot run: {code}." for code in codes],
            "ErrorCodes": codes,
        }
    )


def robot_logs(call: Call) -> Reply:
    """GET /odata/RobotLogs: the lines of one job, where the filter names it, else of all in the folder."""
    query = call.query(call.entities.log)
    key, world = _equal_to(query.tree, "jobkey"), call.world
    named = [world.jobs.by_key[key]] if key in world.jobs.by_key else []
    jobs = named if key else world.jobs.rows
    rows = (line for job in jobs if job.batch.folder is call.folder for line in lines_of(job, world.settings))
    return call.listing("RobotLogs", call.entities.log, rows)


def _equal_to(tree: Node | None, name: str) -> str:
    """The value that rows must have for `name`, in lower case; "" where the filter does not say."""
    terms = tree.items if isinstance(tree, Logic) and tree.op == "and" else (tree,)
    for term in terms:
        match term:
            case Compare("eq", Path((named,)), Literal(_, str(value))) if named.lower() == name:
                return value.lower()
    return ""
