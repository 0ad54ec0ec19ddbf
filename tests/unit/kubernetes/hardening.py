"""What every pod of ours has to be, as rules over its template. Pure. Each rule is a sentence and whether it holds."""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from tests.unit.kubernetes.processes import Started

DIGEST: Final = re.compile(r"[a-z0-9./:-]+@sha256:[0-9a-f]{64}")
ASKED: Final = {"httpGet", "exec", "tcpSocket"}


def faults(process: Started) -> Iterator[str]:
    """The sentences that do not hold."""
    for sentence, holds in {**OF_PODS, **OF_CONTAINERS}.items():
        subject = process.pod["spec"] if sentence in OF_PODS else process.container
        if not holds(subject):
            yield f"{process.workload}/{process.container['name']}: {sentence}"
    if not process.workload.startswith(("schema", "backup-", "doctor")):
        yield from (
            f"{process.workload}: {sentence}" for sentence, holds in OF_LASTING.items() if not holds(process.container)
        )


def _security(subject: dict[str, Any], name: str) -> Any:
    return subject.get("securityContext", {}).get(name)


def _volumes_are_plain(spec: dict[str, Any]) -> bool:
    return all(
        {"secret", "emptyDir", "configMap", "persistentVolumeClaim"} & set(each) for each in spec.get("volumes", [])
    )


def _scratch_is_bounded(spec: dict[str, Any]) -> bool:
    return all("sizeLimit" in each["emptyDir"] for each in spec.get("volumes", []) if "emptyDir" in each)


def _secrets_are_the_groups(spec: dict[str, Any]) -> bool:
    return all(each["secret"].get("defaultMode") == 0o440 for each in spec.get("volumes", []) if "secret" in each)


def _has(container: dict[str, Any], side: str) -> bool:
    return set(container.get("resources", {}).get(side, {})) >= {"cpu", "memory"}


OF_PODS: Final[dict[str, Callable[[dict[str, Any]], bool]]] = {
    "nobody runs as root": lambda spec: (
        _security(spec, "runAsNonRoot") is True and _security(spec, "runAsUser") >= 10_000
    ),
    "no token of a service account": lambda spec: spec.get("automountServiceAccountToken") is False,
    "an account that may nothing": lambda spec: spec.get("serviceAccountName") == "ironflock",
    "seccomp": lambda spec: (_security(spec, "seccompProfile") or {}).get("type") == "RuntimeDefault",
    "nothing of the node": lambda spec: not {"hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"} & set(spec),
    "no volume of the node": _volumes_are_plain,
    "scratch is bounded": _scratch_is_bounded,
    "secrets are read by their group alone": _secrets_are_the_groups,
    "no variables of other services": lambda spec: spec.get("enableServiceLinks") is False,
}
OF_CONTAINERS: Final[dict[str, Callable[[dict[str, Any]], bool]]] = {
    "nothing is gained": lambda each: _security(each, "allowPrivilegeEscalation") is False,
    "no capability": lambda each: _security(each, "capabilities") == {"drop": ["ALL"]},
    "not privileged": lambda each: not _security(each, "privileged"),
    "the root is read-only": lambda each: _security(each, "readOnlyRootFilesystem") is True,
    "an image by digest": lambda each: DIGEST.fullmatch(each.get("image", "")) is not None,
    "what it asks for": lambda each: _has(each, "requests"),
    "what it may have": lambda each: _has(each, "limits"),
    "no port of the node": lambda each: not [port for port in each.get("ports", []) if "hostPort" in port],
}
OF_LASTING: Final[dict[str, Callable[[dict[str, Any]], bool]]] = {
    "asked whether it lives": lambda each: bool(ASKED & set(each.get("livenessProbe", {}))),
    "asked whether it is ready": lambda each: bool(ASKED & set(each.get("readinessProbe", {}))),
    "asked over TLS": lambda each: all(
        each.get(probe, {}).get("httpGet", {"scheme": "HTTPS"}).get("scheme") == "HTTPS"
        for probe in ("livenessProbe", "readinessProbe", "startupProbe")
    ),
}
