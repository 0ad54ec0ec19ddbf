"""Alerts and the dashboard ask for figures that there are."""

import json
import re
from collections.abc import Callable

import pytest

from tests.harness import go_programs
from tests.harness.go_programs import NoProgramError
from tests.harness.kubernetes import CLOUDNATIVE_PG, MANIFESTS, ROOT, Manifest, decoded

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

    assert len({each["alert"] for each in rules}) == len(rules) > 25
    for rule in rules:
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"].endswith((".", "?"))
        assert rule["labels"]["severity"] in {"warning", "critical"}


def figures_of_cloudnative_pg() -> set[str]:
    """Those of the release that the manifests are for: of its default queries, and its exporter's own."""
    try:
        folder = go_programs.module_folder(*CLOUDNATIVE_PG)
    except NoProgramError as error:
        pytest.skip(str(error))
    told = decoded((folder / "config" / "manager" / "default-monitoring.yaml").read_text(encoding="utf-8"))
    queries = decoded(told["data"]["queries"])
    asked = {f"cnpg_{name}_{each}" for name, query in queries.items() for row in query["metrics"] for each in row}
    exporter = folder / "pkg" / "management" / "postgres" / "webserver" / "metricserver" / "pg_collector.go"
    own = re.findall(r'Name:\s+"([a-z_]+)"', exporter.read_text(encoding="utf-8"))
    return asked | {f"cnpg_collector_{name}" for name in own}


def test_every_figure_of_postgres_is_one_of_its_operator_s() -> None:
    text = (MANIFESTS / "components" / "monitoring" / "postgres.yaml").read_text(encoding="utf-8")
    asked = set(re.findall(r"\bcnpg_[a-z_]+", text))

    assert len(asked) > 7
    assert asked <= figures_of_cloudnative_pg()


def test_every_server_s_figures_come_over_tls_by_a_name_in_its_certificate(
    render: Callable[[str], list[Manifest]],
) -> None:
    manifests = render("scale-out")
    [monitor] = [each for each in manifests if each["kind"] == "PodMonitor"]
    [end] = monitor["spec"]["podMetricsEndpoints"]
    certificates = [each["spec"] for each in manifests if each["kind"] == "Certificate"]
    names = {each["secretName"]: each.get("dnsNames") for each in certificates}
    servers = [each["spec"] for each in manifests if each["kind"] == "Cluster"]

    assert end["scheme"] == "https"
    assert len(servers) == 2
    for spec in servers:
        assert spec["monitoring"]["tls"]["enabled"]
        assert end["tlsConfig"]["serverName"] in names[spec["certificates"]["serverTLSSecret"]]


def test_each_task_of_the_calendar_rings_where_it_does_not_end_well(render: Callable[[str], list[Manifest]]) -> None:
    manifests = render("high-availability")
    tasks = {
        each["metadata"]["name"] for each in manifests if each["kind"] == "CronJob" and not each["spec"].get("suspend")
    }
    rules = (MANIFESTS / "components" / "monitoring" / "backups.yaml").read_text(encoding="utf-8")

    assert set(re.findall(r'cronjob="([a-z-]+)"', rules)) == tasks
