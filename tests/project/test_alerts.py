"""Alerts: promtool takes them, each fires at what it is for and at nothing else, and each has a runbook."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from catalogue import ROOT, unknown_in, used_in
from promtool import promtool

_HOME = ROOT / "k8s" / "components" / "prometheus"
_PAGE = ROOT / "docs" / "runbooks.md"
# As text: to YAML 0x200 is a number, and to promtool two hundred zeros.
_CASES: dict[str, Any] = yaml.load(
    (Path(__file__).parent / "alerts" / "cases.yaml").read_text(),
    Loader=yaml.CBaseLoader,  # noqa: S506 - it makes texts, lists and dictionaries, and nothing else
)
_HEALTHY: dict[str, str] = _CASES.pop("healthy")
_TARGET = {"namespace": "bots", "instance": "a", "job": "jobrelay"}
_WHEN = {True: "fires", False: "silent"}
_ABOUT = ("What it means", "What the user sees", "How to look", "What to do")


def _rules() -> dict[str, dict[str, Any]]:
    spec = yaml.load((_HOME / "alerts.yaml").read_text(), yaml.CSafeLoader)
    return {rule["alert"]: rule for group in spec["groups"] for rule in group["rules"]}


RULES = _rules()


def test_the_plain_file_is_the_rules() -> None:
    """Whoever has no operator has the same alerts; the comment in rules.yaml says how to make them anew."""
    canonical = yaml.load((_HOME / "rules.yaml").read_text(), yaml.CSafeLoader)
    assert yaml.load((_HOME / "alerts.yaml").read_text(), yaml.CSafeLoader) == canonical["spec"]
    _, _, spec = (_HOME / "rules.yaml").read_text().partition("\nspec:\n")
    assert (_HOME / "alerts.yaml").read_text() == re.sub("(?m)^  ", "", spec)


@pytest.mark.parametrize("name", RULES)
def test_an_alert_asks_for_what_there_is(name: str) -> None:
    """Series and labels that the code has; one that it lost would never fire again, and nobody would know."""
    assert unknown_in(RULES[name]["expr"]) == []


@pytest.mark.parametrize("name", RULES)
def test_an_alert_says_how_urgent_it_is_and_why_it_waits(name: str) -> None:
    """A page wakes somebody; the comment above it gives the reason for its `for`."""
    rule = RULES[name]
    assert rule["labels"] in ({"severity": "page"}, {"severity": "ticket"})
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    text = (_HOME / "rules.yaml").read_text()
    assert re.search(rf"# {rule['for']}: .+\n +- alert: {name}\n", text)


def test_every_alert_has_its_runbook_and_every_runbook_its_alert() -> None:
    """By the anchor that its heading has; and each runbook answers the same four questions."""
    sections = dict(re.findall(r"(?ms)^### (\w+)\n(.*?)(?=^##|\Z)", _PAGE.read_text()))
    assert list(sections) == list(RULES)
    for name, rule in RULES.items():
        assert rule["annotations"]["runbook_url"] == f"docs/runbooks.md#{name.lower()}"
        assert tuple(re.findall(r"(?m)^- \*\*(.+?)\*\*", sections[name])) == _ABOUT, name
        assert f"({rule['labels']['severity']})" in sections[name].splitlines()[0], name


def test_every_alert_is_tried_both_ways() -> None:
    """None without what it fires at, none without what it does not."""
    assert list(_CASES) == list(RULES)
    assert all(case["fires"] and case["silent"] for case in _CASES.values())
    series = [*_HEALTHY, *(key for case in _CASES.values() for one in case["fires"] for key in one)]
    assert [bad for key in series if "_" in key for bad in unknown_in(key)] == []


@pytest.mark.requires("promtool")
def test_promtool_takes_the_rules() -> None:
    """PromQL, durations and templates."""
    assert promtool("check", "rules", str(_HOME / "alerts.yaml")) == ""


@pytest.mark.requires("promtool")
def test_every_alert_fires_at_what_it_is_for_and_at_nothing_else(tmp_path: Path) -> None:
    """Each with its labels and texts. Alone in its file: promtool works all rules of a file out each time."""
    for name, case in _CASES.items():
        rule = {"groups": [{"name": "alone", "rules": [RULES[name]]}]}
        (tmp_path / f"{name}.rule.json").write_text(json.dumps(rule))
        tests = [_test(name, one, fires=fires) for fires in (True, False) for one in case[_WHEN[fires]]]
        told = {"rule_files": [f"{name}.rule.json"], "tests": tests}
        (tmp_path / f"{name}.json").write_text(json.dumps(told))  # which is YAML too
    assert promtool("test", "rules", *(str(tmp_path / f"{name}.json") for name in _CASES)) == ""


@pytest.mark.requires("promtool")
def test_no_alert_fires_over_a_healthy_worker(tmp_path: Path) -> None:
    """Not even one whose series are there and whose thresholds are near."""
    calm = [_expected(name, "75m", []) for name in RULES]
    test = {"interval": "1m", "input_series": _series(_HEALTHY), "alert_rule_test": calm}
    written = tmp_path / "healthy.json"
    written.write_text(json.dumps({"rule_files": [str(_HOME / "alerts.yaml")], "tests": [test]}))
    assert promtool("test", "rules", str(written)) == ""


def _test(name: str, case: dict[str, Any], *, fires: bool) -> dict[str, Any]:
    alerts = [_alert(name, case)] if fires else []
    return {
        "interval": "1m",
        "input_series": _series(_asked_for(RULES[name]["expr"], case)),
        "alert_rule_test": [_expected(name, case["at"], alerts)],
    }


def _expected(name: str, at: str, alerts: list[dict[str, Any]]) -> dict[str, Any]:
    return {"eval_time": at, "alertname": name, "exp_alerts": alerts}


def _alert(name: str, case: dict[str, Any]) -> dict[str, Any]:
    """What it is to say: the labels are those of its severity, its namespace and *more*."""
    more = case.get("more", {})
    labels = {} if case.get("bare") else {"namespace": _TARGET["namespace"], **more}
    texts = {
        key: re.sub(r"{{ \$labels\.(\w+) }}", lambda found: labels[found[1]], text)
        for key, text in RULES[name]["annotations"].items()
    }
    return {"exp_labels": RULES[name]["labels"] | labels, "exp_annotations": texts}


def _asked_for(query: str, case: dict[str, Any]) -> dict[str, Any]:
    """What a healthy worker shows, but for what *case* tells, as far as *query* asks."""
    asked = {name for name, _ in used_in(query)}
    return {key: value for key, value in (_HEALTHY | case).items() if key.partition("{")[0] in asked}


def _series(told: dict[str, Any]) -> list[dict[str, str]]:
    return [{"series": _of_target(key), "values": value} for key, value in told.items() if value]


def _of_target(key: str) -> str:
    name, _, labels = key.rstrip("}").partition("{")
    target = ",".join(f'{label}="{value}"' for label, value in _TARGET.items())
    return f"{name}{{{labels + ',' if labels else ''}{target}}}"
