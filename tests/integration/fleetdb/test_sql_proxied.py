"""The SQL front behind a proxy: bounds and records are of whom it names."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from services.fleetdb.records.sql import Admission, Startup
from services.fleetdb.rules import pgwire
from services.fleetdb.sql_front import FrontParts, SqlFront
from shared.errors import NotFoundError
from shared.proxied import read_proxies
from shared.settings import Settings
from shared.tls import ServerContexts
from tests.integration.flockctl.certificates import Certificates, make_certificates

pytestmark = pytest.mark.asyncio
HERE = read_proxies(Settings("X", {"IRONFLOCK_X_PROXIES": "127.0.0.0/8"}))
SAID = b"PROXY TCP4 198.51.100.9 127.0.0.1 51000 5433\r\n"


class Nobody:
    """Lets nobody in, and keeps from where they came."""

    def __init__(self) -> None:
        """Nobody came."""
        self.addresses: list[str] = []

    async def admit(self, _startup: Startup, _password: str, address: str) -> Admission:
        """As a doorkeeper does."""
        self.addresses.append(address)
        raise NotFoundError("there is no such database")


@pytest.fixture(name="certificates", scope="module")
def fixture_certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(Path(tmp_path_factory.mktemp("sql")))


@asynccontextmanager
async def front_at(host: str, certificates: Certificates, desk: Nobody) -> AsyncIterator[SqlFront]:
    contexts = ServerContexts(certificates.certificate, certificates.key)
    absent = cast("Any", None)
    front = SqlFront(contexts.current, FrontParts(cast("Any", desk), absent, absent), lambda: 1.8e9)
    await front.listen(host, 0, HERE)
    try:
        yield front
    finally:
        await front.stop()


async def heard(front: SqlFront, certificates: Certificates, said: bytes) -> bytes:
    """What a client hears that says `said` first, then shows a password."""
    reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
    try:
        writer.write(said + pgwire.ssl_request())
        if await reader.read(1) != b"S":
            return b""
        context = ssl.create_default_context(cafile=str(certificates.ca))
        await writer.start_tls(context, server_hostname="localhost")
        writer.write(pgwire.startup("anna", "realm", {}))
        writer.write(pgwire.message(b"p", b"password\0"))
        return await asyncio.wait_for(reader.read(), 30)
    except ConnectionError:
        return b""
    finally:
        writer.transport.abort()


@pytest.mark.parametrize("host", ["127.0.0.1", "::"])
async def test_whom_the_proxy_names_comes(host: str, certificates: Certificates) -> None:
    desk = Nobody()
    async with front_at(host, certificates, desk) as front:
        assert b"there is no such database" in await heard(front, certificates, SAID)
    assert desk.addresses == ["198.51.100.9"]


@pytest.mark.parametrize("said", [b"", b"PROXY TCP4 me you 1 2\r\n"])
async def test_a_proxy_that_names_nobody_is_ended(said: bytes, certificates: Certificates) -> None:
    desk = Nobody()
    async with front_at("127.0.0.1", certificates, desk) as front:
        assert await heard(front, certificates, said) == b""
    assert desk.addresses == []
