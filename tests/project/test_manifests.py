"""`k8s/` builds, and whatever it makes is valid for current Kubernetes, strictly, and restricted."""

import copy
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import orjson
import pytest
from crds import complaints, schemas
from kubernetes_validate import utils
from manifests import (
    BASE,
    COMPONENTS,
    FOREIGN_GROUPS,
    K8S,
    OVERLAYS,
    Document,
    built,
    documents,
    name,
    of_kind,
    templates,
    with_component,
    workers,
    written,
)
from pod_security import CONTROLS, violations

FOLDERS = [BASE, *COMPONENTS, *OVERLAYS]
VERSION = kubernetes_validate.latest_version()
_CRDS = os.environ.get("KUBERNETES_CRDS")


def check(found: list[Document]) -> None:
    """Each object has its schema and keeps to it; each pod is restricted; no two are the same."""
    for one in found:
        if one["apiVersion"].partition("/")[0] not in FOREIGN_GROUPS:
            _validate(orjson.dumps(one))
    broken = {called: violations(template["spec"]) for called, template in templates(found)}
    assert not {called: controls for called, controls in broken.items() if controls}
    names = [(one["kind"], one["metadata"]["name"], one["metadata"].get("namespace")) for one in found]
    assert len(names) == len(set(names))


@pytest.fixture(scope="module", autouse=True)
def _schemas_are_read_once() -> Iterator[None]:
    """The library reads them from the disk for each object anew, all of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utils, "schema_contents", cache(utils.schema_contents))
        yield


@cache
def _validate(one: bytes) -> None:
    """Once for an object that many builds have."""
    kubernetes_validate.validate(orjson.loads(one), VERSION, strict=True)


@pytest.mark.parametrize("folder", FOLDERS, ids=name)
def test_every_manifest_is_valid_as_it_is_written(folder: Path) -> None:
    """Without kubectl too; its own schema says which fields there are."""
    check(written(folder))


@pytest.mark.requires("kubectl")
@pytest.mark.parametrize("folder", FOLDERS, ids=name)
def test_every_folder_builds_and_is_valid(folder: Path) -> None:
    """`kubectl kustomize` takes the base, each component and each overlay."""
    assert built(folder)
    check(built(folder))


@pytest.mark.requires("kubectl")
@pytest.mark.parametrize("component", COMPONENTS, ids=name)
def test_every_component_goes_with_the_base_alone(component: Path, tmp_path: Path) -> None:
    """None needs another one, and all that is in the base is still there."""
    found = with_component(component, tmp_path)
    check(found)
    assert {one["metadata"]["name"] for one in of_kind("Deployment", found)} >= {
        "jobrelay-starter",
        "jobrelay-tracker",
        "jobrelay-web",
    }


@pytest.mark.requires("kubectl")
def test_the_common_part_is_laid_over_as_these_tests_do_it() -> None:
    """What the other tests read of the Deployments is what kustomize makes of them."""
    for one in of_kind("Deployment", copy.deepcopy(built(BASE))):
        (worker,) = one["spec"]["template"]["spec"]["containers"]
        worker["envFrom"] = [{"configMapRef": {"name": "jobrelay"}}]  # kustomize ends the name with its hash
        assert one == workers()[one["metadata"]["labels"]["app.kubernetes.io/component"]]


@pytest.mark.skipif(not _CRDS, reason="KUBERNETES_CRDS names no folder with the operators' CRDs (YAML files)")
def test_every_custom_resource_keeps_to_its_definition() -> None:
    """Of those operators whose CustomResourceDefinitions are in the folder; docs/kubernetes.md says which."""
    known = schemas(Path(str(_CRDS)))
    found = [one for one in written() if (one["apiVersion"], one["kind"]) in known]
    assert found
    assert {f"{one['kind']}/{one['metadata']['name']}": complaints(one, known) for one in found} == {
        f"{one['kind']}/{one['metadata']['name']}": [] for one in found
    }


def test_every_object_is_of_a_kind_that_somebody_knows() -> None:
    """What kubernetes-validate has no schema of is a custom resource of an operator that we name."""
    groups = {one["apiVersion"].partition("/")[0] for one in written() if "." in one["apiVersion"]}
    builtin = {"networking.k8s.io"}
    assert groups - builtin <= set(FOREIGN_GROUPS)


GOOD: Document = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [
        {
            "name": "one",
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
    ],
}
BREAKING: list[tuple[str, tuple[Any, ...], Any]] = [
    ("host process", ("securityContext", "windowsOptions"), {"hostProcess": True}),
    ("host namespaces", ("hostNetwork",), True),
    ("host namespaces", ("hostPID",), True),
    ("privileged", ("containers", 0, "securityContext", "privileged"), True),
    ("host ports", ("containers", 0, "ports"), [{"containerPort": 1, "hostPort": 1}]),
    ("host probes and hooks", ("containers", 0, "livenessProbe"), {"httpGet": {"host": "127.0.0.1"}}),
    ("host probes and hooks", ("containers", 0, "lifecycle"), {"preStop": {"tcpSocket": {"host": "h"}}}),
    ("AppArmor", ("securityContext", "appArmorProfile"), {"type": "Unconfined"}),
    ("SELinux", ("containers", 0, "securityContext", "seLinuxOptions"), {"user": "root"}),
    ("proc mount", ("containers", 0, "securityContext", "procMount"), "Unmasked"),
    ("sysctls", ("securityContext", "sysctls"), [{"name": "kernel.msgmax", "value": "1"}]),
    ("volume types", ("volumes",), [{"name": "v", "hostPath": {"path": "/"}}]),
    ("privilege escalation", ("containers", 0, "securityContext", "allowPrivilegeEscalation"), True),
    ("running as non-root", ("securityContext", "runAsNonRoot"), None),
    ("running as non-root", ("containers", 0, "securityContext", "runAsNonRoot"), False),
    ("running as non-root user", ("containers", 0, "securityContext", "runAsUser"), 0),
    ("seccomp", ("securityContext", "seccompProfile"), None),
    ("seccomp", ("containers", 0, "securityContext", "seccompProfile"), {"type": "Unconfined"}),
    ("capabilities", ("containers", 0, "securityContext", "capabilities"), {"drop": ["NET_RAW"]}),
    ("capabilities", ("containers", 0, "securityContext", "capabilities", "add"), ["SYS_TIME"]),
]


@pytest.mark.parametrize(("control", "path", "value"), BREAKING, ids=str)
def test_a_pod_that_is_not_restricted_is_found(control: str, path: tuple[Any, ...], value: Any) -> None:
    """Each control by an example that breaks it, and nothing else."""
    pod = copy.deepcopy(GOOD)
    assert violations(pod) == []
    at: Any = pod
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    assert violations(pod) == [control]


def test_each_control_has_its_example() -> None:
    """No control is only believed to work."""
    assert {control for control, _, _ in BREAKING} == set(CONTROLS)


def test_every_manifest_is_used() -> None:
    """It is part of the kustomization beside it, or is an example that it speaks of."""
    manifests = [path for path in K8S.rglob("*.yaml") if documents(path.read_text())]
    beside = [path for path in manifests if path.name != "kustomization.yaml"]
    assert [
        name(path) for path in beside if path.name not in (path.parent / "kustomization.yaml").read_text()
    ] == []
