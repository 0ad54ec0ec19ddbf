"""The gateway, joined to a router in memory."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from shared.database import Database
from tests.integration.database import Postgres
from tests.integration.gateway.world import World


@pytest_asyncio.fixture
async def gateway_database(postgres: Postgres) -> AsyncIterator[Database]:
    async with postgres.database("svc_gateway") as database:
        yield database


@pytest_asyncio.fixture
async def world(gateway_database: Database, ca: Path) -> World:
    made = World(gateway_database, ca)
    await made.join()
    return made
