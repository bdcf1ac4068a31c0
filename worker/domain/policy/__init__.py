"""Who may start, stop and add what: an allow-list, and whose a message is. Pure.

What no rule allows is refused. Decided by resolved names only: a release key or a folder's number is no way
round a pattern. In a pattern `*` stands for any characters but `/`, and `**` for any at all.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from worker.domain.failures import Code, Rejected
from worker.domain.requests import Kind

_VERBS = {Kind.START: "start", Kind.STOP: "stop", Kind.QUEUE_ITEM: "add"}
_OF_A_RULE = re.compile(r"\*\*|\*|[^*]+")
_MEANS = {"*": "[^/]*", "**": ".*"}


@dataclass(frozen=True, slots=True)
class Rule:
    """These *users* may, in these *folders*, do what *may* says: of each verb, which names."""

    users: Sequence[str]
    folders: Sequence[str]
    may: Mapping[str, Sequence[str]]

    def speaks_of(self, user: str, verb: str) -> bool:
        """True where it lets *user* do that to anything."""
        return bool(self.may.get(verb)) and _fits(self.users, user)

    def allows(self, verb: str, folder: str | None, name: str | None) -> bool:
        """True where it lets its users do that to *name* in *folder*; None is what nobody knows yet."""
        return _fits(self.folders, folder) and _fits(self.may.get(verb, ()), name)


@dataclass(frozen=True, slots=True)
class Policy:
    """All rules, and the *vouchers*: users whose word is taken for whom they send a request on."""

    rules: Sequence[Rule]
    vouchers: frozenset[str] = frozenset()

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Policy":
        """Reads a document that was held to `policy.v1`."""
        rules = [
            Rule(
                rule["users"],
                rule["folders"],
                {verb: rule.get(verb, ()) for verb in _VERBS.values()},
            )
            for rule in document["rules"]
        ]
        return cls(rules, frozenset(document.get("vouchers", ())))

    def check_user(self, user: str, kind: Kind) -> None:
        """Raises `Rejected` where *user* may ask for nothing of that *kind*."""
        verb = _VERBS[kind]
        if not any(rule.speaks_of(user, verb) for rule in self.rules):
            raise _refused(f"user '{user}' may {verb} nothing here", user)

    def check(self, user: str, kind: Kind, folder: str | None, name: str | None) -> None:
        """Raises `Rejected` where *user* may not have that done to *name* in *folder*.

        None is what is not known: only `**` allows that.
        """
        verb = _VERBS[kind]
        rules = (rule for rule in self.rules if rule.speaks_of(user, verb))
        if not any(rule.allows(verb, folder, name) for rule in rules):
            what = f"'{name}' in folder '{folder}'" if name and folder else "what has not been started yet"
            raise _refused(f"user '{user}' may not {verb} {what}", user)


def nobodys(user_id: str | None, claimed: object) -> Rejected:
    """The rejection of a request of which it is not known who asks: *claimed* is the name in its header."""
    if claimed is None:
        return Rejected(
            Code.NOT_ALLOWED,
            "the message has no user_id, and a policy says who may ask for what",
            "send it with the AMQP property user_id set to the user that you connect: the broker verifies it",
        )
    by = f"user '{user_id}'" if user_id else "nobody whom the broker knows"
    return Rejected(
        Code.NOT_ALLOWED,
        f"the message says that it was sent on for somebody else, by {by}, whose word is not taken for that",
        "leave the header jobrelay-user-id out; replay as the worker's own user of the broker, or one that "
        "the policy names under vouchers",
    )


def _refused(detail: str, user: str) -> Rejected:
    mend = f"ask whoever keeps this Jobrelay's policy for a rule for user '{user}', then send it again"
    return Rejected(Code.NOT_ALLOWED, detail, mend)


def _fits(patterns: Sequence[str], name: str | None) -> bool:
    if name is None:
        return "**" in patterns
    return any(_pattern(pattern).fullmatch(name) for pattern in patterns)


@cache
def _pattern(text: str) -> re.Pattern[str]:
    parts = _OF_A_RULE.findall(text)
    return re.compile("".join(_MEANS.get(part) or re.escape(part) for part in parts), re.DOTALL)
