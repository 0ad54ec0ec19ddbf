"""By which login fleetdb connects: certified, renewed, doubted, followed after a rotation, forgotten."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import psycopg
import pytest
from attrs import evolve

from services.fleetdb import connections as connections_module
from services.fleetdb.connections import Connections
from services.fleetdb.keys import Keyring
from services.fleetdb.logins import Logins
from services.fleetdb.pools import ConnectionSettings
from services.fleetdb.records.backends import Backend
from shared.database import Database
from shared.errors import UnavailableError
from tests.harness.ports import free_ports
from tests.harness.waiting import eventually
from tests.integration.database import Postgres
from tests.integration.fleetdb.certified import Certifier, certifier
from tests.integration.fleetdb.own_logins import MAX_CONNECTIONS, connections, make, opened_by
from tests.integration.fleetdb.plain import GROUP, Plain

__all__ = ["connections", "make"]


pytestmark = [pytest.mark.asyncio, pytest.mark.real]


class Relay:
    """A way to the server that is closed at first."""

    def __init__(self, to: int) -> None:
        self._to = to
        (self.port,) = free_ports(1)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """It is open while the block runs."""
        async with await asyncio.start_server(self._pass_on, "127.0.0.1", self.port):
            yield

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, there = await asyncio.open_connection("127.0.0.1", self._to)

        async def one_way(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                while octets := await source.read(65_536):
                    target.write(octets)
            target.close()

        await asyncio.gather(one_way(reader, there), one_way(back, writer))


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


async def test_given_the_server_was_away_then_its_login_is_not_doubted_and_the_next_works(
    fleetdb_database: Database, keyring: Keyring, authority: Certifier, postgres: Postgres, make: Callable[..., Backend]
) -> None:
    """Doubting it asks realms for another certificate: for each backend, while everything comes back at once."""
    backend, relay = make(), Relay(postgres.port)
    settings = ConnectionSettings("localhost", relay.port, postgres.ca, MAX_CONNECTIONS)
    opened = Connections(settings, Logins(fleetdb_database, keyring, authority, lambda: authority.now))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connections_module, "WAIT_S", 0.3)
        with pytest.raises(UnavailableError):
            async with opened.connection(backend):
                raise AssertionError
    pool = opened._pools[backend.backend_key]
    async with relay.running():

        async def is_served() -> bool:
            with suppress(UnavailableError):
                async with opened.connection(backend):
                    return True
            return False

        await eventually(is_served, 10, "somebody is let in")
        assert opened._pools[backend.backend_key] is pool
        await opened.close()
    assert len(authority.asked) == 1


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

    assert connections._size_at("first") <= MAX_CONNECTIONS
    assert opened_by(plain, newer) == 1
