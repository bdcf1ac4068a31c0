"""Settings are the same everywhere: in code, README, docs, the ConfigMap and the example of the Secret."""

import os
import re
import typing
from pathlib import Path
from typing import Any

import pytest
from defaults import DEFAULT, WINDOW_PARTS_S, WINDOW_S
from manifests import BASE, COMPONENTS, K8S, ROOT, documents, one_of, settings_lines
from pydantic import SecretStr
from texts import of_each_text

from worker.settings import Settings, read_settings, unknown_settings

PREFIX = "JOBRELAY_"
BESIDE = {"JOBRELAY_SECRETS_DIR", "OTEL_EXPORTER_OTLP_ENDPOINT"}
"""What the ConfigMap has that is no field of `Settings`."""
OF_TESTS = {"JOBRELAY_REQUIRE", "JOBRELAY_MANAGEMENT_URL"}


def _is_secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(map(_is_secret, typing.get_args(annotation)))


FIELDS = Settings.model_fields
SECRETS = {name for name, field in FIELDS.items() if _is_secret(field.annotation)}
OPEN = set(FIELDS) - SECRETS
EXAMPLE = (BASE / "secret.example.yaml").read_text()
NEEDED_ELSEWHERE = {"jobrelay_amqp_url", "jobrelay_redis_url"}


def _default(name: str) -> str:
    """A setting's default as one writes it."""
    value = DEFAULT[name]
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _full(names: set[str]) -> set[str]:
    return {PREFIX + name.upper() for name in names}


def test_the_config_map_has_every_setting_that_is_no_secret() -> None:
    """Set, or as a remark with its default; and nothing that is none."""
    assert set(settings_lines()) == _full(OPEN) | BESIDE


def test_the_config_maps_remarks_say_the_defaults() -> None:
    """Who uncomments one begins from what was in force."""
    remarks = {name: value for name, (is_set, value) in settings_lines().items() if not is_set}
    said = {name: value for name, value in remarks.items() if name.startswith(PREFIX)}
    assert said == {name: _default(name.removeprefix(PREFIX).lower()) for name in said}


def test_every_secret_is_in_the_example_and_nowhere_else() -> None:
    """By the name of the file that the worker reads; set, or as a remark."""
    keys = set(re.findall(r"^  (?:# )?(jobrelay_\w+): ", EXAMPLE, re.MULTILINE))
    assert keys == {f"jobrelay_{name}" for name in SECRETS}
    assert settings_lines().keys().isdisjoint(_full(SECRETS))


def test_no_overlay_sets_what_is_no_setting_or_a_secret_in_the_open() -> None:
    """What overlays merge into the ConfigMap are settings; what makes up a Secret, secrets."""
    for path in K8S.rglob("kustomization.yaml"):
        text = path.read_text()
        assert set(re.findall(r"- (JOBRELAY_\w+)=", text)) <= _full(OPEN) | BESIDE
        assert set(re.findall(r"- (jobrelay_\w+)=", text)) <= {f"jobrelay_{name}" for name in SECRETS}


def test_components_bring_secrets_by_the_names_that_the_worker_reads() -> None:
    """The file that a component projects into the pods is a secret setting's."""
    paths = [
        found
        for component in COMPONENTS
        for found in re.findall(r"path: (jobrelay_\w+)", (component / "kustomization.yaml").read_text())
    ]
    assert set(paths) == NEEDED_ELSEWHERE


def test_a_worker_begins_with_what_the_base_gives_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """ConfigMap and Secret as in a pod: nothing is missing, unknown, wrong, or other than the defaults."""
    settings = deployed(monkeypatch, tmp_path, EXAMPLE)
    settings.require_credentials()
    assert unknown_settings() == []
    assert settings.log_format == "json"
    assert settings.model_fields_set <= {
        *("orchestrator_url", "log_format", "client_id"),
        *SECRETS,
    }


def deployed(monkeypatch: pytest.MonkeyPatch, folder: Path, secret: str) -> Settings:
    """The settings of a pod of the base with this Secret; the client's id is what an overlay gives."""
    for name in os.environ:
        if name.startswith(PREFIX):
            monkeypatch.delenv(name)
    for name, (is_set, value) in settings_lines().items():
        if is_set:
            monkeypatch.setenv(name, value)
    for name, value in one_of("Secret", "jobrelay", documents(secret))["stringData"].items():
        (folder / name).write_text(value)
    monkeypatch.setenv("JOBRELAY_SECRETS_DIR", str(folder))
    monkeypatch.setenv("JOBRELAY_CLIENT_ID", "given by the overlay")
    return read_settings()


def test_the_readme_says_the_codes_defaults() -> None:
    """Each row of the table of settings; a setting without a default has an empty cell."""
    rows = re.findall(r"^\| `([A-Z_]+)` \|([^|]*)\|", (ROOT / "README.md").read_text(), re.MULTILINE)
    said = {name.lower(): default.strip("` ") for name, default in rows}
    assert said
    assert said == {name: "" if name == "amqp_url" else _default(name) for name in said}


def test_the_readme_and_the_manifests_reckon_with_the_defaults() -> None:
    """The window after which a killed worker's request goes on, and the longest start."""
    window = f"{WINDOW_S:g}"
    readme = (ROOT / "README.md").read_text()
    assert f"= {' + '.join(f'{part:g}' for part in WINDOW_PARTS_S)} = {window} s" in readme
    assert f"waits {window} s instead of" in (BASE / "pod.yaml").read_text()
    assert f"waits {window} s" in (BASE / "starter.yaml").read_text()
    longest = f"{WINDOW_S + DEFAULT['http_timeout_s']:g}"
    assert f"takes up to {longest} s" in (K8S / "components/keda/scaledobject.yaml").read_text()


@of_each_text
def test_texts_speak_of_settings_that_there_are(path: Path) -> None:
    """Whatever begins with JOBRELAY_ is a setting."""
    named = set(re.findall(r"\bJOBRELAY_[A-Z0-9_]*[A-Z0-9]\b", path.read_text()))
    assert named <= _full(set(FIELDS)) | BESIDE | OF_TESTS
