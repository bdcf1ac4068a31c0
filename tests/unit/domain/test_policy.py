"""Who may do what: the decisions, as tables; and whose a message is after however many hands."""

from typing import Any

import pytest

from worker.contracts import violations
from worker.domain.failures import Code, Rejected
from worker.domain.messages import Message
from worker.domain.policy import Policy, nobodys
from worker.domain.policy.custody import USER_ID, Custody
from worker.domain.requests import Kind

DOCUMENT = {
    "vouchers": ["jobrelay-ops"],
    "rules": [
        {"users": ["desk"], "folders": ["Shared", "Ops/*"], "start": ["Triage*"], "stop": ["Triage"]},
        {"users": ["desk"], "folders": ["Finance"], "start": ["Dunning"]},
        {"users": ["erp-*"], "folders": ["Finance/**"], "start": ["*"], "add": ["Invoices"]},
        {"users": ["root"], "folders": ["**"], "start": ["**"], "stop": ["**"]},
        {"users": ["tidy"], "folders": ["Shared"], "stop": ["**"]},
    ],
}
POLICY = Policy.of(DOCUMENT)


def may(user: str, kind: Kind, folder: str | None, name: str | None) -> bool:
    """Whether the policy lets that be done."""
    try:
        POLICY.check_user(user, kind)
        POLICY.check(user, kind, folder, name)
    except Rejected as refused:
        why = refused
    else:
        return True
    assert (why.code, user in why.detail, user in why.remedy) == (Code.NOT_ALLOWED, True, True)
    return False


@pytest.mark.parametrize(
    ("user", "kind", "folder", "name", "allowed"),
    [
        ("desk", Kind.START, "Shared", "Triage", True),
        ("desk", Kind.START, "Shared", "Triage_Quick", True),
        ("desk", Kind.START, "Ops/EU", "Triage", True),
        ("desk", Kind.START, "Finance", "Dunning", True),
        ("desk", Kind.STOP, "Shared", "Triage", True),
        ("erp-1", Kind.START, "Finance/EU/North", "Dunning", True),
        ("root", Kind.START, "Any/Where", "A/B", True),
        ("erp-1", Kind.QUEUE_ITEM, "Finance/EU", "Invoices", True),
        ("erp-1", Kind.QUEUE_ITEM, "Finance/EU", "Dunning", False),
        ("root", Kind.QUEUE_ITEM, "Finance/EU", "Invoices", False),
        ("root", Kind.STOP, None, None, True),
        ("tidy", Kind.STOP, "Shared", None, True),
        # a rule's folders and names belong together: one rule's folder does not go with another's process
        ("desk", Kind.START, "Finance", "Triage", False),
        ("desk", Kind.START, "Shared", "Dunning", False),
        # one verb is not another
        ("desk", Kind.STOP, "Shared", "Triage_Quick", False),
        ("erp-1", Kind.STOP, "Finance/EU", "Dunning", False),
        ("tidy", Kind.START, "Shared", "Triage", False),
        # patterns are whole, and capitals count
        ("desk", Kind.START, "Shared/Sub", "Triage", False),
        ("desk", Kind.START, "Ops", "Triage", False),
        ("desk", Kind.START, "Ops/EU/North", "Triage", False),
        ("desk", Kind.START, "shared", "Triage", False),
        ("desk", Kind.START, "Shared", "triage", False),
        ("desk", Kind.START, "Shared\n", "Triage", False),
        ("desk2", Kind.START, "Shared", "Triage", False),
        ("Desk", Kind.START, "Shared", "Triage", False),
        ("erp-", Kind.START, "Finance", "Dunning", False),
        ("erp-1", Kind.START, "Finance", "Dunning", False),
        ("erp-1", Kind.START, "Finance/EU", "A/B", False),
        ("xerp-1", Kind.START, "Finance/EU", "Dunning", False),
        # what is not known is allowed by ** alone
        ("desk", Kind.STOP, None, None, False),
        ("tidy", Kind.STOP, None, None, False),
        ("nobody", Kind.START, "Shared", "Triage", False),
        ("", Kind.START, "Shared", "Triage", False),
    ],
)
def test_what_no_rule_allows_is_refused(
    user: str, kind: Kind, folder: str | None, name: str | None, allowed: bool
) -> None:
    """Every decision, and the words of a refusal name the user."""
    assert violations("policy.v1", DOCUMENT) == []
    assert may(user, kind, folder, name) is allowed


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("a.c", "abc", False),
        ("a+", "aa", False),
        ("[ab]", "a", False),
        ("(", "(", True),
        ("\\d", "1", False),
        ("?", "x", False),
        ("*b*", "abc", True),
        ("***", "a/b", True),
        ("a*", "a", True),
    ],
)
def test_nothing_but_stars_is_special(pattern: str, name: str, fits: bool) -> None:
    """A pattern with a character that means something elsewhere means that character."""
    rule = {"users": [pattern], "folders": ["**"], "start": ["**"]}
    policy = Policy.of({"rules": [rule]})
    try:
        policy.check_user(name, Kind.START)
    except Rejected:
        assert not fits
    else:
        assert fits


@pytest.mark.parametrize(
    ("user_id", "header", "asked_by"),
    [
        # a message as its sender sent it: the broker has verified the name
        ("alice", None, "alice"),
        (None, None, None),
        ("", None, None),
        ("jobrelay", None, "jobrelay"),
        # sent on by us, or by somebody who is believed
        ("jobrelay", "alice", "alice"),
        ("jobrelay-ops", "alice", "alice"),
        ("jobrelay", "", None),
        # forged: whoever writes the header makes the message nobody's
        ("mallory", "alice", None),
        ("mallory", "mallory", None),
        ("mallory", "", None),
        (None, "alice", None),
        (None, "jobrelay", None),
        ("jobrelay", b"\xff", None),
        ("jobrelay", ["alice"], None),
        ("jobrelay", 7, None),
    ],
)
def test_whose_a_message_is(user_id: str | None, header: Any, asked_by: str | None) -> None:
    """The header counts only in the hands of those who are believed; and it stays so when it is sent on."""
    custody = Custody("jobrelay", lambda: POLICY.vouchers)
    headers = {} if header is None else {USER_ID: header}
    message = Message(body=b"", user_id=user_id, headers=headers)
    assert custody.asked_by(message) == asked_by
    for _ in range(3):
        message = Message(body=b"", user_id="jobrelay", headers=custody.headers(message))
        assert custody.asked_by(message) == asked_by


@pytest.mark.parametrize(
    ("user_id", "claimed", "said"),
    [
        (None, None, "no user_id"),
        ("mallory", "alice", "by user 'mallory', whose word is not taken"),
        (None, "alice", "by nobody whom the broker knows"),
    ],
)
def test_a_request_of_nobodys_is_refused_with_what_mends_it(user_id: Any, claimed: Any, said: str) -> None:
    """The one names the property, the other the header and who may write it."""
    why = nobodys(user_id, claimed)
    assert why.code is Code.NOT_ALLOWED
    assert said in why.detail
    assert ("user_id" if claimed is None else "vouchers") in why.remedy
