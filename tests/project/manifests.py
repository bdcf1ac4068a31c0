"""The manifests of `k8s/`, read as they are written, and as `kubectl kustomize` builds them."""

import os
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
K8S = ROOT / "k8s"
BASE = K8S / "base"
COMPONENTS = sorted(path.parent for path in K8S.glob("components/*/kustomization.yaml"))
OVERLAYS = sorted(path.parent for path in K8S.glob("overlays/*/kustomization.yaml"))
FOREIGN_GROUPS = ("keda.sh", "rabbitmq.com", "monitoring.coreos.com")
"""Groups of custom resources: what they are is known to the clusters that have their operators."""

_WITHIN_S = 60
_LINE = re.compile(r"^(?P<off># )?(?P<name>(JOBRELAY|OTEL)_[A-Z_]+)=(?P<value>.*)$")

Document = dict[str, Any]


def name(path: Path) -> str:
    """What a folder or file is called in the tests' names."""
    return path.relative_to(K8S).as_posix()


def documents(text: str) -> list[Document]:
    """The Kubernetes objects in *text*."""
    return [one for one in yaml.load_all(text, yaml.CSafeLoader) if isinstance(one, dict) and "kind" in one]


@cache
def written(folder: Path = K8S) -> list[Document]:
    """All objects in the files of *folder*, each Deployment of the base with its common part laid over it.

    Neither kustomizations nor examples nor patches.
    """
    found = [one for path in sorted(folder.rglob("*.yaml")) if _is_manifest(path) for one in _read(path)]
    common = _read(BASE / "pod.yaml")[0]
    del common["metadata"]
    return [laid_over(one, common) if _is_worker(one) else one for one in found]


def _is_manifest(path: Path) -> bool:
    return path.name not in {"kustomization.yaml", "pod.yaml"} and ".example." not in path.name


def _is_worker(one: Document) -> bool:
    labels = one["metadata"].get("labels", {}) if one["kind"] == "Deployment" else {}
    return labels.get("app.kubernetes.io/name") == "jobrelay"


def _read(path: Path) -> list[Document]:
    return documents(path.read_text())


def laid_over(below: Any, above: Any) -> Any:
    """A strategic merge, as far as our patches need it: objects by key, lists of named things by name."""
    if isinstance(below, dict) and isinstance(above, dict):
        both = {key: laid_over(below[key], above[key]) for key in below.keys() & above.keys()}
        return below | above | both
    if isinstance(below, list) and isinstance(above, list) and below and "name" in below[0]:
        named = {one["name"]: one for one in above}
        merged = [laid_over(one, named.pop(one["name"], {})) for one in below]
        return merged + list(named.values())
    return above


@cache
def built(folder: Path) -> list[Document]:
    """What `kubectl kustomize` makes of *folder*."""
    done = subprocess.run(
        ["kubectl", "kustomize", folder], capture_output=True, text=True, timeout=_WITHIN_S, check=False
    )
    assert done.returncode == 0, done.stderr
    return documents(done.stdout)


def with_component(component: Path, folder: Path) -> list[Document]:
    """The base with *component*, built in *folder*."""
    beside = {"resources": [BASE], "components": [component]}
    kustomization = {key: [os.path.relpath(path, folder) for path in paths] for key, paths in beside.items()}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return built(folder)


def of_kind(kind: str, among: list[Document]) -> list[Document]:
    """The objects of *kind*."""
    return [one for one in among if one["kind"] == kind]


def one_of(kind: str, called: str, among: list[Document]) -> Document:
    """The one object of *kind* and name."""
    (found,) = [one for one in of_kind(kind, among) if one["metadata"]["name"] == called]
    return found


def workers() -> dict[str, Document]:
    """The Deployments of the base by their component: starter, tracker, web."""
    found = of_kind("Deployment", written(BASE))
    return {one["metadata"]["labels"]["app.kubernetes.io/component"]: one for one in found}


def templates(among: list[Document]) -> Iterator[tuple[str, Document]]:
    """The pod template of everything that makes pods, with its name."""
    for one in among:
        template = one.get("spec", {}).get("template", {}) if isinstance(one.get("spec"), dict) else {}
        if "containers" in template.get("spec", {}):
            yield f"{one['kind']}/{one['metadata']['name']}", template


def container(deployment: Document) -> Document:
    """The one container of a Deployment's pods."""
    (found,) = deployment["spec"]["template"]["spec"]["containers"]
    return dict(found)


@cache
def settings_lines(path: Path = BASE / "jobrelay.env") -> dict[str, tuple[bool, str]]:
    """The ConfigMap's file: each name with whether it is set (else it is a remark) and its value."""
    found = (_LINE.match(line) for line in path.read_text().splitlines())
    return {match["name"]: (match["off"] is None, match["value"]) for match in found if match}


def setting(called: str) -> str:
    """A setting's value in the base: what the ConfigMap's file says, set or as a remark."""
    return settings_lines()[f"JOBRELAY_{called}"][1]
