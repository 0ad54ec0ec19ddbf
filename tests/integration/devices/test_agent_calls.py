"""The one module that calls agents."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from attrs import evolve, frozen
from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.types import CallResult

from services.devices.operations.agent_calls import AgentAnswer, AgentCalls
from services.devices.rules.operations import NEEDS_DICTIONARY, NEVER_CALLED
from shared.cells import FIRST, Cell
from shared.errors import ConflictError, OutcomeUnknownError, UnavailableError
from shared.identities import CONTROL_REALM, SYSTEM_REALM
from shared.project_cells import CELL, ProjectCells
from tests.unit.devices.test_rules import DEVICE as AN_ANY_DEVICE
from tests.unit.shared.memory_router import MemoryRouter, new_bus

pytestmark = pytest.mark.asyncio
SERIAL = UUID("00000000-0000-4000-8000-000000000001")
DEVICE = evolve(AN_ANY_DEVICE, serial_number=SERIAL)
CELLS = (Cell(FIRST, "wss://localhost:1/ws-svc"), Cell("second", "wss://localhost:2/ws-svc"))
STORAGE = f"re.mgmt.{SERIAL}.get_storage_data"


@frozen
class Scene:
    """A bus of two cells; nobody has joined yet."""

    router: MemoryRouter
    bus: Any
    agents: AgentCalls

    async def ask(self, **more: Any) -> AgentAnswer:
        return await self.agents.ask(DEVICE, "get_storage_data", 5, **{"time_limit_s": 5.0, **more})


@pytest_asyncio.fixture
async def scene(ca: Path) -> Scene:
    bus = new_bus(ca, *CELLS, role="svc_devices")
    router = MemoryRouter()
    router.answers[CELL] = lambda *, project_key: {"name": {3: "first", 4: "second"}[project_key], "endpoint": None}
    await router.join(bus, SYSTEM_REALM, 1)
    return Scene(router, bus, AgentCalls(ProjectCells(bus)))


async def test_while_the_bus_is_away_nothing_is_asked(scene: Scene) -> None:
    with pytest.raises(UnavailableError):
        await scene.ask()


@pytest.mark.parametrize(
    ("raw", "args", "kwargs"),
    [
        (None, (), {}),
        ({"a": 1}, ({"a": 1},), {}),
        (CallResult(1, 2), (1, 2), {}),
        (CallResult(id="x"), (), {"id": "x"}),
    ],
)
async def test_an_answer_is_what_the_agent_gave(scene: Scene, raw: Any, args: Any, kwargs: Any) -> None:
    await scene.router.join(scene.bus, CONTROL_REALM)
    scene.router.answers[STORAGE] = lambda **_: raw

    assert await scene.ask() == AgentAnswer(args, kwargs)
    assert scene.router.calls[-1] == (STORAGE, (), {"requestor_account_key": 5})


async def test_nobody_can_name_another_person_beside(scene: Scene) -> None:
    await scene.router.join(scene.bus, CONTROL_REALM)
    scene.router.answers[STORAGE] = lambda **_: None

    await scene.ask(named={"requestor_account_key": 1, "app_key": 7})

    assert scene.router.calls[-1][2] == {"requestor_account_key": 5, "app_key": 7}


async def test_a_device_is_called_in_the_cell_of_its_project_and_nowhere_else(scene: Scene) -> None:
    await scene.router.join(scene.bus, CONTROL_REALM)
    session: Any = await scene.router.join(scene.bus, CONTROL_REALM, 1)
    session.router = MemoryRouter()  # that of the second cell
    session.router.answers[STORAGE] = lambda **_: 7

    with pytest.raises(ConflictError, match="not connected"):
        await scene.ask()
    there = evolve(DEVICE, project_key=4)
    assert (await scene.agents.ask(there, "get_storage_data", 5, time_limit_s=5.0)).args == (7,)
    session.lose()
    with pytest.raises(UnavailableError):
        await scene.agents.ask(there, "get_storage_data", 5, time_limit_s=5.0)
    assert len(scene.router.called(STORAGE)) == 1


async def test_no_answer_in_time_is_an_unknown_outcome(scene: Scene) -> None:
    await scene.router.join(scene.bus, CONTROL_REALM)
    scene.router.answers[STORAGE] = lambda **_: asyncio.Event().wait()

    with pytest.raises(OutcomeUnknownError):
        await scene.ask(time_limit_s=0.01)


@pytest.mark.parametrize("said", [("gone",), (), ({"no": "dict"}, 1)])
async def test_the_routers_word_is_not_the_devices(scene: Scene, said: tuple[Any, ...]) -> None:
    def answer(**_: Any) -> None:
        raise ApplicationError("wamp.error.canceled", *said)

    await scene.router.join(scene.bus, CONTROL_REALM)
    scene.router.answers[STORAGE] = answer

    expected = ConflictError if said and isinstance(said[0], dict) else OutcomeUnknownError
    with pytest.raises(expected):
        await scene.ask()


@pytest.mark.parametrize("uri", ["ironflock.error.unavailable", "ironflock.error.step_up_required", "com.example.x"])
async def test_a_device_cannot_speak_in_our_words(scene: Scene, uri: str) -> None:
    def answer(**_: Any) -> None:
        raise ApplicationError(uri, "do it again", secret="shown to people")

    await scene.router.join(scene.bus, CONTROL_REALM)
    scene.router.answers[STORAGE] = answer

    with pytest.raises(ConflictError, match="do it again") as refused:
        await scene.ask()
    assert refused.value.details()["reason"] == "device_refused"
    assert "secret" not in refused.value.details()


@pytest.mark.parametrize("procedure", sorted(NEVER_CALLED | NEEDS_DICTIONARY))
async def test_what_would_end_the_agent_cannot_be_said(scene: Scene, procedure: str) -> None:
    await scene.router.join(scene.bus, CONTROL_REALM)

    with pytest.raises(ValueError, match="do not survive"):
        await scene.agents.ask(DEVICE, procedure, 5, time_limit_s=1)
    assert scene.router.called(f"re.mgmt.{SERIAL}.{procedure}") == []


@pytest.mark.parametrize("account", [0, -1, True])
async def test_a_call_without_a_person_cannot_be_said(scene: Scene, account: int) -> None:
    with pytest.raises(ValueError, match="names the person"):
        await scene.agents.ask(DEVICE, "get_storage_data", account, time_limit_s=1)


async def test_floating_point_numbers_do_not_go_out(scene: Scene) -> None:
    with pytest.raises(TypeError):
        await scene.agents.ask(DEVICE, "prune_images", 5, {"all": [{"a": 7.0}]}, time_limit_s=1)
