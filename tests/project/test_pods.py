"""The pods keep what the worker promises: its grace, its probes, its ports, its roles."""

from pathlib import Path

import pytest
from manifests import (
    BASE,
    K8S,
    Document,
    container,
    name,
    of_kind,
    setting,
    settings_lines,
    templates,
    workers,
    written,
)

from worker.app import ROLES
from worker.broker import connection, inbox
from worker.otel import export
from worker.web.server import _PATHS

COMPONENTS = ("starter", "tracker", "web")
ENDING_S = 2 * inbox._TIMEOUT_S + connection._CLOSE_TIMEOUT_S + export._FLUSH_S
"""At most: a consumer's end before the grace (a last get and a cancel), connections and traces after it."""


def spec(component: str) -> Document:
    """The spec of a worker's pods."""
    return dict(workers()[component]["spec"]["template"]["spec"])


@pytest.mark.parametrize("component", COMPONENTS)
def test_the_grace_of_the_pod_outlasts_that_of_the_worker(component: str) -> None:
    """The preStop is part of it; nobody is killed who would have ended in order."""
    hook = container(workers()[component]).get("lifecycle", {}).get("preStop", {"sleep": {"seconds": 0}})
    needed = float(setting("GRACE_S")) + hook["sleep"]["seconds"] + ENDING_S
    assert spec(component)["terminationGracePeriodSeconds"] >= needed


@pytest.mark.parametrize("component", COMPONENTS)
def test_probes_ask_what_the_worker_answers(component: str) -> None:
    """Each path is served, on the worker's port; only /livez restarts a worker that has begun."""
    worker = container(workers()[component])
    probes = {kind: worker[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
    assert {probe["path"] for probe in probes.values()} <= set(_PATHS)
    assert probes["liveness"]["path"] == "/livez"
    assert "/readyz" in {probes["startup"]["path"], probes["readiness"]["path"]}
    assert {probe["port"] for probe in probes.values()} == {"http"}
    assert worker["ports"] == [{"name": "http", "containerPort": int(setting("HTTP_PORT"))}]


def test_every_role_is_played_and_every_pod_serves_its_health() -> None:
    """A worker without the role `web` would answer no probe."""
    played = {component: container(one)["args"] for component, one in workers().items()}
    assert set(played) == set(COMPONENTS)
    assert all(args[:2] == ["run", "--role"] for args in played.values())
    roles = {component: set(args[2].split(",")) for component, args in played.items()}
    assert set.union(*roles.values()) == ROLES
    assert all("web" in own for own in roles.values())


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_worker_may_do_little(component: str) -> None:
    """It writes nowhere, has no token, and no variable comes that a Service's name would make a setting."""
    pod = spec(component)
    assert container(workers()[component])["securityContext"]["readOnlyRootFilesystem"] is True
    assert (pod["automountServiceAccountToken"], pod["enableServiceLinks"]) == (False, False)
    assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["runAsGroup"] == 10001
    (account,) = of_kind("ServiceAccount", written(BASE))
    assert account["automountServiceAccountToken"] is False
    assert pod["serviceAccountName"] == account["metadata"]["name"]


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_rollout_takes_nobody_away_before_there_is_another(component: str) -> None:
    """And drains may always take one."""
    deployment = workers()[component]
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    (budget,) = [
        one["spec"]
        for one in of_kind("PodDisruptionBudget", written(BASE))
        if one["spec"]["selector"] == deployment["spec"]["selector"]
    ]
    assert budget["maxUnavailable"] == 1
    assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_every_pod_asks_for_what_it_needs_and_no_cpu_is_cut_off() -> None:
    """Memory is bounded, CPU is not: a throttled worker misses its heartbeats."""
    for called, template in templates(written()):
        for one in template["spec"]["containers"]:
            assert set(one["resources"]["requests"]) == {"cpu", "memory"}, called
            assert set(one["resources"]["limits"]) == {"memory"}, called


def test_secrets_are_files_where_the_worker_looks_for_them() -> None:
    """And readable for nobody else."""
    for component in COMPONENTS:
        (mount,) = container(workers()[component])["volumeMounts"]
        assert mount["mountPath"] == settings_lines()["JOBRELAY_SECRETS_DIR"][1]
        (volume,) = spec(component)["volumes"]
        assert volume["name"] == mount["name"]
        assert volume["projected"]["defaultMode"] == 0o440
        assert {"secret": {"name": "jobrelay"}} in volume["projected"]["sources"]


@pytest.mark.parametrize("folder", [BASE, K8S], ids=name)
def test_selectors_select(folder: Path) -> None:
    """Each Service, budget, policy and Deployment finds pods: the base's in the base already."""
    here = written(folder)
    pods = [template["metadata"]["labels"] for _, template in templates(here)]
    pods += [{"app.kubernetes.io/name": "jobrelay-rabbitmq"}]  # of the operator's making
    for one in here:
        for selector in _selectors(one):
            assert any(selector.items() <= labels.items() for labels in pods), one["metadata"]["name"]


def _selectors(one: Document) -> list[Document]:
    """What *one* selects pods by."""
    spec = one.get("spec", {})
    if one["kind"] == "Service":
        return [spec["selector"]]
    found = [spec[key] for key in ("selector", "podSelector") if key in spec]
    for rule in [*spec.get("ingress", ()), *spec.get("egress", ())] if one["kind"] == "NetworkPolicy" else ():
        ends = [*rule.get("from", ()), *rule.get("to", ())]
        found += [end["podSelector"] for end in ends if "podSelector" in end]
    return [selector["matchLabels"] for selector in found if "matchLabels" in selector]


def test_ports_are_those_that_somebody_listens_on() -> None:
    """Whatever names a port of a pod, a Service or a policy, names one that the pods have."""
    listening = {
        port["name"]
        for _, template in templates(written())
        for one in template["spec"]["containers"]
        for port in one.get("ports", ())
    }
    for service in of_kind("Service", written()):
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= listening
    for policy in of_kind("NetworkPolicy", written()):
        ports = [port["port"] for rule in policy["spec"].get("ingress", ()) for port in rule["ports"]]
        assert {port for port in ports if isinstance(port, str)} <= listening
