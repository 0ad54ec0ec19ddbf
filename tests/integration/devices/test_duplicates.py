"""Two devices with one identity."""

import asyncio

import pytest

from services.devices.duplicates import TOPIC
from shared.identities import SYSTEM_REALM
from tests.integration.devices.world import World

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


async def test_a_pair_is_recorded_once_however_often_it_is_told(world: World) -> None:
    for device_key in (7, 7, 8, 7):
        world.router.publish(SYSTEM_REALM, TOPIC, device_key=device_key, project_key=3)
        await world.settle()

    rows = world.postgres.rows(
        "SELECT action, outcome, actor ->> 'key', asset -> 'key', project FROM audit.queue ORDER BY id"
    )
    assert rows == [("device.duplicated", "refused", "router", key, 3) for key in (7, 8)]


async def test_given_the_database_away_when_a_pair_is_told_then_it_is_recorded_the_next_time(world: World) -> None:
    world.database._pool.timeout = 0.05
    await world.database._pool.drain()
    world.postgres.run("ALTER ROLE svc_devices NOLOGIN")
    try:
        world.router.publish(SYSTEM_REALM, TOPIC, device_key=7, project_key=3)
        await world.settle()
        await asyncio.sleep(0)
    finally:
        world.postgres.run("ALTER ROLE svc_devices LOGIN")
        world.database._pool.timeout = 10

    world.router.publish(SYSTEM_REALM, TOPIC, device_key=7, project_key=3)
    await world.settle()

    assert world.postgres.audited() == [("device.duplicated", "refused")]
