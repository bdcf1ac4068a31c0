"""docs/metrics.md tells of every metric, in the words of the code; queries are checked against the same."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from catalogue import ROOT, series, unknown_in
from texts import of_each_text

from worker.settings import Settings
from worker.web.metrics import Metrics

_PAGE = ROOT / "docs" / "metrics.md"


def test_the_table_is_the_codes() -> None:
    """The whole of it, line by line: a metric that is new, gone or told otherwise shows here."""
    told = [line for line in _PAGE.read_text().splitlines() if line.startswith("| `jobrelay_")]
    assert told == table()


@of_each_text
def test_texts_speak_of_metrics_that_there_are(path: Path) -> None:
    """By their full names, or by their family's; what else begins like that is the file of a secret."""
    known = series().keys() | {family.name for family in Metrics().families}
    files = {f"jobrelay_{name}" for name in Settings.model_fields}
    named = set(re.findall(r"\bjobrelay_[a-z_]*[a-z]\b(?!_?\*)", path.read_text("utf-8")))
    assert named - known - files == set()


def table() -> list[str]:
    """A line for each metric, in the order of the code."""
    suffix = {"counter": "_total"}
    return [
        f"| `{family.name}{suffix.get(family.kind, '')}` | {family.kind} | {_labels(family.labels)} "
        f"| {family.about} |"
        for family in Metrics().families
    ]


def _labels(labels: Mapping[str, str]) -> str:
    return "<br>".join(f"`{name}`: {values}" for name, values in labels.items())


@pytest.mark.parametrize(
    ("query", "unknown"),
    [
        ("sum by (outcome) (rate(jobrelay_requests_total[5m]))", []),
        ('jobrelay_requests_total{outcome="a{b}c", code=~"x|y"} > 0', []),
        ("histogram_quantile(0.9, sum by (le, to) (rate(jobrelay_publish_seconds_bucket[1m])))", []),
        ("up == 0 unless on (instance, job) jobrelay_outage == 1", []),
        ("jobrelay_outage offset 1h > 0.5 and jobrelay_ready == bool 1", []),
        ("rate(jobrelay_requests[5m])", ["jobrelay_requests"]),
        ("sum(jobrelay_publish_seconds)", ["jobrelay_publish_seconds"]),
        ('jobrelay_requests_total{state="x"}', ["jobrelay_requests_total{state}"]),
        ("sum by (queue) (jobrelay_outage)", ["{queue}"]),
        ('jobrelay_outage{namespace=~"a"} + nothing_total', ["nothing_total"]),
    ],
)
def test_a_query_is_read_for_what_it_names(query: str, unknown: list[str]) -> None:
    """Series by their full names, labels of those that have them."""
    assert unknown_in(query) == unknown
