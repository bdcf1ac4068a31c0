"""The templates that the documentation shows, and the events that they are for."""

from pathlib import Path

import pytest

from worker.contracts.schemas import root
from worker.domain.messages import Message
from worker.domain.requests import Kind
from worker.templates.event import read
from worker.templates.files import load
from worker.templates.make import Made, make

EXAMPLES = root() / "examples" / "template.v1"


@pytest.mark.parametrize(
    ("name", "of", "kind"),
    [
        ("incident-created", None, Kind.START),
        ("order-placed", None, Kind.QUEUE_ITEM),
        ("file-arrived", "application/cloudevents+json", Kind.START),
    ],
)
def test_a_worked_case_makes_its_request(tmp_path: Path, name: str, of: str | None, kind: Kind) -> None:
    """What the guide shows can be used as it stands."""
    (tmp_path / f"{name}.yaml").write_bytes((EXAMPLES / f"{name}.yaml").read_bytes())
    (template,) = load(tmp_path)
    body = (EXAMPLES / "events" / f"{name}.json").read_bytes()
    made = make(template, read(Message(body=body, content_type=of), 1_795_000_000.0))
    assert isinstance(made, Made)
    assert (made.kind, made.document["metadata"]["template"]) == (kind, template.name)
