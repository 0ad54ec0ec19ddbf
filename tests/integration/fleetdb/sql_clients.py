"""What stands around the front of direct SQL in its tests: who decides and records, and clients of several kinds."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from attrs import define, field

from services.fleetdb.records.backends import Backend
from services.fleetdb.records.sql import Admission, Startup, Tally
from services.fleetdb.rules import pgwire
from services.fleetdb.sql_front import SqlFront
from shared.errors import NotAuthorizedError, NotFoundError, PublicError, UnavailableError

REALM = "realm-7-26-dev"
ANNA = "anna's key"
BERT = "bert's key"
ACCOUNTS = {ANNA: 5, BERT: 6}


@define
class Desk:
    """Stands for auth, rights and the audit log."""

    backend: Backend
    refusal: PublicError | None = None
    ends_at: float = 2e9
    entries: list[tuple[str, Any]] = field(factory=list)
    unrecordable: str | None = None

    async def admit(self, startup: Startup, password: str, address: str) -> Admission:
        await self.confirm(None, password)
        if startup.database != REALM:
            raise NotFoundError("there is no such data backend")
        made = self.backend
        return Admission(
            ACCOUNTS[password], "key 1", address, made.project_key, made.backend_key, made.database, made.login,
            self.ends_at,
        )  # fmt: skip

    async def confirm(self, _: Admission | None, password: str) -> None:
        if password not in ACCOUNTS:
            raise NotAuthorizedError("the password opens nothing")
        if self.refusal is not None:
            raise self.refusal

    async def begun(self, admission: Admission) -> None:
        self._record("begun", admission.account_key)

    async def asked(self, _: Admission, statement: str) -> None:
        self._record("asked", statement)

    async def ended(self, _: Admission, tally: Tally, cause: str) -> None:
        self._record("ended", (tally.statements, tally.rows, cause))

    def _record(self, what: str, content: Any) -> None:
        if self.unrecordable == what:
            raise UnavailableError("the log is away")
        self.entries.append((what, content))

    def said(self, what: str) -> list[Any]:
        return [content for name, content in self.entries if name == what]


@define
class Front:
    """The front, and how it is reached."""

    desk: Desk
    port: int
    ca: Path
    served: SqlFront
    silent: list[asyncio.StreamWriter] = field(factory=list)

    async def connect(self, password: str = ANNA, **changes: Any) -> psycopg.AsyncConnection[Any]:
        """As psql would."""
        arguments: dict[str, Any] = {
            "host": "localhost", "hostaddr": "127.0.0.1", "port": self.port, "dbname": REALM, "user": "anna",
            "password": password, "sslmode": "verify-full", "sslrootcert": str(self.ca), "connect_timeout": 5,
            "autocommit": True,
        }  # fmt: skip
        return await psycopg.AsyncConnection.connect(**{**arguments, **changes})

    async def refusal(self, password: str = ANNA, **changes: Any) -> str:
        with pytest.raises(psycopg.OperationalError) as refused:
            await self.connect(password, **changes)
        return str(refused.value)


async def spoken(front: Front, *frames: bytes) -> list[bytes]:
    """What a client of its own making hears until the server is ready as often as there are frames with a Sync."""
    reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
    writer.write(pgwire.ssl_request())
    assert await reader.readexactly(1) == b"S"
    await writer.start_tls(ssl.create_default_context(cafile=str(front.ca)), server_hostname="localhost")
    writer.write(pgwire.startup("anna", REALM, {}))
    writer.write(pgwire.message(b"p", ANNA.encode() + b"\0"))
    heard = pgwire.Frames()
    said: list[bytes] = []

    async def until_ready() -> None:
        while True:
            for frame in heard.feed(await asyncio.wait_for(reader.read(65_536), 5)):
                said.append(frame.octets)
                if frame.tag == b"Z":
                    return

    await until_ready()
    for octets in frames:
        writer.write(octets)
        await until_ready()
    writer.close()
    return said


def prepared(name: bytes, statement: bytes) -> bytes:
    return pgwire.message(b"P", name + b"\0" + statement + b"\0\0\0")


def bound(name: bytes) -> bytes:
    run = pgwire.message(b"B", b"\0" + name + b"\0" + 6 * b"\0")
    return run + pgwire.message(b"E", b"\0" + 4 * b"\0") + pgwire.message(b"S", b"")


async def silent(front: Front, address: str, count: int, *, has_begun: bool) -> list[asyncio.StreamReader]:
    """So many connections of `address` that say nothing, or nothing after they have asked for TLS."""
    streams = [await asyncio.open_connection("127.0.0.1", front.port, local_addr=(address, 0)) for _ in range(count)]
    for reader, writer in streams if has_begun else ():
        writer.write(pgwire.ssl_request())
        await reader.read(1)
    front.silent += [writer for _, writer in streams]
    return [reader for reader, _ in streams]


@asynccontextmanager
async def many(front: Front, number: int) -> AsyncIterator[None]:
    opened = [await front.connect() for _ in range(number)]
    try:
        yield
    finally:
        for connection in opened:
            await connection.close()
