"""After a new data key, or where a column became secret: whatever is not sealed under the active key is sealed anew."""

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

import structlog
from attrs import evolve

from services.fleetdb.records.backends import Backend
from services.fleetdb.records.tables import Table
from services.fleetdb.secrets import Secrets
from services.fleetdb.store.secrets import (
    BEGIN,
    SealedRow,
    page_list,
    resealed_find,
    resealed_upsert,
    sealed_lock_in_txn,
    sealed_replace,
)
from shared.database import Connection, Database

PAGE: Final = 1_000

log = structlog.get_logger()


class Lending(Protocol):
    """Connections to backends."""

    def transaction(self, backend: Backend) -> AbstractAsyncContextManager[Connection]:
        """One inside a transaction, under the backend's own login."""


class Resealing:
    """Brings secret columns under the active data key, a few rows at a time, while fleetdb serves."""

    def __init__(self, database: Database, connections: Lending, secrets: Secrets) -> None:
        """What is done is remembered in `database`."""
        self._database = database
        self._connections = connections
        self._secrets = secrets

    async def reseal(self, backend: Backend, tables: Iterable[Table]) -> int:
        """Seal what an older key sealed, or none; returns in how many rows there was any.

        Raises:
            PublicError: A database is away or busy; what was done stays done.
        """
        secret = [table for table in tables if table.secret_columns]
        prefix = await self._secrets.prefix()
        columns = sorted(f"{table.name}.{column}" for table in secret for column in table.secret_columns)
        if await self._is_done(backend, prefix, columns):
            return 0
        count = sum([await self._table(backend, table, prefix) for table in secret])
        async with self._database.transaction() as connection:
            await resealed_upsert(connection, backend.backend_key, prefix, columns)
        if count:
            log.info("secrets_resealed", backend=backend.backend_key, rows=count)
        return count

    async def begin_anew(self, backend_key: int) -> None:
        """Have every row of the backend looked at the next time: what is known of them counts no more.

        Raises:
            UnavailableError: The database is away.
        """
        async with self._database.transaction() as connection:
            await resealed_upsert(connection, backend_key, "", [])

    async def _is_done(self, backend: Backend, prefix: str, columns: list[str]) -> bool:
        if not columns:
            return True
        async with self._database.transaction() as connection:
            known = await resealed_find(connection, backend.backend_key)
        return known is not None and known[0] == prefix and known[1].issuperset(columns)

    async def _table(self, backend: Backend, table: Table, prefix: str) -> int:
        count, after = 0, BEGIN
        while True:
            async with self._connections.transaction(backend) as connection:
                page = await page_list(connection, backend.schema, table, prefix, after, limit=PAGE)
                stale = [place for place, is_stale in page if is_stale]
                if stale:
                    rows = await sealed_lock_in_txn(connection, backend.schema, table, stale)
                    anew = [await self._resealed(backend, table, row) for row in rows]
                    await sealed_replace(connection, backend.schema, table, anew)
            count += len(stale)
            if len(page) < PAGE:
                return count
            after = page[-1][0]

    async def _resealed(self, backend: Backend, table: Table, row: SealedRow) -> SealedRow:
        """What does not open stays as it is."""
        values = dict(row.values)
        for column, stored in row.values.items():
            clear = None if stored is None else await self._secrets.opened(backend, table, column, stored)
            if clear is not None:
                values[column] = await self._secrets.sealed(backend, table, column, clear)
        return evolve(row, values=values)
