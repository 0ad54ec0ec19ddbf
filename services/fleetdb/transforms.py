"""Transforms: views that apps declare, made as the backend's own login, and published anew on their schedules."""

import asyncio
import weakref
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

import psycopg
import structlog

from services.fleetdb.errors import Refusal
from services.fleetdb.records.backends import Backend
from services.fleetdb.records.queries import HistoryQuery, Span
from services.fleetdb.records.tables import Table
from services.fleetdb.records.transforms import Made, Transform
from services.fleetdb.rules.transforms import MAX_ROWS, due, transforms_of
from services.fleetdb.store.transforms import (
    VIEWS,
    kinds_of,
    made_delete,
    made_list,
    made_upsert,
    view_drop,
    view_make,
    view_refresh,
)
from shared.database import Connection, Database
from shared.errors import OverLimitError, PublicError
from shared.templates import Template

AT_ONCE: Final = 4
"""Of all projects together, and of each project one: nobody's statements keep those of others waiting for long."""
MAX_LATE: Final = timedelta(minutes=5)
"""What should have run longer ago, while this process was held up, does not run any more."""
TOO_LONG: Final = "it took too long, or the database had too much to do"
_MINUTE: Final = timedelta(minutes=1)
_EVERYTHING: Final = HistoryQuery(
    limit=MAX_ROWS, offset=0, span=Span(None, None), filters=(), columns=(), column_paths=()
)

Rows = list[dict[str, Any]]

log = structlog.get_logger()


class Lending(Protocol):
    """Connections to backends, each under its own login."""

    def connection(self, backend: Backend) -> AbstractAsyncContextManager[Connection]:
        """One on which each statement is a transaction by itself."""

    def transaction(self, backend: Backend) -> AbstractAsyncContextManager[Connection]:
        """One inside a transaction."""


class Viewing(Protocol):
    """What reads the views of transforms, as history does."""

    async def view(self, backend: Backend, table: Table, query: HistoryQuery, reader: str | None) -> Rows:
        """The rows of a transform, in its own order, reversed."""


class Telling(Protocol):
    """What tells the app."""

    async def rows(self, backend: Backend, transform: Transform, rows: Rows) -> None:
        """The whole view, in its own order, as it is now."""

    async def problem(self, backend: Backend, name: str, message: str) -> None:
        """The transform `name` failed: into the app's error log, and to who follows `databackend.errors.<name>`."""


class Transforms:
    """Makes views, and runs what is due; never twice at once."""

    def __init__(self, database: Database, connections: Lending, viewing: Viewing, telling: Telling) -> None:
        """What was made is remembered in `database`."""
        self._database = database
        self._connections = connections
        self._viewing = viewing
        self._telling = telling
        self._places = asyncio.Semaphore(AT_ONCE)
        self._turns: weakref.WeakValueDictionary[int, asyncio.Lock] = weakref.WeakValueDictionary()
        self._running: dict[tuple[int, str], asyncio.Task[None]] = {}
        self._problems: dict[tuple[int, str], str] = {}
        self._asked: dict[int, tuple[Template | None, dict[str, Transform]]] = {}
        self._minute: datetime | None = None

    async def make(self, backend: Backend) -> dict[str, Transform]:
        """See that the views of the backend are those that its template asks for; answers the transforms.

        What cannot be made is told to the app, once, and tried again by the next call.

        Raises:
            PublicError: A database is away.
        """
        asked = self._of(backend)
        async with self._database.transaction() as connection:
            made = await made_list(connection, backend.backend_key)
        await self._drop(backend, [each for each in made.values() if each.name not in asked])
        pending = await self._differing(backend, asked, made)
        problems: dict[str, str] = {}
        for _ in range(len(asked) + 1):
            # One may be made of another that comes later, and was dropped with it where that one has changed.
            problems = {name: text for name in pending if (text := await self._make(backend, asked[name])) is not None}
            again = [name for name in asked if name in problems or name not in await self._there(backend, asked)]
            if not again or len(problems) == len(pending):
                break
            pending = again
        for name, problem in problems.items():
            await self._tell(backend, name, problem)
        return asked

    def look(self, backends: Callable[[], Iterable[Backend]], now: datetime) -> None:
        """Start whatever is due since the last look; to be called every few seconds, `now` being in UTC."""
        this = now.replace(second=0, microsecond=0)
        last = this - _MINUTE if self._minute is None else max(self._minute, this - MAX_LATE)
        if last >= this:
            return
        self._minute = this
        minutes = [last + number * _MINUTE for number in range(1, (this - last) // _MINUTE + 1)]
        for backend in backends():
            transforms = self._of(backend)
            names = {each.name for minute in minutes for each in due(transforms, minute)}
            for name in names:
                self._start(backend, transforms[name])

    async def stop(self) -> None:
        """Give up what runs."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def settle(self) -> None:
        """Wait until nothing runs."""
        while self._running:
            await asyncio.wait(self._running.values())

    async def refresh(self, backend: Backend) -> None:
        """Make what is kept of transforms anew, from the rows that there are now; what cannot be so made goes.

        Raises:
            PublicError: A database is away, or has too much to do.
        """
        async with self._database.transaction() as connection:
            made = await made_list(connection, backend.backend_key)
        for each in made.values():
            if each.is_materialized:
                await self._make_anew(backend, each)

    async def forget(self, backend_key: int) -> None:
        """The backend is gone; should it come back, its views are made anew."""
        self._asked.pop(backend_key, None)
        async with self._database.transaction() as connection:
            names = list(await made_list(connection, backend_key))
            await made_delete(connection, backend_key, names)

    def _of(self, backend: Backend) -> dict[str, Transform]:
        """What the template of the backend asks for, worked out once."""
        known = self._asked.get(backend.backend_key)
        if known is None or known[0] is not backend.template:
            known = self._asked[backend.backend_key] = (backend.template, transforms_of(backend.template))
        return known[1]

    def _start(self, backend: Backend, transform: Transform) -> None:
        place = (backend.backend_key, transform.name)
        if place in self._running:
            log.warning("transform_skipped", backend=backend.backend_key, transform=transform.name)
            return
        self._running[place] = task = asyncio.create_task(self._run(backend, transform))
        task.add_done_callback(lambda _: self._running.pop(place))

    async def _run(self, backend: Backend, transform: Transform) -> None:
        try:
            async with self._turns.setdefault(backend.project_key, asyncio.Lock()), self._places:
                rows = await self._rows(backend, transform)
            await self._telling.rows(backend, transform, rows)
        except psycopg.Error as error:
            await self._tell(backend, transform.name, _said(error))
        except Refusal as error:
            await self._tell(backend, transform.name, _words(error))
        except OverLimitError:
            await self._tell(backend, transform.name, TOO_LONG)
        except PublicError as error:
            log.warning("transform_not_run", backend=backend.backend_key, transform=transform.name, reason=error.code)
        else:
            self._problems.pop((backend.backend_key, transform.name), None)

    async def _rows(self, backend: Backend, transform: Transform) -> Rows:
        if transform.is_materialized:
            async with self._connections.connection(backend) as connection:
                await view_refresh(connection, backend.schema, transform.name)
        rows = await self._viewing.view(backend, transform.table, _EVERYTHING, None)
        rows.reverse()
        return rows

    async def _make_anew(self, backend: Backend, made: Made) -> None:
        try:
            async with (
                self._turns.setdefault(backend.project_key, asyncio.Lock()),
                self._places,
                self._connections.connection(backend) as connection,
            ):
                await view_refresh(connection, backend.schema, made.name)
        except psycopg.OperationalError:
            raise
        except psycopg.Error as error:
            await self._tell(backend, made.name, _said(error))
            await self._drop(backend, [made])

    async def _tell(self, backend: Backend, name: str, problem: str) -> None:
        """Once, until it is another problem or none."""
        place = (backend.backend_key, name)
        if self._problems.get(place) == problem:
            return
        self._problems[place] = problem
        log.warning("transform_failed", backend=backend.backend_key, transform=name)
        try:
            await self._telling.problem(backend, name, problem)
        except (PublicError, Refusal) as error:
            log.warning("transform_problem_not_told", backend=backend.backend_key, transform=name, reason=str(error))

    async def _differing(self, backend: Backend, asked: dict[str, Transform], made: dict[str, Made]) -> list[str]:
        there = await self._there(backend, asked)
        same = {name for name, each in made.items() if name in asked and each.digest == asked[name].digest}
        return [name for name in asked if name not in same or name not in there]

    async def _there(self, backend: Backend, asked: dict[str, Transform]) -> frozenset[str]:
        if not asked:
            return frozenset()
        async with self._connections.connection(backend) as connection:
            kinds = await kinds_of(connection, backend.schema, list(asked))
        return frozenset(name for name, kind in kinds.items() if kind in VIEWS)

    async def _make(self, backend: Backend, transform: Transform) -> str | None:
        """Make its view; returns what the server has against it."""
        try:
            async with self._connections.transaction(backend) as connection:
                kind = (await kinds_of(connection, backend.schema, [transform.name])).get(transform.name)
                if kind in VIEWS:
                    await view_drop(connection, backend.schema, transform.name, kind)
                await view_make(connection, backend.schema, transform)
        except psycopg.OperationalError:
            raise
        except psycopg.Error as error:
            return _said(error)
        except OverLimitError:
            return TOO_LONG
        made = Made(transform.name, transform.digest, transform.is_materialized)
        async with self._database.transaction() as connection:
            await made_upsert(connection, backend.backend_key, made)
        return None

    async def _drop(self, backend: Backend, gone: list[Made]) -> None:
        if not gone:
            return
        names = [made.name for made in gone]
        async with self._connections.transaction(backend) as connection:
            for name in names:
                kind = (await kinds_of(connection, backend.schema, [name])).get(name)
                if kind in VIEWS:
                    await view_drop(connection, backend.schema, name, kind)
        async with self._database.transaction() as connection:
            await made_delete(connection, backend.backend_key, names)


def _said(error: psycopg.Error) -> str:
    return error.diag.message_primary or "the statement failed"


def _words(refusal: Refusal) -> str:
    told = refusal.wire_args[0] if refusal.wire_args else refusal.uri
    return str(told.get("message", refusal.uri)) if isinstance(told, dict) else str(told)
