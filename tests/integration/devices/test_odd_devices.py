"""Devices that are not as one expects: their clock is wrong, they go elsewhere amid an update."""

from datetime import UTC, datetime, timedelta

import pytest

from services.devices.procedures.moving import MovingProcedures
from services.devices.procedures.operations import OperationProcedures
from services.devices.records.agents import UpdateAppOnDevice
from services.devices.records.apps import UpgradeApp
from services.devices.records.devices import MoveDevice, NameDevice
from tests.integration.devices import stand_in
from tests.integration.devices.stand_in import StandIn
from tests.integration.devices.test_app_states import PRESS, placed
from tests.integration.devices.test_moving import Told
from tests.integration.devices.world import ANNA, World

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
A_YEAR_ON = "2027-11-30T07:00:00Z"


async def test_given_a_clock_that_is_off_by_a_year_when_a_device_works_then_ours_counts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = await placed(world)
    monkeypatch.setattr(stand_in, "NOW", A_YEAR_ON)
    found = await world.device(device.key)
    wished = world.router.answers[device.uri]
    StandIn(world, device.key, found.serial_number)
    world.router.answers[device.uri] = wished

    said = await OperationProcedures(world.parts).device_handshake(ANNA, NameDevice(device.key))
    await world.app_states.app_start(ANNA, PRESS)
    await device.told()

    assert said.answer["utp"] == A_YEAR_ON  # its own word, and nothing else's
    status = await device.status()
    assert (status.state, status.is_told) == ("RUNNING", True)
    now = world.postgres.rows("SELECT clock_timestamp()")[0][0]
    assert timedelta(0) <= now - status.state_since < timedelta(minutes=5)
    assert status.state_since < datetime(2027, 1, 1, tzinfo=UTC) or now > datetime(2027, 1, 1, tzinfo=UTC)


async def test_given_an_update_under_way_when_the_device_is_moved_then_it_leaves_all_behind(world: World) -> None:
    Told(world)
    device = await placed(world)
    await world.flash(device.key)
    await device.connect()
    await world.app_states.app_upgrade(ANNA, UpgradeApp("press-1", 26, "PROD", "1.1.0"))
    said = UpdateAppOnDevice(26, device.key, "PROD", "UPDATING", 260)
    await world.agents.update_app_on_device(device.identity, said)

    await MovingProcedures(world.parts).device_move(ANNA, MoveDevice("press-1", 4))
    late = UpdateAppOnDevice(26, device.key, "PROD", "PRESENT", 261, "pending_remote_confirmation")
    await world.agents.update_app_on_device(device.identity, late)  # still under its old name
    await device.told()

    assert world.on_devices() == []
    for table in ("app_order", "tunnel_order"):
        assert world.postgres.rows(f"SELECT FROM devices.{table}") == []
