"""What tests of a service on the bus begin with."""

from pathlib import Path

import pytest

from shared.bus import Bus
from tests.unit.shared.memory_router import MemoryRouter, new_bus


@pytest.fixture(name="bus")
def fixture_bus(ca: Path) -> Bus:
    return new_bus(ca)


@pytest.fixture(name="router")
def fixture_router() -> MemoryRouter:
    return MemoryRouter()
