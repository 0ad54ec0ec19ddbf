"""The world of a decision point."""

from pathlib import Path

import pytest_asyncio

from tests.unit.shared.memory_router import MemoryRouter, new_bus
from tests.unit.shared.rights.world import ANNA, OWNER, World


@pytest_asyncio.fixture(name="world")
async def fixture_world(ca: Path) -> World:
    world = World(new_bus(ca), MemoryRouter())
    world.hold(ANNA, OWNER)
    await world.begin()
    return world
