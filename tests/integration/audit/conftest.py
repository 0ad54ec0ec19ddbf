"""A world for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from shared.database import Database
from tests.integration.audit.world import World
from tests.integration.database import Postgres


@pytest_asyncio.fixture
async def audit_database(postgres: Postgres) -> AsyncIterator[Database]:
    """The pool of audit."""
    async with postgres.database("svc_audit") as database:
        yield database


@pytest.fixture
def world(postgres: Postgres, audit_database: Database, tmp_path: Path) -> World:
    """An empty log."""
    return World(postgres, audit_database, tmp_path)
