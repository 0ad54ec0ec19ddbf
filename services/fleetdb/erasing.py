"""Rows of a device that is out of service are deleted, in pieces: each call goes on where the last one ended.

Each backend is worked with as its own login: what it has put into its schema (triggers, views) runs as nobody else.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Final, Protocol

import psycopg
import structlog

from services.fleetdb.errors import Refusal
from services.fleetdb.live import LiveRealm
from services.fleetdb.records.backends import Backend
from services.fleetdb.records.erasures import (
    EraseDevice,
    ErasedRows,
    ErasedTable,
    LeftBackend,
    Obstacle,
    StandingBackend,
    StandingBackends,
)
from services.fleetdb.store import erasing as store
from shared.bus import Bus
from shared.database import Connection
from shared.errors import PublicError
from shared.procedures import answered

WORKS_FOR_S: Final = 3.0
"""Later in a call each backend gets no more than one page."""
LAST_ROUND: Final = 2
OBSTACLES: Final[dict[str, Obstacle]] = {
    "wanted": "not_ready",
    "ready": "not_ready",
    "closed": "uninstalled",
    "dropped": "being_deleted",
}

log = structlog.get_logger()


class Lending(Protocol):
    """Connections to backends, each under its own login."""

    def transaction(self, backend: Backend) -> AbstractAsyncContextManager[Connection]:
        """One inside a transaction."""


class Refreshing(Protocol):
    """What keeps the rows of transforms."""

    async def refresh(self, backend: Backend) -> None:
        """Make what is kept anew, from the rows that there are now."""


class Erasing:
    """Deletes them."""

    def __init__(
        self,
        bus: Bus,
        realms: Callable[[], list[LiveRealm]],
        connections: Lending,
        transforms: Refreshing,
        *,
        alone_with: Callable[[int], asyncio.Lock],
    ) -> None:
        """In the backends of `realms`, those that are served now; `alone_with` one, nobody carries it away."""
        self._bus = bus
        self._realms = realms
        self._connections = connections
        self._transforms = transforms
        self._alone_with = alone_with

    async def erase(self, asked: EraseDevice) -> ErasedRows:
        """Delete some more of the device's rows in every backend of the project, for some seconds.

        Raises:
            PublicError: Realms is away.
        """
        served = {
            realm.backend.backend_key: realm.backend
            for realm in self._realms()
            if realm.backend.project_key == asked.project_key
        }
        alone = {key: self._alone_with(key) for key in served}
        free = {key: lock for key, lock in alone.items() if not lock.locked()}
        async with AsyncExitStack() as stack:
            for lock in free.values():  # first: what realms then says does not begin to move before they are released
                await stack.enter_async_context(lock)
            return await self._erase(asked, {key: served[key] for key in free})

    async def _erase(self, asked: EraseDevice, served: dict[int, Backend]) -> ErasedRows:
        answer = await self._bus.call("ironflock.realms.backend.of_project", project_key=asked.project_key)
        deadline = asyncio.get_running_loop().time() + WORKS_FOR_S
        tables: list[ErasedTable] = []
        left: list[LeftBackend] = []
        is_done = True
        for each in answered(StandingBackends, answer).backends:
            backend = served.get(each.backend_key) if each.state == "ready" else None
            if backend is None or each.is_moving:
                left.append(_left(each, "moving" if each.is_moving else OBSTACLES[each.state]))
                continue
            try:
                is_done &= await self._work(backend, asked, deadline)
                tables.extend(_counted(each, await self._counts(backend, asked)))
            except (PublicError, Refusal, psycopg.Error) as error:
                log.warning("device_not_erased", backend=each.backend_key, error=type(error).__name__)
                left.append(_left(each, "unreachable"))
        return ErasedRows(tables, left, is_done=is_done and not left, is_more=not is_done)

    async def _work(self, backend: Backend, asked: EraseDevice, deadline: float) -> bool:
        """Whether the round is through all tables of the backend."""
        async with self._connections.transaction(backend) as connection:
            await store.begin(connection, backend.schema)
            names = await store.tables_of_devices(connection, backend.schema)
        for name in names:
            while not await self._is_through(backend, name, asked):
                if asyncio.get_running_loop().time() >= deadline:
                    return False
        if asked.round == LAST_ROUND:
            await self._transforms.refresh(backend)
        return True

    async def _is_through(self, backend: Backend, table: str, asked: EraseDevice) -> bool:
        async with self._connections.transaction(backend) as connection:
            return await store.erase_page(connection, backend.schema, table, asked)

    async def _counts(self, backend: Backend, asked: EraseDevice) -> dict[str, int]:
        async with self._connections.transaction(backend) as connection:
            return await store.erased_list(connection, backend.schema, asked.request)


def _left(each: StandingBackend, reason: Obstacle) -> LeftBackend:
    return LeftBackend(each.backend_key, each.app_key, each.app_name, each.stage, reason)


def _counted(each: StandingBackend, counts: dict[str, int]) -> Iterator[ErasedTable]:
    for table, rows in counts.items():
        yield ErasedTable(each.backend_key, each.app_key, each.app_name, each.stage, table, rows)
