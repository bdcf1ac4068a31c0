"""The image and the trial around it, as far as their files tell; `scripts/image` builds it."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from worker.settings import Settings, read_settings, unknown_settings

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
FINAL_STAGE = DOCKERFILE.rpartition("\nFROM ")[2]
COMPOSE = yaml.load((ROOT / "compose.yaml").read_text(), yaml.CSafeLoader)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if "build" in service]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_hadolint_finds_nothing() -> None:
    """No rule of it is ignored."""
    linter = Path(sys.executable).with_name("hadolint")
    found = subprocess.run(
        [linter, "--no-color", ROOT / "Dockerfile"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (found.returncode, found.stdout) == (0, "")


def test_the_image_is_built_anywhere() -> None:
    """From one base, be it only local, and locks with hashes; no registry, index or frontend is named."""
    assert set(re.findall(r"(?m)^FROM (\S+)", DOCKERFILE)) == {"python:3.13-slim"}
    assert not re.search(r"(?i)# *syntax|://|--index-url|--trusted-host|--mount", DOCKERFILE)
    installs = re.findall(
        r"pip (?:--python \S+ )?(?:install|wheel) (.*?)(?=&&|\n(?! ))", DOCKERFILE, re.DOTALL
    )
    assert len(installs) == 4
    assert all("--no-index" in one or "--require-hashes" in one for one in installs)
    assert all("--no-deps" in one for one in installs)


def test_the_image_runs_without_rights_and_without_a_shell() -> None:
    """A user by number, which Kubernetes can tell from root; whatever it runs is a list of words."""
    assert re.findall(r"(?m)^USER (.*)$", FINAL_STAGE) == ["10001:10001"]
    assert _words("ENTRYPOINT") + _words("CMD") == ["jobrelay", "run"]
    assert _words("HEALTHCHECK .* CMD") == ["jobrelay", "probe"]
    assert re.findall(r"(?m)^EXPOSE (\d+)$", FINAL_STAGE) == [str(Settings.model_fields["http_port"].default)]


def _words(instruction: str) -> Any:
    found = re.search(rf"(?m)^{instruction} (\[.*\])$", FINAL_STAGE)
    assert found, f"{instruction} is no JSON list"
    return json.loads(found[1])


@pytest.mark.parametrize(
    "path",
    [
        *("worker/app/__init__.py", "simulator/seed/default.json", "schemas/requests/start-job.v1.json"),
        *("requirements.lock", "requirements-build.lock", "pyproject.toml", PROJECT["project"]["readme"]),
        *PROJECT["project"]["license-files"],
        *PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"],
        *PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"],
    ],
)
def test_what_the_image_is_made_of_is_sent_to_its_build(path: str) -> None:
    """All that its package consists of."""
    assert (ROOT / path).exists()
    assert _sent(path)


@pytest.mark.parametrize(
    "path",
    [
        *(".git/config", ".venv/bin/python", ".venv-3.13/pyvenv.cfg", ".env", "worker/.env", ".cache/x"),
        *("secrets/jobrelay_client_secret", "jobrelay_client_secret", "id_rsa", "tls/ca.pem", "notes.txt"),
        *(
            "tests/tenant.py",
            "worker/__pycache__/app.pyc",
            "simulator/odata/__pycache__/x.pyc",
            "compose.yaml",
        ),
    ],
)
def test_nothing_else_is_sent_to_its_build(path: str) -> None:
    """No secret that lies about, no history, no packages of this machine."""
    assert not _sent(path)


def _sent(path: str) -> bool:
    """Whether a file is part of the build's context: of the patterns that match it, the last one says."""
    sent = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line and not line.startswith("#"):
            pattern = re.escape(line.removeprefix("!")).replace(r"\*\*/", "(.*/)?").replace(r"\*", "[^/]*")
            if re.match(rf"{pattern}(/|$)", path):
                sent = line.startswith("!")
    return sent


@pytest.mark.parametrize("name", SERVICES)
def test_each_part_of_the_trial_is_confined(name: str) -> None:
    """Read-only, no capabilities, a user by number that is not root, a version, reachable from here alone."""
    service = SERVICES[name]
    assert service["read_only"] is True
    assert (service["cap_drop"], service["security_opt"]) == (["ALL"], ["no-new-privileges:true"])
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])
    assert re.fullmatch(r"[a-z/]+:(?!latest).+", service["image"])
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "demo"])
def test_each_part_of_the_trial_says_whether_it_is_well(name: str) -> None:
    """By a command of its own, without a shell; whoever needs it waits for that."""
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"
    needed = SERVICES[name].get("depends_on", {})
    assert {one["condition"] for one in needed.values()} <= {"service_healthy"}


def test_the_trial_s_workers_get_on_with_their_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of them with one ledger, as duplicates are part of the load; and time to stop in order."""
    worker = SERVICES["worker"]
    for name, value in worker["environment"].items():
        monkeypatch.setenv(name, str(value))
    settings = read_settings()
    settings.require_credentials()
    assert [one for one in unknown_settings() if any(name in one for name in worker["environment"])] == []
    assert worker["deploy"]["replicas"] == 2
    assert settings.redis_url
    assert settings.folder is None  # a load without a folder is to be refused
    assert int(worker["stop_grace_period"].removesuffix("s")) > settings.grace_s
    assert [SERVICES[name]["image"] for name in OURS] == ["jobrelay:local"] * 3
    assert OURS == ["simulator", "worker", "demo"]


def test_the_trial_s_files_are_there() -> None:
    """What is mounted from the repository exists, and Prometheus finds every worker."""
    for config in COMPOSE["configs"].values():
        assert (ROOT / config["file"]).is_file()
    mounted = {one["source"] for service in SERVICES.values() for one in service.get("configs", [])}
    assert mounted == COMPOSE["configs"].keys()
    prometheus = yaml.safe_load((ROOT / "compose/prometheus.yml").read_text())
    (workers,) = prometheus["scrape_configs"][0]["dns_sd_configs"]
    assert (workers["names"], workers["port"]) == (["worker"], Settings.model_fields["http_port"].default)
    targets = {one["target"] for one in SERVICES["prometheus"]["configs"]}
    assert set(prometheus["rule_files"]) <= targets
