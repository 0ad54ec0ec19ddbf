"""Connections to data backends: as whom, how many, how long."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from services.fleetdb import connections as connections_module
from services.fleetdb.connections import Connections
from services.fleetdb.errors import Refusal
from services.fleetdb.pools import open_pool
from services.fleetdb.records.backends import Backend
from shared.errors import OverLimitError
from tests.harness.waiting import eventually
from tests.integration.fleetdb.own_logins import MAX_CONNECTIONS, connections, fail, make, opened_by
from tests.integration.fleetdb.plain import Plain

__all__ = ["connections", "make"]


pytestmark = [pytest.mark.asyncio, pytest.mark.real]
WHO = "SELECT session_user::text, current_user::text, current_setting('search_path')"


def keys_in_memory() -> set[str]:
    """The files of certificates and keys that this process has open."""
    links = (link for link in Path("/proc/self/fd").iterdir() if link.is_symlink())
    return {str(link) for link in links if str(link.readlink()).startswith("/memfd:login")}


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
    before = keys_in_memory()
    async with connections.connection(make()) as connection:
        given = connection.info.get_parameters()
        assert keys_in_memory() - before == {given["sslkey"], given["sslcert"]}

    assert given["sslkey"] not in repr(connections)
    await connections.close()
    assert keys_in_memory() == before


async def test_given_a_login_was_just_replaced_when_all_is_closed_then_no_key_is_left_in_memory(
    connections: Connections, make: Callable[[], Backend]
) -> None:
    """A task that is cancelled before its first step ends nothing: what it was to close stayed open."""
    before, backend = keys_in_memory(), make()
    async with connections.connection(backend):
        pass
    login = await connections._logins.login_of(backend)
    connections._swap(await open_pool(connections._settings, backend, login, wait_s=1.0))

    await connections.close()

    assert keys_in_memory() == before


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


async def test_there_are_never_more_than_the_cap_and_everybody_is_served(
    connections: Connections, make: Callable[[], Backend], plain: Plain
) -> None:
    backends = [make() for _ in range(MAX_CONNECTIONS + 3)]
    most = 0

    async def work(backend: Backend) -> None:
        nonlocal most
        async with connections.connection(backend) as connection:
            await connection.execute("SELECT pg_sleep(0.02)")
            most = max(most, connections._size_at("first"))

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
