"""Connections to data backends: as whom, how many, how long, and what becomes of them when a login is followed."""

import asyncio
import datetime as dt
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from attrs import evolve
from psycopg import sql
from psycopg.abc import Query

from services.fleetdb import connections as connections_module
from services.fleetdb.connections import Connections
from services.fleetdb.errors import Refusal
from services.fleetdb.keys import Keyring
from services.fleetdb.logins import Logins
from services.fleetdb.pools import ConnectionSettings
from services.fleetdb.records.backends import Backend
from shared.database import Connection, Database
from shared.errors import OutcomeUnknownError, OverLimitError, UnavailableError
from tests.harness.waiting import eventually
from tests.integration.database import Postgres
from tests.integration.fleetdb.certified import Certifier, certifier
from tests.integration.fleetdb.plain import CERTIFIED, GROUP, Plain

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
MAX_CONNECTIONS = 6
WHO = "SELECT session_user::text, current_user::text, current_setting('search_path')"


@pytest.fixture
def make(make_backend: Callable[..., Backend], authority: Certifier) -> Callable[[], Backend]:
    """Makes backends whose logins come in by certificate."""

    def made(group: str = CERTIFIED) -> Backend:
        backend = make_backend(group=group)
        authority.logins[backend.backend_key, 1] = backend.login
        return backend

    return made


@pytest_asyncio.fixture
async def connections(
    fleetdb_database: Database,
    keyring: Keyring,
    authority: Certifier,
    postgres: Postgres,
    make: Callable[[], Backend],
) -> AsyncIterator[Connections]:
    settings = ConnectionSettings("localhost", postgres.port, postgres.ca, MAX_CONNECTIONS)
    opened = Connections(settings, Logins(fleetdb_database, keyring, authority, lambda: authority.now))
    yield opened
    await opened.close()


def keys_in_memory() -> list[str]:
    """The files of certificates and keys that this process has open."""
    links = (link for link in Path("/proc/self/fd").iterdir() if link.is_symlink())
    return [str(link) for link in links if str(link.readlink()).startswith("/memfd:login")]


def cut(connection: Connection) -> None:
    """Let the network end under `connection`, which does not know it yet."""
    with socket.socket(fileno=os.dup(connection.fileno())) as wire:
        wire.shutdown(socket.SHUT_RDWR)


async def fail(connections: Connections, backend: Backend, *statements: Query) -> None:
    """Run `statements`, one of which fails, in a transaction."""
    async with connections.transaction(backend) as connection:
        for statement in statements:
            await connection.execute(statement)


def opened_by(plain: Plain, *backends: Backend) -> int:
    """How many connections the logins of `backends` have."""
    names = [backend.login for backend in backends]
    with plain.connect() as connection:
        ((count,),) = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = ANY (%s)", [names])
    return int(count)


async def test_it_works_as_the_backends_own_login_over_verified_tls(
    connections: Connections, make: Callable[[], Backend]
) -> None:
    backend = make()

    async with connections.connection(backend) as connection:
        who = await (await connection.execute(WHO)).fetchone()
        assert connection.info.get_parameters()["sslmode"] == "verify-full"
        assert connection.pgconn.ssl_in_use

    assert who == (backend.login, f"o_{backend.schema[2:]}", backend.schema)


async def test_no_two_backends_share_a_connection(connections: Connections, make: Callable[[], Backend]) -> None:
    one, other = make(), make()

    async def who(backend: Backend) -> tuple[Any, ...]:
        async with connections.connection(backend) as connection:
            cursor = await connection.execute("SELECT session_user::text, pg_backend_pid()")
            return (await cursor.fetchall())[0]

    seen = await asyncio.gather(*(who(backend) for backend in [one, other] * 10))

    assert {row[0] for row in seen} == {one.login, other.login}
    pids = {login: {row[1] for row in seen if row[0] == login} for login in (one.login, other.login)}
    assert not pids[one.login] & pids[other.login]


async def test_no_key_lies_on_a_disk_and_none_is_left_in_memory(
    connections: Connections, make: Callable[[], Backend]
) -> None:
    async with connections.connection(make()) as connection:
        given = connection.info.get_parameters()
        assert {given["sslkey"], given["sslcert"]} == set(keys_in_memory())

    assert given["sslkey"] not in repr(connections)
    await connections.close()
    assert keys_in_memory() == []


async def test_a_transaction_is_committed_at_its_end_and_rolled_back_by_any_exception(
    connections: Connections, make: Callable[[], Backend]
) -> None:
    backend = make()
    async with connections.transaction(backend) as connection:
        await connection.execute("CREATE TABLE kept (a int)")

    with pytest.raises(psycopg.errors.DivisionByZero):
        await fail(connections, backend, "INSERT INTO kept VALUES (1)", "SELECT 1 / 0")

    async with connections.connection(backend) as connection:
        assert await (await connection.execute("SELECT * FROM kept")).fetchall() == []


async def test_a_transaction_can_copy(connections: Connections, make: Callable[[], Backend]) -> None:
    async with connections.transaction(make()) as connection:
        await connection.execute("CREATE TABLE copied (a int)")
        async with connection.cursor().copy("COPY copied FROM STDIN") as copy:
            await copy.write_row([1])
        assert await (await connection.execute("SELECT a FROM copied")).fetchall() == [(1,)]


async def test_a_login_that_is_not_let_in_is_unavailable(
    connections: Connections, make: Callable[..., Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections_module, "WAIT_S", 0.5)
    backend = make(GROUP)  # the server asks it for a password, which is refused on this side

    with pytest.raises(UnavailableError):
        async with connections.connection(backend):
            raise AssertionError


async def test_given_the_authority_was_replaced_then_a_new_certificate_is_had(
    connections: Connections, make: Callable[..., Backend], authority: Certifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections_module, "WAIT_S", 0.5)
    backend = make()
    stranger = certifier()
    sign = authority.sign
    monkeypatch.setattr(authority, "sign", lambda name, key: Certifier.sign(stranger, name, key))
    with pytest.raises(UnavailableError):
        async with connections.connection(backend):
            raise AssertionError
    monkeypatch.setattr(authority, "sign", sign)

    async with connections.connection(backend) as connection:
        assert await (await connection.execute("SELECT 1")).fetchone() == (1,)

    assert len(authority.asked) == 2


async def test_a_statement_that_the_server_gives_up_is_over_a_limit(
    connections: Connections, make: Callable[[], Backend]
) -> None:
    with pytest.raises(OverLimitError):
        await fail(connections, make(), "SET LOCAL statement_timeout = 50", "SELECT pg_sleep(5)")


@pytest.mark.parametrize(("state", "code"), [("53100", "storage_full"), ("53200", None), ("40001", None)])
async def test_what_the_server_is_short_of_is_said(
    connections: Connections, make: Callable[[], Backend], plain: Plain, *, state: str, code: str | None
) -> None:
    backend = make()
    with plain.connect() as superuser:
        made = "CREATE FUNCTION {}() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE SQLSTATE {}; END $$"
        name = sql.Identifier(backend.schema, "fail")
        superuser.execute(sql.SQL(made).format(name, sql.Literal(state)))

    with pytest.raises((Refusal, OverLimitError)) as refused:
        await fail(connections, backend, "SELECT fail()")

    assert isinstance(refused.value, Refusal) == (code is not None)
    if isinstance(refused.value, Refusal):
        assert refused.value.uri == f"sys.dataservice.error.{code}"


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


async def test_there_are_never_more_than_the_cap_and_everybody_is_served(
    connections: Connections, make: Callable[[], Backend], plain: Plain
) -> None:
    backends = [make() for _ in range(MAX_CONNECTIONS + 3)]
    most = 0

    async def work(backend: Backend) -> None:
        nonlocal most
        async with connections.connection(backend) as connection:
            await connection.execute("SELECT pg_sleep(0.02)")
            most = max(most, connections._size)

    await asyncio.gather(*(work(backend) for backend in backends * 4))

    assert most == MAX_CONNECTIONS
    assert opened_by(plain, *backends) <= MAX_CONNECTIONS


async def test_a_backend_never_has_more_than_four(connections: Connections, make: Callable[[], Backend]) -> None:
    backend, pids = make(), set()

    async def work() -> None:
        async with connections.connection(backend) as connection:
            pids.add(connection.info.backend_pid)
            await connection.execute("SELECT pg_sleep(0.02)")

    await asyncio.gather(*(work() for _ in range(20)))

    assert len(pids) == 4


async def test_the_least_recently_used_is_closed_first(
    connections: Connections, make: Callable[[], Backend], plain: Plain
) -> None:
    backends = [make() for _ in range(MAX_CONNECTIONS)]
    for backend in [*backends, backends[0]]:
        async with connections.connection(backend):
            pass

    async with connections.connection(make()):
        assert opened_by(plain, backends[0]) == 1
        await eventually(lambda: asyncio.to_thread(lambda: opened_by(plain, backends[1]) == 0), 5, "it is closed")


async def test_given_no_room_within_the_time_then_the_call_is_refused(
    connections: Connections, make: Callable[[], Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections_module, "WAIT_S", 0.2)
    backends = [make() for _ in range(MAX_CONNECTIONS + 1)]
    gate, inside = asyncio.Event(), asyncio.Semaphore(0)

    async def hold(backend: Backend) -> None:
        async with connections.connection(backend):
            inside.release()
            await gate.wait()

    holding = [asyncio.create_task(hold(backend)) for backend in backends[:-1]]
    for _ in holding:
        await inside.acquire()

    with pytest.raises(OverLimitError):
        async with connections.connection(backends[-1]):
            raise AssertionError
    gate.set()
    await asyncio.gather(*holding)
    async with connections.connection(backends[-1]):
        pass


async def test_what_nobody_used_for_a_minute_is_closed(
    connections: Connections, make: Callable[[], Backend], plain: Plain, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = make()
    async with connections.connection(backend):
        await connections.keep_up()
    await connections.keep_up()
    assert opened_by(plain, backend) == 1

    monkeypatch.setattr(connections_module, "IDLE_S", 0.0)
    await connections.keep_up()

    await eventually(lambda: asyncio.to_thread(lambda: opened_by(plain, backend) == 0), 5, "it is closed")


async def test_a_login_that_is_due_is_renewed_while_it_is_used(
    connections: Connections, make: Callable[[], Backend], authority: Certifier
) -> None:
    backend = make()
    async with connections.connection(backend) as connection:
        before = connection.info.backend_pid
        authority.now += dt.timedelta(days=21)
        await connections.keep_up()
        assert await (await connection.execute("SELECT 1")).fetchone() == (1,)

    async with connections.connection(backend) as connection:
        assert connection.info.backend_pid != before
    assert len(authority.asked) == 2


async def test_given_realms_is_away_when_a_login_is_due_then_its_connections_stay(
    connections: Connections, make: Callable[[], Backend], authority: Certifier
) -> None:
    backend = make()
    async with connections.connection(backend) as connection:
        before = connection.info.backend_pid
    authority.now += dt.timedelta(days=21)
    authority.is_away = True

    for _ in range(3):
        await connections.keep_up()

    async with connections.connection(backend) as connection:
        assert connection.info.backend_pid == before
    assert len(authority.asked) == 2


async def test_following_a_rotation_loses_no_statement(
    connections: Connections, make: Callable[[], Backend], authority: Certifier, plain: Plain
) -> None:
    backend = make()
    async with connections.connection(backend) as connection:
        await connection.execute("CREATE TABLE counted (a int)")
    newer = plain.rotate(backend)
    authority.logins[backend.backend_key, 2] = newer.login
    is_over = False

    async def write() -> int:
        count = 0
        while not is_over:
            async with connections.transaction(backend) as connection:
                await connection.execute("INSERT INTO counted VALUES (1)")
            count += 1
        return count

    writing = [asyncio.create_task(write()) for _ in range(3)]
    await connections.follow(newer)
    assert authority.told == [(backend.backend_key, 2)]
    await eventually(lambda: asyncio.to_thread(lambda: opened_by(plain, backend) == 0), 5, "the old login has none")
    is_over = True
    count = sum(await asyncio.gather(*writing))

    async with connections.connection(backend) as connection:
        row = await (await connection.execute("SELECT session_user::text, count(*) FROM counted")).fetchone()
    assert row == (newer.login, count)


async def test_given_the_new_login_is_not_let_in_when_it_is_followed_then_the_old_one_serves(
    connections: Connections, make: Callable[[], Backend], authority: Certifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections_module, "WAIT_S", 0.5)
    backend = make()
    async with connections.connection(backend):
        pass
    newer = evolve(backend, epoch=2, login="l_notmade")
    authority.logins[backend.backend_key, 2] = newer.login

    with pytest.raises(UnavailableError):
        await connections.follow(newer)

    assert authority.told == []
    async with connections.connection(backend) as connection:
        assert await (await connection.execute("SELECT session_user::text")).fetchone() == (backend.login,)


async def test_what_is_forgotten_is_closed_and_its_key_is_gone(
    connections: Connections, make: Callable[[], Backend], plain: Plain, postgres: Postgres
) -> None:
    backend = make()
    async with connections.connection(backend):
        pass

    await connections.forget(backend.backend_key)

    await eventually(lambda: asyncio.to_thread(lambda: opened_by(plain, backend) == 0), 5, "it is closed")
    assert postgres.rows("SELECT * FROM fleetdb.backend_login") == []


async def test_a_certificate_of_one_login_does_not_let_another_in(
    connections: Connections, make: Callable[[], Backend], postgres: Postgres, authority: Certifier
) -> None:
    one, other = make(), make()
    async with connections.connection(one) as connection:
        given = connection.info.get_parameters()
        with pytest.raises(psycopg.OperationalError, match="certificate authentication failed"):
            postgres.connect(
                dbname=other.database, user=other.login, password="", sslcert=given["sslcert"], sslkey=given["sslkey"]
            )


async def test_following_makes_room_too(
    connections: Connections, make: Callable[[], Backend], authority: Certifier, plain: Plain
) -> None:
    backends = [make() for _ in range(MAX_CONNECTIONS)]
    for backend in backends:
        async with connections.connection(backend):
            pass
    newer = plain.rotate(backends[-1])
    authority.logins[newer.backend_key, 2] = newer.login

    await connections.follow(newer)

    assert connections._size <= MAX_CONNECTIONS
    assert opened_by(plain, newer) == 1


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
    assert connections._size == 1


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
