"""Component `tracing`: whoever traces, and nobody else, is told of a collector, believes its CA, and reaches it."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.settings import Settings
from shared.trace_settings import trace_settings
from tests.harness.go_programs import NoProgramError
from tests.harness.kubernetes import MANIFESTS, Manifest, composed_text, values_of
from tests.unit.kubernetes.processes import mounts, started
from tests.unit.kubernetes.reach import Pod, reachers
from tests.unit.kubernetes.test_reach import SERVICES, pods

SENDERS = {*SERVICES, "router", "provisioner"}
COLLECTOR = Pod("collector", "monitoring", {"app.kubernetes.io/name": "opentelemetry-collector"}, {})


@pytest.fixture(name="manifests", scope="module")
def fixture_manifests() -> list[Manifest]:
    try:
        return values_of(composed_text("components/postgres", "components/tracing", "site"))
    except NoProgramError as error:
        pytest.skip(str(error))


@pytest.fixture(name="third_cell", scope="module")
def fixture_third_cell() -> Iterator[str]:
    """Its component, made as that of the second one says, without what names the site's own."""
    second = MANIFESTS / "components" / "second-cell"
    with tempfile.TemporaryDirectory(dir=MANIFESTS, prefix=".test-") as folder:
        for name in ("router.yaml", "policies.yaml"):
            said = (second / name).read_text(encoding="utf-8").replace("second", "third")
            (Path(folder) / name).write_text(said, encoding="utf-8")
        listed = {"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component"}
        said = json.dumps({**listed, "resources": ["router.yaml", "policies.yaml"]})
        (Path(folder) / "kustomization.yaml").write_text(said, encoding="utf-8")
        yield Path(folder).name


def test_each_sender_is_told_of_the_collector_and_its_authority(manifests: list[Manifest]) -> None:
    [(name, told)] = [
        (each["metadata"]["name"], each["data"])
        for each in manifests
        if each["kind"] == "ConfigMap" and each["metadata"]["name"].startswith("tracing")
    ]
    asking = {each.workload: each for each in started(manifests) if len(each.container["envFrom"]) > 1}

    assert asking.keys() == SENDERS
    for service, process in asking.items():
        found = trace_settings(Settings(service.upper(), told))
        assert found is not None
        assert found.endpoint == "https://otel-collector.monitoring.svc:4318/v1/traces"
        assert mounts(process)[str(found.ca.parent)]["configMap"]["name"] == "collector-ca"
        first, last = [each["configMapRef"]["name"] for each in process.container["envFrom"]]
        assert first == name, "what the site says counts"
        assert last.startswith("site")
    assert {each.split("_")[1].lower() for each in told} == SENDERS


def test_the_same_part_of_all_traces_is_kept_wherever_they_begin(manifests: list[Manifest]) -> None:
    [told] = [
        each["data"]
        for each in manifests
        if each["kind"] == "ConfigMap" and each["metadata"]["name"].startswith("tracing")
    ]

    ratios = {name.split("_")[1].lower(): value for name, value in told.items() if name.endswith("_OTLP_SAMPLE_RATIO")}
    assert ratios.keys() == SENDERS
    assert len(set(ratios.values())) == 1


def test_senders_alone_reach_the_collector(manifests: list[Manifest]) -> None:
    known = [each for each in pods(manifests).values() if each.namespace == "ironflock"]

    assert reachers(manifests, known, COLLECTOR, 4318) == SENDERS


def test_routers_of_further_cells_reach_it_too(third_cell: str) -> None:
    try:
        text = composed_text("components/postgres", "components/second-cell", third_cell, "components/tracing", "site")
    except NoProgramError as error:
        pytest.skip(str(error))
    manifests = values_of(text)
    known = [each for each in pods(manifests).values() if each.namespace == "ironflock"]

    assert reachers(manifests, known, COLLECTOR, 4318) == {*SENDERS, "router-second", "router-third"}
