"""Prometheus' own promtool: it takes our rules, our dashboard and our figures, and each alert rings when it should."""

import json
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
from attrs import evolve, frozen
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from tests.harness import go_programs
from tests.harness.go_programs import NoProgramError
from tests.harness.kubernetes import MANIFESTS, ROOT, values_of
from tests.unit.shared.test_figures import FIGURES

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1200)]
FOLDER: Final = MANIFESTS / "components" / "monitoring"
CALLS: Final = "ironflock_procedure_seconds"
JOINS: Final = "ironflock_router_joins_total"
HEALTHY: Final = {
    f'{CALLS}_count{{job="auth",outcome="done"}}': "0+1200x{0}",
    f'{CALLS}_count{{job="auth",outcome="not_found"}}': "0+60x{0}",
    f'{CALLS}_bucket{{job="auth",le="0.1"}}': "0+1260x{0}",
    f'{CALLS}_bucket{{job="auth",le="+Inf"}}': "0+1260x{0}",
    f'{JOINS}{{outcome="proved"}}': "0+120x{0}",
    "ironflock_audit_integrated_entries_total": "0+60x{0}",
    'ironflock_router_sessions{role="device"}': "50x{0}",
    'up{namespace="ironflock",job="auth"}': "1x{0}",
}
"""Each minute of it."""


DATA, REST, SESSIONS = "ironflock_data_procedure_seconds", "ironflock_rest_seconds", "ironflock_router_sessions"
BURNING: Final = ("BudgetBurns", "BudgetBurnsFast", "BudgetBurnsSlowly")
READ: Final = f'{REST}_count{{method="GET",status="200"}}'
IN_TIME: Final = f'{REST}_bucket{{method="GET",status="200",le="2.5"}}'


def answers(outcome: str, each_minute: float) -> dict[str, str]:
    """So many calls of a service with this outcome."""
    return {f'{CALLS}_count{{job="auth",outcome="{outcome}"}}': f"0+{each_minute}x{{0}}"}


@frozen
class Case:
    """What Prometheus reads each minute, and which alerts ring after so many."""

    series: dict[str, str]
    minutes: int
    ringing: tuple[str, ...] = ()


NOTHING: Final = {
    "all is well": Case(HEALTHY, 300),
    "nobody is there": Case({name: "7x{0}" for name in HEALTHY if "sessions" not in name}, 300),
    "one of ten calls, at night": Case(
        {f'{CALLS}_count{{outcome="done"}}': "0 9x{0}", f'{CALLS}_count{{outcome="internal"}}': "0 1x{0}"}, 60
    ),
    "half of what may fail does": Case({**HEALTHY, **answers("unavailable", 0.6)}, 600),
}
ONE: Final = {
    "BackupLate": Case({'kube_cronjob_created{namespace="ironflock",cronjob="backup-nightly"}': "0x{0}"}, 2_200),
    "BackupLogLate": Case(
        {
            'kube_cronjob_created{namespace="ironflock",cronjob="backup-log"}': "0x{0}",
            'kube_cronjob_status_last_successful_time{namespace="ironflock",cronjob="backup-log"}': "60x{0}",
        },
        40,
    ),
    "DoctorComplains": Case(
        {
            'kube_cronjob_created{namespace="ironflock",cronjob="doctor"}': "0x{0}",
            'kube_cronjob_status_last_successful_time{namespace="ironflock",cronjob="doctor"}': "60x{0}",
        },
        200,
    ),
    "ProcessAway": Case({'up{namespace="ironflock",job="auth"}': "0x{0}"}, 5),
    "RouterWithoutDevices": Case({f'{SESSIONS}{{role="device"}}': "50x20 0x{0}"}, 25),
    "CellAway": Case({'ironflock_bus_joined{cell="second",realm="realm1",job="auth"}': "0x{0}"}, 10),
    "JoinsFail": Case(
        {f'{JOINS}{{outcome="wrong_proof"}}': "0+120x{0}", f'{JOINS}{{outcome="proved"}}': "0+60x{0}"}, 25
    ),
    "ConnectionsDropped": Case({'ironflock_router_dropped_connections_total{reason="late"}': "0+1200x{0}"}, 15),
    "PeersDoNotRead": Case({"ironflock_router_waiting_bytes": "300000000x{0}"}, 10),
    "CallsFail": Case({**HEALTHY, **answers("internal", 6), **answers("done", 12_000)}, 30),
    "CallsAreSlow": Case(
        {f'{CALLS}_bucket{{le="{le}"}}': f"0+{n}x{{0}}" for le, n in (("1", 0), ("5", 60), ("+Inf", 60))}, 30
    ),
    "DataRealmsTroubled": Case({"ironflock_data_troubled_realms": "1x{0}"}, 15),
    "LogStandsStill": Case({**HEALTHY, "ironflock_audit_integrated_entries_total": "9x{0}"}, 60),
    "ForwarderBehind": Case({'ironflock_audit_forwarder_waiting_entries{forwarder="siem"}': "20000x{0}"}, 40),
    "TracesLost": Case({f'ironflock_spans_total{{outcome="{name}"}}': "0+60x{0}" for name in ("sent", "lost")}, 60),
    "CertificateEnds": Case(
        {'certmanager_certificate_expiration_timestamp_seconds{namespace="ironflock",name="router"}': "86400x{0}"}, 70
    ),
}
SERVER: Final = 'namespace="ironflock",job="postgres",pod="postgres-1"'
ROOM: Final = 'kubelet_volume_stats_{}_bytes{{namespace="ironflock",persistentvolumeclaim="postgres-1"}}'
OF_POSTGRES: Final = {
    "VolumeFills": Case({ROOM.format("available"): "10x{0}", ROOM.format("capacity"): "100x{0}"}, 20),
    "DatabaseAway": Case({f"cnpg_collector_up{{{SERVER}}}": "0x{0}"}, 5),
    "ConnectionsTaken": Case(
        {
            f'cnpg_backends_total{{{SERVER},usename="svc_auth"}}': "90x{0}",
            f'cnpg_backends_total{{{SERVER},usename="svc_realms"}}': "80x{0}",
            f'cnpg_pg_settings_setting{{{SERVER},name="max_connections"}}': "200x{0}",
        },
        15,
    ),
    "ReplicaLags": Case({f"cnpg_pg_replication_lag{{{SERVER}}}": "120x{0}"}, 10),
    "ReplicaAway": Case(
        {
            f"cnpg_pg_replication_in_recovery{{{SERVER}}}": "1x{0}",
            f"cnpg_pg_replication_is_wal_receiver_up{{{SERVER}}}": "0x{0}",
        },
        10,
    ),
    "WritesWait": Case(
        {
            f'cnpg_collector_sync_replicas{{{SERVER},value="{value}"}}': f"{count}x{{0}}"
            for value, count in (("expected", 1), ("observed", 0))
        },
        5,
    ),
    "LogHeld": Case({f'cnpg_pg_replication_slots_pg_wal_lsn_diff{{{SERVER},slot_name="a"}}': "5000000000x{0}"}, 20),
    "TransactionOpen": Case({f'cnpg_backends_max_tx_duration_seconds{{{SERVER},datname="d"}}': "4000x{0}"}, 10),
    "TransactionsRunOut": Case({f'cnpg_pg_database_xid_age{{{SERVER},datname="d"}}': "1600000000x{0}"}, 70),
}
WELL: Final = {
    ROOM.format("available"): "50x{0}",
    ROOM.format("capacity"): "100x{0}",
    f"cnpg_collector_up{{{SERVER}}}": "1x{0}",
    f'cnpg_backends_total{{{SERVER},usename="svc_auth"}}': "90x{0}",
    f'cnpg_pg_settings_setting{{{SERVER},name="max_connections"}}': "200x{0}",
    f"cnpg_pg_replication_lag{{{SERVER}}}": "0x{0}",
    f"cnpg_pg_replication_in_recovery{{{SERVER}}}": "0x{0}",
    f"cnpg_pg_replication_is_wal_receiver_up{{{SERVER}}}": "0x{0}",
    f'cnpg_collector_sync_replicas{{{SERVER},value="expected"}}': "1x{0}",
    f'cnpg_collector_sync_replicas{{{SERVER},value="observed"}}': "2x{0}",
    f'cnpg_pg_replication_slots_pg_wal_lsn_diff{{{SERVER},slot_name="a"}}': "16777216x{0}",
    f'cnpg_backends_max_tx_duration_seconds{{{SERVER},datname="d"}}': "3x{0}",
    f'cnpg_pg_database_xid_age{{{SERVER},datname="d"}}': "200000000x{0}",
}
DATABASES: Final = {
    "a database that is well": Case(WELL, 120),
    "a full volume": Case({**WELL, ROOM.format("available"): "4x{0}"}, 20, ("VolumeFills", "VolumeFull")),
}
BUDGETS: Final = {
    "a tenth fails": Case({**HEALTHY, **answers("unavailable", 140)}, 90, BURNING),
    "eight in a thousand joins": Case(
        {**HEALTHY, f'{JOINS}{{outcome="away"}}': "0+1x{0}"}, 420, ("BudgetBurns", "BudgetBurnsSlowly")
    ),
    "three in a thousand requests": Case(
        {READ: "0+600x{0}", IN_TIME: "0+600x{0}", f'{REST}_count{{method="POST",status="503"}}': "0+2x{0}"},
        600,
        ("BudgetBurnsSlowly",),
    ),
    "reads that take long": Case({READ: "0+600x{0}", IN_TIME: "0+500x{0}"}, 90, BURNING),
    "a full disk": Case(
        {f'{DATA}_count{{outcome="done"}}': "0+600x{0}", f'{DATA}_count{{outcome="storage_full"}}': "0+60x{0}"},
        90,
        BURNING,
    ),
}
EACH: Final = {name: evolve(case, ringing=(name,)) for name, case in {**ONE, **OF_POSTGRES}.items()}
CASES: Final = {**NOTHING, **EACH, **DATABASES, **BUDGETS}


@pytest.fixture(name="promtool", scope="module")
def fixture_promtool() -> Path:
    try:
        module = ROOT / "tests" / "interop" / "prometheus"
        return go_programs.built(module, "github.com/prometheus/prometheus/cmd/promtool", "promtool")
    except NoProgramError as error:
        pytest.skip(str(error))


@pytest.fixture(name="groups", scope="module")
def fixture_groups() -> list[dict[str, Any]]:
    """The groups of all rules."""
    files = [FOLDER / f"{name}.yaml" for name in ("alerts", "levels", "backups", "postgres")]
    rules = [each for file in files for each in values_of(file.read_text()) if each["kind"] == "PrometheusRule"]
    return [group for each in rules for group in each["spec"]["groups"]]


def said(promtool: Path, *words: str, **options: Any) -> str:
    done = subprocess.run([str(promtool), *words], capture_output=True, check=False, text=True, timeout=600, **options)
    told: str = done.stdout + done.stderr
    assert done.returncode == 0, told
    return told


def written(file: Path, groups: list[dict[str, Any]]) -> str:
    file.write_text(json.dumps({"groups": groups}))  # YAML has JSON in it
    return str(file)


def test_rules_and_dashboard_are_promql(promtool: Path, groups: list[dict[str, Any]], tmp_path: Path) -> None:
    board = json.loads((FOLDER / "dashboard.json").read_text())
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    shown = {"name": "dashboard", "rules": [{"record": f"shown:{at}", "expr": each} for at, each in enumerate(asked)]}

    told = said(
        promtool, "check", "rules", "--lint=all", "--lint-fatal", written(tmp_path / "r.yaml", [*groups, shown])
    )

    assert f"SUCCESS: {sum(len(each['rules']) for each in groups) + len(asked)} rules found" in told


def test_figures_are_named_as_prometheus_wants_them(promtool: Path) -> None:
    registry = CollectorRegistry()
    kinds = {"Counter": Counter, "Gauge": Gauge, "Histogram": Histogram}
    for each in FIGURES:
        made = kinds[each.kind](each.name, each.text, each.labels, registry=registry)
        if each.labels:
            made.labels(*each.labels)

    assert said(promtool, "check", "metrics", input=generate_latest(registry).decode()) == ""


def test_every_alert_is_told_of_here(groups: list[dict[str, Any]]) -> None:
    alerts = {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}

    assert {name for each in CASES.values() for name in each.ringing} == alerts


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_it_rings_when_it_should_and_else_not(
    promtool: Path, groups: list[dict[str, Any]], tmp_path: Path, case: Case
) -> None:
    rings = 'count by (alertname) (ALERTS{alertstate="firing"})'
    expected = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in case.ringing]
    series = [{"series": name, "values": values.format(case.minutes + 5)} for name, values in case.series.items()]
    asked = [{"expr": rings, "eval_time": f"{case.minutes}m", "exp_samples": expected}]
    tests = {
        "rule_files": [written(tmp_path / "rules.yaml", groups)],
        "evaluation_interval": "30s",
        "tests": [{"interval": "1m", "input_series": series, "promql_expr_test": asked}],
    }
    (tmp_path / "tests.yaml").write_text(json.dumps(tests))

    assert "SUCCESS" in said(promtool, "test", "rules", str(tmp_path / "tests.yaml"))
