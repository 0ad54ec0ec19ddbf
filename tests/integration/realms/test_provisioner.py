"""Databases, schemas and logins of data backends, made on a real server, whatever happens meanwhile."""

import asyncio
from pathlib import Path
from typing import Any

import psycopg
import pytest

from services.realms.provisioner import working
from services.realms.records.backends import CertifyBackend
from services.realms.records.values import Stage
from tests.harness.waiting import eventually
from tests.integration.database import Postgres
from tests.integration.realms.provisioning import Countdown, KilledError, Login, Provisioning, new_key, pem_of
from tests.integration.realms.world import Realms

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
TABLE = "CREATE TABLE measurements (tsp timestamptz, value bigint)"
READY = "SELECT state FROM realms.backend ORDER BY backend_key"


@pytest.fixture(name="provisioning")
def fixture_provisioning(postgres: Postgres) -> Provisioning:
    return Provisioning(postgres)


def states(postgres: Postgres) -> list[str]:
    return [row[0] for row in postgres.rows(READY)]


def keys(postgres: Postgres) -> list[int]:
    return [row[0] for row in postgres.rows("SELECT backend_key FROM realms.backend ORDER BY backend_key")]


async def plant(world: Realms, *apps: str) -> int:
    """A project with these apps."""
    project = await world.project()
    for name in apps:
        await world.app(name)
        await world.install(app=name)
    return project


async def test_an_install_gets_a_login_into_a_schema_of_its_own(
    world: Realms, provisioning: Provisioning, postgres: Postgres, tmp_path: Path
) -> None:
    project = await plant(world, "press")
    assert states(postgres) == ["wanted"]

    await provisioning.run()

    assert (states(postgres), provisioning.undone()) == (["ready"], [])
    (key,) = keys(postgres)
    login = Login.of(provisioning, tmp_path, key)
    with login.connect() as session:
        session.execute(TABLE.encode())
        session.execute("INSERT INTO measurements VALUES (now(), 7)")
        row = session.execute("SELECT value, current_schema, current_user <> session_user FROM measurements").fetchone()
    ((schema,),) = postgres.rows("SELECT schema_name FROM realms.backend")
    assert row == (7, schema, True)
    assert [entry for entry in postgres.audited() if entry[0].startswith("backend.")] == [
        ("backend.provisioned", "intended"),
        ("backend.provisioned", "done"),
    ]
    await world.announcing.keep_up()
    told = [said for topic, said in world.published if topic == "ironflock.realms.backend.changed"]
    assert [(said["backend_key"], said["project_key"], said["state"], said["epoch"]) for said in told] == [
        (key, project, "ready", 1)
    ]


async def test_apps_of_one_project_share_a_database_and_nothing_in_it(
    world: Realms, provisioning: Provisioning, postgres: Postgres, tmp_path: Path
) -> None:
    await plant(world, "press", "saw")
    await provisioning.run()
    first, second = (Login.of(provisioning, tmp_path, key) for key in keys(postgres))
    ((_, schema),) = [postgres.rows("SELECT backend_key, schema_name FROM realms.backend ORDER BY 1")[0]]

    with first.connect() as one, second.connect() as other:
        one.execute(TABLE.encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            other.execute(f"SELECT FROM {schema}.measurements".encode())
        with pytest.raises(psycopg.errors.UndefinedTable):
            other.execute("SELECT FROM measurements")

    assert first.database == second.database


async def test_projects_have_databases_of_their_own(
    world: Realms, provisioning: Provisioning, postgres: Postgres, tmp_path: Path
) -> None:
    await plant(world, "press")
    await world.project("mill")
    await world.install("mill", "press")
    await provisioning.run()
    first, second = (Login.of(provisioning, tmp_path, key) for key in keys(postgres))

    assert first.database != second.database
    assert first.opens()
    assert not first.opens(dbname=second.database)
    assert not first.opens(user=second.login)
    for other in ("ironflock", "postgres", "template1", "ironflock_project"):
        assert not first.opens(dbname=other)


async def test_uninstalling_closes_and_installing_again_opens_with_every_row(
    world: Realms, provisioning: Provisioning, postgres: Postgres, tmp_path: Path
) -> None:
    await plant(world, "press")
    await provisioning.run()
    login = Login.of(provisioning, tmp_path, *keys(postgres))
    open_session = login.connect()
    open_session.execute(TABLE.encode())
    open_session.execute("INSERT INTO measurements VALUES (now(), 7)")

    await world.uninstall()
    await provisioning.run()

    with pytest.raises(psycopg.OperationalError):
        open_session.execute("SELECT 1")
    assert (states(postgres), login.opens()) == (["closed"], False)
    await world.install()
    await provisioning.run()
    assert states(postgres) == ["ready"]
    with login.connect() as session:
        assert session.execute("SELECT value FROM measurements").fetchall() == [(7,)]
    await world.announcing.keep_up()
    told = [said["state"] for topic, said in world.published if topic.endswith("backend.changed")]
    assert told == ["ready", "absent", "ready"]


async def test_what_was_installed_and_uninstalled_before_anybody_looked_is_closed(
    world: Realms, provisioning: Provisioning, postgres: Postgres
) -> None:
    await plant(world, "press")
    await world.uninstall()
    await world.install()
    await world.uninstall()

    await provisioning.run()

    assert (states(postgres), provisioning.undone()) == (["closed"], [])
    assert postgres.rows("SELECT FROM realms.news WHERE topic LIKE '%%backend%%'") == []


async def test_whoever_waits_for_a_certificate_does_not_wait_for_databases_to_be_made(
    world: Realms, provisioning: Provisioning, postgres: Postgres
) -> None:
    await plant(world, "press")
    await provisioning.run()
    (key,) = keys(postgres)
    for app in ("saw", "mill"):
        await world.app(app)
        await world.install(app=app)
    wanted = CertifyBackend(key, 1, pem_of(new_key()))
    certified = asyncio.create_task(world.provided.certify(wanted))

    async def asked() -> bool:
        return bool(postgres.rows("SELECT FROM realms.provision_job WHERE kind = 'certify'"))

    await eventually(asked, 5, "it is asked for")
    async with provisioning._started(Countdown()) as provisioner:
        await provisioner.work()
    assert (await certified).certificate
    assert [kind for kind, _ in provisioning.undone()] == ["make"]


async def killed_at_each_step(provisioning: Provisioning, again: Any) -> int:
    """Kill a provisioner after its first statement, the next after its second, ...; `again` prepares each turn."""
    number = 0
    while True:
        number += 1
        await again(number)
        try:
            await provisioning.run(Countdown(number))
        except KilledError:
            await provisioning.run()
            continue
        return number - 1


async def test_killed_after_any_statement_it_is_made_by_the_next(
    world: Realms, provisioning: Provisioning, postgres: Postgres, tmp_path: Path
) -> None:
    await world.app("press")

    async def again(number: int) -> None:
        assert set(states(postgres)) <= {"ready"}
        assert provisioning.undone() == []
        await world.project(f"plant {number}")
        await world.install(f"plant {number}", "press")

    statements = await killed_at_each_step(provisioning, again)

    assert statements > 20
    assert set(states(postgres)) == {"ready"}
    for key in keys(postgres):
        assert Login.of(provisioning, tmp_path, key).opens()
    entries = postgres.rows(
        "SELECT asset ->> 'key', outcome, count(*) FROM audit.queue WHERE action = 'backend.provisioned' GROUP BY 1, 2"
    )
    assert sorted(entries) == sorted(
        (str(key), outcome, 1) for key in keys(postgres) for outcome in ("intended", "done")
    )
    await world.announcing.keep_up()
    told = [said["backend_key"] for topic, said in world.published if topic.endswith("backend.changed")]
    assert told == keys(postgres)


async def test_killed_after_any_statement_it_is_closed_by_the_next(
    world: Realms, provisioning: Provisioning, postgres: Postgres, tmp_path: Path
) -> None:
    await plant(world, "press")
    await provisioning.run()
    login = Login.of(provisioning, tmp_path, *keys(postgres))

    async def again(number: int) -> None:
        if number > 1:
            assert (states(postgres), login.opens()) == (["closed"], False)
            await world.install()
            await provisioning.run()
            assert login.opens()
        await world.uninstall()

    assert await killed_at_each_step(provisioning, again) > 5

    assert not login.opens()


async def test_two_at_once_work_one_after_the_other(
    world: Realms, provisioning: Provisioning, postgres: Postgres
) -> None:
    await plant(world, "press", "saw", "drill")

    await asyncio.gather(provisioning.run(), Provisioning(postgres).run())

    assert states(postgres) == ["ready"] * 3
    assert [outcome for action, outcome in postgres.audited() if action == "backend.provisioned"].count("done") == 3


async def test_a_name_that_somebody_has_taken_stops_nobody_else(
    world: Realms, provisioning: Provisioning, postgres: Postgres
) -> None:
    await plant(world, "press")
    ((login,),) = postgres.rows("SELECT login_name FROM realms.backend")
    postgres.run(f"CREATE ROLE {login}")  # not the provisioner's, so that it may not touch it
    await world.app("saw")
    await world.install(app="saw")

    await provisioning.run()

    assert states(postgres) == ["wanted", "ready"]
    assert provisioning.undone() == [("make", None)]
    postgres.run(f"DROP ROLE {login}")
    postgres.run("UPDATE realms.provision_job SET due_at = now()")
    await provisioning.run()
    assert states(postgres) == ["ready", "ready"]


async def test_stages_live_apart(world: Realms, provisioning: Provisioning, postgres: Postgres) -> None:
    await plant(world, "press")
    await world.install(stage=Stage.DEV)

    await provisioning.run()

    rows = postgres.rows("SELECT schema_name, login_name, owner_name FROM realms.backend")
    assert len({name for row in rows for name in row}) == 6


async def test_transactions_that_last_too_long_are_ended_whatever_was_set(
    world: Realms, provisioning: Provisioning, postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await plant(world, "press")
    await provisioning.run()
    login = Login.of(provisioning, tmp_path, *keys(postgres))
    with login.connect() as idle, postgres.connect("svc_realms") as service:
        for name in ("idle_in_transaction_session_timeout", "transaction_timeout", "statement_timeout"):
            idle.execute(f"SET {name} = 0".encode())
        idle.execute("BEGIN")
        service.execute("BEGIN")
        await provisioning.run()
        idle.execute("SELECT 1")
        monkeypatch.setattr(working, "LONGEST_TRANSACTION_S", 0.0)

        await provisioning.run()

        with pytest.raises(psycopg.OperationalError):
            idle.execute("SELECT 1")
        service.execute("SELECT 1")


@pytest.mark.parametrize("end", ["ALTER ROLE {} NOLOGIN", "DROP ROLE {}"])
async def test_a_session_that_came_in_while_its_login_was_closed_is_ended(
    world: Realms, provisioning: Provisioning, postgres: Postgres, tmp_path: Path, end: str
) -> None:
    await plant(world, "press")
    await provisioning.run()
    login = Login.of(provisioning, tmp_path, *keys(postgres))
    with login.connect() as late, postgres.connect("svc_realms") as service:
        (name,) = late.execute("SELECT session_user").fetchone() or ("",)
        for statement in (f"DROP OWNED BY {name}", end.format(name)):
            postgres.run(statement)
        late.execute("SELECT 1")

        await provisioning.run()

        with pytest.raises(psycopg.OperationalError):
            late.execute("SELECT 1")
        service.execute("SELECT 1")


async def test_what_is_long_done_is_forgotten(world: Realms, provisioning: Provisioning, postgres: Postgres) -> None:
    await plant(world, "press", "saw")
    await provisioning.run()
    postgres.run(
        "UPDATE realms.provision_job SET done_at = now() - interval '2 hours'"
        " WHERE job_key = (SELECT min(job_key) FROM realms.provision_job)"
    )

    await provisioning.run()

    assert postgres.rows("SELECT count(*) FROM realms.provision_job") == [(1,)]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM realms.project",
        "SELECT * FROM realms.app",
        "SELECT * FROM realms.news",
        "INSERT INTO realms.news (topic, content) VALUES ('x', '{}')",
        "UPDATE realms.backend SET schema_name = 'x'",
        "UPDATE realms.backend SET app_key = 1",
        "INSERT INTO realms.provision_job (kind, backend_key) VALUES ('make', 1)",
        "UPDATE realms.provision_job SET kind = 'close'",
        "DELETE FROM realms.backend",
        "SELECT * FROM auth.account",
        "SELECT * FROM audit.queue",
        "CREATE TABLE realms.mine (a int)",
        "SELECT realms.backend_tell()",
        "SET ROLE realms_owner",
        "ALTER ROLE svc_auth PASSWORD 'x'",
        "GRANT svc_auth TO provisioner",
        "DROP DATABASE ironflock",
        "CREATE ROLE mine SUPERUSER",
        "CREATE ROLE mine REPLICATION",
        "COPY (SELECT 1) TO PROGRAM 'cat'",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'",
    ],
)
async def test_the_provisioner_may_do_nothing_else(postgres: Postgres, statement: str) -> None:
    with postgres.connect("provisioner") as session, pytest.raises(psycopg.errors.InsufficientPrivilege):
        session.execute(statement.encode())
