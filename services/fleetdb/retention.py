"""What time does to tables: old chunks go, coarser steps are kept up. Called each minute, and idempotent."""

from datetime import datetime, timedelta
from typing import Final

import psycopg
import structlog

from services.fleetdb.errors import Refusal
from services.fleetdb.records.backends import Backend
from services.fleetdb.records.tables import Made, Table
from services.fleetdb.rules.moments import EPOCH
from services.fleetdb.rules.shapes import DOWNSAMPLED
from services.fleetdb.rules.spans import chunk_of
from services.fleetdb.store import downsampling, partitions
from services.fleetdb.store.engines import Engine, engine_of
from services.fleetdb.writing import Lending
from shared.errors import PublicError

DROPS_EACH: Final = timedelta(minutes=30)
"""Chunks are of an hour and more: so nobody is woken each minute to find that none is old."""
MAX_STEPS: Final = 20
"""So many times a table's rows are summed up in one call; the next one goes on from there."""

log = structlog.get_logger()


class Retention:
    """Keeps the tables of backends within their spans."""

    def __init__(self, connections: Lending) -> None:
        """`connections` lends those of the backends' own logins."""
        self._connections = connections
        self._dropped: dict[int, tuple[datetime, dict[str, int | None]]] = {}
        """When old rows were looked for last, and how much of each table was to be kept then."""

    async def tend(self, backend: Backend, made: Made, now: datetime) -> None:
        """Sum up what is new, drop what is too old; what fails at one table is logged and leaves the others alone."""
        spans = {table.name: table.drop_after_s for table in made.tables.values()}
        dropped_at, before = self._dropped.get(backend.backend_key, (EPOCH, spans))
        is_due = spans != before or now - dropped_at >= DROPS_EACH
        due = [table for table in made.tables.values() if table.downsample or (is_due and table.drop_after_s)]
        if not due:
            return
        async with self._connections.connection(backend) as connection:
            engine = await engine_of(connection)
        for table in due:
            try:
                if is_due:
                    await self._drop(backend, table, engine, now)
                if engine.has_partitions and table.downsample is not None:
                    await self._sum_up(backend, table, made.tables[table.name + DOWNSAMPLED], now)
            except (psycopg.Error, PublicError, Refusal) as error:
                log.warning("a table was not tended", backend_key=backend.backend_key, error=type(error).__name__)
        if is_due:
            self._dropped[backend.backend_key] = (now, spans)

    async def _drop(self, backend: Backend, table: Table, engine: Engine, now: datetime) -> None:
        limit = _limit(table, now)
        if limit is None:
            return
        async with self._connections.transaction(backend) as connection:
            dropped = await engine.drop_before(connection, backend.schema, table, limit)
        if dropped:
            log.info("old rows are gone", backend_key=backend.backend_key, chunks=dropped)

    async def _sum_up(self, backend: Backend, table: Table, summed: Table, now: datetime) -> None:
        async with self._connections.transaction(backend) as connection:
            await downsampling.begin(connection, backend.schema)
            end = await downsampling.horizon(connection, backend.schema, table)
        for _ in range(MAX_STEPS):
            if await self._step(backend, table, summed, end, _limit(table, now)) >= end:
                break

    async def _step(self, backend: Backend, table: Table, summed: Table, end: int, kept_from: datetime | None) -> int:
        async with self._connections.transaction(backend) as connection:
            upto, buckets = await downsampling.touched(connection, backend.schema, table, end, kept_from)
            for moment in {chunk_of(bucket, summed.chunk_s): bucket for bucket in buckets}.values():
                await partitions.cover(connection, backend.schema, summed, moment)
            await downsampling.sum_up(connection, backend.schema, table, upto, buckets)
        return upto


def _limit(table: Table, now: datetime) -> datetime | None:
    """What is older may go."""
    return None if table.drop_after_s is None else now - timedelta(seconds=table.drop_after_s)
