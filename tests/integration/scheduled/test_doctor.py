"""The doctor of a cluster: what its login reads is enough for every check of the database, and is nothing else."""

import datetime as dt
from pathlib import Path
from typing import Final

import pytest
from attrs import evolve

from deploy.flockctl.doctor.asking import Asked, Beside, ask_database
from deploy.flockctl.doctor.checks import CHECKS, diagnose
from deploy.flockctl.doctor.within import gather_within, read_within
from deploy.local.bootstrap import DOCTOR, SCHEMAS, SUPERUSER, Server
from shared.clusters import FIRST
from tests.harness.ports import free_port_base
from tests.integration.database import Postgres

READ: Final = {
    "audit.checkpoint": {"number", "size", "published_at"},
    "audit.cosignature": {"checkpoint"},
    "audit.entry": {"leaf_index", "recorded_at", "asset", "outcome"},
    "audit.queue": {"recorded_at"},
    "auth.logout_notice": {"next_attempt_at"},
    "auth.message": {"created_at"},
    "devices.app_ending": {"due_at"},
    "devices.outbox": {"due_at"},
    "privileges.lock": {"reason", "ends_at"},
    "realms.backend": {"cluster_key", "state"},
    "realms.cell": {"cell_key", "name", "endpoint"},
    "realms.cluster": {"cluster_key", "name", "reached_at", "forgotten_at"},
    "realms.project": {"name", "cell_key", "legacy_mode", "legacy_until"},
    "realms.provision_job": {"asked_at", "cluster_key", "done_at", "due_at", "kind"},
    "tunnels.tunnel": {"public_since", "public_until"},
    **{f"{schema}.migration": {"number", "digest"} for schema in SCHEMAS},
}
MAY: Final = """
SELECT c.table_schema || '.' || c.table_name, c.column_name, p.may FROM information_schema.columns c,
    unnest(ARRAY ['SELECT', 'INSERT', 'UPDATE']) AS p (may)
WHERE c.table_schema = ANY (%s)
    AND has_column_privilege('doctor', format('%%I.%%I', c.table_schema, c.table_name), c.column_name, p.may)
"""


def asked_by(postgres: Postgres, login: str, tmp_path: Path) -> Asked:
    password = postgres.secret_file(login).read_text().strip()
    beside = Beside(None, (FIRST,), tmp_path / "audit-head", tmp_path / "audit-keys", None)
    return ask_database(Server(postgres.port, postgres.ca, password, login=login), beside)


def test_it_reads_what_it_asks_for_and_nothing_else(postgres: Postgres) -> None:
    found: dict[str, set[str]] = {}
    for table, column, may in postgres.rows(MAY, list(SCHEMAS)):
        assert may == "SELECT"
        found.setdefault(table, set()).add(column)

    assert found == READ
    assert postgres.rows(
        "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls FROM pg_roles"
        " WHERE rolname = %s",
        DOCTOR,
    ) == [(False,)]


def test_it_is_told_what_the_superuser_is_told(postgres: Postgres, tmp_path: Path) -> None:
    postgres.run("UPDATE realms.cluster SET reached_at = now() - interval '1 hour'")
    postgres.run(
        "INSERT INTO auth.message (message_id, sealed, created_at, next_attempt_at)"
        " VALUES (gen_random_uuid(), '\\x00', now() - interval '1 hour', now() + interval '1 day')"
    )
    with postgres.connect() as held, held.transaction():
        held.execute("SELECT 1")

        theirs, ours = (asked_by(postgres, login, tmp_path) for login in (SUPERUSER, DOCTOR))

    assert (theirs.problem, ours.problem) == ("", "")
    assert theirs.database is not None
    assert ours.database is not None
    assert ours.database.connections >= 2
    assert ours.database.oldest_transaction_s > 0
    assert _lasting(ours) == _lasting(theirs)
    assert ours.cells == theirs.cells


def _lasting(asked: Asked) -> object:
    """What does not go on between two questions."""
    assert asked.database is not None
    still = evolve(asked.database, connections=0, oldest_transaction_s=0.0, transaction_age=0, outboxes=(), clusters=())
    waiting = [(each.table, each.waiting) for each in asked.database.outboxes]
    return still, waiting, [(each.name, each.has_data) for each in asked.database.clusters], asked.log is None


@pytest.fixture(name="environ")
def fixture_environ(postgres: Postgres, tmp_path: Path) -> dict[str, str]:
    """As a pod of the component `backups` has it; no process but PostgreSQL answers."""
    for folder in ("audit", "state", "backups"):
        (tmp_path / folder).mkdir()
    return {
        f"IRONFLOCK_DOCTOR_{name}": value
        for name, value in {
            "CA_FILE": str(postgres.ca),
            "DATABASE_HOST": "localhost",
            "DATABASE_PORT": str(postgres.port),
            "DATABASE_PASSWORD_FILE": str(postgres.secret_file(DOCTOR)),
            "PARTS": f"auth=localhost:{free_port_base()}",
            "BUS_URL": "first=wss://router-0:8444/ws-svc,other=wss://router-1:8444/ws-svc",
            "AUDIT": str(tmp_path / "audit"),
            "STATE": str(tmp_path / "state"),
            "TO": str(tmp_path / "backups"),
        }.items()
    }


def test_from_within_each_thing_that_is_wrong_is_found(
    postgres: Postgres, environ: dict[str, str], tmp_path: Path
) -> None:
    now = dt.datetime.now(dt.UTC).timestamp()  # noqa: TID251 - backups and certificates are held against it
    (tmp_path / "state" / "backup.json").write_text(f'{{"made_at": {now - 60}, "drilled_at": {now - 60}}}')
    postgres.run("UPDATE realms.cluster SET reached_at = now() - interval '1 hour'")
    postgres.run("INSERT INTO tunnels.migration (number, name, digest) VALUES (9000, '9000_planted', 'x')")
    try:
        facts = gather_within(read_within(environ), environ, now)
    finally:
        postgres.run("DELETE FROM tunnels.migration WHERE number = 9000")

    found = {each.code: each.what for each in diagnose(facts, CHECKS)}
    assert "auth is not ready" in found["part_not_ready"]
    assert "auth, health" in found["listener_silent"]
    assert "schema tunnels" in found["migrations"]
    assert "first" in found["cluster_away"]
    assert "the cell other" in found["cell_not_placed"]
    assert not {"database_away", "backup_missing", "drill_missing", "old_tls", "clock_apart"} & found.keys()
    shown = {each.name: each for each in facts.certificates}
    assert shown["postgres"].starts_at < now < shown["postgres"].ends_at
    assert any("authority" in name for name in shown)
    assert len(facts.disks) >= 1
