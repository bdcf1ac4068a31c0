"""Queue items and attachments."""

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from caller import MODERN, QUICK, Answer, Caller

ADD = "/odata/Queues/UiPathODataSvc.AddQueueItem"
BULK = "/odata/Queues/UiPathODataSvc.BulkAddQueueItems"


def _add(api: Caller, name: str = "Incidents", **item: Any) -> Answer:
    return api.call("POST", ADD, {"itemData": {"Name": name, **item}}, MODERN)


def test_an_item_is_added_and_found(api: Caller) -> None:
    """201 with the item; found by Reference, read by id."""
    content = {"IncidentId": "7", "n": 1, "ok": True}
    answer = _add(
        api, Reference="r-1", Priority="High", SpecificContent=content, DueDate="2030-01-01T00:00:00Z"
    )
    assert answer.status == 201
    item = answer.json
    assert (item["Status"], item["Priority"], item["SpecificContent"]) == ("New", "High", content)
    assert item["DueDate"] == "2030-01-01T00:00:00Z"
    found = api.get("QueueItems", filter="Reference eq 'r-1' and QueueDefinitionId eq 301", top="1").value
    assert [row["Id"] for row in found] == [item["Id"]]
    assert api.get(f"QueueItems({item['Id']})", expand="QueueDefinition").json["QueueDefinition"]["Id"] == 301
    changed = api.simulated.tell("PATCH", f"items/{item['Id']}", {"Status": "Successful"})
    assert changed["Status"] == "Successful"
    assert api.get("QueueItems", filter="Status eq 'Successful'").json["@odata.count"] == 1


def test_an_item_is_tried_again_and_deleted(api: Caller) -> None:
    """A retry is a row of its own with the same Key; what is deleted is not listed, but in the ledger."""
    first = _add(api, Reference="tried").json["Id"]
    why = {"Type": "BusinessException", "Reason": "no such invoice"}
    for told in ({"Status": "InProgress"}, {"Status": "Retried", "ProcessingException": why}):
        api.simulated.tell("PATCH", f"items/{first}", told)
    old, new = api.get("QueueItems", filter="Reference eq 'tried'", orderby="Id").value
    assert (old["Status"], old["ProcessingExceptionType"], new["Status"]) == (
        "Retried", "BusinessException", "New",
    )  # fmt: skip
    assert (old["Key"], new["RetryNumber"], new["AncestorId"]) == (new["Key"], 1, first)
    began, ended = (datetime.fromisoformat(old[name]) for name in ("StartProcessing", "EndProcessing"))
    assert began <= ended
    assert (new["StartProcessing"], new["ProcessingException"]) == (None, None)
    for row in (old, new):
        api.simulated.tell("DELETE", f"items/{row['Id']}")
    assert api.get("QueueItems", filter="Reference eq 'tried'").value == []
    assert api.get(f"QueueItems({first})").status == 404
    references = [item["reference"] for item in api.simulated.ledger()["items"]]
    assert references == ["tried"]


def test_a_reference_taken_is_1016_where_it_must_be_unique(api: Caller) -> None:
    """409; another queue takes it twice."""
    assert [_add(api, Reference="r").status for _ in range(2)] == [201, 409]
    assert _add(api, Reference="R").error == (409, 1016)
    assert [_add(api, "Orders", Reference="r").status for _ in range(2)] == [201, 201]


@pytest.mark.parametrize(
    ("item", "error"),
    [
        ({"Name": "Nothing"}, (404, 1002)),
        ({"SpecificContent": {"a": {"b": 1}}}, (400, 1009)),
        ({"SpecificContent": {"a": "x" * 256_000}}, (400, 1009)),
        ({"Reference": "r" * 129}, (400, 1009)),
        ({"Priority": "Urgent"}, (400, 1000)),
        ({"DueDate": "tomorrow"}, (400, 1000)),
    ],
)
def test_a_wrong_item_is_refused(api: Caller, item: dict[str, Any], error: tuple[int, int]) -> None:
    """Unknown queue, nested content, too long."""
    assert api.call("POST", ADD, {"itemData": {"Name": "Incidents", **item}}, MODERN).error == error


def test_queue_items_come_in_pages_of_a_hundred_on_cloud(api: Caller) -> None:
    """More is refused; definitions come in the usual pages."""
    assert api.get("QueueItems", top="101").error == (400, 1000)
    names = [row["Name"] for row in api.get("QueueDefinitions", top="1000").value]
    assert names == ["Incidents", "Orders"]
    assert api.get("QueueDefinitions", filter="Name eq 'Orders'").value[0]["Id"] == 302


@pytest.mark.parametrize(
    ("commit", "kept", "failed"),
    [("AllOrNothing", 0, 2), ("StopOnFirstFailure", 1, 1), ("ProcessAllIndependently", 2, 2)],
)
def test_items_are_added_in_bulk(api: Caller, commit: str, kept: int, failed: int) -> None:
    """200 with what failed, by ordinal and by the code's name."""
    items = [{"Reference": "a"}, {"Reference": "A"}, {"Reference": "b"}, {"Priority": "No"}]
    body = {"queueName": "Incidents", "commitType": commit, "queueItems": items}
    answer = api.call("POST", BULK, body, MODERN)
    assert (answer.status, answer.json["Success"]) == (200, False)
    assert answer.json["FailedItems"][0]["Ordinal"] == 1
    assert answer.json["FailedItems"][0]["ErrorCode"] == "DuplicateReference"
    assert len(answer.json["FailedItems"]) == failed
    assert api.get("QueueItems").json["@odata.count"] == kept


def test_an_attachment_is_made_uploaded_and_started_with(api: Caller) -> None:
    """The address wants the storage's header and no token; a start takes it as InputFile."""
    made = api.call("POST", "/odata/Attachments", {"Name": "input.json"})
    assert made.status == 201
    blob = made.json["BlobFileAccess"]
    headers = dict(zip(blob["Headers"]["Keys"], blob["Headers"]["Values"], strict=True))
    place = urlsplit(blob["Uri"])
    path, token = f"{place.path}?{place.query}", api.token
    assert api.call("PUT", path, b"{}", **headers).status == 403
    api.token = None
    assert api.call("PUT", path, b"{}").status == 400
    assert api.call("PUT", path, b'{"IncidentId":"7"}', **headers).status == 201
    assert api.call("PUT", place.path, b"{}", **headers).status == 403
    assert api.call("GET", path).body == b'{"IncidentId":"7"}'
    api.token = token
    assert api.get(f"Attachments({made.json['Id']})").json["BlobFileAccess"]["Verb"] == "GET"
    row = api.start(InputFile=made.json["Id"]).value[0]
    assert (row["InputFile"], row["InputArguments"]) == (made.json["Id"], None)
    api.behave({"apiVersion": 17})
    assert api.call("POST", "/odata/Attachments", {"Name": "input.json"}).status == 404


def test_long_output_becomes_a_file(api: Caller) -> None:
    """OutputArguments is null then; OutputFile is an attachment."""
    api.behave(
        {"jobs": {**QUICK["jobs"], "outcomes": {"Successful": 1}, "output": {"values": {"o": "x" * 51_200}}}}
    )
    job = api.state(api.start().value[0]["Id"], "Successful")
    assert job["OutputArguments"] is None
    place = urlsplit(api.get(f"Attachments({job['OutputFile']})").json["BlobFileAccess"]["Uri"])
    api.token = None
    assert len(api.call("GET", f"{place.path}?{place.query}").json["o"]) == 51_200
