"""PostgreSQL for a service: a pool of verified TLS connections under the service's own login, and transactions.

Everything here is asyncio; it runs in Twisted because every service installs `asyncioreactor` before it imports the
reactor. A database that is away becomes `UnavailableError`: the caller may repeat, nothing was changed.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from select import POLLIN, poll
from typing import Any, Final, Self, TypeVar

import msgspec
import psycopg
from attrs import frozen
from psycopg.pq import ConnStatus
from psycopg.rows import TupleRow
from psycopg.types.json import set_json_loads
from psycopg_pool import AsyncConnectionPool, TooManyRequests
from typing_extensions import override

from shared import tracing
from shared.errors import OutcomeUnknownError, OverLimitError, PublicError, UnavailableError
from shared.health import Health
from shared.overlap import values
from shared.settings import Settings

Connection = psycopg.AsyncConnection[TupleRow]

Result = TypeVar("Result")
Connected = TypeVar("Connected")

CONNECT_TIMEOUT_S: Final = 5
WAIT_TIMEOUT_S: Final = 5.0
STATEMENT_TIMEOUT_MS: Final = 10_000
POOL_SIZE: Final = 8
MAX_WAITING: Final = 512
READS_TO_THE_END: Final = 5
BUSY_SQLSTATES: Final = ("40", "53", "55P03", "57014")
"""Class 40 serialization and deadlock, 53 resources, lock not available, query cancelled (PostgreSQL, appendix A)."""
BUSY: Final = "the database has too much to do; nothing was changed, try again in a moment"
AWAY: Final = "the database is away; nothing was changed, try again in a moment"
LOST: Final = "the database went away while it committed; look before you repeat"


def read_json(text: bytes | str) -> Any:
    """What `text` of the database says; in a fraction of the time that the driver's own way takes.

    Numbers that are no doubles are left to that.
    """
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return json.loads(text)


set_json_loads(read_json)


@frozen(repr=False)
class Password:
    """A password, and the one `before` it while the server may have that still; it prints as three dots."""

    value: str
    before: str = ""

    @override
    def __repr__(self) -> str:
        """Three dots."""
        return "Password(...)"


def password_of(text: str) -> Password:
    """What the file of a password says, as `shared.overlap` has it; `text` is not empty."""
    return Password(*values(text)[:2])


@frozen
class DatabaseSettings:
    """Where the database is and who we are there; the password never appears in a representation."""

    host: str
    port: int
    name: str
    login: str
    password: Password
    ca: Path


def database_settings(settings: Settings, login: str, ca: Path) -> DatabaseSettings:
    """The database settings out of `DATABASE_HOST`, `_PORT`, `_NAME` and the file of `_PASSWORD_FILE`."""
    return DatabaseSettings(
        host=settings.text("DATABASE_HOST"),
        port=settings.port("DATABASE_PORT"),
        name=settings.text("DATABASE_NAME"),
        login=login,
        password=password_of(settings.secret("DATABASE_PASSWORD")),
        ca=ca,
    )


def connection_arguments(settings: DatabaseSettings) -> dict[str, Any]:
    """What psycopg connects with: TLS always, the server's name and certificate verified always."""
    return {
        "host": settings.host,
        "port": settings.port,
        "dbname": settings.name,
        "user": settings.login,
        "password": settings.password.value,
        "sslmode": "verify-full",
        "sslrootcert": str(settings.ca),
        "connect_timeout": CONNECT_TIMEOUT_S,
        "application_name": settings.login,
        "autocommit": True,
        "options": f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c idle_in_transaction_session_timeout=30000",
        "keepalives_idle": 10,
        "tcp_user_timeout": 15_000,
    }


class EitherConnection(psycopg.AsyncConnection[TupleRow]):
    """One that is let in by its password or, where the server does not have that yet, by the one before it."""

    @classmethod
    @override
    async def connect(cls, conninfo: str = "", **arguments: Any) -> Self:
        """As psycopg's; `before` is the password before `password`, empty where there is none."""
        before = arguments.pop("before", "")
        try:
            return await super().connect(conninfo, **arguments)
        except psycopg.OperationalError as error:
            if not before or not is_password_refused(error):
                raise
            return await super().connect(conninfo, **{**arguments, "password": before})


def by_either(password: Password, connect: Callable[[str], Connected]) -> Connected:
    """What `connect` makes of the password or, where the server does not have that yet, of the one before it.

    Raises:
        psycopg.OperationalError: The server does not answer, is not who it should be, or takes neither.
    """
    try:
        return connect(password.value)
    except psycopg.OperationalError as error:
        if not password.before or not is_password_refused(error):
            raise
        return connect(password.before)


def is_password_refused(error: psycopg.OperationalError) -> bool:
    """Whether the server asked for the password, and did not let in whoever showed it; its texts may be translated."""
    return error.pgconn is not None and error.pgconn.used_password


class Database:
    """The service's pool. Opening does not wait for the server: health says when it answers."""

    def __init__(self, settings: DatabaseSettings, health: Health) -> None:
        """Prepare a pool for `settings`; `health` part `database` follows it."""
        self._health = health
        self._pool = AsyncConnectionPool(
            connection_class=EitherConnection,
            kwargs={**connection_arguments(settings), "before": settings.password.before},
            min_size=1,
            max_size=POOL_SIZE,
            max_waiting=MAX_WAITING,
            timeout=WAIT_TIMEOUT_S,
            reconnect_timeout=10.0,
            max_idle=60.0,
            check=check_open,
            open=False,
            name=settings.login,
        )

    async def open(self) -> None:
        """Start connecting in the background."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Close every connection; transactions that are open are rolled back by the server."""
        await self._pool.close(timeout=5.0)

    async def probe(self) -> None:
        """Ask the server for a sign of life and tell health."""
        try:
            await self.run(_select_one)
        except PublicError as error:
            self._health.set("database", ok=False, reason=error.message)
        else:
            self._health.set("database", ok=True)

    async def run(self, query: Callable[[Connection], Awaitable[Result]]) -> Result:
        """What `query`, one statement, comes to: a transaction by itself, in one round trip.

        Raises:
            UnavailableError: No connection in time, or the server went away.
        """
        try:
            with tracing.queried("query") as doing:
                async with self._pool.connection() as connection:
                    result = await query(connection)
                doing.counted(result)
                return result
        except psycopg.OperationalError as error:
            raise refusal_of(error) from error

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection inside one transaction: committed at the end of the block, rolled back by any exception.

        Statements whose results nobody looks at travel together with what follows (pipeline mode): an audit entry costs
        no round trip of its own. A statement's error may so come out of a later one, or of the end of the block.

        Raises:
            UnavailableError: No connection in time, or the server went away; nothing was changed.
            OverLimitError: Too many wait already, or the server gave the statement up; nothing was changed.
            OutcomeUnknownError: The server went away while it committed.
        """
        is_committing = False
        try:
            with tracing.queried("transaction"):
                async with self._pool.connection() as connection, connection.pipeline(), connection.transaction():
                    yield connection
                    is_committing = True
        except psycopg.OperationalError as error:
            if is_committing and error.sqlstate is None:
                raise OutcomeUnknownError(LOST) from error
            raise refusal_of(error) from error


def refusal_of(error: psycopg.OperationalError) -> PublicError:
    """What a failure of the server means to a caller; a statement that it gave up was not committed."""
    is_busy = isinstance(error, TooManyRequests) or (error.sqlstate or "").startswith(BUSY_SQLSTATES)
    return OverLimitError(BUSY) if is_busy else UnavailableError(AWAY)


async def check_open(connection: Connection) -> None:
    """Refuse a connection that the server has closed meanwhile; costs no round trip.

    Raises:
        psycopg.OperationalError: It is closed.
    """
    waiting = poll()
    waiting.register(connection.fileno(), POLLIN)
    # What waits first may be a TLS session ticket, or the server's last words: the end is seen by a later read only.
    for _ in range(READS_TO_THE_END):
        if not waiting.poll(0):
            return
        connection.pgconn.consume_input()
        if connection.pgconn.status != ConnStatus.OK:
            break
    raise psycopg.OperationalError("the server has closed the connection")


async def _select_one(connection: Connection) -> None:
    await connection.execute("SELECT 1")
