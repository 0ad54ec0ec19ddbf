"""Making the tables of a backend: as its template asks, as far as what is there allows."""

import psycopg
import structlog
from attrs import frozen

from services.fleetdb.records.backends import Backend
from services.fleetdb.records.tables import Made, Table
from services.fleetdb.rules.shapes import tables_of
from services.fleetdb.store import downsampling
from services.fleetdb.store.catalog import Relation, relations, unique_constraints
from services.fleetdb.store.engines import Engine, engine_of
from services.fleetdb.store.tables import ensure, is_whole, kept, unique_key_ensure
from services.fleetdb.writing import Lending
from shared.database import Connection

log = structlog.get_logger()


@frozen
class _Making:
    """One table that is to be made, and what is there of it."""

    backend: Backend
    table: Table
    found: Relation | None
    constraints: frozenset[str]
    engine: Engine


class Making:
    """Makes tables; doing it again changes nothing."""

    def __init__(self, connections: Lending) -> None:
        """`connections` lends those of the backends' own logins."""
        self._connections = connections

    async def make(self, backend: Backend) -> Made:
        """See that the tables of the backend's template are there; answers them as they are.

        A table that cannot be made is left out and told of, and so is whatever of one cannot be as it is to be: nothing
        of it stands in the way of the others.

        Raises:
            PublicError: The database is away.
        """
        async with self._connections.connection(backend) as connection:
            engine = await engine_of(connection)
            found = await relations(connection, backend.schema)
            constraints = await unique_constraints(connection, backend.schema)
        tables: dict[str, Table] = {}
        problems: list[str] = []
        for asked in tables_of(backend.template, backend.keeps).values():
            table, differences = kept(asked, found.get(asked.name))
            problems += differences
            there = constraints.get(asked.name, frozenset())
            if table is None:
                continue
            if is_whole(table, found.get(table.name), there, engine) or await self._is_made(
                _Making(backend, table, found.get(table.name), there, engine), problems
            ):
                tables[table.name] = table
        if problems:
            log.warning("tables differ from their template", backend_key=backend.backend_key, problems=problems)
        return Made(tables, tuple(problems))

    async def _is_made(self, asked: _Making, problems: list[str]) -> bool:
        """Whether the table is there now; its key may still be missing."""
        backend, table = asked.backend, asked.table
        is_there = False
        try:
            async with self._connections.transaction(backend) as connection:
                if table.source is not None and not asked.engine.has_partitions:
                    await _aggregate(connection, backend, table)
                    return True
                await ensure(connection, backend.schema, table, asked.found, asked.engine)
            is_there = True
            async with self._connections.transaction(backend) as connection:
                await unique_key_ensure(connection, backend.schema, table, asked.constraints)
        except psycopg.errors.UniqueViolation:
            problems.append(f"{table.name}: it has rows of one entity and one moment; from now on too")
        except psycopg.Error as error:
            problems.append(f"{table.name}: {error.diag.message_primary}")
        return is_there


async def _aggregate(connection: Connection, backend: Backend, summed: Table) -> None:
    source = tables_of(backend.template)[summed.source or ""]
    for statement in downsampling.aggregate_statements(backend.schema, source):
        await connection.execute(statement)
