"""PostgreSQL for the tests of services and stores, started by the first of them; the reactor before all else."""

import warnings
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

import shared.service  # noqa: F401 - installs the asyncio reactor and insists on being the first
from shared.database import Database
from tests.integration.database import Postgres

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it uses what Twisted itself has deprecated
    import twisted.web.static  # noqa: F401


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    """The server, with whatever earlier tests left in it."""
    started = Postgres()
    try:
        started.start()
        migrated = started.migrate()
        assert migrated.returncode == 0, migrated.stderr
        yield started
    finally:
        started.remove()


@pytest.fixture
def postgres(server: Postgres) -> Postgres:
    """The server, its tables empty."""
    server.clear()
    return server


@pytest_asyncio.fixture
async def auth_database(postgres: Postgres) -> AsyncIterator[Database]:
    """The pool of auth."""
    async with postgres.database("svc_auth") as database:
        yield database


@pytest_asyncio.fixture
async def realms_database(postgres: Postgres) -> AsyncIterator[Database]:
    """The pool of realms."""
    async with postgres.database("svc_realms") as database:
        yield database


@pytest_asyncio.fixture
async def privileges_database(postgres: Postgres) -> AsyncIterator[Database]:
    """The pool of privileges."""
    async with postgres.database("svc_privileges") as database:
        yield database


@pytest_asyncio.fixture
async def devices_database(postgres: Postgres) -> AsyncIterator[Database]:
    """The pool of devices."""
    async with postgres.database("svc_devices") as database:
        yield database
