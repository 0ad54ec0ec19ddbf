"""How the newest rows of entities are found; which ones they are is in `test_reading.py`."""

from collections.abc import Callable
from typing import Any

import pytest
from psycopg import sql

from services.fleetdb.making import Making
from services.fleetdb.records.backends import Backend
from services.fleetdb.records.tables import Table
from services.fleetdb.rules.filters import columns_of, selection
from services.fleetdb.rules.projections import projection
from services.fleetdb.rules.queries import history_query
from services.fleetdb.store import newest
from services.fleetdb.store.catalog import key_name
from services.fleetdb.store.history import history, statement_of
from shared.database import Connection
from tests.integration.fleetdb.plain import PlainConnections
from tests.integration.fleetdb.templates import column, template

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
TEMPLATE = template(
    {
        "tablename": "states",
        "maintainLatestFlagFor": ["device_key", "order"],
        "columns": [column("order", "string"), column("number", "bigint")],
    }
)
LATEST = ({"limit": 10_000, "filterAnd": [{"latest": True}]},)


async def filled(connection: Connection, entities: int, rows: int) -> None:
    """Have `rows` of each of `entities`, the last the newest."""
    await connection.execute(
        'INSERT INTO states (tsp, device_key, authid, "order", number)'
        " SELECT now() + n * interval '1 second', e %% 7, 'S', 'o' || e, n"
        " FROM generate_series(1, %s) AS e, generate_series(1, %s) AS n",
        (entities, rows),
    )
    await connection.execute("ANALYZE states")


async def plan(connection: Connection, backend: Backend, table: Table) -> str:
    """What the database did."""
    query = history_query(LATEST)
    selected = selection(query.filters, columns_of(table), None)
    statement = statement_of(backend.schema, table, query, selected, projection(table, query, is_latest=True))
    explained = sql.SQL("EXPLAIN (ANALYZE, COSTS FALSE, TIMING FALSE) {}").format(statement.text)
    cursor = await connection.execute(explained, statement.parameters)
    return "\n".join(line for (line,) in await cursor.fetchall())


async def test_few_entities_are_looked_up_and_many_are_sorted(
    make_backend: Callable[..., Backend], connections: PlainConnections, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = make_backend(TEMPLATE)
    table = (await Making(connections).make(backend)).tables["states"]
    async with connections.connection(backend) as connection:
        await filled(connection, 20, 500)

        async def numbers() -> list[Any]:
            found = await history(connection, backend.schema, table, history_query(LATEST), reader=None)
            return [each["number"] for each in found]

        looked_up = await plan(connection, backend, table)
        assert "Unique (never executed)" in looked_up
        assert await numbers() == [500] * 20

        monkeypatch.setattr(newest, "FEW", 19)
        assert "Unique (never executed)" not in await plan(connection, backend, table)
        assert await numbers() == [500] * 20


async def test_without_an_index_all_rows_are_sorted(
    make_backend: Callable[..., Backend], connections: PlainConnections
) -> None:
    backend = make_backend(TEMPLATE)
    table = (await Making(connections).make(backend)).tables["states"]
    async with connections.connection(backend) as connection:
        await connection.execute(
            sql.SQL("ALTER TABLE states DROP CONSTRAINT {}").format(
                sql.Identifier(key_name(table.name, table.entity_key))
            )
        )
        await filled(connection, 20, 50)

        assert "Unique (never executed)" not in await plan(connection, backend, table)
        found = await history(connection, backend.schema, table, history_query(LATEST), reader=None)
        assert [each["number"] for each in found] == [50] * 20
