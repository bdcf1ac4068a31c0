"""A document that breaks its schema is told everything, in words that help."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema_rs import is_valid

from worker.contracts import names, schema, violations
from worker.contracts.schemas import _map_of, _within_limits
from worker.contracts.words import pointer

REQUEST = {"requestId": "inc-1", "process": {"name": "SupportTriage"}, "folder": {"path": "Shared"}}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)

WORDS: list[tuple[dict[str, Any], str, str]] = [
    ({"requestId": None}, "/requestId", "must be text, not null: use 1 to 100"),
    ({"requestId": "a b"}, "/requestId", "use 1 to 100 of the letters"),
    ({"requestId": "a\n"}, "/requestId", "use 1 to 100 of the letters"),
    ({"process": "SupportTriage"}, "/process", "must be an object, not text: give either name"),
    ({"process": {}}, "/process", "give either name"),
    ({"process": {"name": ""}}, "/process/name", "must not be empty"),
    ({"process": {"releaseKey": "SupportTriage"}}, "/process/releaseKey", "give a GUID"),
    ({"folder": {}}, "/folder", "give exactly one of path, id and key"),
    ({"folder": {"path": "Shared", "id": 101}}, "/folder", "give exactly one of path, id and key"),
    ({"folder": {"id": 0}}, "/folder/id", "must be at least 1"),
    ({"folder": "Shared"}, "/folder", 'give exactly one of path, id and key, such as {"path": "Shared"}'),
    ({"inputArguments": '{"a": 1}'}, "/inputArguments", "must be an object, not text: give the arguments"),
    ({"inputArguments": None}, "/inputArguments", "not null: leave it out where it has no value"),
    ({"jobsCount": "2"}, "/jobsCount", "must be a whole number, not text"),
    ({"jobsCount": 1.5}, "/jobsCount", "must be a whole number, not a decimal number"),
    ({"jobsCount": True}, "/jobsCount", "must be a whole number, not true or false"),
    ({"jobsCount": 10_001}, "/jobsCount", "must be at most 10000"),
    ({"JobsCount": 1}, "/JobsCount", "did you mean jobsCount?"),
    ({"NoOfRobots": 1}, "/NoOfRobots", "is not known here"),
    ({"a/b~c": 1}, "/a~1b~0c", "is not known here"),
    ({"strategy": "specific"}, "/strategy", "did you mean Specific?"),
    ({"runtimeType": "Unatended"}, "/runtimeType", "did you mean Unattended?"),
    ({"strategy": "All", "jobsCount": 1}, "/jobsCount", "is not for the strategies All and Specific"),
    ({"strategy": "Specific"}, "/robots", "is required and missing"),
    ({"strategy": "Specific", "robots": []}, "/robots", "must not be empty"),
    ({"strategy": "RobotCount", "robots": [7]}, "/robots", "leave it out, or use Specific"),
    ({"robots": [7, 7]}, "/robots", "has the same item twice"),
    ({"robots": [{}]}, "/robots/0", "must be text or a whole number"),
    ({"priority": 0}, "/priority", "give Low, Normal, High or a whole number from 1 to 100"),
    ({"expiresAt": "2026-11-21T18:00:00"}, "/expiresAt", "give a moment with its offset"),
    ({"expiresAt": "2016-12-31T23:59:60Z"}, "/expiresAt", "give a moment with its offset"),
    ({"metadata": {"": "x"}}, "/metadata", "has a key that is empty or too long"),
    ({"metadata": {"k": "x" * 257}}, "/metadata/k", "must have at most 256 characters"),
    ({"metadata": {str(n): "x" for n in range(21)}}, "/metadata", "must have at most 20 properties"),
]


@pytest.mark.parametrize(("change", "place", "words"), WORDS)
def test_a_violation_says_what_is_wrong_and_how_to_mend_it(
    change: dict[str, Any], place: str, words: str
) -> None:
    """One change to a good request, one violation, at its place."""
    found = violations("start-job.v1", {**REQUEST, **change})
    assert [violation.pointer for violation in found] == [place]
    assert words in found[0].message


@pytest.mark.parametrize(
    ("number", "long"),
    [
        (2**64 - 1, False),
        (2**64, True),
        (-(2**63), False),
        (-(2**63) - 1, True),
        (10**300, True),
        (1e300, False),
        (str(2**64), False),
        (True, False),
    ],
    ids=str,
)
def test_a_number_that_others_would_round_is_a_violation(number: Any, long: bool) -> None:
    """Of a whole number: to 64 bits, signed or not, readers agree. A double is one for all of them."""
    found = violations("start-job.v1", {**REQUEST, "inputArguments": {"a": [0, {"b/c": number}]}})
    assert [violation.pointer for violation in found] == ["/inputArguments/a/1/b~1c"] * long
    assert all("more than 64 bits" in violation.message for violation in found)


def test_of_long_numbers_only_the_first_are_told_and_none_that_is_wrong_anyway() -> None:
    """As of all violations."""
    found = violations(
        "start-job.v1", {**REQUEST, "jobsCount": 2**64, "inputArguments": {"a": [2**64] * 200}}
    )
    assert [found[0].message, found[1].pointer] == ["must be at most 10000", "/inputArguments/a/0"]
    assert (len(found), found[-1].pointer, "there is more" in found[-1].message) == (101, "", True)


def test_every_violation_is_reported_not_only_the_first() -> None:
    """A sender mends everything at once; several extra properties are named one by one."""
    found = violations("start-job.v1", {"process": {}, "x": 1, "y": 2, "jobsCount": 0, "folder": {"id": "1"}})
    assert {violation.pointer for violation in found} == {
        "/requestId", "/process", "/x", "/y", "/jobsCount", "/folder/id",
    }  # fmt: skip


def test_a_wrong_type_is_told_once() -> None:
    """What only follows from the wrong type is left out."""
    found = violations("stop-job.v1", [])
    assert [violation.pointer for violation in found] == [""]


def test_a_value_is_never_repeated() -> None:
    """A password in the wrong place does not come back in an event."""
    secret = "hunter2-hunter2"
    places = ("process", "inputArguments", "strategy", "expiresAt", "priority")
    wrong = dict.fromkeys(places, secret) | {"requestId": f"{secret} ", "metadata": {"k": [secret]}}
    assert len(violations("start-job.v1", wrong)) == len(wrong)
    assert secret not in str(violations("start-job.v1", wrong))


def test_a_hundred_violations_are_listed_and_more_are_said_to_be_there() -> None:
    """A body made of mistakes does not make an event of megabytes."""
    for wrong in ({"robots": [None] * 5000}, {f"{n}": 1 for n in range(5000)}):
        found = violations("start-job.v1", {**REQUEST, **wrong})
        assert len(found) == 101
        assert "there is more" in found[-1].message


def test_a_long_name_is_cut() -> None:
    """A pointer stays readable, whatever the sender called a property."""
    (violation,) = violations("start-job.v1", {**REQUEST, "k" * 9000: 1})
    assert len(violation.pointer) == 200


def test_an_unknown_schema_is_a_defect() -> None:
    """A misspelt name does not pass everything."""
    with pytest.raises(KeyError):
        violations("start-job.v9", REQUEST)


def test_a_pointer_is_written_as_rfc_6901_has_it() -> None:
    """Slash and tilde in a name are escaped, in this order."""
    assert pointer(["a/b", "~1", 0]) == "/a~1b/~01/0"
    assert pointer([]) == ""


CHANGES = st.dictionaries(st.sampled_from(sorted({key for change, *_ in WORDS for key in change})), JSON)


@settings(max_examples=60)
@given(CHANGES | JSON)
def test_a_document_is_refused_with_a_reason_exactly_when_it_is_invalid(document: object) -> None:
    """What is left out because it only follows from something else never leaves nothing."""
    judged = {**REQUEST, **document} if isinstance(document, dict) else document
    found = violations("start-job.v1", judged)
    assert bool(found) != is_valid(schema("start-job.v1"), judged, validate_formats=True)
    assert all(violation.message for violation in found)


def test_a_map_with_more_wrong_members_than_are_listed_is_cut_to_those() -> None:
    """An event of 1 MiB has room for a hundred thousand, and the validator makes an error of each."""
    content: dict[str, Any] = {f"right-{n}": n for n in range(500)} | {f"wrong-{n}": {} for n in range(3_000)}
    document = {"requestId": "a", "queue": "q", "specificContent": content, "priority": "no"}
    cut = _within_limits(document, "add-queue-item.v1")
    assert list(cut["specificContent"]) == [f"wrong-{n}" for n in range(101)]
    told = violations("add-queue-item.v1", document)
    assert (len(told), told[-1].message) == (101, "there is more: only the first 100 violations are listed")
    assert {one.pointer for one in told} > {"/specificContent/wrong-0", "/specificContent/wrong-98"}
    few: dict[str, Any] = {f"right-{n}": n for n in range(3_000)} | {"wrong": {}}
    (one,) = violations("add-queue-item.v1", document | {"specificContent": few, "priority": "High"})
    assert one.pointer == "/specificContent/wrong"


def test_every_map_can_be_held_to_its_own_schema() -> None:
    """Compiled by itself, it has nothing that refers to the rest."""
    maps = {
        (name, its)
        for name in names()
        for its in schema(name).get("properties", {})
        if _map_of(name, its) is not None
    }
    assert ("add-queue-item.v1", "specificContent") in maps
