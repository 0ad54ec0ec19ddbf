"""What was begun on a device is ended in the log, whoever dies, and until then the device stays where it was."""

from typing import Any

import pytest

from services.devices.operations.intents import UNKNOWN
from services.devices.procedures.moving import MovingProcedures
from services.devices.procedures.operations import OperationProcedures
from services.devices.records.devices import ClaimDevice, MoveDevice, SetClaimable
from services.devices.records.operations import RunCommand
from shared.errors import ConflictError, NotFoundError
from tests.integration.devices.stand_in import StandIn
from tests.integration.devices.world import ANNA, BERT, Crash, World

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
COMMAND = RunCommand("press-1", "ls")


async def prepared(world: World) -> StandIn:
    """A device that is there."""
    device = await world.create()
    return StandIn(world, device.device_key, device.serial_number)


def ends(world: World) -> list[tuple[Any, ...]]:
    return world.postgres.rows(
        "SELECT outcome, reason, source ->> 'request' FROM audit.queue WHERE action = 'device.operated' ORDER BY id"
    )


async def killed(world: World, agent: StandIn) -> None:
    """The process ends while the agent is at it."""

    def dies() -> None:
        raise Crash

    agent.instead["execute_cmd"] = dies
    with pytest.raises(Crash):
        await OperationProcedures(world.parts).device_exec(ANNA, COMMAND)


async def test_given_a_process_that_died_when_its_time_is_over_then_the_log_says_so_once(world: World) -> None:
    agent = await prepared(world)
    await killed(world, agent)
    await world.parts.operations.intents.repair()
    assert [row[0] for row in ends(world)] == ["intended"]

    world.postgres.run("UPDATE devices.open_intent SET due_at = now() - interval '1 s'")
    for _ in range(2):
        await world.parts.operations.intents.repair()

    rows = ends(world)
    assert [row[:2] for row in rows] == [("intended", None), ("failed", UNKNOWN)]
    assert rows[0][2] == rows[1][2]


async def test_what_ended_is_not_repaired(world: World) -> None:
    await prepared(world)
    await OperationProcedures(world.parts).device_exec(ANNA, COMMAND)
    await world.parts.operations.intents.repair()

    assert [row[0] for row in ends(world)] == ["intended", "done"]
    assert world.postgres.rows("SELECT FROM devices.open_intent") == []


async def test_a_device_goes_nowhere_while_it_does_something_for_its_project(world: World) -> None:
    agent = await prepared(world)
    code = (await world.claims.device_set_claimable(ANNA, SetClaimable("press-1", is_claimable=True))).claim_code
    assert code is not None
    await killed(world, agent)

    with pytest.raises(ConflictError):
        await world.claims.device_claim(BERT, ClaimDevice(code, 9))
    world.postgres.run("UPDATE devices.open_intent SET due_at = now() - interval '1 s'")
    await world.claims.device_claim(BERT, ClaimDevice(code, 9))


async def test_a_device_is_moved_nowhere_while_it_does_something_for_its_project(world: World) -> None:
    await killed(world, await prepared(world))

    with pytest.raises(ConflictError, match="doing something for its project"):
        await MovingProcedures(world.parts).device_move(ANNA, MoveDevice("press-1", 4))
    world.postgres.run("UPDATE devices.open_intent SET due_at = now() - interval '1 s'")
    assert (await MovingProcedures(world.parts).device_move(ANNA, MoveDevice("press-1", 4))).project_key == 4


async def test_given_an_end_after_the_repair_when_it_comes_then_the_log_keeps_what_it_said(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await prepared(world)
    ask = world.parts.operations.agents.ask

    async def late(*which: Any, **how: Any) -> Any:
        world.postgres.run("UPDATE devices.open_intent SET due_at = now() - interval '1 s'")
        await world.parts.operations.intents.repair()
        return await ask(*which, **how)

    monkeypatch.setattr(world.parts.operations.agents, "ask", late)
    await OperationProcedures(world.parts).device_exec(ANNA, COMMAND)

    assert [row[:2] for row in ends(world)] == [("intended", None), ("failed", UNKNOWN)]


async def test_given_a_claim_after_the_flag_was_looked_at_then_the_agent_hears_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = await prepared(world)
    code = (await world.claims.device_set_claimable(ANNA, SetClaimable("press-1", is_claimable=True))).claim_code
    assert code is not None
    reached = world.parts.reaching.device

    async def slow(*which: Any) -> Any:
        monkeypatch.undo()
        found = await reached(*which)
        await world.claims.device_claim(BERT, ClaimDevice(code, 9))
        return found

    monkeypatch.setattr(world.parts.reaching, "device", slow)
    with pytest.raises(NotFoundError):
        await OperationProcedures(world.parts).device_exec(ANNA, COMMAND)

    assert agent.heard == []
