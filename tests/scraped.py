"""A Prometheus of the test's own: it scrapes workers, works alerts out, and is asked as Grafana asks."""

import json
import math
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simulator.rabbitmq.loopback import free_ports

ALERTS = Path(__file__).parents[1] / "k8s" / "components" / "prometheus" / "alerts.yaml"
_EVERY = "500ms"
_ENDS_S = 20


@dataclass(slots=True)
class Scraping:
    """A Prometheus at *url*, and when it began."""

    url: str
    began: float = field(default_factory=time.time)

    def ask(self, path: str, **parameters: Any) -> Any:
        """The data of an answer of its API; None while it does not answer."""
        query = urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=5) as answer:  # noqa: S310
                return json.load(answer)["data"]
        except urllib.error.HTTPError as refusal:
            if refusal.code == 503:  # it begins
                return None
            raise AssertionError(f"{parameters}: {refusal.read().decode()}") from refusal
        except OSError:
            return None

    def healthy(self, targets: int) -> bool:
        """Whether it has scraped so many, all well."""
        found = (self.ask("targets") or {}).get("activeTargets", ())
        return [target["health"] for target in found] == ["up"] * targets

    def shown(self, query: str) -> list[float]:
        """The numbers that *query* gave so far, at any moment."""
        span = {"start": self.began, "end": time.time(), "step": 1}
        found = self.ask("query_range", query=query, **span) or {"result": ()}
        values = (float(value) for series in found["result"] for _, value in series["values"])
        return list(filter(math.isfinite, values))

    def alerts(self) -> list[dict[str, Any]]:
        """Each alert as it was worked out last."""
        groups = (self.ask("rules") or {}).get("groups", ())
        return [rule for group in groups for rule in group["rules"]]


@contextmanager
def scraping(folder: Path, workers: Sequence[str]) -> Iterator[Scraping]:
    """Scrapes the workers at *workers* (`host:port`) for the time of the block; its log is in *folder*."""
    jobs = [{"job_name": "jobrelay", "static_configs": [{"targets": list(workers)}]}]
    often = {"scrape_interval": _EVERY, "scrape_timeout": _EVERY, "evaluation_interval": _EVERY}
    config = {"global": often, "rule_files": [str(ALERTS)], "scrape_configs": jobs}
    (folder / "prometheus.yml").write_text(json.dumps(config))  # which is YAML too
    address = f"127.0.0.1:{free_ports(1)[0]}"
    command = [
        "prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address={address}", "--log.level=warn",
    ]  # fmt: skip
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield Scraping(f"http://{address}")
    finally:
        process.terminate()
        process.wait(_ENDS_S)
