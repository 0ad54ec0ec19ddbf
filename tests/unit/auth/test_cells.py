"""Nobody waits for realms before the router says that they have proved their secret."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from services.auth import cells
from services.auth.cells import TIMEOUT_S, UNKNOWN, cell_for
from shared.identities import SYSTEM_REALM
from shared.project_cells import CELL, ProjectCells
from tests.integration.flockctl.certificates import make_certificates
from tests.unit.shared.memory_router import MemoryRouter, new_bus, settled

pytestmark = pytest.mark.asyncio


async def test_only_who_has_proved_a_secret_waits_for_realms_and_briefly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    router, bus = MemoryRouter(), new_bus(make_certificates(tmp_path).ca)
    router.answers[CELL] = lambda **_: asyncio.wait_for(asyncio.shield(answer), None)
    await router.join(bus, SYSTEM_REALM)
    known = ProjectCells(bus)

    async with asyncio.timeout(TIMEOUT_S):
        assert await cell_for(known, 4, is_proven=False) == UNKNOWN
    monkeypatch.setattr(cells, "TIMEOUT_S", 0.01)
    async with asyncio.timeout(TIMEOUT_S):
        assert await cell_for(known, 4, is_proven=True) == UNKNOWN
    answer.set_result({"name": "south", "endpoint": None})
    await settled(bus)

    assert await cell_for(known, 4, is_proven=False) == "south"


async def test_while_realms_is_away_nobody_can_say(tmp_path: Path) -> None:
    router, bus = MemoryRouter(), new_bus(make_certificates(tmp_path).ca)
    router.answers.clear()
    await router.join(bus, SYSTEM_REALM)
    known = ProjectCells(bus)

    for is_proven in (False, True):
        assert await cell_for(known, 4, is_proven=is_proven) == UNKNOWN
    await settled(bus)
