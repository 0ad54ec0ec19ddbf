"""Reading what data backends hold: history and series, against the same SQL with psycopg and JSON.

Both sides read over verified TLS as the backend's own login, and end with the JSON text of the answer; ours is what
fleetdb answers, before the bus.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from attrs import frozen

from services.fleetdb.reading import Reading
from services.fleetdb.records.backends import Backend
from services.fleetdb.records.tables import Table
from services.fleetdb.rules.queries import history_query, series_query
from shared.database import Connection
from tests.bench.figures import Row, at_least, ratio_row
from tests.bench.rounds import interleave, pairs
from tests.bench.scale import Scale
from tests.integration.database import Postgres
from tests.integration.fleetdb import rows
from tests.integration.fleetdb.plain import PlainConnections, begin

NAME: Final = "reads"
BAR: Final = at_least(0.70)
MEASURED_HISTORY: Final = 10_000
MEASURED_SERIES: Final = 1_000_000
BUCKETS: Final = 1_000
BEGAN_S: Final = 1_700_000_000
FILL: Final = b"""
    INSERT INTO readings (tsp, value, number, name, is_on, seen, extra, device_key, authid)
    SELECT to_timestamp(%(began)s + n), n * 1.37, n, 'reading ' || n, n %% 2 = 0, to_timestamp(%(began)s + n),
           jsonb_build_object('n', n, 'word', 'abc', 'half', n * 0.5), 42, '06a0bf96-a539-4d6a-8471-ac7adc67616e'
    FROM generate_series(0, %(last)s) AS n
"""
HISTORY: Final = b"""
    SELECT tsp, value, number, name, is_on, seen, extra, hidden, device_key, authid
    FROM readings ORDER BY tsp DESC, _row DESC LIMIT %(rows)s
"""
SERIES: Final = b"""
    SELECT date_bin(%(width)s * interval '1 second', tsp, to_timestamp(%(began)s)) AS bucket, avg(value), max(value)
    FROM readings WHERE tsp >= to_timestamp(%(began)s) AND tsp < to_timestamp(%(end)s) GROUP BY 1 ORDER BY 1
"""

Case = TypeVar("Case", bound=Hashable)
Read = Callable[[int], Awaitable[Any]]


@frozen
class World:
    """A backend with one table of as many rows as the largest series has."""

    backend: Backend
    table: Table
    connections: PlainConnections

    async def history(self, number: int) -> list[dict[str, Any]]:
        """The newest rows, as fleetdb answers them."""
        query = history_query(({"limit": number},))
        return await Reading(self.connections).history(self.backend, self.table, query, None)

    async def series(self, number: int) -> list[dict[str, Any]]:
        """A mean and a maximum of each bucket, over the first rows."""
        metrics = [{"ref": "value", "method": method} for method in ("AVG", "MAX")]
        span = [BEGAN_S * 1_000, (BEGAN_S + number) * 1_000]
        query = series_query(({"metrics": metrics, "limit": BUCKETS, "timeRange": span},))
        return await Reading(self.connections).series(self.backend, self.table, query, None)

    async def plain_history(self, number: int) -> list[dict[str, Any]]:
        """The same rows, as the driver gives them."""
        return await self._plain(HISTORY, {"rows": number})

    async def plain_series(self, number: int) -> list[dict[str, Any]]:
        """The same sums, as the driver gives them."""
        told = {"width": number / BUCKETS, "began": BEGAN_S, "end": BEGAN_S + number}
        return await self._plain(SERIES, told)

    async def _plain(self, statement: bytes, told: dict[str, Any]) -> list[dict[str, Any]]:
        async with self.connections.connection(self.backend) as connection:
            cursor = await connection.execute(statement, told)
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in await cursor.fetchall()]


def run(scale: Scale, folder: Path) -> list[Row]:
    """The rows, by how many rows are read; `folder` is not needed."""
    del folder
    with ExitStack() as ending:
        server = Postgres()
        ending.callback(server.remove)
        server.start()
        plain = begin(server)
        runner = ending.enter_context(asyncio.Runner())
        world = World(plain.make(), rows.table(), PlainConnections(plain))
        runner.run(_fill(world, max(scale.series_rows)))
        found = _measured(scale, runner, scale.history_rows, (world.history, world.plain_history))
        summed = _measured(scale, runner, scale.series_rows, (world.series, world.plain_series))
        runner.run(world.connections.close())
    return [
        *(_row(f"history of {number:,} rows", found[number], number == MEASURED_HISTORY) for number in found),
        *(_row(f"series over {number:,} rows", summed[number], number == MEASURED_SERIES) for number in summed),
    ]


def _row(what: str, results: list[tuple[float, float]], is_measured: bool) -> Row:
    return ratio_row(NAME, what, "/s", pairs(results, float), BAR if is_measured else None)


def _measured(
    scale: Scale, runner: asyncio.Runner, sizes: tuple[int, ...], sides: tuple[Read, Read]
) -> dict[int, list[tuple[float, float]]]:
    """How many answers a second, ours and of the reference."""
    ours, reference = sides
    return interleave(
        sizes,
        scale.rounds,
        lambda number: runner.run(_rate(ours, number, scale.seconds)),
        lambda number: runner.run(_rate(reference, number, scale.seconds)),
    )


async def _rate(read: Read, number: int, seconds: float) -> float:
    began, count = time.perf_counter(), 0
    while time.perf_counter() < began + seconds:
        msgspec.json.encode(await read(number))
        count += 1
    return count / (time.perf_counter() - began)


async def _fill(world: World, number: int) -> None:
    async with world.connections.connection(world.backend) as connection:
        await rows.make(connection, world.backend, world.table)
        await connection.execute(FILL, {"began": BEGAN_S, "last": number - 1})
        await _index(connection)


async def _index(connection: Connection) -> None:
    await connection.execute("CREATE INDEX ON readings (tsp, _row)")
    await connection.execute("ANALYZE readings")
