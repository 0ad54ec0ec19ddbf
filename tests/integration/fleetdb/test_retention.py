"""What time does to tables."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from attrs import evolve
from psycopg import sql

from services.fleetdb.making import Making
from services.fleetdb.records.backends import Backend
from services.fleetdb.records.tables import Made
from services.fleetdb.retention import Retention
from services.fleetdb.rules.moments import epoch_ms
from services.fleetdb.rules.spans import chunk_of
from services.fleetdb.rules.values import shown
from services.fleetdb.store import downsampling
from services.fleetdb.writing import Writing
from tests.integration.fleetdb.plain import PlainConnections
from tests.integration.fleetdb.templates import NOW, column, row, template

pytestmark = [pytest.mark.real, pytest.mark.asyncio]

DAY = timedelta(days=1)
START = chunk_of(NOW - DAY, 60).start
TEMPLATE = template(
    {
        "tablename": "t",
        "chunkTimeInterval": "1 day",
        "dropAfter": "3 days",
        "columns": [column("a", "numeric"), column("x", "json"), column("name", "string")],
        "downsample": {"bucket": "1 minute", "keepFor": "30 days", "paths": ["x.temp"]},
    },
    {"tablename": "gone", "dropAfter": "1 day"},
    {"tablename": "t2", "dropAfter": "3 days"},
    {"tablename": "kept", "columns": [column("a", "numeric")]},
)


class Kept:
    """A backend whose tables are tended."""

    def __init__(self, backend: Backend, made: Made, connections: PlainConnections) -> None:
        self.backend = backend
        self.made = made
        self.connections = connections
        self.writing = Writing(connections)
        self.retention = Retention(connections)

    async def append(self, table: str, *values: dict[str, Any], device_key: int = 42) -> None:
        made = self.made.tables[table]
        rows = [row(made, each, device_key=device_key) for each in values]
        await self.writing.append(self.backend, made, rows)

    async def tend(self, now: datetime = NOW) -> None:
        await self.retention.tend(self.backend, self.made, now)

    async def sums(self) -> list[dict[str, Any]]:
        columns = self.made.tables["t_ds"].columns
        async with self.connections.connection(self.backend) as connection:
            cursor = await connection.execute("SELECT * FROM t_ds ORDER BY tsp, device_key")
            names = [each.name for each in cursor.description or ()]
            rows = [dict(zip(names, found, strict=True)) for found in await cursor.fetchall()]
        return [
            {name: shown(columns[name], value) if name in columns else value for name, value in found.items()}
            for found in rows
        ]

    async def count(self, table: str) -> int:
        async with self.connections.connection(self.backend) as connection:
            cursor = await connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table)))
            found = await cursor.fetchone()
        return int(found[0]) if found else -1


@pytest_asyncio.fixture
async def kept(make_backend: Callable[..., Backend], connections: PlainConnections) -> Kept:
    backend = make_backend(TEMPLATE)
    made = await Making(connections).make(backend)
    assert made.problems == ()
    return Kept(backend, made, connections)


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


async def test_old_chunks_go_and_others_stay(kept: Kept) -> None:
    moments = [NOW, NOW - 2 * DAY, NOW - 5 * DAY, NOW - 4_000 * DAY]
    for table in ("t", "kept"):
        await kept.append(table, *({"tsp": moment} for moment in moments))

    await kept.tend()

    assert (await kept.count("t"), await kept.count("kept")) == (2, 4)


async def test_rows_that_are_kept_for_another_time_now_go_at_once(kept: Kept) -> None:
    await kept.append("kept", {"tsp": NOW}, {"tsp": NOW - 20 * DAY})
    await kept.tend()
    assert await kept.count("kept") == 2
    backend = evolve(kept.backend, keeps={"kept": 7 * 86_400})
    kept.made = await Making(kept.connections).make(backend)

    await kept.tend()

    assert await kept.count("kept") == 1


async def test_rows_are_summed_up_by_bucket_and_device(kept: Kept) -> None:
    await kept.append(
        "t",
        {"tsp": after(0), "a": 1, "x": {"temp": 20}},
        {"tsp": after(59.5), "a": 2.5, "x": {"temp": "hot"}},
        {"tsp": after(60), "a": -4, "x": [1]},
        {"tsp": after(61)},
    )
    await kept.append("t", {"tsp": after(1), "a": 100}, device_key=7)

    await kept.tend()

    sums = await kept.sums()
    assert [(each["tsp"], each["device_key"]) for each in sums] == [
        (epoch_ms(after(0)), 7),
        (epoch_ms(after(0)), 42),
        (epoch_ms(after(60)), 42),
    ]
    assert {name: value for name, value in sums[1].items() if name.startswith(("a_", "x_"))} == {
        "a_avg": 1.75, "a_min": 1, "a_max": 2.5, "a_count": 2,
        "x_temp_avg": 20, "x_temp_min": 20, "x_temp_max": 20, "x_temp_count": 1,
    }  # fmt: skip
    assert (sums[2]["a_avg"], sums[2]["a_count"], sums[2]["x_temp_avg"], sums[2]["x_temp_count"]) == (-4, 1, None, 0)


async def test_late_rows_are_summed_up_too_and_doing_it_again_changes_nothing(kept: Kept) -> None:
    await kept.append("t", {"tsp": after(0), "a": 1}, {"tsp": after(600), "a": 1})
    await kept.tend()
    first = await kept.sums()
    await kept.tend()
    assert await kept.sums() == first

    await kept.append("t", {"tsp": after(1), "a": 3})
    await kept.tend()

    assert [(each["a_avg"], each["a_count"]) for each in await kept.sums()] == [(2, 2), (1, 1)]


async def test_sums_are_whole_while_others_write(kept: Kept) -> None:
    async def write() -> None:
        for number in range(40):
            await kept.append("t", {"tsp": after(number), "a": 1})

    async def tend() -> None:
        for _ in range(5):
            await kept.tend()

    await asyncio.gather(write(), write(), tend())
    await kept.tend()

    assert [each["a_count"] for each in await kept.sums()] == [80]


async def test_much_is_summed_up_in_steps(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downsampling, "STEP_ROWS", 7)
    await kept.append("t", *({"tsp": after(n), "a": n} for n in range(60)))

    await kept.tend()

    assert [(each["a_count"], each["a_max"]) for each in await kept.sums()] == [(60, 59)]


async def test_sums_stay_when_their_rows_are_gone(kept: Kept) -> None:
    old = chunk_of(NOW - 2.9 * DAY, 60).start
    await kept.append("t", {"tsp": old, "a": 1}, {"tsp": old + timedelta(seconds=1), "a": 1})
    await kept.tend()

    await kept.tend(NOW + 3 * DAY)
    assert await kept.count("t") == 0
    await kept.append("t", {"tsp": old, "a": 5})
    await kept.tend(NOW + 3 * DAY)

    assert [each["a_count"] for each in await kept.sums()] == [2]


async def test_sums_are_kept_as_long_as_is_said(kept: Kept) -> None:
    await kept.append("t", {"tsp": NOW, "a": 1})
    await kept.tend()
    assert len(await kept.sums()) == 1

    await kept.tend(NOW + 70 * DAY)

    assert await kept.sums() == []


async def test_a_table_that_cannot_be_tended_leaves_the_others_alone(kept: Kept) -> None:
    await kept.append("t2", {"tsp": NOW - 5 * DAY})
    async with kept.connections.connection(kept.backend) as connection:
        await connection.execute("DROP TABLE gone")

    await kept.tend()

    assert await kept.count("t2") == 0


async def test_a_backend_in_which_nothing_ends_is_left_at_rest(
    make_backend: Callable[..., Backend], connections: PlainConnections
) -> None:
    backend = make_backend(template({"tablename": "kept", "columns": [column("a", "numeric")]}))
    made = await Making(connections).make(backend)
    await connections.close()  # whoever would connect now fails

    await Retention(connections).tend(backend, made, NOW)
