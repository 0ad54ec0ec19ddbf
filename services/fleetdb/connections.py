"""Connections to data backends: each under the backend's own login, by client certificate, over verified TLS.

No connection is ever shared between two backends. A pool is opened by its first use and closed when nobody used it for
a minute; to each cluster there are never more connections than the setting says (decision 22).
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext, suppress
from typing import Final

import psycopg
import structlog
from attrs import frozen

from services.fleetdb.errors import typed
from services.fleetdb.logins import Logins
from services.fleetdb.pools import IDLE_S, MAX_WAITING, ConnectionSettings, Pool, is_turned_away, open_pool
from services.fleetdb.records.backends import Backend
from services.fleetdb.records.logins import Login
from shared import tracing
from shared.database import BUSY, LOST, Connection, refusal_of
from shared.errors import OutcomeUnknownError, OverLimitError, PublicError, UnavailableError

WAIT_S: Final = 5.0
RENEWAL_PAUSE_S: Final = 600.0
DRAIN_S: Final = 45.0
"""Longer than any statement of a backend's login may take."""
MOVING: Final = "the data are just being brought to another server; nothing was changed, try again in a moment"
DISK_FULL: Final = "53100"
"""disk_full: PostgreSQL, appendix A."""

log = structlog.get_logger()


class Connections:
    """Gives out connections to backends."""

    def __init__(self, settings: ConnectionSettings, logins: Logins) -> None:
        """Nothing is opened yet."""
        self._settings = settings
        self._logins = logins
        self._pools: OrderedDict[int, Pool] = OrderedDict()  # the least recently used first
        self._draining: dict[Pool, asyncio.Task[None]] = {}
        self._opening: dict[int, asyncio.Lock] = {}
        self._waiting: set[asyncio.Event] = set()
        self._held: dict[int, asyncio.Event] = {}

    @asynccontextmanager
    async def connection(self, backend: Backend, *, writes: bool = True) -> AsyncIterator[Connection]:
        """A connection on which each statement is a transaction by itself.

        Raises:
            UnavailableError: No connection in time, or the server ended it; nothing was changed.
            OverLimitError: Too many wait already, or the server gave the statement up; nothing was changed.
            OutcomeUnknownError: The server went away during a statement.
            Refusal: `storage_full`.
        """
        async with self._lent(backend, writes=writes) as connection:
            try:
                yield connection
            except psycopg.OperationalError as error:
                if error.sqlstate is None:
                    raise OutcomeUnknownError(LOST) from error
                raise

    @asynccontextmanager
    async def transaction(self, backend: Backend, *, writes: bool = True) -> AsyncIterator[Connection]:
        """A connection inside one transaction; not in pipeline mode, in which there is no COPY.

        Raises:
            UnavailableError: No connection in time, or the server went away; nothing was changed.
            OutcomeUnknownError: The server went away while it committed. And what else `connection` raises.
        """
        is_committing = False
        async with self._lent(backend, writes=writes) as connection:
            try:
                async with connection.transaction():
                    yield connection
                    is_committing = True
            except psycopg.OperationalError as error:
                if is_committing and error.sqlstate is None:
                    raise OutcomeUnknownError(LOST) from error
                raise

    async def follow(self, backend: Backend) -> None:
        """The backend has a new login: work under it, then end the old one.

        Raises:
            PublicError: It does not work; the old one stays in use, and this may be repeated.
        """
        async with self._lock(backend.backend_key):
            old = self._pools.get(backend.backend_key)
            if old is None or _is_older(old.backend, backend):
                self._swap(await self._proven(backend, await self._logins.login_of(backend)))
        while self._is_draining(backend.backend_key):
            await asyncio.wait([task for pool, task in self._draining.items() if _is_of(pool, backend.backend_key)])
        await self._logins.settle(backend)
        log.info("login_followed", backend=backend.backend_key, epoch=backend.epoch)

    @asynccontextmanager
    async def held(self, backend_key: int, within_s: float) -> AsyncIterator[None]:
        """Nobody changes rows of the backend while the block runs, which begins when those who did have ended.

        Who asks for a connection meanwhile waits as for any other, and is refused then. Who only reads goes on.

        Raises:
            TimeoutError: One was not given back within that time; nobody is held up any more.
        """
        over = self._held[backend_key] = asyncio.Event()
        try:
            async with asyncio.timeout(within_s):
                for pool in (*self._pools.values(), *self._draining):
                    if _is_of(pool, backend_key) and pool.writing:
                        await pool.unwritten.wait()
            yield
        finally:
            del self._held[backend_key]
            over.set()

    async def follow_to(self, backend: Backend) -> None:
        """The backend is on another server now: work there. Errors as `follow`."""
        async with self._lock(backend.backend_key):
            self._swap(await self._proven(backend, await self._logins.login_of(backend)))

    async def forget(self, backend_key: int) -> None:
        """The backend is gone: close what is open to it, and forget its keys."""
        pool = self._pools.pop(backend_key, None)
        if pool is not None:
            await pool.close()
        for draining in self._draining:
            if _is_of(draining, backend_key):
                draining.unused.set()
        self._opening.pop(backend_key, None)
        await self._logins.forget(backend_key)

    async def keep_up(self) -> None:
        """Close what nobody used for a minute, and renew the logins that are due; to be called every few seconds."""
        now = asyncio.get_running_loop().time()
        for pool in list(self._pools.values()):
            if pool.leased == 0 and now - pool.used_at > IDLE_S:
                await self._end(pool)
            elif now >= pool.renew_at and self._logins.is_due(pool.login):
                pool.renew_at = now + RENEWAL_PAUSE_S
                await self._renew(pool)

    async def close(self) -> None:
        """Close everything; who has a connection loses it."""
        for pool in self._draining:
            pool.unused.set()
        await asyncio.gather(*self._draining.values(), return_exceptions=True)
        for pool in list(self._pools.values()):
            await self._end(pool)

    @asynccontextmanager
    async def _lent(self, backend: Backend, *, writes: bool) -> AsyncIterator[Connection]:
        pool = await self._leased(backend)
        try:
            with tracing.queried("backend"):
                async with pool.connections.connection() as connection:
                    pool.was_let_in = True
                    with self._writing(pool) if writes else nullcontext():
                        yield connection
        except psycopg.OperationalError as error:
            if not pool.was_let_in and not pool.is_examined:
                await self._examine(pool)
            raise _refusal(error) from error
        finally:
            self._give_back(pool)

    @contextmanager
    def _writing(self, pool: Pool) -> Iterator[None]:
        """Count who writes; who waited in `pool` until the backend began to leave its server does not any more."""
        key = pool.backend.backend_key
        now = self._pools.get(key)
        if key in self._held or (now is not None and now.backend.placed > pool.backend.placed):
            raise UnavailableError(MOVING)
        pool.writing += 1
        pool.unwritten.clear()
        try:
            yield
        finally:
            pool.writing -= 1
            if pool.writing == 0:
                pool.unwritten.set()

    async def _leased(self, backend: Backend) -> Pool:
        deadline = asyncio.get_running_loop().time() + WAIT_S
        while True:
            pool = await self._pool(backend)
            held = self._held.get(backend.backend_key)
            if held is not None:
                await _passed(held, deadline)
                continue
            if not pool.needs_another or self._size_at(backend.cluster) < self._settings.max_connections:
                pool.leased += 1
                pool.unused.clear()
                return pool
            await self._make_room(deadline, backend.cluster, pool)

    def _give_back(self, pool: Pool) -> None:
        pool.leased -= 1
        pool.used_at = asyncio.get_running_loop().time()
        if pool.leased == 0:
            pool.unused.set()
        for waiting in self._waiting:
            waiting.set()

    async def _make_room(self, deadline: float, cluster: str, needed: Pool | None) -> None:
        """End the pool that nobody has used for the longest time, or wait until somebody gives a connection back."""
        at = self._pools.values()
        idle = next((each for each in at if each.leased == 0 and each is not needed and _is_at(each, cluster)), None)
        if idle is not None:
            await self._end(idle)
        else:
            await self._wait_for_room(deadline)

    async def _wait_for_room(self, deadline: float) -> None:
        if len(self._waiting) >= MAX_WAITING:
            raise OverLimitError(BUSY)
        room = asyncio.Event()
        self._waiting.add(room)
        try:
            async with asyncio.timeout_at(deadline):
                await room.wait()
        except TimeoutError as error:
            raise OverLimitError(BUSY) from error
        finally:
            self._waiting.discard(room)

    def _size_at(self, cluster: str) -> int:
        return sum(pool.size for pool in (*self._pools.values(), *self._draining) if _is_at(pool, cluster))

    async def _pool(self, backend: Backend) -> Pool:
        """The pool of the backend; one of a later epoch or place than `backend` knows is as good."""
        found = self._found(backend)
        if found is None:
            async with self._lock(backend.backend_key):
                found = self._found(backend)
                if found is None:
                    found = await open_pool(
                        self._settings, backend, await self._logins.login_of(backend), wait_s=WAIT_S
                    )
                    self._swap(found)
        return found

    def _found(self, backend: Backend) -> Pool | None:
        pool = self._pools.get(backend.backend_key)
        if pool is None or _is_older(pool.backend, backend):
            return None
        self._pools.move_to_end(backend.backend_key)
        return pool

    def _lock(self, backend_key: int) -> asyncio.Lock:
        return self._opening.setdefault(backend_key, asyncio.Lock())

    async def _proven(self, backend: Backend, login: Login) -> Pool:
        """A pool that has been let in.

        Raises:
            PublicError: It was not.
        """
        deadline = asyncio.get_running_loop().time() + WAIT_S
        while self._size_at(backend.cluster) >= self._settings.max_connections:
            await self._make_room(deadline, backend.cluster, None)
        pool = await open_pool(self._settings, backend, login, wait_s=WAIT_S)
        is_proven = False
        try:
            async with pool.connections.connection() as connection:
                await connection.execute("SELECT 1")
            is_proven = True
        except psycopg.OperationalError as error:
            raise _refusal(error) from error
        finally:
            if not is_proven:
                await pool.close()
        return pool

    def _swap(self, pool: Pool) -> None:
        """Use `pool` from now on; the one before it ends when nobody has a connection of it any more."""
        old = self._pools.pop(pool.backend.backend_key, None)
        self._pools[pool.backend.backend_key] = pool
        if old is not None:
            self._draining[old] = asyncio.create_task(self._drain(old))

    async def _drain(self, pool: Pool) -> None:
        try:
            if pool.leased:
                with suppress(TimeoutError):
                    await asyncio.wait_for(pool.unused.wait(), DRAIN_S)
        finally:
            del self._draining[pool]
            await pool.close()

    async def _renew(self, pool: Pool) -> None:
        backend = pool.backend
        try:
            async with self._lock(backend.backend_key):
                login = await self._logins.login_of(backend)
                if login.certificate != pool.login.certificate and self._pools.get(backend.backend_key) is pool:
                    self._swap(await self._proven(backend, login))
        except PublicError as error:
            log.warning("login_not_renewed", backend=backend.backend_key, reason=error.code)

    async def _examine(self, pool: Pool) -> None:
        """Why nobody was let in: a login that the server turns away is doubted, one that it has no time for is not.

        The latter's pool stays: a connection that is on its way serves whoever comes next.
        """
        pool.is_examined = True
        try:
            is_bad = await is_turned_away(self._settings, pool)
        finally:
            pool.is_examined = False
        if is_bad:
            self._logins.doubt(pool.backend.backend_key)
            if self._pools.get(pool.backend.backend_key) is pool:
                await self._end(pool)

    async def _end(self, pool: Pool) -> None:
        if self._pools.get(pool.backend.backend_key) is pool:
            del self._pools[pool.backend.backend_key]
        await pool.close()

    def _is_draining(self, backend_key: int) -> bool:
        return any(_is_of(pool, backend_key) for pool in self._draining)


@frozen
class ForReading:
    """Lends connections to who changes no rows of apps: a move does not wait until they are given back."""

    connections: Connections

    def connection(self, backend: Backend) -> AbstractAsyncContextManager[Connection]:
        """See `Connections.connection`."""
        return self.connections.connection(backend, writes=False)

    def transaction(self, backend: Backend) -> AbstractAsyncContextManager[Connection]:
        """See `Connections.transaction`."""
        return self.connections.transaction(backend, writes=False)


async def _passed(held: asyncio.Event, deadline: float) -> None:
    try:
        async with asyncio.timeout_at(deadline):
            await held.wait()
    except TimeoutError as error:
        raise UnavailableError(MOVING) from error


def _is_older(known: Backend, told: Backend) -> bool:
    """Whether the backend has had another login, or another cluster, since it was known so."""
    return known.epoch < told.epoch or known.placed < told.placed


def _is_at(pool: Pool, cluster: str) -> bool:
    return pool.backend.cluster == cluster


def _is_of(pool: Pool, backend_key: int) -> bool:
    return pool.backend.backend_key == backend_key


def _refusal(error: psycopg.OperationalError) -> Exception:
    if error.sqlstate == DISK_FULL:
        return typed("storage_full", "the disk of the database is full; nothing was changed")
    return refusal_of(error)
