"""Component `replicas`, and who is counted by load: a machine's end takes no acknowledged row, and no last of two."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.harness.kubernetes import Manifest, overlays
from tests.unit.kubernetes.processes import template_of
from tests.unit.kubernetes.test_reach import SERVICES
from tests.unit.kubernetes.test_replacing import ALONE, FRPS

SEVERAL_MACHINES = [each for each in overlays() if each != "one-node"]
PAIRS = SERVICES - ALONE
LASTING = ("Deployment", "StatefulSet")


def specs(manifests: list[Manifest], *kinds: str) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each["spec"] for each in manifests if each["kind"] in kinds}


@pytest.fixture(params=SEVERAL_MACHINES)
def large(request: pytest.FixtureRequest, render: Callable[[str], list[Manifest]]) -> list[Manifest]:
    return render(request.param)


def test_every_database_server_has_a_row_twice_before_it_is_acknowledged(large: list[Manifest]) -> None:
    clusters = specs(large, "Cluster")

    assert "postgres" in clusters
    for name, spec in clusters.items():
        assert spec["instances"] == 3, name
        assert spec["postgresql"]["synchronous"] == {"method": "any", "number": 1, "dataDurability": "required"}, name
        assert spec["affinity"] == {
            "enablePodAntiAffinity": True,
            "podAntiAffinityType": "required",
            "topologyKey": "kubernetes.io/hostname",
        }, name


def test_at_scale_there_are_two_of_them(render: Callable[[str], list[Manifest]]) -> None:
    assert specs(render("scale-out"), "Cluster").keys() == {"postgres", "postgres-second"}


def test_there_are_two_of_each_of_which_there_may_be_two(large: list[Manifest]) -> None:
    counted = {spec["scaleTargetRef"]["name"]: spec for spec in specs(large, "HorizontalPodAutoscaler").values()}
    for name, spec in specs(large, *LASTING).items():
        least = counted[name]["minReplicas"] if name in counted else spec["replicas"]
        assert least == (2 if name in PAIRS else 1), name


def test_pods_of_one_kind_are_spread_over_machines_and_zones(large: list[Manifest]) -> None:
    lasting = specs(large, *LASTING)

    assert lasting.keys() > PAIRS
    for name in PAIRS:
        spec = lasting[name]
        labels = spec["template"]["metadata"]["labels"]
        constraints = spec["template"]["spec"]["topologySpreadConstraints"]
        assert {each["topologyKey"] for each in constraints} == {
            "kubernetes.io/hostname",
            "topology.kubernetes.io/zone",
        }
        for each in constraints:
            assert each["labelSelector"]["matchLabels"].items() <= labels.items(), name
            assert each["matchLabelKeys"] == ["app.kubernetes.io/name"], name
            assert each["maxSkew"] == 1, name
            assert each["whenUnsatisfiable"] == "ScheduleAnyway", "what cannot be spread runs all the same"


def test_the_nodes_of_frps_are_spread_among_themselves(render: Callable[[str], list[Manifest]]) -> None:
    nodes = {name: spec for name, spec in specs(render("frps"), "Deployment").items() if name.startswith(FRPS)}

    assert len(nodes) == 2
    for spec in nodes.values():
        [constraint] = spec["template"]["spec"]["topologySpreadConstraints"]
        selected = constraint["labelSelector"]["matchLabels"]
        assert constraint["topologyKey"] == "kubernetes.io/hostname"
        assert all(selected.items() <= each["template"]["metadata"]["labels"].items() for each in nodes.values())


def test_who_is_counted_by_load_says_nowhere_else_how_many_there_are(render: Callable[[str], list[Manifest]]) -> None:
    manifests = render("scale-out")
    deployments = {name: each for name, each in specs(manifests, "Deployment").items() if not name.startswith(FRPS)}
    counters = specs(manifests, "HorizontalPodAutoscaler")

    assert counters.keys() == {"auth", "gateway"}
    for name, spec in counters.items():
        assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
        assert "replicas" not in deployments[name], "each apply would set it back"
        assert name in PAIRS
        assert 2 <= spec["minReplicas"] < spec["maxReplicas"]
        [metric] = spec["metrics"]
        assert metric["resource"]["name"] == "cpu"
        [container] = template_of({"kind": "Deployment", "spec": deployments[name]})["spec"]["containers"]
        assert container["resources"]["requests"]["cpu"], "what a share of it is counted of"
