"""Devices, joined to a router in memory."""

from pathlib import Path

import pytest
import pytest_asyncio

from shared.database import Database
from tests.integration.database import Postgres
from tests.integration.devices.rollout_fleet import RolloutFleet
from tests.integration.devices.world import World


@pytest_asyncio.fixture
async def world(devices_database: Database, postgres: Postgres, ca: Path) -> World:
    made = World(devices_database, postgres, ca)
    await made.join()
    return made


@pytest.fixture
def fleet(world: World) -> RolloutFleet:
    return RolloutFleet(world)
