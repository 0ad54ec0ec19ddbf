"""PostgreSQL is killed while apps write: what was acknowledged is there once, what was not is there once or not."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

import psycopg
import pytest

from services.fleetdb.making import Making
from services.fleetdb.records.backends import Backend
from services.fleetdb.records.tables import Table
from services.fleetdb.writing import Writing
from tests.integration.database import Postgres
from tests.integration.fleetdb.plain import Plain, PlainConnections, begin
from tests.integration.fleetdb.templates import at, column, row, rows, template

pytestmark = [pytest.mark.real, pytest.mark.asyncio]

APPS: Final = 8
BEFORE: Final = 400
AFTER: Final = 400
BULK: Final = 30
TEMPLATE = template({"tablename": "t", "columns": [column("n", "bigint"), column("k", "bigint")]})


@pytest.fixture
def own_server() -> Iterator[Postgres]:
    """One of its own: it is killed."""
    server = Postgres()
    try:
        server.start()
        yield server
    finally:
        server.remove()


class App:
    """Writes rows and bulks, each with a number of its own, and notes what was acknowledged."""

    def __init__(self, backend: Backend, table: Table, writing: Writing) -> None:
        self.backend = backend
        self.table = table
        self.writing = writing
        self.asked = 0
        self.acknowledged: dict[int, int] = {}
        self.failed = 0

    async def write(self, stop: asyncio.Event, told: asyncio.Event) -> None:
        while not stop.is_set():
            self.asked += 1
            number, size = self.asked, 1 if self.asked % 3 else BULK
            values = [{"tsp": at(number), "n": number, "k": k} for k in range(size)]
            made = [row(self.table, values[0])] if size == 1 else rows(self.table, values)
            try:
                stored = await self.writing.append(self.backend, self.table, made)
            except psycopg.OperationalError:
                self.failed += 1
            else:
                self.acknowledged[number] = len(stored)
            told.set()

    async def check(self, connections: PlainConnections) -> None:
        async with connections.connection(self.backend) as connection:
            cursor = await connection.execute("SELECT n, k FROM t")
            found = Counter(await cursor.fetchall())
        assert set(found.values()) <= {1}
        sizes = Counter(number for number, _ in found)
        assert {number: sizes[number] for number in self.acknowledged} == self.acknowledged
        assert all(size in (1, BULK) for size in sizes.values())
        assert len(sizes) <= self.asked


class Writers:
    """All who write; `told` says that a call, or a writer, has ended."""

    def __init__(self, apps: list[App]) -> None:
        self.stop, self.told = asyncio.Event(), asyncio.Event()
        self.tasks = [asyncio.ensure_future(app.write(self.stop, self.told)) for app in apps for _ in range(3)]
        for task in self.tasks:
            task.add_done_callback(lambda _: self.told.set())

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Until it is so; raises what ended a writer."""
        async with asyncio.timeout(90):
            while not is_so():
                self.told.clear()
                await self.told.wait()
                for task in self.tasks:
                    assert not task.done() or task.exception() is None, repr(task.exception())


def kill(server: Postgres) -> None:
    """End the server's first process at once; its supervisor starts it again."""
    (noted,) = server.folder.rglob("postmaster.pid")
    os.kill(int(noted.read_text().split("\n", 1)[0]), signal.SIGKILL)


async def made(plain: Plain, connections: PlainConnections) -> list[App]:
    writing = Writing(connections)
    apps = []
    for _ in range(APPS):
        backend = plain.make(TEMPLATE)
        tables = (await Making(connections).make(backend)).tables
        apps.append(App(backend, tables["t"], writing))
    return apps


async def test_what_was_acknowledged_is_there_once(own_server: Postgres) -> None:
    plain = begin(own_server)
    connections = PlainConnections(plain)
    apps = await made(plain, connections)
    writers = Writers(apps)

    def acknowledged() -> int:
        return sum(len(app.acknowledged) for app in apps)

    await writers.until(lambda: acknowledged() >= BEFORE)
    kill(own_server)
    # Its other processes go on until they see that it is gone.
    await writers.until(lambda: any(app.failed for app in apps))
    before = acknowledged()
    await writers.until(lambda: acknowledged() >= before + AFTER)
    writers.stop.set()
    await asyncio.gather(*writers.tasks)

    for app in apps:
        await app.check(connections)
    await connections.close()
