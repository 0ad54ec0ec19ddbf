"""The backends that other tests work with are as sealed off as the real ones."""

from collections.abc import Callable

import psycopg
import pytest
from psycopg import sql

from services.fleetdb.records.backends import Backend
from tests.integration.fleetdb.plain import PlainConnections

pytestmark = pytest.mark.real


@pytest.mark.asyncio
async def test_a_backend_makes_tables_in_its_own_schema(backend: Backend, connections: PlainConnections) -> None:
    async with connections.transaction(backend) as connection:
        await connection.execute("CREATE TABLE made (a int)")
        cursor = await connection.execute(
            "SELECT table_schema FROM information_schema.tables WHERE table_name = 'made'"
        )
        found = await cursor.fetchone()

    assert found == (backend.schema,)


@pytest.mark.asyncio
async def test_a_backend_does_not_read_the_catalogs(backend: Backend, connections: PlainConnections) -> None:
    async with connections.connection(backend) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute("SELECT * FROM pg_class")


@pytest.mark.asyncio
async def test_a_backend_reaches_no_schema_of_another(
    make_backend: Callable[..., Backend], connections: PlainConnections
) -> None:
    one, other = make_backend(), make_backend()
    async with connections.connection(one) as connection:
        await connection.execute("CREATE TABLE mine (a int)")

    async with connections.connection(other) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(one.schema, "mine")))
