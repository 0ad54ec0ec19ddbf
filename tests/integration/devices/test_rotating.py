"""A rotation of an app's credential that dies half-way is found and ended: its agent learns which one counts."""

from typing import Any

import pytest

from shared.errors import UnavailableError
from tests.integration.devices.test_app_states import PRESS, placed
from tests.integration.devices.world import ANNA, Crash, World

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
EPOCH = "SELECT app_cred_epoch, revision > told_revision FROM devices.device_app"
OPEN = "SELECT FROM devices.app_rotation"


def rotates(world: World, then: Any) -> None:
    """Auth has rotated; what the platform hears of it is `then`."""
    rotate = world.auth.rotate

    async def rotated(**which: Any) -> Any:
        await rotate(**which)
        world.router.answers["ironflock.auth.app_credential.derive"] = lambda **_: {
            "authid": "app-26-prod-e2@serial", "secret": "x",
        }  # fmt: skip
        raise then

    world.router.answers["ironflock.auth.app_credential.rotate"] = rotated


async def test_given_a_process_that_dies_after_auth_acted_when_it_is_repaired_then_the_agent_is_told(
    world: World,
) -> None:
    device = await placed(world)
    await world.flash(device.key)
    rotates(world, Crash())
    with pytest.raises(Crash):
        await world.apps.app_rotate_credential(ANNA, PRESS)
    await world.parts.apps.rotating.repair()
    assert world.postgres.rows(EPOCH)[0][0] == 1  # it may be under way

    await world.parts.apps.rotating.repair(older_than_s=0)

    assert world.postgres.rows(EPOCH) == [(2, True)]
    assert world.postgres.rows("SELECT conditions ->> 'epoch_below' FROM devices.app_ending") == [("2",)]
    assert world.postgres.rows(OPEN) == []
    assert (await device.listed())[0]["app_cred_epoch"] == 2


async def test_given_auth_away_when_it_is_repaired_then_it_stays_open_until_auth_is_back(world: World) -> None:
    device = await placed(world)
    await world.flash(device.key)
    world.auth.is_away = True
    with pytest.raises(UnavailableError):
        await world.apps.app_rotate_credential(ANNA, PRESS)

    await world.parts.apps.rotating.repair(older_than_s=0)
    assert len(world.postgres.rows(OPEN)) == 1
    world.auth.is_away = False
    await world.parts.apps.rotating.repair(older_than_s=0)

    assert world.postgres.rows(OPEN) == []
    assert world.postgres.rows(EPOCH)[0][0] == 1  # nothing was rotated
