"""What an upgrade does to pods: of whom there may be two, the new one is there before the old one is told to end."""

from typing import Any

from shared.service import STOP_TIMEOUT_S
from tests.harness.kubernetes import Manifest

ALONE = {"fleetdb", "tunnels", "provisioner"}
"""Two of them would be in each other's way: README, an upgrade."""
FRPS = "frps-"


def deployments(overlay: list[Manifest]) -> dict[str, dict[str, Any]]:
    found = {each["metadata"]["name"]: each["spec"] for each in overlay if each["kind"] == "Deployment"}
    return {name: spec for name, spec in found.items() if not name.startswith(FRPS)}


def test_the_new_one_is_ready_before_the_old_one_ends(overlay: list[Manifest]) -> None:
    for name, spec in deployments(overlay).items():
        if name in ALONE:
            assert spec["strategy"] == {"type": "Recreate"}, name
        else:
            assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}, name


def test_who_is_told_to_end_has_the_time_to(overlay: list[Manifest]) -> None:
    for name, spec in deployments(overlay).items():
        pod = spec["template"]["spec"]
        (container,) = pod["containers"]
        pause = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        assert pause + STOP_TIMEOUT_S < pod["terminationGracePeriodSeconds"], name
        if name not in ALONE:
            assert pause > 0, name


def test_a_drained_node_takes_one_of_each_at_most(overlay: list[Manifest]) -> None:
    budgets = {
        each["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"]: each["spec"]["maxUnavailable"]
        for each in overlay
        if each["kind"] == "PodDisruptionBudget"
    }
    for name in deployments(overlay):
        if name != "provisioner":
            assert budgets[name] == 1, name
