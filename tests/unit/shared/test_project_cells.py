"""In which cell a project is: asked once, and once for all that there are while there is one cell."""

from pathlib import Path
from typing import Any

import pytest

from shared.cells import FIRST, Cell
from shared.errors import CellAwayError, UnavailableError
from shared.identities import CONTROL_REALM, SYSTEM_REALM
from shared.project_cells import CELL, ProjectCell, ProjectCells
from tests.integration.flockctl.certificates import make_certificates
from tests.unit.shared.memory_router import MemoryRouter, new_bus, settled

pytestmark = pytest.mark.asyncio
CELLS = (Cell(FIRST, "wss://localhost:1/ws-svc"), Cell("south", "wss://localhost:2/ws-svc"))


@pytest.fixture(name="ca", scope="module")
def fixture_ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificates(tmp_path_factory.mktemp("authority")).ca


@pytest.fixture(name="router")
def fixture_router() -> MemoryRouter:
    router = MemoryRouter()
    router.answers[CELL] = lambda *, project_key: (
        {"name": "south", "endpoint": "wss://south.test"} if project_key == 4 else {"name": "first", "endpoint": None}
    )
    return router


async def test_where_there_is_one_cell_realms_is_asked_once_for_all_projects_that_there_are(
    ca: Path, router: MemoryRouter
) -> None:
    router.answers[CELL] = lambda **_: {"name": "first", "endpoint": None, "all_up_to": 7}
    bus = new_bus(ca)
    await router.join(bus, SYSTEM_REALM)
    session: Any = await router.join(bus, CONTROL_REALM)
    cells = ProjectCells(bus)

    assert await cells.find(4) == ProjectCell(FIRST, None)
    assert await cells.session(7, CONTROL_REALM) is session
    router.answers[CELL] = lambda **_: {"name": "south", "endpoint": "wss://south.test"}
    assert (await cells.find(8)).name == "south"
    assert (await cells.find(7)).name == FIRST
    assert [asked for _, _, asked in router.calls] == [{"project_key": 4}, {"project_key": 8}]


async def test_a_process_whose_settings_lack_a_cell_takes_none_of_its_projects_for_its_own(
    ca: Path, router: MemoryRouter
) -> None:
    bus = new_bus(ca)
    await router.join(bus, SYSTEM_REALM)
    await router.join(bus, CONTROL_REALM)
    cells = ProjectCells(bus)

    assert await cells.find(4) == ProjectCell("south", "wss://south.test")
    with pytest.raises(UnavailableError, match="cannot be reached from here"):
        await cells.session(4, CONTROL_REALM)
    assert (await cells.find(3)).name == FIRST


async def test_realms_is_asked_once_a_project(ca: Path, router: MemoryRouter) -> None:
    bus = new_bus(ca, *CELLS)
    await router.join(bus, SYSTEM_REALM)
    second: Any = await router.join(bus, CONTROL_REALM, cell=1)
    cells = ProjectCells(bus)

    assert await cells.find(4) == ProjectCell("south", "wss://south.test")
    assert await cells.session(4, CONTROL_REALM) is second
    with pytest.raises(CellAwayError):
        await cells.session(3, CONTROL_REALM)
    assert [asked for _, _, asked in router.calls] == [{"project_key": 4}, {"project_key": 3}]


async def test_what_is_to_be_learned_is_known_soon_and_asked_once(ca: Path, router: MemoryRouter) -> None:
    bus = new_bus(ca, *CELLS)
    await router.join(bus, SYSTEM_REALM)
    cells = ProjectCells(bus)
    assert cells.known(4) is None

    for _ in range(3):
        cells.learn(4)
    await settled(bus)

    assert cells.known(4) == ProjectCell("south", "wss://south.test")
    assert [asked for _, _, asked in router.calls] == [{"project_key": 4}]
    router.answers.clear()
    cells.learn(3)
    await settled(bus)
    assert cells.known(3) is None


async def test_while_realms_is_away_nobody_knows_where_a_new_project_is(ca: Path, router: MemoryRouter) -> None:
    bus = new_bus(ca, *CELLS)
    await router.join(bus, SYSTEM_REALM)
    cells = ProjectCells(bus)
    await cells.find(4)
    router.answers.clear()

    assert (await cells.find(4)).name == "south"
    with pytest.raises(UnavailableError):
        await cells.find(3)


async def test_a_cell_that_the_settings_do_not_name_cannot_be_reached(ca: Path, router: MemoryRouter) -> None:
    bus = new_bus(ca, *CELLS)
    await router.join(bus, SYSTEM_REALM)
    router.answers[CELL] = lambda **_: {"name": "west", "endpoint": "wss://west.test"}

    with pytest.raises(UnavailableError, match="cannot be reached from here"):
        await ProjectCells(bus).session(4, SYSTEM_REALM)
