"""Writing rows to data backends: one by one and in bulks, against `INSERT` and `COPY` of the same rows with psycopg.

Both sides write over verified TLS as the backend's own login, to the same table; ours from the call's arguments to what
readers are told, before the bus. Where many write at once, both have the four connections that a backend has.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
from attrs import frozen

from services.fleetdb.making import Making
from services.fleetdb.records.backends import Backend
from services.fleetdb.records.tables import Table
from services.fleetdb.rules.rows import incoming, incoming_bulk
from services.fleetdb.writing import Writing
from shared.templates import Template
from tests.bench.figures import Row, at_least, ratio_row
from tests.bench.rounds import interleave, pairs
from tests.bench.scale import Scale
from tests.integration.database import Postgres
from tests.integration.fleetdb.plain import PlainConnections, begin

NAME: Final = "writes"
APPEND_BAR: Final = at_least(0.60)
BULK_BAR: Final = at_least(0.70)
MEASURED_WRITERS: Final = (1, 64)
MEASURED_BULK: Final = 1_000
CONNECTIONS: Final = 4
SERIAL: Final = "06a0bf96-a539-4d6a-8471-ac7adc67616e"
DEVICE: Final = 42
KWARGS: Final = {"DEVICE_SERIAL_NUMBER": SERIAL, "DEVICE_KEY": str(DEVICE), "DEVICE_NAME": "press 1"}
TEMPLATE: Final = msgspec.convert(
    {
        "data": {
            "tables": [
                {
                    "tablename": "readings",
                    "columns": [
                        {"id": "tsp", "dataType": "timestamp"},
                        {"id": "name", "dataType": "string"},
                        {"id": "force", "dataType": "numeric"},
                        {"id": "temperature", "dataType": "numeric"},
                        {"id": "number", "dataType": "bigint"},
                        {"id": "is_on", "dataType": "boolean"},
                    ],
                }
            ]
        }
    },
    Template,
)
COLUMNS: Final = "device_key, authid, tsp, name, force, temperature, number, is_on"
INSERT: Final = f"INSERT INTO readings ({COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)".encode()  # noqa: S608
COPY: Final = f"COPY readings ({COLUMNS}) FROM STDIN".encode()
Write = Callable[[int], Awaitable[int]]
"""What is written while one of so many, or so many rows, are; answers how many rows it were."""


def values(number: int, began: datetime) -> dict[str, Any]:
    """What an app writes."""
    return {
        "tsp": (began + timedelta(milliseconds=number)).isoformat(),
        "name": f"press {number % 10}",
        "force": number * 0.37,
        "temperature": number * 0.5,
        "number": number,
        "is_on": number % 2 == 0,
    }


@frozen
class World:
    """A backend with one table."""

    backend: Backend
    table: Table
    connections: PlainConnections
    writing: Writing
    began: datetime

    async def append(self, count: int) -> int:
        """One row from each of `count` devices at once."""
        await asyncio.gather(*(self._append(number) for number in range(count)))
        return count

    async def insert(self, count: int) -> int:
        """The same rows by the driver, on as many connections as there are."""
        parts = [range(first, count, CONNECTIONS) for first in range(min(count, CONNECTIONS))]
        await asyncio.gather(*(self._insert(part) for part in parts))
        return count

    async def append_bulk(self, count: int) -> int:
        """`count` rows of one device in one call."""
        asked = [values(number, self.began) for number in range(count)]
        rows = incoming_bulk(self.table, [asked], KWARGS, device_key=DEVICE, authid=SERIAL)
        return len(await self.writing.append(self.backend, self.table, rows))

    async def copy(self, count: int) -> int:
        """The same rows by the driver."""
        rows = [self._plain(number) for number in range(count)]
        async with (
            self.connections.transaction(self.backend) as connection,
            connection.cursor() as cursor,
            cursor.copy(COPY) as copy,
        ):
            for row in rows:
                await copy.write_row(row)
        return count

    async def _append(self, number: int) -> None:
        asked = values(number, self.began)
        row = incoming(self.table, [asked], KWARGS, device_key=DEVICE, authid=SERIAL)
        await self.writing.append(self.backend, self.table, [row])

    async def _insert(self, numbers: range) -> None:
        async with self.connections.connection(self.backend) as connection:
            for number in numbers:
                await connection.execute(INSERT, self._plain(number))

    def _plain(self, number: int) -> tuple[Any, ...]:
        row = values(number, self.began)
        row["tsp"] = datetime.fromisoformat(row["tsp"])
        return (DEVICE, SERIAL, *row.values())


def run(scale: Scale, folder: Path) -> list[Row]:
    """The rows, by how many write at once and how many rows a call has; `folder` is not needed."""
    del folder
    with ExitStack() as ending:
        server = Postgres()
        ending.callback(server.remove)
        server.start()
        runner = ending.enter_context(asyncio.Runner())
        world = runner.run(world_of(server))
        one = _measured(scale, runner, scale.writers, (world.append, world.insert))
        many = _measured(scale, runner, scale.bulk_rows, (world.append_bulk, world.copy))
        runner.run(world.connections.close())
    return [
        *(_row(f"append, {count} at once", one[count], APPEND_BAR, count in MEASURED_WRITERS) for count in one),
        *(_row(f"bulk of {count:,} rows", many[count], BULK_BAR, count == MEASURED_BULK) for count in many),
    ]


def _row(what: str, results: list[tuple[float, float]], bar: Any, is_measured: bool) -> Row:
    return ratio_row(NAME, what, "rows/s", pairs(results, float), bar if is_measured else None)


async def world_of(server: Postgres) -> World:
    """A backend on `server` whose table is empty."""
    plain = begin(server)
    backend, connections = plain.make(TEMPLATE), PlainConnections(plain)
    made = await Making(connections).make(backend)
    began = datetime.now(UTC)  # noqa: TID251 - rows of now
    return World(backend, made.tables["readings"], connections, Writing(connections), began)


def _measured(
    scale: Scale, runner: asyncio.Runner, sizes: tuple[int, ...], sides: tuple[Write, Write]
) -> dict[int, list[tuple[float, float]]]:
    """How many rows a second, ours and of the reference."""
    ours, reference = sides
    return interleave(
        sizes,
        scale.rounds,
        lambda count: runner.run(_rate(ours, count, scale.seconds)),
        lambda count: runner.run(_rate(reference, count, scale.seconds)),
    )


async def _rate(write: Write, count: int, seconds: float) -> float:
    began, rows = time.perf_counter(), 0
    while time.perf_counter() < began + seconds:
        rows += await write(count)
    return rows / (time.perf_counter() - began)
