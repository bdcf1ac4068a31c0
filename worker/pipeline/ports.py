"""What the pipeline needs from outside, in its own words. Adapters keep these promises, unimported."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from worker.domain.events import Event
from worker.domain.jobs import Changes, Cursor, Job
from worker.domain.messages import Message
from worker.domain.processes import Folder, Machine, Process, Robot
from worker.domain.requests import Entry, FolderRef, Kind


class Receipt(Protocol):
    """What a message is settled by, once, as long as its channel lives."""

    @property
    def is_open(self) -> bool:
        """False once the channel is gone: the broker has given the message to somebody else."""

    def ack(self) -> None:
        """Settles it for good. Nothing happens when the channel is gone: the broker delivers it again."""

    def give_back(self) -> None:
        """Returns it to its queue, unsettled."""


class Delivery(Receipt, Protocol):
    """A message in this worker's hands, until it is settled."""

    @property
    def message(self) -> Message:
        """The message as it came."""

    @property
    def receipt(self) -> Receipt:
        """Settles it, and keeps nothing of the message."""


class Outbox(Protocol):
    """Publishes, confirmed. Every method returns once the broker has taken the message.

    It waits through a lost connection and a blocked one, and repeats a publish whose confirm was lost:
    the same message may then be there twice, and carries the same event id. Before each try it asks *wanted*,
    where that is given: what has waited may be untrue by now. A no raises `Overtaken`.
    """

    async def announce(self, event: Event, wanted: Callable[[], bool] | None = None) -> None:
        """Publishes *event* to the events exchange, and to its request's `reply_to` as far as that works."""

    async def track(self, document: Mapping[str, Any], wanted: Callable[[], bool] | None = None) -> None:
        """Puts a job into the durable set of jobs in flight (`schemas/internal/tracking.v1.json`).

        Where the confirm was lost it may be there already: what is sent then is of the next generation.
        """

    async def defer(
        self, message: Message, kind: Kind, seconds: int, headers: Mapping[str, Any], again: Mapping[str, Any]
    ) -> None:
        """Sends *message*, of that *kind*, round the delay queue of *seconds*, *headers* added to its own.

        Where the confirm was lost it may be there already: what is sent then carries *again* instead.
        """

    async def bury(
        self, message: Message, headers: Mapping[str, Any], wanted: Callable[[], bool] | None = None
    ) -> None:
        """Keeps *message* in the dead letters, byte for byte, with *headers* added to its own."""


class Orchestrator(Protocol):
    """Orchestrator's verbs. Each raises only `Rejected`, `Unavailable` or, start alone, `OutcomeUnknown`.

    Only `find` never raises `Rejected`: a look-up that is refused proves nothing.

    What is resolved is cached per folder; *fresh* reads it again, unless that was done a moment ago.
    """

    @property
    def api_version(self) -> int | None:
        """The major API version that the server says it speaks; None before its first answer."""

    async def folder(self, ref: FolderRef, *, fresh: bool = False) -> Folder:
        """Finds a folder, or raises `Rejected(FOLDER_UNKNOWN)`."""

    async def processes(self, folder: Folder, *, fresh: bool = False) -> Sequence[Process]:
        """Lists the processes of a folder that are not deleted."""

    async def robots(
        self, folder: Folder, environment: str | None = None, *, fresh: bool = False
    ) -> Sequence[Robot]:
        """Lists the robots of a folder, or of one environment of a classic folder."""

    async def robot_of_session(self, folder: Folder, session_id: int) -> Robot | None:
        """The robot behind a session's id: tells somebody who sent the one for the other."""

    async def machines(self, folder: Folder, *, fresh: bool = False) -> Sequence[Machine]:
        """Lists the machine templates of a modern folder."""

    async def attach(self, folder: Folder, name: str, content: bytes) -> str:
        """Uploads *content* as an attachment and returns its id (API 20 and newer)."""

    async def start(
        self, folder: Folder, start_info: Mapping[str, Any], *, may_send: Callable[[], bool] | None = None
    ) -> Sequence[Job]:
        """Calls StartJobs once. A lost answer is `OutcomeUnknown`; it is never sent again in here.

        *may_send* is asked right before each exchange (there may be waits for a token before), and a no is
        `Unavailable`.
        """

    async def find(
        self, folder: Folder, reference: str, release_name: str | None, *, since: float | None = None
    ) -> Sequence[Job]:
        """All jobs whose Reference equals *reference* to the byte, oldest first. Raises when not sure.

        An empty answer means: asked in this folder, the filter was taken, every page read. *since* (epoch
        seconds) bounds the search where a server cannot filter by Reference, and nowhere else.
        """

    async def job(self, folder_id: int, job_id: int) -> Job | None:
        """One job by id with its output; None when it is gone.

        `Rejected` where it may not be read (no access, no such folder): it may be there or not. `Unavailable`
        where nothing is known now.
        """

    async def changes(self, folder_id: int, cursor: Cursor | None) -> Changes:
        """One page of the folder's jobs that changed since *cursor*; None begins now, and gives no jobs.

        No change is skipped, and some are given twice. Not given are a job's creation and, where the server's
        API is older than 15, that it runs again after Resumed. Costs one list call of the budget's (one more
        an hour where the server is that old; a round takes three there).
        Raises `Unavailable`, also THROTTLED where there is no turn within 10 s, or `Rejected`.
        """

    def cursor(self, word: str) -> Cursor | None:
        """A cursor that skips nothing which the one that said *word* would give; None where it is no word."""

    async def pending_reasons(self, folder_id: int, job_id: int) -> Sequence[str]:
        """Why a Pending job does not run, in Orchestrator's words (`TemplateNoHostsAvailable`).

        Empty where nothing stands in its way, where it is gone, and where the server is too old to say
        (API 15 brought it). Not a list call.
        """

    async def error_lines(self, folder_id: int, job_key: str) -> Sequence[Mapping[str, str | None]]:
        """The last 10 lines of the job's log of level Error or Fatal, oldest first.

        Each has `time` (RFC 3339), `level` and `message`, any of them None. Empty where logs may not be read.
        A list call that gives way to others and never waits for its turn: `Unavailable(THROTTLED)` at once.
        """

    async def job_by_key(self, folder: Folder, key: str) -> Job | None:
        """One job by its GUID; None when that folder has none. A list call."""

    async def stop(self, folder: Folder, job_ids: Sequence[int], strategy: str = "SoftStop") -> None:
        """Asks jobs to stop (SoftStop or Kill): those that are Pending never run. May be repeated.

        One that is over makes Orchestrator refuse them all.
        """


class Ledger(Protocol):
    """Which requests are being started, and which have been. Only the latter is final.

    No method raises, none waits longer than a moment. A ledger may forget: the look-up by Reference stands
    behind it for all copies of one message, and for a publisher's duplicates nothing does.
    """

    async def known(self, request_id: str) -> Entry | None:
        """What is known of *request_id*; None where that is nothing."""

    async def claim(self, request_id: str, mine: Entry, *, over: str | None) -> Entry | None:
        """Enters, before every POST, that one may be under way until `mine.safe_at`. None: granted.

        Granted where nothing is entered or where the entry gives way (`Entry.gives_way_to`); else the entry
        that stands in the way is returned, unchanged. Of several that claim at once one is granted.
        """

    @property
    def shared(self) -> bool:
        """True while all workers know at once what is entered here."""

    async def cancel(self, request_id: str, tombstone: Entry, *, over: str | None) -> Entry | None:
        """Enters, until `tombstone.safe_at`, that *request_id* is not to be started. None: entered.

        Granted where nothing is entered, a tombstone, or the entry of *over* after its end; else the entry
        that stands in the way is returned, unchanged. A tombstone that has met its request is not made new
        by the same stop request.
        """

    async def settle(self, request_id: str, mine: Entry) -> None:
        """Remembers for good, whatever is entered, that the jobs of *request_id* are started and told."""

    async def release(self, request_id: str, owner: str) -> None:
        """Forgets the unsettled entry of *owner*, and nobody else's: nothing was sent."""

    async def forget(self, life: str) -> None:
        """Forgets how an earlier life of a message ended: another one begins."""


class Telemetry(Protocol):
    """Counts what happens to requests; never in the way."""

    def taken(self, owner: str) -> None:
        """A request is in hand now; *owner* names this attempt at it."""

    def let_go(self, owner: str) -> None:
        """It is not any more."""

    def created(self, seconds_since_published: float | None) -> None:
        """The jobs of a request are announced; None where it is not known when it was published."""

    def settled(self, outcome: str, code: str, seconds_in_hand: float) -> None:
        """A request was settled."""

    def duplicates(self, jobs: int) -> None:
        """A request was found to have *jobs* more than it should: a second start had happened."""

    def defect(self) -> None:
        """An error of ours gave a request back."""


class Clock(Protocol):
    """Wall-clock seconds since the epoch; tests bring their own."""

    def __call__(self) -> float:
        """Now."""
