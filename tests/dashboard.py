"""The dashboard as Grafana would ask it: its panels, and their queries with the variables filled in."""

import json
from collections.abc import Iterator
from typing import Any

from catalogue import ROOT

HOME = ROOT / "k8s" / "components" / "grafana"


def panels() -> list[dict[str, Any]]:
    """All of them but the headings of rows."""
    found = json.loads((HOME / "dashboard.json").read_text())["panels"]
    return [panel for panel in found if panel["type"] != "row"]


def queries(interval: str = "5m", span: str = "1h") -> Iterator[tuple[str, str]]:
    """Each query, and the panel that asks it."""
    filled = {"$__rate_interval": interval, "$__range": span, "$namespace": ".*"}
    for panel in panels():
        for target in panel["targets"]:
            query: str = target["expr"]
            for variable, value in filled.items():
                query = query.replace(variable, value)
            yield f"{panel['title']} {target['refId']}", query
