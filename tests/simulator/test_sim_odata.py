"""$filter, $orderby and the rest: what the parser takes, what it refuses, and what rows come of it."""

from typing import Any

import pytest

from simulator.odata.filter import compile_filter
from simulator.odata.model import Entity, Link, ODataError, Property
from simulator.odata.query import read_query
from simulator.odata.syntax import parse

GUID = "382e7a96-a5b9-4343-b258-26a80cf87f80"
STATES = ("Pending", "Running", "Stopping", "Terminating", "Faulted", "Successful")


def _property(name: str, kind: Any, members: tuple[str, ...] = ()) -> Property:
    return Property(name, kind, lambda row: row.get(name), members)


def _entity(name: str, *properties: Property) -> Entity:
    return Entity(name, {one.name.lower(): one for one in properties}, dict)


ROBOT = _entity("RobotDto", _property("Id", "int"), _property("Name", "text"))
JOB = _entity(
    "JobDto",
    _property("Id", "int"),
    _property("Key", "guid"),
    _property("Name", "text"),
    _property("State", "enum", STATES),
    _property("CreationTime", "date"),
    _property("Enabled", "bool"),
    _property("Content", "json"),
)
JOB.links["robot"] = Link("Robot", ROBOT, lambda row: row.get("_robot"))
JOB.links["robots"] = Link("Robots", ROBOT, lambda row: [row["_robot"]], many=True)
ROW = {
    "Id": 7,
    "Key": GUID,
    "Name": "Kim's Straße & more",
    "State": "Running",
    "CreationTime": 1_767_225_600_463,
    "Enabled": True,
    "Content": {"a": 1},
    "_robot": {"Id": 61, "Name": "porter-1"},
}

TRUE = [
    "Id eq 7",
    "7 eq Id",
    "Id ne 8",
    "Id gt 6 and Id ge 7 and Id lt 8 and Id le 7",
    "6 lt Id",
    "Id eq 8 or Id eq 7",
    "not (Id eq 8)",
    "not Id eq 8",
    "Id eq 8 or Id eq 9 or (Id eq 7 and Enabled)",
    "Enabled eq true",
    "Enabled",
    "Id in (1, 7)",
    f"Key in ('{GUID}')",
    f"Key in ({GUID})",
    f"Key eq {GUID}",
    f"Key eq '{GUID.upper()}'",
    "key eq '382E7A96-A5B9-4343-B258-26A80CF87F80'",
    "Name eq 'Kim''s Straße & more'",
    "Name eq 'KIM''S straße & MORE'",
    "contains(Name, 'straße') and startswith(Name,'Kim') and endswith(Name,'more')",
    "tolower(Name) eq 'kim''s straße & more'",
    "contains(toupper(Name), 'KIM')",
    "contains(Name,'x') eq false",
    "State eq 'Running'",
    "State eq 'running'",
    "State eq '1'",
    "State eq 1",
    "State eq UiPath.Server.Configuration.OData.JobState'Running'",
    "State in ('Pending', 'Running')",
    "CreationTime ge 2026-01-01T00:00:00Z",
    "CreationTime ge 2026-01-01T01:00:00.4630000+01:00",
    "CreationTime lt 2026-01-01T00:00:00.463001Z",
    "CreationTime gt 2025-12-31T23:59Z",
    "Missing eq null or Id eq 7".replace("Missing", "Name"),
    "Name ne null",
    "Robot/Id eq 61",
    "robot/name eq 'porter-1'",
    "Id gt -1",
]
FALSE = [
    "Id eq 8",
    "not (Id eq 7)",
    "Id eq 8 or Id eq 9 and Id eq 7",
    "Name eq null",
    "Name eq 'Kim'",
    "State in ('Pending')",
    "Robot/Id eq 62",
    "CreationTime gt 2026-01-01T00:00:00.463001Z",
    "Id in (1, 2, 3)",
]
REFUSED = {
    "Foo eq 1": "property named 'Foo'",
    "Robot/Foo eq 1": "property named 'Foo'",
    "Foo/Id eq 1": "property named 'Foo'",
    "Id eq": "position 5",
    "Id eq 7 7": "position 8",
    "(Id eq 7": "position 8",
    "Id eq 7)": "position 7",
    "Id == 7": "position 3",
    "Id eq 'seven'": "incompatible types",
    "Name eq 7": "incompatible types",
    "CreationTime ge 'yesterday'": "incompatible types",
    "CreationTime ge 2026-01-01T00:00:00": "offset",
    "CreationTime ge 2026-13-01T00:00:00Z": "2026-13-01",
    "CreationTime ge datetime'2026-01-01T00:00:00'": "not OData 4",
    f"Key eq guid'{GUID}'": "not OData 4",
    "State eq 'Winning'": "not a valid enumeration constant",
    "Content eq 'a'": "cannot be used",
    "Robots/Id eq 1": "collection",
    "Name": "single boolean",
    "length(Name) eq 3": "unknown function",
    "contains(Id, 'a')": "signature",
    "Name eq 'No'Such'": "position",
    "Id in ()": "position",
    "Id in (1": "position",
    "not": "position",
    "": "position",
    "((" * 60 + "Id eq 1": "nested deeper",
    " or ".join(f"Id eq {n}" for n in range(101)): "'100' is exceeded",
    " or ".join(f"Robot/Id eq {n}" for n in range(17)): "navigation",
}


@pytest.mark.parametrize("text", TRUE)
def test_a_filter_matches(text: str) -> None:
    """Every operator, kind of literal and spelling that the service takes."""
    assert compile_filter(parse(text), JOB)(ROW)


@pytest.mark.parametrize("text", FALSE)
def test_a_filter_does_not_match(text: str) -> None:
    """`and` binds tighter than `or`; null equals nothing but null."""
    assert not compile_filter(parse(text), JOB)(ROW)


@pytest.mark.parametrize(("text", "reason"), REFUSED.items(), ids=[text[:30] or "empty" for text in REFUSED])
def test_a_filter_is_refused_with_its_reason(text: str, reason: str) -> None:
    """The message names the property, the place or the limit."""
    with pytest.raises(ODataError) as refusal:
        compile_filter(parse(text), JOB)
    assert reason in str(refusal.value)


def test_limits_are_reached_but_not_passed() -> None:
    """A hundred terms, and sixteen through links, are taken."""
    for field, most in (("Id", 100), ("Robot/Id", 16)):
        taken = compile_filter(parse(" or ".join(f"{field} ne {n}" for n in range(most))), JOB)
        assert taken(ROW)


ROWS = [{**ROW, "Id": n, "Name": "abc"[n % 3], "_robot": {"Id": -n}} for n in range(6)]


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        ({"$orderby": "Id desc", "$top": "2"}, [5, 4]),
        ({"$orderby": "Name desc,Id desc", "$top": "3"}, [5, 2, 4]),
        ({"$orderby": "Robot/Id", "$skip": "4"}, [1, 0]),
        ({"$skip": "5"}, [5]),
        ({"filter": "Id gt 3", "orderby": "Id asc"}, [4, 5]),
        ({"$top": "0"}, []),
    ],
)
def test_a_page_is_ordered_and_cut(options: dict[str, str], ids: list[int]) -> None:
    """Several terms of $orderby, also through links; names of options with and without the dollar."""
    total, page = read_query(options, JOB, 100).page(ROWS, 100)
    assert [row["Id"] for row in page] == ids
    assert total == (2 if "filter" in options else 6)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"$top": "1001"}, "limit of '1000'"),
        ({"$top": "-1"}, "'-1'"),
        ({"$skip": "x"}, "'x'"),
        ({"$select": "Id,Foo"}, "'Foo'"),
        ({"$expand": "Foo"}, "'Foo'"),
        ({"$orderby": "Foo"}, "'Foo'"),
        ({"$orderby": "Id sideways"}, "sideways"),
        ({"$orderby": "Id,Id,Id,Id,Id,Id"}, "5"),
        ({"$expand": "Robot/Robot/Robot"}, "depth"),
        ({"$apply": "groupby((Id))"}, "$apply"),
    ],
)
def test_an_option_is_refused_with_its_reason(options: dict[str, str], reason: str) -> None:
    """Limits and names are those of the service."""
    with pytest.raises(ODataError) as refusal:
        read_query(options, JOB, 1000)
    assert reason in str(refusal.value)


def test_expand_and_select_shape_a_row() -> None:
    """Expanded links are there, and nothing else that was not selected."""
    query = read_query({"$select": "id", "$expand": "Robot"}, JOB, 10)
    assert query.render(ROW, JOB) == {"Id": 7, "Robot": {"Id": 61, "Name": "porter-1"}}
