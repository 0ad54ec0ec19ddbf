"""Alerts and the dashboard ask for figures that there are."""

import json
import re
from collections.abc import Callable

from tests.harness.kubernetes import MANIFESTS, ROOT, Manifest

NAME = re.compile(r"\bironflock_[a-z_]+")
DEFINED = re.compile(r"(Counter|Gauge|Histogram)\(\s*\"(ironflock_[a-z_]+)\"")
LISTENS_TO_NOBODY = {"provisioner", "schema"}


def series() -> set[str]:
    """The names under which Prometheus has what our code counts."""
    files = [file for part in ("services", "shared", "router-config") for file in (ROOT / part).rglob("*.py")]
    named = [found for file in files for found in DEFINED.findall(file.read_text(encoding="utf-8"))]
    return {name for kind, plain in named for name in served_as(kind, plain)}


def served_as(kind: str, name: str) -> set[str]:
    if kind == "Counter":
        return {f"{name.removesuffix('_total')}_total"}
    return {name} if kind == "Gauge" else {f"{name}_{part}" for part in ("bucket", "count", "sum")}


def test_every_figure_that_is_asked_for_is_there() -> None:
    folder = MANIFESTS / "components" / "monitoring"
    asked = {
        name
        for file in ("alerts.yaml", "levels.yaml", "dashboard.json")
        for name in NAME.findall((folder / file).read_text())
    }

    assert len(asked) > 10
    assert asked <= series()


def test_every_panel_asks_something() -> None:
    board = json.loads((MANIFESTS / "components" / "monitoring" / "dashboard.json").read_text())

    assert all(target["expr"] for panel in board["panels"] for target in panel["targets"])
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_every_process_with_figures_is_read(render: Callable[[str], list[Manifest]]) -> None:
    manifests = render("high-availability")
    monitored = {
        each["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"]
        for each in manifests
        if each["kind"] == "ServiceMonitor"
    }
    served = {
        each["spec"]["selector"]["app.kubernetes.io/name"]
        for each in manifests
        if each["kind"] == "Service" and each["metadata"].get("labels", {}).get("ironflock.io/metrics") == "true"
    }
    running = {each["metadata"]["name"] for each in manifests if each["kind"] in ("Deployment", "StatefulSet", "Job")}

    assert monitored == served == running - LISTENS_TO_NOBODY


def test_every_alert_says_what_is_wrong_and_what_to_do(render: Callable[[str], list[Manifest]]) -> None:
    manifests = render("high-availability")
    rules = [
        rule
        for each in manifests
        if each["kind"] == "PrometheusRule"
        for group in each["spec"]["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]

    assert len({each["alert"] for each in rules}) == len(rules) > 12
    for rule in rules:
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"].endswith((".", "?"))
        assert rule["labels"]["severity"] in {"warning", "critical"}
