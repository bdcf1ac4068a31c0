"""Jobrelay's own exchanges: no template listens to those by which its requests would come back to it."""

from pathlib import Path

import pytest

from worker.broker.bindings import closed
from worker.broker.topology import Topology
from worker.templates.files import TemplateErrors, load

_TEMPLATE = "name: n{}\nbindings: [{{exchange: {}}}]\nrequestId: data.id\nqueueItem: {{queue: q}}\n"


def test_an_exchange_by_which_requests_would_come_back_is_a_fault(tmp_path: Path) -> None:
    """Events are ours to listen to; requests, dead letters and what waits are not, with any prefix."""
    ours = closed(Topology("p"))
    for number, name in enumerate([*sorted(ours), "p.events", "q.dead"]):
        (tmp_path / f"{number}.yaml").write_text(_TEMPLATE.format(number, name))
    with pytest.raises(TemplateErrors) as raised:
        load(tmp_path, ours)
    assert {f"p.{name}" for name in ("requests", "retry", "dead", "hints", "delay.5s")} <= ours
    assert len(raised.value.faults) == len(ours)
    assert str(raised.value.faults[0]).startswith("0.yaml, line 2: /bindings/0/exchange is Jobrelay's own")
