"""Rows over the bus: append, bulk and history as an app has them, against psycopg on the same table.

Ours goes from an app's session through router and fleetdb to PostgreSQL and back, over three TLS connections; the
reference from this process to PostgreSQL, over one. Both find the same table of the same backend.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import msgspec
import psycopg
from attrs import frozen

from deploy.local.bootstrap import SUPERUSER
from tests.bench.figures import Bar, Row, at_least, ratio_row
from tests.bench.load import Demand, Load, requests
from tests.bench.rounds import interleave, pairs
from tests.bench.scale import Scale
from tests.bench.wamp_socket import CALL, Address, RefusedError, WampSocket
from tests.bench.writes import (
    APPEND_BAR,
    BULK_BAR,
    CONNECTIONS,
    COPY,
    DEVICE,
    INSERT,
    KWARGS,
    MEASURED_BULK,
    MEASURED_WRITERS,
    SERIAL,
    TEMPLATE,
    values,
)
from tests.harness.clients import Account
from tests.harness.placed_apps import PlacedApp, place_apps
from tests.harness.running import RunningPlatform
from tests.harness.waiting import wait_until

NAME: Final = "bus"
HISTORY_BAR: Final = at_least(0.70)
MEASURED_HISTORY: Final = 10_000
SERVED_S: Final = 60.0
PAGE: Final = 10_000
"""The most rows of one bulk."""
HISTORY: Final = b"""
    SELECT tsp, name, force, temperature, number, is_on, device_key, authid
    FROM readings ORDER BY tsp DESC, _row DESC LIMIT %s
"""
_PLACE: Final = (
    "SELECT d.database_name, b.schema_name FROM realms.backend b JOIN realms.project_database d USING (project_key)"
    " WHERE b.app_key = %s"
)
Case = TypeVar("Case", bound=Hashable)
Connection = psycopg.AsyncConnection[Any]


@frozen
class World:
    """An app whose table is served, and the driver's connections."""

    platform: RunningPlatform
    app: PlacedApp
    runner: asyncio.Runner
    connections: tuple[Connection, ...]
    began: datetime

    def append(self, count: int, seconds: float) -> float:
        """Rows a second, so many calls at once."""
        row = values(0, self.began)
        return self._rate("append", [row], count, 1, seconds)

    def append_bulk(self, count: int, seconds: float) -> float:
        """Rows a second, so many in each call."""
        rows = [values(number, self.began) for number in range(count)]
        return self._rate("appendBulk", [rows], 1, count, seconds)

    def history(self, count: int, seconds: float) -> float:
        """Answers a second, of so many rows."""
        return self._load("history.transformed.readings", [{"limit": count}], {}, 1, seconds).rate

    def insert(self, count: int, seconds: float) -> float:
        """The same rows by the driver, on as many connections as a backend has."""
        parts = [range(first, count, CONNECTIONS) for first in range(min(count, CONNECTIONS))]

        async def some(connection: Connection, numbers: range) -> None:
            for number in numbers:
                await connection.execute(INSERT, self._plain(number))

        async def all_of_them() -> int:
            await asyncio.gather(*map(some, self.connections, parts))
            return count

        return self._driven(all_of_them, seconds)

    def copy(self, count: int, seconds: float) -> float:
        """The same rows by the driver, in one transaction each."""
        rows = [self._plain(number) for number in range(count)]

        async def copied() -> int:
            async with self.connections[0].cursor() as cursor, cursor.copy(COPY) as copy:
                for row in rows:
                    await copy.write_row(row)
            return count

        return self._driven(copied, seconds)

    def read(self, count: int, seconds: float) -> float:
        """The same rows by the driver, as JSON."""

        async def once() -> int:
            cursor = await self.connections[0].execute(HISTORY, [count])
            names = [column.name for column in cursor.description or ()]
            rows = [dict(zip(names, row, strict=True)) for row in await cursor.fetchall()]
            msgspec.json.encode(rows)
            return 1

        return self._driven(once, seconds)

    def fill(self, number: int) -> None:
        """See that the table has so many rows."""
        with closing(_joined(self.app)) as session:
            for _ in range(0, number, PAGE):
                rows = [values(at, self.began) for at in range(min(PAGE, number))]
                session.request(CALL, {}, self.app.uri("appendBulk", "readings"), [rows], {})

    def _rate(self, verb: str, args: list[Any], at_once: int, rows: int, seconds: float) -> float:
        kwargs = {"DEVICE_NAME": KWARGS["DEVICE_NAME"]}
        return self._load(self.app.uri(verb, "readings"), args, kwargs, at_once, seconds).rate * rows

    def _load(self, uri: str, args: list[Any], kwargs: dict[str, Any], at_once: int, seconds: float) -> Load:
        """By sessions of now: those that stand by while the driver is measured answer no ping, and are ended."""
        with closing(_joined(self.app)) as session, closing(_joined(self.app)) as bystander:

            def begin(request: int) -> None:
                session.queue(CALL, request, {}, uri, args, kwargs)

            return requests(self.platform.pid("router"), session, bystander, begin, Demand(b"", at_once, seconds))

    def _driven(self, once: Callable[[], Awaitable[int]], seconds: float) -> float:
        async def work() -> float:
            began, count = time.perf_counter(), 0
            while time.perf_counter() < began + seconds:
                count += await once()
            return count / (time.perf_counter() - began)

        return self.runner.run(work())

    def _plain(self, number: int) -> tuple[Any, ...]:
        row = values(number, self.began)
        row["tsp"] = datetime.fromisoformat(row["tsp"])
        return (DEVICE, SERIAL, *row.values())


def run(scale: Scale, platform: RunningPlatform) -> list[Row]:
    """The rows, by how many calls are under way, and how many rows a call or an answer has."""
    with ExitStack() as ending:
        world = _world(platform, ending)
        one = _measured(scale, scale.writers, world.append, world.insert)
        many = _measured(scale, scale.bulk_rows, world.append_bulk, world.copy)
        world.fill(max(scale.history_rows))
        found = _measured(scale, scale.history_rows, world.history, world.read)
    return [
        *(
            _row(f"append over the bus, {at} at once", "rows/s", one[at], APPEND_BAR, MEASURED_WRITERS, at)
            for at in one
        ),
        *(_row(f"bulk of {at:,} rows over the bus", "rows/s", many[at], BULK_BAR, (MEASURED_BULK,), at) for at in many),
        *(
            _row(f"history of {at:,} rows over the bus", "/s", found[at], HISTORY_BAR, (MEASURED_HISTORY,), at)
            for at in found
        ),
    ]


def _row(  # noqa: PLR0917 - a row is that much
    what: str, unit: str, results: list[tuple[float, float]], bar: Bar, measured: tuple[int, ...], size: int
) -> Row:
    return ratio_row(NAME, what, unit, pairs(results, float), bar if size in measured else None)


def _measured(
    scale: Scale,
    sizes: tuple[int, ...],
    ours: Callable[[int, float], float],
    reference: Callable[[int, float], float],
) -> dict[int, list[tuple[float, float]]]:
    return interleave(
        sizes, scale.rounds, lambda size: ours(size, scale.seconds), lambda size: reference(size, scale.seconds)
    )


def _world(platform: RunningPlatform, ending: ExitStack) -> World:
    tables: list[Any] = msgspec.to_builtins(TEMPLATE)["data"]["tables"]
    (app,) = asyncio.run(place_apps(platform, Account(platform, platform.owner_key), 1, tables))
    began = datetime.now(UTC)  # noqa: TID251 - rows of now
    with closing(_joined(app)) as session:
        wait_until(lambda: _is_served(app, session, began), SERVED_S, "the table is served")
    runner = ending.enter_context(asyncio.Runner())
    with platform.database() as connection:
        row = connection.execute(_PLACE, [app.app_key]).fetchone()
    assert row is not None
    connections = tuple(runner.run(_connected(platform, row[0], row[1])) for _ in range(CONNECTIONS))
    for each in connections:
        ending.callback(_closed, runner, each)
    return World(platform, app, runner, connections, began)


def _closed(runner: asyncio.Runner, connection: Connection) -> None:
    runner.run(connection.close())


def _joined(app: PlacedApp) -> WampSocket:
    address = Address(app.platform.ports.router_public, "/ws-ua-usr", app.platform.tls)
    return WampSocket.connect(address).join(app.realm, *app.credential)


def _is_served(app: PlacedApp, session: WampSocket, began: datetime) -> bool:
    try:
        session.request(CALL, {}, app.uri("append", "readings"), [values(0, began)], {})
    except RefusedError:
        return False
    return True


async def _connected(platform: RunningPlatform, database: str, schema: str) -> Connection:
    return await psycopg.AsyncConnection.connect(
        host="localhost",
        hostaddr="127.0.0.1",
        port=platform.ports.postgres,
        dbname=database,
        user=SUPERUSER,
        password=platform.secret(f"database/{SUPERUSER}"),
        sslmode="verify-full",
        sslrootcert=str(platform.state.ca_certificate),
        options=f"-c search_path={schema}",
        autocommit=True,
    )
