"""Chunks of tables: made when rows come, dropped when they are old."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import attrs
import pytest
import pytest_asyncio
from psycopg import sql

from services.fleetdb import writing
from services.fleetdb.making import Making
from services.fleetdb.records.backends import Backend
from services.fleetdb.records.tables import Table
from services.fleetdb.rules.spans import Span, chunk_of
from services.fleetdb.store import partitions
from services.fleetdb.store.catalog import name_in, own_name
from services.fleetdb.writing import NEW_CHUNKS, Writing
from tests.integration.fleetdb.plain import PlainConnections
from tests.integration.fleetdb.templates import NOW, column, row, template

pytestmark = [pytest.mark.real, pytest.mark.asyncio]
DAY = timedelta(days=1)
DAY_S = 86_400


class Chunked:
    """A table in chunks of a day."""

    def __init__(self, backend: Backend, table: Table, connections: PlainConnections) -> None:
        self.backend = backend
        self.table = table
        self.connections = connections
        self.writing = Writing(connections)

    async def append(self, *moments: Any) -> None:
        await self.writing.append(self.backend, self.table, [row(self.table, {"tsp": moment}) for moment in moments])

    async def spans(self) -> list[Span]:
        async with self.connections.connection(self.backend) as connection:
            return await partitions.spans(connection, self.backend.schema, self.table.name)

    async def count(self, name: str | None = None) -> int:
        async with self.connections.connection(self.backend) as connection:
            statement = sql.SQL("SELECT count(*) FROM {}")
            cursor = await connection.execute(statement.format(name_in(self.backend.schema, name or self.table.name)))
            found = await cursor.fetchone()
        return int(found[0]) if found else -1

    async def apart(self) -> int:
        """How many rows no partition of their time has."""
        return await self.count(own_name(self.table.name, partitions.FAR))


@pytest_asyncio.fixture
async def chunked(make_backend: Callable[..., Backend], connections: PlainConnections) -> Chunked:
    backend = make_backend(
        template({"tablename": "t", "chunkTimeInterval": "1 day", "columns": [column("a", "numeric")]})
    )
    made = await Making(connections).make(backend)
    return Chunked(backend, made.tables["t"], connections)


async def test_a_chunk_is_made_once_its_first_row_comes(chunked: Chunked) -> None:
    assert await chunked.spans() == []

    await chunked.append(NOW, NOW - DAY)
    await chunked.append(NOW)

    assert await chunked.spans() == [chunk_of(NOW - DAY, DAY_S), chunk_of(NOW, DAY_S)]
    assert (await chunked.count(), await chunked.apart()) == (3, 0)


async def test_rows_far_out_make_no_chunk(chunked: Chunked) -> None:
    await chunked.append(NOW - 4_000 * DAY, NOW + 400 * DAY, 0)

    assert await chunked.spans() == []
    assert (await chunked.count(), await chunked.apart()) == (3, 3)


async def test_two_who_write_at_once_make_one_chunk(chunked: Chunked) -> None:
    others = [Writing(chunked.connections) for _ in range(4)]

    await asyncio.gather(
        *(other.append(chunked.backend, chunked.table, [row(chunked.table, {"tsp": NOW})]) for other in others)
    )

    assert await chunked.spans() == [chunk_of(NOW, DAY_S)]
    assert (await chunked.count(), await chunked.apart()) == (4, 0)


async def test_who_holds_a_transaction_open_holds_up_no_rows(chunked: Chunked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "WAIT_MS", 50)
    async with chunked.connections.transaction(chunked.backend) as reader:
        await reader.execute(sql.SQL("SELECT FROM {}").format(name_in(chunked.backend.schema, "t")))
        async with asyncio.timeout(5):
            await chunked.append(NOW)
            await chunked.append(NOW - DAY)  # which does not try again at once
        assert (await chunked.spans(), await chunked.count(), await chunked.apart()) == ([], 2, 2)

    monkeypatch.setattr(writing, "HELD_UP_S", 0.0)
    chunked.writing.forget(chunked.backend)
    await chunked.append(NOW)
    assert await chunked.spans() == [chunk_of(NOW, DAY_S)]
    assert (await chunked.count(), await chunked.apart()) == (3, 1)


async def test_a_bulk_over_many_chunks_is_bounded_and_the_rest_follows(chunked: Chunked) -> None:
    moments = [NOW - n * DAY for n in range(NEW_CHUNKS + 10)]

    await chunked.append(*moments)
    assert len(await chunked.spans()) == NEW_CHUNKS
    assert (await chunked.count(), await chunked.apart()) == (len(moments), 10)

    await chunked.append(*moments)
    assert len(await chunked.spans()) == len(moments)
    assert (await chunked.count(), await chunked.apart()) == (2 * len(moments), 0)


async def test_no_more_chunks_than_the_bound(chunked: Chunked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "MAX_PARTITIONS", 3)

    await chunked.append(*(NOW - n * DAY for n in range(5)))

    assert len(await chunked.spans()) == 3
    assert (await chunked.count(), await chunked.apart()) == (5, 2)


async def test_another_width_fills_what_is_left(chunked: Chunked) -> None:
    await chunked.append(NOW)
    chunked.table = attrs.evolve(chunked.table, chunk_s=30 * DAY_S)

    month = chunk_of(NOW, 30 * DAY_S)
    await chunked.append(month.start, NOW, month.end - timedelta(seconds=1))

    day = chunk_of(NOW, DAY_S)
    spans = await chunked.spans()
    assert day in spans
    assert (spans[0].start_s, spans[-1].end_s) == (month.start_s, month.end_s)
    assert all(one.end_s == other.start_s for one, other in pairwise(spans))
    assert await chunked.apart() == 0


async def test_rows_are_numbered_in_their_order_over_all_chunks(chunked: Chunked) -> None:
    for moment in (NOW, NOW - DAY, NOW - 4_000 * DAY, NOW):
        await chunked.append(moment)

    async with chunked.connections.connection(chunked.backend) as connection:
        cursor = await connection.execute("SELECT _row FROM t ORDER BY _row")
        assert await cursor.fetchall() == [(1,), (2,), (3,), (4,)]


async def test_what_is_older_goes_chunk_by_chunk(chunked: Chunked) -> None:
    limit = chunk_of(NOW - 2 * DAY, DAY_S).start + timedelta(hours=5)
    old, partly, young = limit - DAY, limit - timedelta(hours=2), NOW
    await chunked.append(old, partly, young, NOW - 4_000 * DAY, NOW + 400 * DAY)

    async with chunked.connections.transaction(chunked.backend) as connection:
        dropped = await partitions.drop_before(connection, chunked.backend.schema, chunked.table, limit)

    assert dropped == 1
    assert await chunked.spans() == [chunk_of(partly, DAY_S), chunk_of(young, DAY_S)]
    assert (await chunked.count(), await chunked.apart()) == (3, 1)
    # What comes after its chunk is gone is kept apart until the next time, or gets its chunk again.
    await chunked.append(old)
    assert await chunked.count() == 4


async def test_the_index_of_time_is_used_over_chunks(chunked: Chunked) -> None:
    await chunked.append(*(NOW - n * DAY for n in range(5)))
    async with chunked.connections.connection(chunked.backend) as connection:
        await connection.execute("SET enable_seqscan = off")
        cursor = await connection.execute("EXPLAIN SELECT * FROM t ORDER BY tsp DESC, _row DESC LIMIT 10")
        plan = "\n".join(line for (line,) in await cursor.fetchall())

    assert "Index Scan Backward" in plan
    assert "Sort" not in plan.replace("Sort Key", "")
