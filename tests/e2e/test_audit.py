"""Every change leaves one entry, and nobody but the database itself can touch what is recorded."""

from collections import Counter
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.harness.clients import Account, new_name
from tests.harness.recorded import RECORDED
from tests.harness.running import RunningPlatform
from tests.integration.router_node.wire import WampError

pytestmark = pytest.mark.real
COUNT = f"SELECT count(*) FROM {RECORDED}"  # noqa: S608


def entries(platform: RunningPlatform, kind: str, key: int | str) -> list[dict[str, Any]]:
    """All that was recorded of one thing, in order."""
    with platform.database() as connection:
        rows = connection.execute(
            f"SELECT service, action, outcome, actor, project, before, after FROM {RECORDED}"  # noqa: S608
            " WHERE asset ->> 'kind' = %s AND asset ->> 'key' = %s ORDER BY id",
            [kind, str(key)],
        ).fetchall()
    names = ("service", "action", "outcome", "actor", "project", "before", "after")
    return [dict(zip(names, row, strict=True)) for row in rows]


def actions(platform: RunningPlatform, kind: str, key: int | str, outcome: str = "done") -> list[str]:
    """The tags of these entries."""
    return [entry["action"] for entry in entries(platform, kind, key) if entry["outcome"] == outcome]


def test_each_change_of_a_device_leaves_exactly_one_entry(ironflock: RunningPlatform, owner: Account) -> None:
    device = owner.device()
    key, name = device["device_key"], new_name("other")

    owner.flash(key)
    owner.call("ironflock.devices.device.rename", device=key, name=name)
    owner.flash(key)
    owner.call("ironflock.devices.device.delete", device=key)

    flashed = ["device_credential.issued", "device.flashed"]
    deleted = ["device_credential.ended", "device.deleted"]
    assert actions(ironflock, "device", key) == ["device.created", *flashed, "device.renamed", *flashed, *deleted]
    assert actions(ironflock, "device", key, "intended") == ["device.flashed", "device.flashed", "device.deleted"]
    assert actions(ironflock, "project", device["project_key"]) == ["project.created"]


def test_an_entry_says_who_changed_what_and_where(ironflock: RunningPlatform, owner: Account) -> None:
    device = owner.device()
    name = new_name("other")
    me = owner.call("ironflock.auth.account.me")["account_key"]

    owner.call("ironflock.devices.device.rename", device=device["device_key"], name=name)

    renamed = entries(ironflock, "device", device["device_key"])[-1]
    assert renamed["service"] == "svc_devices"
    assert renamed["actor"]["kind"] == "person"
    assert renamed["actor"]["key"] == me
    assert renamed["actor"]["credential"] == owner.api_key[4:16]
    assert renamed["project"] == device["project_key"]
    assert (renamed["before"], renamed["after"]) == ({"name": device["name"]}, {"name": name})


def test_what_is_refused_or_only_read_leaves_no_entry(ironflock: RunningPlatform, owner: Account) -> None:
    device = owner.device()
    with ironflock.database() as connection:
        before = connection.execute(COUNT).fetchone()

    owner.call("ironflock.devices.device.list")
    for arguments in ({"name": device["name"]}, {"name": "1"}, {"name": ""}):
        with pytest.raises(WampError):
            owner.call("ironflock.devices.device.create", project=device["project_key"], **arguments)

    with ironflock.database() as connection:
        assert connection.execute(COUNT).fetchone() == before


def test_the_installation_began_with_one_owner_and_one_key(ironflock: RunningPlatform, owner: Account) -> None:
    with ironflock.database() as connection:
        rows = connection.execute(
            f"SELECT action FROM {RECORDED} WHERE service = 'svc_auth'"  # noqa: S608
        ).fetchall()

    counted = Counter(row[0] for row in rows)
    assert counted["account.created"] == 1
    assert actions(ironflock, "api_key", owner.api_key[4:16]) == ["api_key.created"]


FORBIDDEN = [
    "SELECT * FROM audit.queue",
    "SELECT count(*) FROM audit.queue",
    "INSERT INTO audit.queue (recorded_at, service) VALUES (now(), 'svc_auth')",
    "UPDATE audit.queue SET reason = 'x'",
    "DELETE FROM audit.queue",
    "TRUNCATE audit.queue",
    "ALTER TABLE audit.queue DROP COLUMN reason",
    "ALTER TABLE audit.queue DISABLE TRIGGER ALL",
    "DROP TABLE audit.queue",
    "LOCK TABLE audit.queue IN ACCESS EXCLUSIVE MODE",
    "COPY audit.queue TO '/dev/null'",
    "CREATE TABLE audit.mine (x int)",
    "CREATE TABLE public.mine (x int)",
    "CREATE TEMP TABLE mine (x int)",
    "CREATE SCHEMA mine",
    "CREATE OR REPLACE FUNCTION audit.record() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "ALTER FUNCTION audit.record(text, text, jsonb, jsonb, bigint, jsonb, jsonb, text, jsonb, text) SECURITY INVOKER",
    "INSERT INTO audit.action VALUES ('mine', 'svc_devices')",
    "SELECT * FROM audit.action",
    "SELECT setval(pg_get_serial_sequence('audit.queue', 'id'), 1)",
    "SET ROLE audit_owner",
    "SET SESSION AUTHORIZATION postgres",
    "GRANT audit_owner TO CURRENT_USER",
    "ALTER ROLE CURRENT_USER SUPERUSER",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "SELECT pg_read_file('PG_VERSION')",
    "ALTER DATABASE ironflock OWNER TO CURRENT_USER",
]


@pytest.mark.parametrize("login", ["svc_auth", "svc_realms", "svc_devices"])
def test_a_service_can_neither_read_nor_change_the_queue_nor_make_itself_greater(
    ironflock: RunningPlatform, login: str
) -> None:
    allowed = []
    with ironflock.database(login) as connection:
        for statement in FORBIDDEN:
            try:
                with connection.transaction(force_rollback=True):
                    connection.execute(statement.encode())
            except psycopg.errors.InsufficientPrivilege:
                continue
            except psycopg.Error as error:
                allowed.append(f"{statement}: {type(error).__name__}")
            else:
                allowed.append(statement)
    assert allowed == []


RECORD = (
    'SELECT audit.record(%s, \'existence\', \'{"kind": "service", "key": "x", "credential": null,'
    ' "on_behalf_of": null}\', \'{"kind": "test", "key": "forged"}\', NULL, NULL, NULL, NULL,'
    ' \'{"session": null, "address": null, "request": null}\', \'done\')'
)


def test_a_service_records_under_its_own_tags_only_and_cannot_choose_its_name(ironflock: RunningPlatform) -> None:
    with ironflock.database("svc_realms") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(RECORD, ["device.deleted"])

    with ironflock.database("svc_realms") as connection:
        connection.execute("BEGIN")
        connection.execute(RECORD, ["project.created"])
        connection.execute("ROLLBACK")

    assert entries(ironflock, "test", "forged") == []


@pytest.mark.parametrize(
    ("login", "schema"),
    [
        (f"svc_{one}", other)
        for one in ("auth", "realms", "devices")
        for other in ("auth", "realms", "devices")
        if one != other
    ],
)
def test_a_service_sees_nothing_of_another_ones_tables(ironflock: RunningPlatform, login: str, schema: str) -> None:
    with ironflock.database() as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", [schema]).fetchall()
    assert rows
    with ironflock.database(login) as connection:
        for (table,) in rows:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(sql.SQL("SELECT 1 FROM {}").format(sql.Identifier(schema, table)))


def test_a_service_reaches_no_other_database(ironflock: RunningPlatform) -> None:
    for login in ("svc_auth", "svc_realms", "svc_devices", "migrate"):
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(
                host="localhost",
                hostaddr="127.0.0.1",
                port=ironflock.ports.postgres,
                dbname="postgres",
                user=login,
                password=ironflock.secret(f"database/{login}"),
                sslmode="verify-full",
                sslrootcert=str(ironflock.state.ca_certificate),
            )
