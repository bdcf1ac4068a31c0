"""`jobrelay template check` knows Jobrelay's own exchanges, which templates do not listen to."""

import json
from pathlib import Path

import pytest
from shell import Shell


def test_jobrelay_s_own_exchanges_are_refused_or_warned_of(
    bare: Shell, no_settings: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By the prefix that the worker has; a warning is none of the things that end with 1."""
    no_settings.setenv("JOBRELAY_PREFIX", "p")
    both = [{"exchange": "jobrelay.dead"}, {"exchange": "p.events"}]
    start = {"process": {"name": "InvoiceIntake"}}
    document = {"name": "one", "bindings": both, "requestId": "data.id", "start": start}
    (tmp_path / "one.json").write_text(json.dumps(document, indent=1))
    said = bare("template", "check", str(tmp_path), "--offline")
    assert [(line["state"], line["pointer"]) for line in said.lines] == [
        ("ok", ""),
        ("warning", "/bindings/1/exchange"),
    ]
    assert (said.code, said.lines[1]["line"]) == (0, 8)
    no_settings.delenv("JOBRELAY_PREFIX")
    said = bare("template", "check", str(tmp_path), "--offline")
    assert [(line["state"], line["pointer"]) for line in said.lines] == [("failed", "/bindings/0/exchange")]
    assert said.code == 1
