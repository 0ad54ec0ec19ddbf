"""What becomes of statements when the server, or who asked, goes away amid them."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from services.fleetdb.connections import Connections
from services.fleetdb.records.backends import Backend
from shared.database import Connection
from shared.errors import OutcomeUnknownError, OverLimitError, UnavailableError
from tests.harness.waiting import eventually
from tests.integration.fleetdb.own_logins import connections, cut, make
from tests.integration.fleetdb.plain import Plain

__all__ = ["connections", "make"]


pytestmark = [pytest.mark.asyncio, pytest.mark.real]


async def test_given_the_server_goes_away_in_a_commit_then_the_outcome_is_unknown(
    connections: Connections, make: Callable[[], Backend]
) -> None:
    with pytest.raises(OutcomeUnknownError):
        async with connections.transaction(make()) as connection:
            cut(connection)


async def test_given_the_server_goes_away_before_then_nothing_was_changed_and_the_next_works(
    connections: Connections, make: Callable[[], Backend]
) -> None:
    backend = make()

    async def lose(lent: AbstractAsyncContextManager[Connection]) -> None:
        async with lent as connection:
            cut(connection)
            await connection.execute("SELECT 1")

    with pytest.raises(UnavailableError):
        await lose(connections.transaction(backend))
    with pytest.raises(OutcomeUnknownError):
        await lose(connections.connection(backend))  # the statement may have been a whole transaction
    async with connections.connection(backend) as connection:
        assert await (await connection.execute("SELECT 1")).fetchone() == (1,)


async def test_who_gives_up_waiting_ends_the_statement_and_the_connection_serves_the_next(
    connections: Connections, make: Callable[[], Backend], plain: Plain
) -> None:
    backend = make()

    async def sleep() -> None:
        async with connections.transaction(backend) as connection:
            await connection.execute("SELECT pg_sleep(20)")

    def sleeping() -> int:
        with plain.connect() as superuser:
            query = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s AND state = 'active'"
            ((count,),) = superuser.execute(query, [backend.login])
        return int(count)

    task = asyncio.create_task(sleep())
    await eventually(lambda: asyncio.to_thread(sleeping), 5, "it sleeps")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert sleeping() == 0
    async with connections.connection(backend) as connection:
        assert await (await connection.execute("SELECT 1")).fetchone() == (1,)
    assert connections._size_at("first") == 1


class Writer:
    """Writes numbers, each until it is acknowledged or nobody knows."""

    def __init__(self, connections: Connections, backend: Backend, first: int) -> None:
        self._connections = connections
        self.backend = backend
        self._number = first
        self.acknowledged: set[int] = set()
        self.unknown: set[int] = set()
        self.failures = 0
        self.is_over = False

    async def run(self) -> None:
        """Write until it is over."""
        while not self.is_over:
            try:
                await self._write()
                self.acknowledged.add(self._number)
            except OutcomeUnknownError:
                self.unknown.add(self._number)
            except (UnavailableError, OverLimitError):
                self.failures += 1  # nothing was changed: the same once more
                continue
            self._number += 1

    async def _write(self) -> None:
        async with self._connections.transaction(self.backend) as connection:
            await connection.execute("INSERT INTO counted VALUES (%s)", [self._number])


async def test_given_the_server_ends_sessions_again_and_again_then_every_acknowledged_row_is_there_once(
    connections: Connections, make: Callable[[], Backend], plain: Plain
) -> None:
    backends = [make() for _ in range(3)]
    for backend in backends:
        async with connections.connection(backend) as connection:
            await connection.execute("CREATE TABLE counted (number int)")
    writers = [Writer(connections, backend, first) for backend in backends for first in (0, 1_000_000)]
    writing = [asyncio.create_task(writer.run()) for writer in writers]
    ending = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = ANY (%s)"

    with plain.connect() as superuser:
        for _ in range(25):
            await asyncio.sleep(0.05)
            superuser.execute(ending, [[backend.login for backend in backends]])
    for writer in writers:
        writer.is_over = True
    await asyncio.gather(*writing)

    assert sum(writer.failures for writer in writers)
    for backend in backends:
        async with connections.connection(backend) as connection:
            cursor = await connection.execute("SELECT number FROM counted")
            stored = [number for (number,) in await cursor.fetchall()]
        mine = [writer for writer in writers if writer.backend is backend]
        acknowledged = set[int]().union(*(writer.acknowledged for writer in mine))
        assert len(stored) == len(set(stored))
        assert acknowledged <= set(stored) <= acknowledged.union(*(writer.unknown for writer in mine))
