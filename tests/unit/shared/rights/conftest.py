"""The world of a decision point."""

from pathlib import Path

import pytest
import pytest_asyncio

from tests.integration.flockctl.certificates import make_certificates
from tests.unit.shared.memory_router import MemoryRouter, new_bus
from tests.unit.shared.rights.world import ANNA, OWNER, World


@pytest.fixture(name="ca", scope="module")
def fixture_ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificates(tmp_path_factory.mktemp("authority")).ca


@pytest_asyncio.fixture(name="world")
async def fixture_world(ca: Path) -> World:
    world = World(new_bus(ca), MemoryRouter())
    world.hold(ANNA, OWNER)
    await world.begin()
    return world
