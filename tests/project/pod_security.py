"""Pod Security Standards, profile "restricted" (with "baseline" in it): each control, and who breaks it.

The controls and their allowed values are those of the Kubernetes documentation, "Pod Security Standards".
"""

from collections.abc import Callable, Iterator
from typing import Any

Pod = dict[str, Any]

_VOLUMES = {
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral"),
    *("persistentVolumeClaim", "projected", "secret"),
}
_SYSCTLS = {
    *("kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start"),
    *("net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports"),
    *("net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl"),
    *("net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"),
}
_SELINUX = {None, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
_HANDLERS = (
    ("livenessProbe",),
    ("readinessProbe",),
    ("startupProbe",),
    ("lifecycle", "postStart"),
    ("lifecycle", "preStop"),
)


def violations(pod: Pod) -> list[str]:
    """The names of the controls that *pod*, a pod's `spec`, breaks."""
    return [control for control, breaks in CONTROLS.items() if breaks(pod)]


def _containers(pod: Pod) -> Iterator[Pod]:
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        yield from pod.get(kind, ())


def _contexts(pod: Pod) -> Iterator[Pod]:
    """The pod's own security context, and each container's."""
    yield pod.get("securityContext", {})
    yield from _own(pod)


def _own(pod: Pod) -> Iterator[Pod]:
    for one in _containers(pod):
        yield one.get("securityContext", {})


def _effective(pod: Pod, field: str) -> list[Any]:
    """What each container has of *field*, its own value or else the pod's; and the pod's, if it has one."""
    common = pod.get("securityContext", {}).get(field)
    return [one.get(field, common) for one in _own(pod)] + ([] if common is None else [common])


def _at(value: Any, *path: str) -> Any:
    for key in path:
        value = value.get(key, {}) if isinstance(value, dict) else {}
    return value or None


def _names_a_host(pod: Pod) -> bool:
    handlers = [_at(one, *path) for one in _containers(pod) for path in _HANDLERS]
    return any(_at(one, kind, "host") for one in handlers for kind in ("httpGet", "tcpSocket"))


def _has_other_volumes(pod: Pod) -> bool:
    return any(set(volume) - {"name"} - _VOLUMES for volume in pod.get("volumes", ()))


def _may_gain(pod: Pod) -> bool:
    capabilities = [one.get("capabilities", {}) for one in _own(pod)]
    return any(
        "ALL" not in one.get("drop", ()) or set(one.get("add", ())) - {"NET_BIND_SERVICE"}
        for one in capabilities
    )


def _is_confined_otherwise(pod: Pod) -> bool:
    return any(
        _at(one, "seLinuxOptions", "type") not in _SELINUX
        or _at(one, "seLinuxOptions", "user")
        or _at(one, "seLinuxOptions", "role")
        for one in _contexts(pod)
    )


CONTROLS: dict[str, Callable[[Pod], Any]] = {
    "host process": lambda pod: any(_at(one, "windowsOptions", "hostProcess") for one in _contexts(pod)),
    "host namespaces": lambda pod: any(pod.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")),
    "privileged": lambda pod: any(one.get("privileged") for one in _own(pod)),
    "host ports": lambda pod: any(
        port.get("hostPort") for one in _containers(pod) for port in one.get("ports", ())
    ),
    "host probes and hooks": _names_a_host,
    "AppArmor": lambda pod: any(
        _at(one, "appArmorProfile", "type") == "Unconfined" for one in _contexts(pod)
    ),
    "SELinux": _is_confined_otherwise,
    "proc mount": lambda pod: any(one.get("procMount", "Default") != "Default" for one in _own(pod)),
    "sysctls": lambda pod: any(
        one["name"] not in _SYSCTLS for one in pod.get("securityContext", {}).get("sysctls", ())
    ),
    "volume types": _has_other_volumes,
    "privilege escalation": lambda pod: any(
        one.get("allowPrivilegeEscalation") is not False for one in _own(pod)
    ),
    "running as non-root": lambda pod: any(one is not True for one in _effective(pod, "runAsNonRoot")),
    "running as non-root user": lambda pod: any(one.get("runAsUser") == 0 for one in _contexts(pod)),
    "seccomp": lambda pod: any(
        (one or {}).get("type") not in {"RuntimeDefault", "Localhost"}
        for one in _effective(pod, "seccompProfile")
    ),
    "capabilities": _may_gain,
}
