"""The dashboard asks only for what there is, and shows all of it."""

import json
import re
from pathlib import Path

import pytest
import yaml
from catalogue import OF_TARGETS, unknown_in, used_in
from dashboard import HOME, panels, queries
from promtool import promtool

from worker.web.metrics import Metrics

QUERIES = dict(queries())
NOT_SHOWN = {
    "jobrelay_unknown_words": "rare; the log names each word",
}
"""Metrics that no panel shows, and why."""


@pytest.mark.parametrize("asked", QUERIES)
def test_a_panel_asks_for_what_there_is(asked: str) -> None:
    """A series or label that the code lost would be an empty panel, and nobody would know why."""
    assert unknown_in(QUERIES[asked]) == []
    assert "$" not in QUERIES[asked]


@pytest.mark.parametrize("asked", QUERIES)
def test_a_query_is_about_the_chosen_namespaces(asked: str) -> None:
    """Each of its series is."""
    assert all("namespace" in labels for name, labels in used_in(QUERIES[asked]) if name)


def test_every_metric_is_shown() -> None:
    """Or there is a reason."""
    text = (HOME / "dashboard.json").read_text()
    hidden = {family.name for family in Metrics().families if not re.search(rf"{family.name}[_a-z]*{{", text)}
    assert hidden == set(NOT_SHOWN)


def test_a_legend_names_labels_that_the_query_keeps() -> None:
    """Another one would be shown as empty braces."""
    for panel in panels():
        for target in panel["targets"]:
            kept = {label for name, labels in used_in(target["expr"]) if not name for label in labels}
            kept |= OF_TARGETS if not kept else set()
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= kept, target


def test_panels_lie_beside_each_other_and_say_what_they_show() -> None:
    """No two in one place; each with a title of its own and a sentence."""
    taken = set[tuple[int, int]]()
    for panel in panels():
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
        assert panel["description"].endswith(".")
    assert max(x for x, _ in taken) < 24
    assert len({panel["title"] for panel in panels()}) == len(panels())


def test_the_component_gives_it_to_the_sidecar() -> None:
    """By the label that Grafana's chart looks for."""
    (generated,) = yaml.safe_load((HOME / "kustomization.yaml").read_text())["configMapGenerator"]
    assert generated["options"]["labels"]["grafana_dashboard"] == "1"
    assert generated["files"] == ["jobrelay.json=dashboard.json"]


@pytest.mark.requires("promtool")
def test_promtool_takes_every_query(tmp_path: Path) -> None:
    """As PromQL."""
    rules = [{"record": f"q:{number}", "expr": query} for number, query in enumerate(QUERIES.values())]
    written = tmp_path / "rules.json"
    written.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert promtool("check", "rules", str(written)) == ""
