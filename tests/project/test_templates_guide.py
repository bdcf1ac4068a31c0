"""What docs/templates.md shows is what there is: the files of its cases, and the requests that they make."""

import re
from pathlib import Path

import orjson
import pytest
from typed import typed_here

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "schemas" / "examples" / "template.v1"
GUIDE = (ROOT / "docs" / "templates.md").read_text("utf-8")
SHOWN = re.findall(r"^```(?:json|yaml)\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
CLOUD = ("--property", "contentType=application/cloudevents+json")
HAPPENED = ("--property", "timestamp=2026-11-22T08:15:00Z")


@pytest.mark.parametrize("case", ["incident-created", "order-placed", "file-arrived"])
def test_a_case_is_shown_as_it_is(case: str) -> None:
    """Event and template to the letter, and right beside them the request that comes of it."""
    event, template = EXAMPLES / "events" / f"{case}.json", EXAMPLES / f"{case}.yaml"
    at = SHOWN.index(event.read_text("utf-8"))
    assert SHOWN[at + 1] == template.read_text("utf-8")
    came = (*HAPPENED, *(CLOUD if case == "file-arrived" else ()))
    said = typed_here("template", "test", str(template), str(event), *came)
    assert orjson.loads(SHOWN[at + 2]) == orjson.loads(said.stdout)["request"]
