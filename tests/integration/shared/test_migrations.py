"""Migrations on a real database: order, owners, changed files, newer databases, several at once."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from shared.migrations import MigrationError, migrate
from tests.integration.database import ROOT, Postgres

pytestmark = pytest.mark.real
TABLE = "CREATE TABLE thing (name text); INSERT INTO thing VALUES ('first');"
COLUMN = "ALTER TABLE thing ADD COLUMN number integer; INSERT INTO thing VALUES ('second', 2);"


@pytest.fixture(name="connection")
def fixture_connection(postgres: Postgres) -> Iterator[psycopg.Connection[Any]]:
    """As login `migrate`, with a schema `trial` of the owner of `devices`."""
    postgres.run("CREATE SCHEMA trial AUTHORIZATION devices_owner")
    try:
        with postgres.connect("migrate") as connection:
            yield connection
    finally:
        postgres.run("DROP SCHEMA trial CASCADE")


@pytest.fixture(name="folder")
def fixture_folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_create_thing.sql").write_text(TABLE)
    (tmp_path / "0002_add_number.sql").write_text(COLUMN)
    return tmp_path


def run(connection: psycopg.Connection[Any], folder: Path) -> list[str]:
    return migrate(connection, schema="trial", owner="devices_owner", folder=folder)


def ledger(postgres: Postgres) -> list[tuple[Any, ...]]:
    return postgres.rows("SELECT number, name FROM trial.migration ORDER BY number")


def test_files_run_in_order_as_the_owner_and_once(
    postgres: Postgres, connection: psycopg.Connection[Any], folder: Path
) -> None:
    assert run(connection, folder) == ["0001_create_thing", "0002_add_number"]
    assert run(connection, folder) == []

    assert postgres.rows("SELECT name, number FROM trial.thing") == [("first", None), ("second", 2)]
    assert ledger(postgres) == [(1, "0001_create_thing"), (2, "0002_add_number")]
    owners = postgres.rows("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'trial'")
    assert owners == [("devices_owner",)]
    assert connection.execute("SELECT current_user").fetchone() == ("migrate",)


def test_a_later_file_runs_alone(postgres: Postgres, connection: psycopg.Connection[Any], folder: Path) -> None:
    run(connection, folder)
    (folder / "0003_add_colour.sql").write_text("ALTER TABLE thing ADD COLUMN colour text")

    assert run(connection, folder) == ["0003_add_colour"]
    assert len(ledger(postgres)) == 3


def test_given_a_file_that_changed_after_it_ran_when_it_is_migrated_then_nothing_happens(
    postgres: Postgres, connection: psycopg.Connection[Any], folder: Path
) -> None:
    run(connection, folder)
    (folder / "0001_create_thing.sql").write_text(TABLE + " ")
    (folder / "0003_add_colour.sql").write_text("ALTER TABLE thing ADD COLUMN colour text")

    with pytest.raises(MigrationError, match="0001_create_thing"):
        run(connection, folder)

    assert len(ledger(postgres)) == 2


def test_given_a_newer_database_when_it_is_migrated_then_it_is_refused(
    connection: psycopg.Connection[Any], folder: Path
) -> None:
    run(connection, folder)
    (folder / "0002_add_number.sql").unlink()

    with pytest.raises(MigrationError, match="has seen migration 2"):
        run(connection, folder)


def test_given_a_file_that_fails_when_it_is_migrated_then_it_leaves_nothing_and_may_run_again(
    postgres: Postgres, connection: psycopg.Connection[Any], folder: Path
) -> None:
    (folder / "0002_add_number.sql").write_text("INSERT INTO thing VALUES ('half'); SELECT 1 / 0;")
    with pytest.raises(psycopg.errors.DivisionByZero):
        run(connection, folder)
    assert ledger(postgres) == [(1, "0001_create_thing")]
    assert postgres.rows("SELECT name FROM trial.thing") == [("first",)]

    (folder / "0002_add_number.sql").write_text(COLUMN)

    assert run(connection, folder) == ["0002_add_number"]


def test_given_processes_that_migrate_at_once_when_they_have_ended_then_each_file_ran_once(
    postgres: Postgres, connection: psycopg.Connection[Any], folder: Path
) -> None:
    def one(_: int) -> list[str]:
        with postgres.connect("migrate") as own:
            return run(own, folder)

    assert not connection.closed
    with ThreadPoolExecutor(4) as at_once:
        ran = list(at_once.map(one, range(4)))

    assert sorted(ran, key=len) == [[], [], [], ["0001_create_thing", "0002_add_number"]]
    assert len(ledger(postgres)) == 2


def test_given_the_platform_s_own_when_it_is_migrated_again_by_two_at_once_then_nothing_happens(
    postgres: Postgres,
) -> None:
    running = [postgres.start_migrating() for _ in range(2)]

    for ended in [each.communicated() for each in running]:
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


@pytest.mark.parametrize("schema", ["audit", "auth", "realms", "devices"])
def test_the_platform_s_own_files_may_run_again(postgres: Postgres, schema: str, tmp_path: Path) -> None:
    folder = tmp_path / schema
    shutil.copytree(ROOT / "services" / schema / "migrations", folder)
    with postgres.connect("migrate") as connection:
        for file in sorted(folder.glob("*.sql")):
            with connection.transaction():
                connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(f"{schema}_owner")))
                connection.execute(file.read_bytes())


@pytest.mark.parametrize("login", ["svc_auth", "svc_realms", "svc_devices"])
def test_a_service_sees_its_own_schema_and_cannot_change_it(postgres: Postgres, login: str) -> None:
    own = login.removeprefix("svc_")
    with postgres.connect(login) as connection:
        for schema in ("auth", "realms", "devices"):
            may = connection.execute("SELECT has_schema_privilege(%s, 'USAGE')", [schema]).fetchone()
            assert may == (schema == own,)
        for statement in (f"CREATE TABLE {own}.x ()", f"TABLE {own}.migration", "CREATE TABLE public.x ()"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())
