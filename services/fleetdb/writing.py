"""Writing to tables: what came in is stored, all of a call or nothing, and what readers are to be told is answered."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from itertools import islice
from typing import Any, Final, Protocol

import psycopg
from attrs import evolve, frozen

from services.fleetdb.errors import Refusal, refused, typed
from services.fleetdb.gathering import Gathering
from services.fleetdb.records.backends import Backend
from services.fleetdb.records.tables import TIME, Bulk, Row, Table
from services.fleetdb.rules.spans import chunk_of
from services.fleetdb.store import partitions
from services.fleetdb.store.engines import Engine, engine_of
from services.fleetdb.store.rows import insert, is_one_statement
from shared.database import Connection

ALONE_FROM: Final = 100
"""So many rows are a transaction of their own."""
NEW_CHUNKS: Final = 50
"""So many get partitions for one call; rows of others are stored apart until a later one."""


HELD_UP_S: Final = 30.0
"""For so long nobody tries again to make a partition where another one held that up."""


class Lending(Protocol):
    """Connections to backends, each under its own login."""

    def connection(self, backend: Backend) -> AbstractAsyncContextManager[Connection]:
        """One on which each statement is a transaction by itself."""
        ...

    def transaction(self, backend: Backend) -> AbstractAsyncContextManager[Connection]:
        """One inside a transaction."""
        ...


class Sealing(Protocol):
    """What makes secret values unreadable before they are stored."""

    async def seal(self, backend: Backend, table: Table, values: Mapping[str, Any]) -> dict[str, Any]:
        """`values` with those of secret columns sealed; those that are to be kept are left out."""
        ...


@frozen
class _Append:
    backend: Backend
    table: Table
    rows: Sequence[Row]


class Writing:
    """Stores rows of all backends."""

    def __init__(self, connections: Lending, secrets: Sealing | None = None) -> None:
        """Nothing is known of any backend yet."""
        self._connections = connections
        self._secrets = secrets
        self._gatherings: dict[tuple[int, str], Gathering[_Append, list[dict[str, Any]]]] = {}
        self._engines: dict[int, Engine] = {}
        self._covered: dict[tuple[int, str], set[tuple[int, int]]] = {}
        self._held_up: dict[tuple[int, str], float] = {}

    async def append(self, backend: Backend, table: Table, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """Store `rows`, all or none; answers them as readers see them, in order, once they are committed.

        Raises:
            Refusal: They cannot be stored as they are; `entity_key_conflict` where an entity has a row of that moment.
            PublicError: The database is away or has too much to do.
        """
        if self._secrets is not None and table.secret_columns:
            secrets = self._secrets
            rows = [evolve(row, values=await secrets.seal(backend, table, row.values)) for row in rows]
        asked = _Append(backend, table, rows)
        if len(rows) >= ALONE_FROM:
            return (await self._store([asked]))[0]
        key = (backend.backend_key, table.name)
        gathering = self._gatherings.get(key)
        if gathering is None:
            gathering = self._gatherings[key] = Gathering(self._store, Refusal)
        try:
            return await gathering.put(asked)
        finally:
            if gathering.is_idle and self._gatherings.get(key) is gathering:
                del self._gatherings[key]

    def forget(self, backend: Backend) -> None:
        """Nothing is known any more of a backend that is gone, or was restored."""
        key = backend.backend_key
        self._engines.pop(key, None)
        for known in [each for each in self._covered if each[0] == key]:
            del self._covered[known]
        for held_up in [each for each in self._held_up if each[0] == key]:
            del self._held_up[held_up]

    async def _store(self, together: Sequence[_Append]) -> list[list[dict[str, Any]]]:
        """Store what several appended to one table: that of the newest of them, should it have changed meanwhile."""
        backend, table = together[-1].backend, together[-1].table
        rows = together[0].rows if len(together) == 1 else [row for asked in together for row in asked.rows]
        await self._cover(backend, table, rows)
        lend = self._connections.connection if is_one_statement(table) else self._connections.transaction
        async with lend(backend) as connection:
            try:
                stored = await insert(connection, backend.schema, table, rows)
            except psycopg.Error as error:
                raise _meant(error) from error
        each = iter(stored)
        return [stored] if len(together) == 1 else [list(islice(each, len(asked.rows))) for asked in together]

    async def _cover(self, backend: Backend, table: Table, rows: Sequence[Row]) -> None:
        """See that the chunks that `rows` fall in have partitions.

        Where somebody who reads holds that up, say by an open transaction of direct SQL, rows are stored apart for a
        while.
        """
        place, now = (backend.backend_key, table.name), asyncio.get_running_loop().time()
        if self._held_up.get(place, now) > now:
            return
        moments = rows.columns[TIME] if isinstance(rows, Bulk) else [row.values[TIME] for row in rows]
        known = self._covered.setdefault(place, set())
        ends = {chunk_of(moment, table.chunk_s).start_s: moment for moment in (min(moments), max(moments))}
        if len(ends) == 1 and (next(iter(ends)), table.chunk_s) in known:
            return
        starts = {chunk_of(moment, table.chunk_s).start_s: moment for moment in moments}
        new = [moment for start_s, moment in starts.items() if (start_s, table.chunk_s) not in known]
        if not new or not (await self._engine(backend)).has_partitions:
            return
        for moment in new[:NEW_CHUNKS]:
            start_s = await self._make(backend, table, moment)
            if start_s is None:
                self._held_up[place] = now + HELD_UP_S
                break
            known.add((start_s, table.chunk_s))
        if len(known) > partitions.MAX_PARTITIONS:
            known.clear()

    async def _make(self, backend: Backend, table: Table, moment: datetime) -> int | None:
        """When the chunk begins; None where a lock was not to be had soon."""
        async with self._connections.transaction(backend) as connection:
            chunk = await partitions.cover(connection, backend.schema, table, moment)
        return None if chunk is None else chunk.start_s

    async def _engine(self, backend: Backend) -> Engine:
        engine = self._engines.get(backend.backend_key)
        if engine is None:
            async with self._connections.connection(backend) as connection:
                engine = self._engines[backend.backend_key] = await engine_of(connection)
        return engine


def _meant(error: psycopg.Error) -> Exception:
    """What a failed INSERT means to who called; whatever is the server's own trouble stays what it is."""
    if isinstance(error, psycopg.errors.UniqueViolation):
        return typed("entity_key_conflict", "the entity has a row of that moment already; nothing was stored")
    if isinstance(error, psycopg.DataError | psycopg.errors.ProgramLimitExceeded):
        return refused(error.sqlstate or "", error.diag.message_primary or "the value cannot be stored")
    return error
