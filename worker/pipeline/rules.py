"""What a deployment decides for all requests, and as whom it speaks of them."""

from dataclasses import dataclass

from worker.domain.messages import Message
from worker.domain.requests import FolderRef, Kind
from worker.pipeline.permission import EVERYBODY, Permission
from worker.pipeline.validate import check_reply_to


@dataclass(frozen=True, slots=True)
class Rules:
    """What this deployment decides for all requests.

    *commit_slack_s* is how long a POST whose answer was lost may still commit, *window_s* how long after a
    redelivery one of the message's former owner may.
    """

    prefix: str
    default_folder: FolderRef | None
    max_attempts: int
    http_timeout_s: float
    commit_slack_s: float
    window_s: float
    permission: Permission = EVERYBODY

    def check_sender(self, message: Message, kind: Kind) -> None:
        """Raises `Rejected` where its sender may ask for nothing of that *kind*, or names a queue of ours."""
        check_reply_to(message, self.prefix)
        self.permission.to_ask(message, kind)


@dataclass(frozen=True, slots=True)
class Teller:
    """Who speaks: *source* is the CloudEvents source of this deployment, *host* names this worker."""

    source: str
    host: str
