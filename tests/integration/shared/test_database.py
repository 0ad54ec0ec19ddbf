"""The pool of a service: transactions, a database that goes away and comes back, verified TLS only."""

import asyncio
from pathlib import Path
from typing import Any

import attrs
import psycopg
import pytest

from shared.database import Connection, Database, Password, connection_arguments, database_settings
from shared.errors import NotFoundError, OverLimitError, UnavailableError
from shared.health import Health
from shared.settings import Settings, SettingsError
from tests.integration.database import Postgres
from tests.integration.flockctl.certificates import make_certificates

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
INSERT = "INSERT INTO realms.project (name, name_canonical, owner_account_key) VALUES ('a', 'a', 1)"


def count(postgres: Postgres) -> int:
    return int(postgres.rows("SELECT count(*) FROM realms.project")[0][0])


async def test_a_block_that_ends_is_committed(realms_database: Database, postgres: Postgres) -> None:
    async with realms_database.transaction() as connection:
        await connection.execute(INSERT)
        assert count(postgres) == 0

    assert count(postgres) == 1


@pytest.mark.parametrize("error", [NotFoundError("none"), ValueError("other"), asyncio.CancelledError()])
async def test_a_block_that_fails_is_rolled_back(
    realms_database: Database, postgres: Postgres, error: BaseException
) -> None:
    async def change() -> None:
        async with realms_database.transaction() as connection:
            await connection.execute(INSERT)
            raise error

    with pytest.raises(type(error)):
        await change()

    assert count(postgres) == 0


async def test_one_statement_is_a_transaction_by_itself(realms_database: Database, postgres: Postgres) -> None:
    async def insert(connection: Connection) -> int:
        return (await connection.execute(INSERT)).rowcount

    assert await realms_database.run(insert) == 1
    assert count(postgres) == 1
    with pytest.raises(psycopg.errors.UniqueViolation):
        await realms_database.run(insert)


async def test_a_statement_whose_result_nobody_looks_at_fails_the_block_all_the_same(
    realms_database: Database, postgres: Postgres
) -> None:
    async def change() -> None:
        async with realms_database.transaction() as connection:
            await connection.execute(INSERT)
            await connection.execute("SELECT 1 / 0")

    with pytest.raises(psycopg.errors.DivisionByZero):
        await change()

    assert count(postgres) == 0
    async with realms_database.transaction() as connection:
        await connection.execute(INSERT)


async def test_an_error_of_ours_stays_what_it_is(realms_database: Database) -> None:
    async with realms_database.transaction() as connection:
        await connection.execute(INSERT)

    with pytest.raises(psycopg.errors.UniqueViolation):
        async with realms_database.transaction() as connection:
            await connection.execute(INSERT)


async def test_every_connection_is_over_verified_tls(realms_database: Database) -> None:
    async with realms_database.transaction() as connection:
        cursor = await connection.execute("SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        row = await cursor.fetchone()

    assert row is not None
    assert row[0] is True
    assert row[1] in ("TLSv1.2", "TLSv1.3")


async def test_given_another_authority_when_a_service_connects_then_it_does_not(
    postgres: Postgres, tmp_path: Path
) -> None:
    settings = attrs.evolve(postgres.settings("svc_realms"), ca=make_certificates(tmp_path).ca)

    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        await psycopg.AsyncConnection.connect(**connection_arguments(settings))


async def test_given_a_statement_that_takes_too_long_when_it_is_cut_off_then_the_pool_goes_on(
    realms_database: Database,
) -> None:
    async def sleep() -> None:
        async with realms_database.transaction() as connection:
            await connection.execute("SET LOCAL statement_timeout = 20")
            await connection.execute("SELECT pg_sleep(60)")

    with pytest.raises(OverLimitError):
        await sleep()

    async with realms_database.transaction() as connection:
        await connection.execute("SELECT 1")


async def test_given_connections_that_were_cut_when_the_next_transaction_comes_then_it_works(
    realms_database: Database, postgres: Postgres
) -> None:
    async def change() -> None:
        async with realms_database.transaction() as connection:
            await connection.execute(INSERT)
            postgres.run("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = 'svc_realms'")
            await connection.execute("SELECT 1")

    with pytest.raises(UnavailableError):
        await change()
    assert count(postgres) == 0

    async with realms_database.transaction() as connection:
        await connection.execute(INSERT)

    assert count(postgres) == 1


async def test_a_database_that_is_away_is_unavailable_and_comes_back(postgres: Postgres) -> None:
    health = Health("database")
    async with postgres.database("svc_realms", health) as database:
        await database.probe()
        assert health.ready()

        postgres.stop()
        database._pool.timeout = 0.2
        with pytest.raises(UnavailableError):
            async with database.transaction() as connection:
                await connection.execute(INSERT)
        await database.probe()
        assert not health.ready()

        postgres.start()
        database._pool.timeout = 30.0
        await database.probe()
        assert health.ready()
        async with database.transaction() as connection:
            await connection.execute(INSERT)

    assert count(postgres) == 1


async def test_the_settings_are_read_and_the_password_shows_nowhere(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("s3cret\n")
    environ = {
        "IRONFLOCK_X_DATABASE_HOST": "localhost",
        "IRONFLOCK_X_DATABASE_PORT": "5432",
        "IRONFLOCK_X_DATABASE_NAME": "ironflock",
        "IRONFLOCK_X_DATABASE_PASSWORD_FILE": str(tmp_path / "password"),
    }

    found = database_settings(Settings("X", environ), "svc_x", tmp_path / "ca.pem")

    assert (found.host, found.port, found.name, found.login) == ("localhost", 5432, "ironflock", "svc_x")
    assert found.password == Password("s3cret")
    assert "s3cret" not in repr(found) + str(found)
    arguments: dict[str, Any] = connection_arguments(found)
    assert (arguments["sslmode"], arguments["sslrootcert"]) == ("verify-full", str(tmp_path / "ca.pem"))
    for variable in environ:
        with pytest.raises(SettingsError, match=variable):
            database_settings(Settings("X", {k: v for k, v in environ.items() if k != variable}), "svc_x", tmp_path)
