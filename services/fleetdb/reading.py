"""Reading what a data backend holds: history, series, the latest rows, and transforms."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import AbstractAsyncContextManager, aclosing, contextmanager
from typing import Any, Final, Protocol

import psycopg
from attrs import evolve

from services.fleetdb.errors import refused
from services.fleetdb.records.backends import Backend
from services.fleetdb.records.queries import HistoryQuery, Latest, SeriesQuery
from services.fleetdb.records.tables import Table
from services.fleetdb.rules.chunks import octets_of, too_large
from services.fleetdb.rules.series import series as planned
from services.fleetdb.rules.transforms import check_limit
from services.fleetdb.store import history as rows
from services.fleetdb.store import series as buckets
from shared.database import Connection

MOST_SEALED: Final = 64 * 2**20
"""Octets of rows with sealed values that are in memory for one call."""

Rows = list[dict[str, Any]]


class Connecting(Protocol):
    """What gives connections to a backend's tables, as the backend's own login."""

    def connection(self, backend: Backend) -> AbstractAsyncContextManager[Connection]:
        """One on which each statement is a transaction by itself."""


class Reading:
    """The tables of all backends. `reader` is always the account id of the person who reads, None for all others."""

    def __init__(self, connections: Connecting) -> None:
        """Read over `connections`."""
        self._connections = connections

    async def history(self, backend: Backend, table: Table, query: HistoryQuery, reader: str | None) -> Rows:
        """The newest rows that `query` asks for, oldest first.

        Raises:
            Refusal: A filter is on a secret column, or a column is named that the table has not.
        """
        async with self._connections.connection(backend) as connection:
            with _told():
                return await rows.history(connection, backend.schema, table, query, reader=reader)

    async def stream(
        self, backend: Backend, table: Table, query: HistoryQuery, reader: str | None
    ) -> AsyncGenerator[Rows]:
        """The same rows newest first, some at a time: whatever they come to, few of them are in memory.

        Raises:
            Refusal: As `history`.
        """
        async with self._connections.connection(backend) as connection:
            found = rows.batches(connection, backend.schema, table, query, reader=reader)
            with _told():
                async with aclosing(found) as batches:
                    async for batch in batches:
                        yield batch

    async def sealed(self, backend: Backend, table: Table, query: HistoryQuery, reader: str | None) -> Rows:
        """The same rows newest first, with secret values as they are stored: for `secret.reveal` and `.verify` alone.

        Raises:
            Refusal: As `history`, or they are too large together.
        """
        found: Rows = []
        octets = 0
        async with self._connections.connection(backend) as connection:
            with _told():
                batches = rows.batches(connection, backend.schema, table, query, reader=reader, hides=False)
                async with aclosing(batches) as streaming:
                    async for batch in streaming:
                        found += batch
                        octets += sum(map(octets_of, batch))
                        if octets > MOST_SEALED:
                            raise too_large(table.name, found, octets=octets, count=len(found))
        return found

    async def latest(self, backend: Backend, table: Table, query: HistoryQuery, reader: str | None) -> Rows:
        """The newest row of each entity; of a table without entities the newest row.

        Raises:
            Refusal: As `history`.
        """
        return await self.history(backend, table, evolve(query, filters=(*query.filters, Latest())), reader)

    async def series(self, backend: Backend, table: Table, query: SeriesQuery, reader: str | None) -> Rows:
        """One row for each bucket and group.

        Raises:
            Refusal: The query asks for what the table has not, or for more than 50,000 rows.
        """
        async with self._connections.connection(backend) as connection:
            with _told():
                is_open = query.span is None or query.span.end_ms is None
                now_us = await buckets.now_us(connection) if is_open else 0
                asked = planned(query, table, now_us=now_us, reader=reader)
                return await buckets.series(connection, backend.schema, table, asked)

    async def view(self, backend: Backend, table: Table, query: HistoryQuery, reader: str | None) -> Rows:
        """The rows of a transform, in its own order, reversed.

        Raises:
            Refusal: `limit` is over 3,000, or a filter is on a secret column.
        """
        check_limit(query)
        async with self._connections.connection(backend) as connection:
            with _told():
                return await rows.view(connection, backend.schema, table, query, reader=reader)


@contextmanager
def _told() -> Iterator[None]:
    """What PostgreSQL refuses of a query is the client's own, and told as published; a server that is away is not."""
    try:
        yield
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        if error.sqlstate is None:
            raise
        raise refused(error.sqlstate, error.diag.message_primary or "the query failed") from error
