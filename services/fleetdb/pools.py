"""The connections of one data backend: as its own login, by client certificate, over verified TLS."""

import asyncio
from pathlib import Path
from typing import Any, Final

import psycopg
from attrs import define, field, frozen
from psycopg_pool import AsyncConnectionPool

from services.fleetdb.key_files import KeyFiles
from services.fleetdb.records.backends import Backend
from services.fleetdb.records.logins import Login
from shared.clusters import FIRST, Address, Clusters
from shared.database import CONNECT_TIMEOUT_S, check_open

POOL_SIZE: Final = 4
MAX_CONNECTIONS: Final = 120
MAX_WAITING: Final = 512
"""Calls that wait for a connection of one backend."""
IDLE_S: Final = 60.0
ASK_S: Final = 2
TURNED_AWAY: Final = ("certificate", "SSL error")
"""What libpq says where one side does not take the other's certificate; it gives no code for it."""


NO_OTHERS: Final = Clusters(None)


@frozen
class ConnectionSettings:
    """Where data backends are, on the first cluster and on others, and how many connections there may be to each."""

    host: str
    port: int
    ca: Path
    max_connections: int = MAX_CONNECTIONS
    others: Clusters = NO_OTHERS

    def address_of(self, cluster: str) -> Address:
        """Where the cluster of that name is.

        Raises:
            UnavailableError: The settings do not say it.
        """
        return Address(self.host, self.port, self.ca) if cluster == FIRST else self.others.find(cluster)


@define(eq=False)
class Pool:
    """The connections of one backend under one login.

    `leased` counts who has one or waits for one, `writing` who has one and may change rows.
    """

    backend: Backend
    login: Login
    files: KeyFiles
    connections: AsyncConnectionPool
    used_at: float
    renew_at: float = 0.0
    leased: int = 0
    writing: int = 0
    was_let_in: bool = False
    is_examined: bool = False
    unused: asyncio.Event = field(factory=asyncio.Event)
    unwritten: asyncio.Event = field(factory=asyncio.Event)

    @property
    def size(self) -> int:
        """How many connections it has, or is to have for those who wait."""
        return max(self.open, min(self.leased, POOL_SIZE))

    @property
    def open(self) -> int:
        """How many it has."""
        return self.connections.get_stats().get("pool_size", 0)

    @property
    def needs_another(self) -> bool:
        """Whether one more lease would open one more connection."""
        return self.open <= self.leased < POOL_SIZE

    async def close(self) -> None:
        """Close every connection; whoever has one loses it."""
        try:
            await self.connections.close(timeout=5.0)
        finally:
            self.files.close()


async def open_pool(settings: ConnectionSettings, backend: Backend, login: Login, *, wait_s: float) -> Pool:
    """A pool without a connection yet; who asks it for one waits for `wait_s` seconds at most.

    Raises:
        UnavailableError: The settings do not say where the backend's cluster is.
    """
    arguments, files = _arguments(settings, backend), KeyFiles(login)
    connections = AsyncConnectionPool(
        kwargs={**arguments, **files.arguments()},
        min_size=0,
        max_size=POOL_SIZE,
        max_waiting=MAX_WAITING,
        timeout=wait_s,
        reconnect_timeout=wait_s,
        max_idle=IDLE_S,
        check=check_open,
        num_workers=1,
        open=False,
        name=f"backend {backend.backend_key}",
    )
    pool = Pool(backend, login, files, connections, used_at=asyncio.get_running_loop().time())
    try:
        await connections.open(wait=False)
    finally:
        if connections.closed:
            files.close()
    return pool


async def is_turned_away(settings: ConnectionSettings, pool: Pool) -> bool:
    """Whether the server does not take the login's certificate: not where it is away, busy, or full."""
    arguments = {**_arguments(settings, pool.backend), **pool.files.arguments(), "connect_timeout": ASK_S}
    try:
        connection = await psycopg.AsyncConnection.connect(**arguments)
    except psycopg.OperationalError as error:
        return any(words in str(error) for words in TURNED_AWAY)
    await connection.close()
    return False


def _arguments(settings: ConnectionSettings, backend: Backend) -> dict[str, Any]:
    address = settings.address_of(backend.cluster)
    return {
        "host": address.host,
        "port": address.port,
        "dbname": backend.database,
        "user": backend.login,
        "sslmode": "verify-full",
        "sslrootcert": str(address.ca),
        "sslcertmode": "require",
        "require_auth": "none",  # the certificate is all that this login has
        "gssencmode": "disable",
        "connect_timeout": CONNECT_TIMEOUT_S,
        "application_name": "fleetdb",
        "autocommit": True,
        "keepalives_idle": 10,
        "tcp_user_timeout": 15_000,
    }
