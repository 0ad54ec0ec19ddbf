"""Data backends for the tests of stores: `backend` is one with no table, `connections` connects as its own login."""

from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import pytest_asyncio

from services.fleetdb.keys import Keyring
from services.fleetdb.records.backends import Backend
from shared.database import Database
from tests.integration.auth.material import masters
from tests.integration.database import Postgres
from tests.integration.fleetdb.certified import Certifier, certifier, trust
from tests.integration.fleetdb.plain import Plain, PlainConnections, begin
from tests.integration.router_node.conftest import shared_node, stand_ins

__all__ = ["shared_node", "stand_ins"]


@pytest.fixture(scope="session")
def plain(server: Postgres) -> Plain:
    """The database of all backends."""
    return begin(server)


@pytest.fixture
def make_backend(plain: Plain) -> Iterator[Callable[..., Backend]]:
    """Makes backends: `make_backend(template, stage=..., app_key=...)`; they are gone after the test."""
    made: list[Backend] = []

    def make(*arguments: object, **changes: object) -> Backend:
        made.append(plain.make(*arguments, **changes))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for backend in made:
        plain.remove(backend)


@pytest.fixture
def backend(make_backend: Callable[..., Backend]) -> Backend:
    """One with no table in it."""
    return make_backend()


@pytest_asyncio.fixture
async def connections(plain: Plain, make_backend: Callable[..., Backend]) -> AsyncIterator[PlainConnections]:
    """Connections to backends; closed before the backends are removed, as `make_backend` is needed here."""
    opened = PlainConnections(plain)
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def fleetdb_database(postgres: Postgres) -> AsyncIterator[Database]:
    """The pool of fleetdb's own schema."""
    async with postgres.database("svc_fleetdb") as database:
        yield database


@pytest.fixture
def keyring(fleetdb_database: Database) -> Keyring:
    """Fleetdb's data keys."""
    return Keyring(masters("m1"), fleetdb_database)


@pytest.fixture(scope="session")
def trusted_authority(server: Postgres) -> Certifier:
    """An authority whose certificates the server takes."""
    authority = certifier()
    trust(server, authority)
    return authority


@pytest.fixture
def authority(trusted_authority: Certifier) -> Certifier:
    """It, with nothing asked of it yet."""
    return Certifier(trusted_authority.key, trusted_authority.certificate)
