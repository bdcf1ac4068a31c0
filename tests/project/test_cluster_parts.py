"""What stands around the pods fits the worker: autoscaling, network, broker, ledger, webhooks, the demo."""

import re
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import pytest
import yaml
from manifests import (
    BASE,
    K8S,
    OVERLAYS,
    ROOT,
    Document,
    built,
    container,
    name,
    of_kind,
    one_of,
    setting,
    templates,
    workers,
    written,
)

from worker.broker.topology import Topology
from worker.domain.webhooks import PATH
from worker.settings import Settings

SCALED = one_of("ScaledObject", "jobrelay-starter", written())["spec"]
SEED = orjson.loads((ROOT / "simulator/seed/default.json").read_bytes())
DEMO, PRODUCTION = OVERLAYS


def seconds(*called: str) -> float:
    """The sum of these settings."""
    return sum(float(setting(one)) for one in called)


def test_whatever_a_starter_consumes_wakes_one() -> None:
    """Scaled to zero, the queues of requests, and of events, have nobody else."""
    topology = Topology(setting("PREFIX"))
    queues = {*topology.of_requests().values(), topology.templates}
    assert {trigger["metadata"]["queueName"] for trigger in SCALED["triggers"]} == queues
    assert SCALED["scaleTargetRef"]["name"] == workers()["starter"]["metadata"]["name"]
    assert SCALED["minReplicaCount"] == 0


def test_requests_in_hand_count_as_work() -> None:
    """Only the management API counts what is unacknowledged; a busy starter alone calls no second one."""
    for trigger in SCALED["triggers"]:
        metadata = trigger["metadata"]
        assert (metadata["protocol"], metadata["mode"]) == ("http", "QueueLength")
        assert metadata["excludeUnacknowledged"] == "false"
        assert int(metadata["value"]) > int(setting("CONCURRENCY"))


def test_nobody_is_taken_away_before_the_longest_start_is_over() -> None:
    """A window and a whole call; for the last starter as for one of many."""
    window = seconds("HTTP_TIMEOUT_S", "COMMIT_SLACK_S") + 3 * (seconds("HEARTBEAT_S") + 1)
    longest = window + seconds("HTTP_TIMEOUT_S")
    down = SCALED["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
    assert SCALED["cooldownPeriod"] > longest
    assert down["stabilizationWindowSeconds"] > longest


@pytest.mark.requires("kubectl")
def test_keda_alone_says_how_many_starters_there_are() -> None:
    """A number in the Deployment would be written over KEDA's at each deployment."""
    found = built(PRODUCTION)
    assert "replicas" not in one_of("Deployment", "jobrelay-starter", found)["spec"]
    assert one_of("Deployment", "jobrelay-tracker", found)["spec"]["replicas"] >= 2


@pytest.mark.requires("kubectl")
def test_every_trigger_of_production_knows_whom_to_ask() -> None:
    """The operator's Secret, which takes the place of KEDA's own, has a user and no address."""
    found = built(PRODUCTION)
    given = one_of("TriggerAuthentication", "jobrelay-keda", found)["spec"]["secretTargetRef"]
    assert {one["parameter"] for one in given} == {"username", "password"}
    triggers = one_of("ScaledObject", "jobrelay-starter", found)["spec"]["triggers"]
    (host,) = {trigger["metadata"].get("host") for trigger in triggers}
    assert urlsplit(host).port == 15672


REACHED = {
    "amqp_url": ({"starter", "tracker", "web"}, {5671, 5672}),
    "orchestrator_url": ({"starter", "tracker"}, {443}),
    "token_url": ({"starter", "tracker"}, {443}),
    "redis_url": ({"starter"}, {6379, 6380}),
    "otel_exporter_otlp_endpoint": ({"starter", "tracker", "web"}, {4318}),
}
"""Who talks to what a setting names, on which ports."""
NOT_YET = {"audit_database_url"}


def egress(component: str) -> set[int]:
    """The ports, besides DNS's, to which the base lets a component's pods talk."""
    labels = workers()[component]["spec"]["template"]["metadata"]["labels"]
    found = [
        port["port"]
        for policy in of_kind("NetworkPolicy", written(BASE))
        if _selected(policy["spec"]["podSelector"], labels)
        for rule in policy["spec"].get("egress", ())
        for port in rule["ports"]
    ]
    return set(found) - {53}


def _selected(selector: Document, labels: dict[str, str]) -> bool:
    wanted = selector.get("matchLabels", {})
    return wanted.items() <= labels.items() and all(
        labels[one["key"]] in one["values"] for one in selector.get("matchExpressions", ())
    )


def test_the_network_lets_through_what_the_settings_name_and_nothing_else() -> None:
    """Each kind of pod reaches what its role talks to. A new setting with a URL has to say what that is."""
    urls = {name for name in Settings.model_fields if name.endswith(("_url", "_endpoint"))}
    assert urls | {"otel_exporter_otlp_endpoint"} == REACHED.keys() | NOT_YET
    for component in workers():
        allowed: list[set[int]] = [ports for whose, ports in REACHED.values() if component in whose]
        assert egress(component) == set.union(*allowed)


def test_every_pod_is_denied_what_no_rule_allows() -> None:
    """Ours and those that components and the demo bring."""
    deny = one_of("NetworkPolicy", "jobrelay-deny", written(BASE))["spec"]
    assert deny == {"podSelector": deny["podSelector"], "policyTypes": ["Ingress", "Egress"]}
    for called, template in templates(written()):
        assert deny["podSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items(), called


def test_only_the_webhooks_come_in_from_outside() -> None:
    """The one path, to the letter; and to those pods that are there for it."""
    (ingress,) = of_kind("Ingress", written())
    (rule,) = ingress["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    assert (path["path"], path["pathType"]) == (PATH, "Exact")
    assert "defaultBackend" not in ingress["spec"]
    backend = path["backend"]["service"]
    service = one_of("Service", backend["name"], written(BASE))["spec"]
    assert backend["port"]["name"] in {port["name"] for port in service["ports"]}
    assert service["selector"]["app.kubernetes.io/component"] == "web"


def test_a_web_pod_stays_until_nobody_sends_to_it_any_more() -> None:
    """Waited for by the kubelet: there is no shell in the image."""
    assert container(workers()["web"])["lifecycle"] == {"preStop": {"sleep": {"seconds": 10}}}


def test_the_broker_waits_for_acks_as_long_as_trackers_believe() -> None:
    """They publish what they hold again before that."""
    cluster = one_of("RabbitmqCluster", "jobrelay-rabbitmq", written())["spec"]
    told = dict(re.findall(r"^(\S+) = (\S+)$", cluster["rabbitmq"]["additionalConfig"], re.MULTILINE))
    assert int(told["consumer_timeout"]) == seconds("CONSUMER_TIMEOUT_S") * 1000
    assert (cluster["replicas"], told["default_queue_type"]) == (3, "quorum")


def test_the_ledger_forgets_nothing() -> None:
    """It refuses instead of evicting, and has its data on a disk with room for the log's rewriting."""
    config = (K8S / "components/valkey/valkey.conf").read_text()
    assert {"maxmemory-policy noeviction", "appendonly yes", "dir /data"} <= set(config.splitlines())
    (pod,) = [template["spec"] for called, template in templates(written()) if called.endswith("-valkey")]
    assert {"name": "data", "mountPath": "/data"} in pod["containers"][0]["volumeMounts"]
    stateful = one_of("StatefulSet", "jobrelay-valkey", written())["spec"]
    assert [claim["metadata"]["name"] for claim in stateful["volumeClaimTemplates"]] == ["data"]


def literals(kind: str) -> dict[str, str]:
    """What the demo's generators of that kind make up."""
    generators = yaml.safe_load((DEMO / "kustomization.yaml").read_text())[kind]
    return dict(one.split("=", 1) for generator in generators for one in generator["literals"])


def test_the_demo_signs_in_where_it_says() -> None:
    """The simulator's own client, the broker's user, the ledger's password; each by its Service's name."""
    told, secret = literals("configMapGenerator"), literals("secretGenerator")
    given = {"id": told["JOBRELAY_CLIENT_ID"], "secret": secret["jobrelay_client_secret"]}
    assert any(given.items() <= client.items() for client in SEED["identity"]["clients"])
    broker = one_of("Deployment", "jobrelay-rabbitmq", written())
    user = {one["name"]: one["value"] for one in container(broker)["env"]}
    amqp, ledger = urlsplit(secret["jobrelay_amqp_url"]), urlsplit(secret["jobrelay_redis_url"])
    assert (amqp.username, amqp.password) == (user["RABBITMQ_DEFAULT_USER"], user["RABBITMQ_DEFAULT_PASS"])
    assert secret["password.conf"] == f"requirepass {ledger.password}"
    for url in (amqp, ledger, urlsplit(told["JOBRELAY_ORCHESTRATOR_URL"])):
        (port,) = one_of("Service", str(url.hostname), written())["spec"]["ports"]
        assert port["port"] == url.port


def test_production_runs_this_version() -> None:
    """The example names an image that has been built from here."""
    (image,) = yaml.safe_load((PRODUCTION / "kustomization.yaml").read_text())["images"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (image["name"], image["newTag"]) == (project["name"], project["version"])


@pytest.mark.requires("kubectl")
@pytest.mark.parametrize("overlay", OVERLAYS, ids=name)
def test_every_pod_of_ours_has_the_overlays_image(overlay: Path) -> None:
    """The workers', and what else runs from the same image."""
    (image,) = yaml.safe_load((overlay / "kustomization.yaml").read_text())["images"]
    wanted = f"{image.get('newName', 'jobrelay')}:{image['newTag']}"
    pods = [template["spec"] for _, template in templates(built(overlay))]
    ours = {one["image"] for pod in pods for one in pod["containers"] if "jobrelay" in one["image"]}
    assert ours == {wanted}


def test_production_has_every_component() -> None:
    """It is the example of all of them."""
    parts = yaml.safe_load((PRODUCTION / "kustomization.yaml").read_text())["components"]
    assert {part.rpartition("/")[2] for part in parts} == {
        path.name for path in (K8S / "components").iterdir()
    }
