"""Realms, two provisioners and fleetdb's parts that move projects, in one process on two real servers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import attrs
import msgspec
from attrs import define, field
from psycopg import sql

from services.fleetdb.carrying import Carrying, Ends
from services.fleetdb.connections import Connections
from services.fleetdb.keys import Keyring
from services.fleetdb.logins import Logins
from services.fleetdb.making import Making
from services.fleetdb.moving import Moving
from services.fleetdb.pools import ConnectionSettings
from services.fleetdb.records.backends import Backend
from services.fleetdb.records.moves import DueMove
from services.fleetdb.records.tables import Table
from services.fleetdb.resealing import Resealing
from services.fleetdb.rules.backends import backend_of
from services.fleetdb.secrets import Secrets
from services.fleetdb.writing import Writing
from services.realms.records.backends import ListBackends
from services.realms.records.moves import CreateMove, GiveUpBackend, ListMoves, Move, MoveState, SwitchBackend
from shared.database import Database
from shared.errors import UnavailableError
from shared.identities import ServiceIdentity
from shared.procedures import NoArguments
from tests.harness.waiting import eventually
from tests.integration.database import Postgres
from tests.integration.fleetdb.templates import at, column, rows, template
from tests.integration.realms.provisioning import Provisioning
from tests.integration.realms.world import ANNA, Realms

FLEETDB: Final = ServiceIdentity("fleetdb", 1)
BEFORE: Final = 25_000
"""Rows that are there when the move begins: more than one piece."""
TEMPLATE: Final = template(
    {"tablename": "measured", "columns": [column("v", "bigint")]},
    {
        "tablename": "states",
        "maintainLatestFlagFor": ["name"],
        "columns": [column("name", "string"), column("v", "bigint")],
    },
)
FILL: Final = (
    "INSERT INTO measured (tsp, device_key, authid, v) SELECT now() - make_interval(secs => n), 1, 'a', n"
    " FROM generate_series(1, %s) n"
)


@define(eq=False)
class InProcess:
    """Realms' procedures for fleetdb without the bus; kills whoever calls where the test says so."""

    world: Realms
    before_switch: list[BaseException] = field(factory=list)
    after_switch: list[BaseException] = field(factory=list)

    async def moves_due(self) -> list[DueMove]:
        """As the bus would bring them."""
        answer = msgspec.to_builtins(await self.world.moves.move_due(FLEETDB, NoArguments()))
        return [DueMove(each["move_key"], backend_of(each["backend"]), each["to"]) for each in answer["moves"]]

    async def switch(self, move: DueMove, *, rows: int, paused_ms: int) -> None:
        """Done, and perhaps not heard of."""
        if self.before_switch:
            raise self.before_switch.pop()
        asked = SwitchBackend(move.move_key, move.backend.backend_key, rows, paused_ms)
        await self.world.moves.move_switch(FLEETDB, asked)
        if self.after_switch:
            raise self.after_switch.pop()

    async def give_up(self, move: DueMove, problem: str) -> None:
        """Told."""
        asked = GiveUpBackend(move.move_key, move.backend.backend_key, problem)
        await self.world.moves.move_give_up(FLEETDB, asked)


@define(eq=False)
class Site:
    """Realms, two provisioners, and fleetdb's parts that write and move."""

    postgres: Postgres
    world: Realms
    logins: Logins
    stack: AsyncExitStack
    realms: InProcess
    where: ConnectionSettings
    connections: Connections = field(init=False)
    writing: Writing = field(init=False)
    moving: Moving = field(init=False)
    resealing: Resealing = field(init=False)
    locks: dict[int, asyncio.Lock] = field(factory=dict)
    keyring: Keyring | None = None
    database: Database | None = None

    def begin(self) -> None:
        """A process of fleetdb that has just started."""
        assert self.keyring is not None
        assert self.database is not None
        self.connections = Connections(self.where, self.logins)
        self.writing = Writing(self.connections, Secrets(self.keyring))
        self.resealing = Resealing(self.database, self.connections, Secrets(self.keyring))
        self.moving = Moving(
            self.realms,
            self.connections,
            lambda: Connections(self.where, self.logins),
            alone_with=lambda key: self.locks.setdefault(key, asyncio.Lock()),
            find=lambda _: None,
            reseal_anew=self.resealing.begin_anew,
        )

    async def begin_again(self) -> None:
        """The process was killed, and another one starts."""
        await self.connections.close()
        self.locks.clear()
        self.begin()

    async def provision(self) -> None:
        """Let both provisioners do what is due."""
        for cluster in ("first", "second"):
            await Provisioning(self.postgres, cluster).run()

    async def backend(self) -> Backend:
        """The one that is ready, as realms tells of it."""
        (found,) = (await self.world.backends.backend_list(FLEETDB, ListBackends())).backends
        return attrs.evolve(backend_of(msgspec.to_builtins(found)), template=TEMPLATE)

    async def tables(self, backend: Backend) -> dict[str, Table]:
        """Its tables, made where they were not."""
        return (await Making(self.connections).make(backend)).tables

    async def move(self, cluster: str = "second") -> Move:
        """Ask for the plant to be moved."""
        made: Move = await self.world.moves.move_create(ANNA, CreateMove("plant", cluster))
        return made

    async def moved(self, key: int) -> Move:
        """Let everybody work until the move has ended."""
        for _ in range(20):
            await self.provision()
            await self.moving.keep_up()
            await self.provision()
            await self.world.moving.end_moved()
            found = next(each for each in (await self.listed()) if each.move_key == key)
            if found.state is not MoveState.MOVING:
                return found
        raise AssertionError("the move does not end")

    async def listed(self) -> list[Move]:
        """Every move of the project."""
        ((key,),) = self.postgres.rows("SELECT project_key FROM realms.project WHERE name = 'plant'")
        return list((await self.world.moves.move_list(ANNA, ListMoves(key))).moves)

    def values(self, backend: Backend, cluster: str, table: str = "measured") -> list[int]:
        """What the table has on that server, in order."""
        connect = self.postgres.connect_second if cluster == "second" else self.postgres.connect
        with connect(dbname=backend.database) as superuser:
            query = sql.SQL("SELECT v FROM {} ORDER BY v").format(sql.Identifier(backend.schema, table))
            return [row[0] for row in superuser.execute(query).fetchall()]

    def has_left(self, backend: Backend, cluster: str) -> bool:
        """Whether there is neither the project's database on that server nor a role of the backend."""
        connect = self.postgres.connect_second if cluster == "second" else self.postgres.connect
        names = [backend.database, backend.login, backend.schema.replace("s_", "o_", 1)]
        with connect() as superuser:
            found = superuser.execute(
                b"SELECT datname FROM pg_database WHERE datname = ANY (%(names)s)"
                b" UNION ALL SELECT rolname FROM pg_roles WHERE rolname = ANY (%(names)s)",
                {"names": names},
            ).fetchall()
        return found == []


async def plant(site: Site, region: str | None = None) -> Backend:
    """A project with an app that has its backend."""
    await site.world.project(region=region)
    await site.world.install(app="press")
    await site.provision()
    return await site.backend()


async def filled(site: Site, count: int = BEFORE) -> Backend:
    """A plant whose table has so many rows."""
    backend = await plant(site)
    await site.tables(backend)
    async with site.connections.connection(backend) as connection:
        await connection.execute(FILL, [count])
    return backend


@define(eq=False)
class Writer:
    """Appends one row after the other, each again until it is acknowledged."""

    site: Site
    backend: Backend
    table: Table
    number: int
    acknowledged: list[int] = field(factory=list)
    held_up: int = 0
    is_over: bool = False

    async def write(self) -> None:
        """Until it is over; then every row that is there was acknowledged."""
        while not self.is_over:
            value = self.number * 1_000_000 + len(self.acknowledged)
            try:
                await self.site.writing.append(
                    self.backend, self.table, rows(self.table, [{"tsp": at(value % 1_000), "v": value}])
                )
            except UnavailableError:
                self.held_up += 1
                await asyncio.sleep(0.01)
            else:
                self.acknowledged.append(value)


@asynccontextmanager
async def writing(site: Site, backend: Backend, count: int = 3) -> AsyncIterator[list[Writer]]:
    """Writers at work while the block runs."""
    table = (await site.tables(backend))["measured"]
    writers = [Writer(site, backend, table, number) for number in range(1, count + 1)]
    tasks = [asyncio.create_task(each.write()) for each in writers]
    try:
        await further(writers, [0] * count)
        yield writers
        so_far = [len(each.acknowledged) for each in writers]
        await further(writers, so_far)
    finally:
        for each in writers:
            each.is_over = True
        await asyncio.gather(*tasks)


async def further(writers: list[Writer], before: list[int]) -> None:
    """Wait until each has written some more."""

    async def are() -> bool:
        return all(len(each.acknowledged) > number + 5 for each, number in zip(writers, before, strict=True))

    await eventually(are, 30, "everybody writes")


def all_of(writers: list[Writer], before: int = BEFORE) -> list[int]:
    return sorted([*range(1, before + 1), *(value for each in writers for value in each.acknowledged)])


async def begun(site: Site) -> tuple[DueMove, Carrying]:
    """A move of the plant that has a place to go to, and what carries it over."""
    await site.move()
    await site.provision()
    (move,) = await site.realms.moves_due()
    ends = [Connections(site.where, site.logins) for _ in range(2)]
    for each in ends:
        site.stack.push_async_callback(each.close)
    return move, Carrying(Ends(move.backend, move.target, *ends))
