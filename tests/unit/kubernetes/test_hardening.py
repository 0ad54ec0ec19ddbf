"""No pod of ours can do, reach or write what it need not."""

import copy
import re
from collections.abc import Callable
from typing import Any

import pytest

from deploy.local.postgres import FIXED, access_rules
from tests.harness.kubernetes import Manifest
from tests.unit.kubernetes.hardening import OF_CONTAINERS, OF_LASTING, OF_PODS, faults
from tests.unit.kubernetes.processes import Started, started

TORN: dict[str, Callable[[dict[str, Any], dict[str, Any]], object]] = {
    "nobody runs as root": lambda pod, _: pod["securityContext"].update(runAsUser=0),
    "no token of a service account": lambda pod, _: pod.pop("automountServiceAccountToken"),
    "an account that may nothing": lambda pod, _: pod.pop("serviceAccountName"),
    "seccomp": lambda pod, _: pod["securityContext"].update(seccompProfile={"type": "Unconfined"}),
    "nothing of the node": lambda pod, _: pod.update(hostNetwork=True),
    "no volume of the node": lambda pod, _: pod["volumes"].append({"name": "x", "hostPath": {"path": "/"}}),
    "scratch is bounded": lambda pod, _: pod["volumes"].append({"name": "x", "emptyDir": {}}),
    "secrets are read by their group alone": lambda pod, _: pod["volumes"][0]["secret"].update(defaultMode=0o444),
    "no variables of other services": lambda pod, _: pod.pop("enableServiceLinks"),
    "nothing is gained": lambda _, each: each["securityContext"].pop("allowPrivilegeEscalation"),
    "no capability": lambda _, each: each["securityContext"]["capabilities"].update(add=["NET_ADMIN"]),
    "not privileged": lambda _, each: each["securityContext"].update(privileged=True),
    "the root is read-only": lambda _, each: each["securityContext"].update(readOnlyRootFilesystem=False),
    "an image by digest": lambda _, each: each.update(image="registry.example/ironflock:latest"),
    "what it asks for": lambda _, each: each["resources"].pop("requests"),
    "what it may have": lambda _, each: each["resources"]["limits"].pop("memory"),
    "no port of the node": lambda _, each: each["ports"][0].update(hostPort=443),
    "asked whether it lives": lambda _, each: each.pop("livenessProbe"),
    "asked whether it is ready": lambda _, each: each.pop("readinessProbe"),
    "asked over TLS": lambda _, each: each["readinessProbe"]["httpGet"].pop("scheme"),
}


def test_every_pod_is_as_it_should_be(overlay: list[Manifest]) -> None:
    assert [fault for process in started(overlay) for fault in faults(process)] == []


def test_every_rule_is_torn_once() -> None:
    assert TORN.keys() == OF_PODS.keys() | OF_CONTAINERS.keys() | OF_LASTING.keys()


@pytest.mark.parametrize("sentence", TORN)
def test_a_pod_that_is_not_is_found(render: Callable[[str], list[Manifest]], sentence: str) -> None:
    process = next(each for each in started(render("one-node")) if each.workload == "gateway")
    torn = Started("gateway", copy.deepcopy(process.pod), copy.deepcopy(process.container), process.environ)
    TORN[sentence](torn.pod["spec"], torn.container)

    assert [fault.rpartition(": ")[2] for fault in faults(torn)] == [sentence]


def test_the_namespace_refuses_what_is_not_restricted(overlay: list[Manifest]) -> None:
    namespace = next(each for each in overlay if each["kind"] == "Namespace")
    labels = namespace["metadata"]["labels"]
    assert {labels[f"pod-security.kubernetes.io/{mode}"] for mode in ("enforce", "audit", "warn")} == {"restricted"}


def test_the_database_is_opened_as_on_one_machine(overlay: list[Manifest]) -> None:
    rules = [line.replace("127.0.0.1/32", "all") for line in access_rules().splitlines() if line.startswith("host")]
    for each in overlay:
        if each["kind"] == "Cluster":
            assert each["spec"]["postgresql"]["pg_hba"] == rules
            assert not set(each["spec"]["postgresql"]["parameters"]) - FIXED.keys()


def test_the_database_takes_tls_alone(overlay: list[Manifest]) -> None:
    for each in overlay:
        if each["kind"] == "Cluster":
            lines = each["spec"]["postgresql"]["pg_hba"]
            assert lines[-2:] == ["hostssl all all all reject", "hostnossl all all all reject"]
            assert not [line for line in lines if not line.startswith("hostssl ") and not line.endswith(" reject")]


def octets(quantity: str) -> int:
    """Of what PostgreSQL and Kubernetes write of a size; both count in powers of two here."""
    found = re.fullmatch(r"(\d+)(MB|GB|Mi|Gi)", quantity)
    assert found is not None, quantity
    return int(found[1]) * (1 << 30 if found[2].startswith("G") else 1 << 20)


def test_the_log_that_is_kept_for_backups_does_not_fill_its_volume(overlay: list[Manifest]) -> None:
    clusters = [each["spec"] for each in overlay if each["kind"] == "Cluster"]

    assert clusters
    for spec in clusters:
        parameters = spec["postgresql"]["parameters"]
        assert parameters["summarize_wal"] == "on", "what changed since the backup before"
        kept = octets(parameters["max_slot_wal_keep_size"]) + octets(parameters["max_wal_size"])
        assert kept < octets(spec["walStorage"]["size"])
