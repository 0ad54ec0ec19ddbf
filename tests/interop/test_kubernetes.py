"""Each overlay is applied to a real API server with its admission: strictly, and without a warning."""

from collections.abc import Iterator

import pytest

from tests.harness.api_server import ApiServer
from tests.harness.go_programs import NoProgramError
from tests.harness.kubernetes import Manifest, crds, overlays, rendered
from tests.unit.kubernetes.processes import WORKLOADS, template_of

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1_800)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    try:
        made = ApiServer(tmp_path_factory.mktemp("api"))
        kinds = list(crds())
    except NoProgramError as error:
        pytest.skip(str(error))
    with made as running:
        for crd in kinds:
            running.apply(crd)
            spec = crd["spec"]
            version = next(each["name"] for each in spec["versions"] if each["served"])
            running.wait_for_kind(f"{spec['group']}/{version}", spec["names"]["plural"])
        yield running


def pod_of(workload: Manifest) -> Manifest:
    """A pod as the workload's controller would make it."""
    template = template_of(workload)
    meta = {**template["metadata"], "name": workload["metadata"]["name"], "namespace": "ironflock"}
    spec = template["spec"]
    claims = [each["metadata"]["name"] for each in workload["spec"].get("volumeClaimTemplates", [])]
    volumes = [{"name": name, "emptyDir": {}} for name in claims] + spec.get("volumes", [])
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {**spec, "volumes": volumes}}


@pytest.mark.parametrize("overlay", overlays())
def test_an_overlay_is_taken_without_a_warning(overlay: str, server: ApiServer) -> None:
    manifests = rendered(overlay)
    # A job is never changed: an operator takes the last one away before an upgrade (deploy/README.md).
    server.ask("DELETE", "/apis/batch/v1/namespaces/ironflock/jobs/schema?propagationPolicy=Background")

    warnings = [(each["kind"], each["metadata"]["name"], server.apply(each)) for each in manifests]

    assert [each for each in warnings if each[2]] == []


@pytest.mark.parametrize("overlay", overlays())
def test_the_pods_of_an_overlay_are_let_into_a_restricted_namespace(overlay: str, server: ApiServer) -> None:
    manifests = rendered(overlay)
    for each in manifests:
        if each["kind"] in ("Namespace", "ServiceAccount"):
            server.apply(each)
    pods = [pod_of(each) for each in manifests if each["kind"] in WORKLOADS]

    assert [server.apply(pod, dry_run=True) for pod in pods] == [[]] * len(pods)
    assert len(pods) >= 14


def test_a_pod_that_is_not_restricted_is_refused(server: ApiServer) -> None:
    """Else the two above would show nothing."""
    manifests = rendered("one-node")
    for each in manifests:
        if each["kind"] in ("Namespace", "ServiceAccount"):
            server.apply(each)
    pod = pod_of(next(each for each in manifests if each["kind"] == "Deployment"))
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True

    with pytest.raises(AssertionError, match="violates PodSecurity"):
        server.apply(pod, dry_run=True)
