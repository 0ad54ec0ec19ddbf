"""Connections to backends whose logins come in by certificate, as fleetdb has them."""

import os
import socket
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from psycopg.abc import Query

from services.fleetdb.connections import Connections
from services.fleetdb.keys import Keyring
from services.fleetdb.logins import Logins
from services.fleetdb.pools import ConnectionSettings
from services.fleetdb.records.backends import Backend
from shared.database import Connection, Database
from tests.integration.database import Postgres
from tests.integration.fleetdb.certified import Certifier
from tests.integration.fleetdb.plain import CERTIFIED, Plain

MAX_CONNECTIONS = 6


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
