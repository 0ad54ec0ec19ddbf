"""What is wrong is found and told once, and is over when it is over."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from services.devices.duplicates import TOPIC
from services.devices.procedures.alerts import NO_ALERT, AlertProcedures
from services.devices.records.alerts import ListAlerts, NameAlert, Trouble
from shared.errors import ConflictError, NotAuthorizedError, NotFoundError
from shared.flags import AssetKind
from shared.identities import SYSTEM_REALM
from tests.integration.devices.alerts import Times, stored
from tests.integration.devices.world import ANNA, BERT, World

pytestmark = [pytest.mark.asyncio, pytest.mark.real]

STOPPED = Trouble("rollout_stopped", 3, "rollout/4", {"name": "spring"})
TWICE = Trouble("device_duplicated", 3, "device/7", {"device_key": 7})


async def raised(world: World, trouble: Trouble) -> None:
    async with world.database.transaction() as connection:
        await world.parts.alerts.alerting.raise_(connection, trouble)


async def resolved(world: World, trouble: Trouble) -> None:
    async with world.database.transaction() as connection:
        await world.parts.alerts.alerting.resolve(connection, trouble.kind, trouble.project_key, trouble.subject)


async def test_a_device_is_offline_after_five_minutes_and_not_when_it_is_back(world: World) -> None:
    times = Times(world)
    key, other = times.devices(2)
    times.set_status("DISCONNECTED", key, other)
    times.go(299)
    await times.look()
    assert stored(world) == []

    times.set_status("CONNECTED", other)
    times.go(2)
    await times.look()
    await times.look()
    assert stored(world) == [("device_offline", f"device/{key}", "open", 0)]

    times.set_status("CONFIGURING", key)
    await times.look()
    assert stored(world) == [("device_offline", f"device/{key}", "resolved", 0)]


async def test_a_device_that_never_was_there_is_not_missed(world: World) -> None:
    times = Times(world)
    key = (await world.create()).device_key
    await world.flash(key)
    world.postgres.run("UPDATE devices.device SET status_since = NULL")
    times.go(100_000)
    await times.look()

    assert stored(world) == []


async def test_two_hundred_that_go_at_once_are_one_alert_that_is_over_with_the_last(world: World) -> None:
    times = Times(world)
    keys = times.devices(200)
    for first in range(0, len(keys), 50):
        times.set_status("DISCONNECTED", *keys[first : first + 50])
        times.go(10)
    times.go(300)
    await times.look()

    assert stored(world) == [("devices_offline", "project", "open", 0)]
    times.set_status("CONNECTED", *keys[1:])
    await times.look()
    assert stored(world) == [("devices_offline", "project", "open", 0)]
    times.set_status("CONNECTED", keys[0])
    await times.look()
    assert stored(world) == [("devices_offline", "project", "resolved", 0)]


async def test_what_comes_back_within_half_an_hour_is_the_same_and_later_another(world: World) -> None:
    times = Times(world)
    times.devices(1)
    for seconds in (0, 60, 1_799, 1_801):
        await raised(world, TWICE)
        await raised(world, TWICE)
        await resolved(world, TWICE)
        times.go(seconds)

    await raised(world, TWICE)
    subject = ("device_duplicated", "device/7")
    assert stored(world) == [(*subject, "resolved", 3), (*subject, "open", 0)]


async def test_two_that_raise_the_same_at_once_raise_one(world: World) -> None:
    Times(world).devices(1)
    await asyncio.gather(*(raised(world, STOPPED) for _ in range(5)))

    assert stored(world) == [("rollout_stopped", "rollout/4", "open", 0)]


async def test_what_is_not_committed_is_no_alert(world: World) -> None:
    Times(world).devices(1)
    with suppress(ZeroDivisionError):
        async with world.database.transaction() as connection:
            await world.parts.alerts.alerting.raise_(connection, STOPPED)
            raise ZeroDivisionError

    assert stored(world) == []


async def test_a_device_in_need_is_told_at_once_and_is_in_need_until_it_says_otherwise(world: World) -> None:
    times = Times(world)
    (key,) = times.devices(1)
    times.set_status("EMERGENCY", key)
    await times.look()
    times.set_status("DISCONNECTED", key)
    await times.look()
    assert stored(world) == [("device_emergency", f"device/{key}", "open", 0)]

    times.set_status("CONNECTED", key)
    await times.look()
    assert stored(world) == [("device_emergency", f"device/{key}", "resolved", 0)]


async def test_a_released_app_that_stays_failed_is_told_and_not_while_it_is_tried_again(world: World) -> None:
    times = Times(world)
    key = (await world.create()).device_key
    for stage in ("DEV", "PROD"):
        await world.install(key, 26, stage)

    def say(state: str) -> None:
        world.postgres.run("UPDATE devices.device_app SET state = %s, state_since = %s", state, times.moment)

    say("FAILED")
    times.go(59)
    await times.look()
    assert stored(world) == []
    times.go(2)
    await times.look()
    say("STARTING")
    await times.look()
    assert stored(world) == [("app_failed", f"device/{key}/app/26/PROD", "open", 0)]
    assert world.postgres.rows("SELECT details ->> 'app_name' FROM devices.alert") == [("Press",)]

    say("RUNNING")
    await times.look()
    assert stored(world)[0][2] == "resolved"


async def test_two_devices_with_one_identity_are_told_until_it_has_not_happened_for_a_while(world: World) -> None:
    times = Times(world)
    (key,) = times.devices(1)
    world.router.publish(SYSTEM_REALM, TOPIC, device_key=key, project_key=3)
    await world.settle()
    times.go(899)
    await times.look()
    assert stored(world) == [("device_duplicated", f"device/{key}", "open", 0)]

    times.go(2)
    await times.look()
    assert stored(world)[0][2] == "resolved"


async def test_what_a_project_does_not_want_is_not_raised_and_what_is_open_of_it_is_over(world: World) -> None:
    times = Times(world)
    (key,) = times.devices(1)
    await raised(world, STOPPED)
    times.set_status("DISCONNECTED", key)
    times.go(400)
    world.postgres.run(
        "INSERT INTO devices.alert_rule (project_key, kind, is_on)"
        " VALUES (3, 'device_offline', false), (3, 'rollout_stopped', false)"
    )
    await times.look()
    await raised(world, STOPPED)

    assert stored(world) == [("rollout_stopped", "rollout/4", "resolved", 0)]


@pytest.mark.parametrize("many_on", [True, False])
async def test_many_are_told_of_also_where_single_ones_are_not(world: World, *, many_on: bool) -> None:
    times = Times(world)
    keys = times.devices(22)
    world.postgres.run(
        "INSERT INTO devices.alert_rule (project_key, kind, is_on)"
        " VALUES (3, 'device_offline', false), (3, 'devices_offline', %s)",
        many_on,
    )
    times.set_status("DISCONNECTED", keys[0])
    times.go(100)
    times.set_status("DISCONNECTED", *keys[1:])
    times.go(400)
    await times.look()

    assert stored(world) == ([("devices_offline", "project", "open", 0)] if many_on else [])
    if many_on:
        assert world.postgres.rows("SELECT details -> 'devices' FROM devices.alert") == [(21,)]


async def test_each_stop_of_a_rollout_is_an_alert_of_its_own(world: World) -> None:
    Times(world).devices(1)
    for _ in range(2):
        await raised(world, STOPPED)
        await raised(world, STOPPED)
        await resolved(world, STOPPED)

    assert stored(world) == [("rollout_stopped", "rollout/4", "resolved", 0)] * 2


async def test_alerts_that_are_long_over_are_forgotten(world: World) -> None:
    times = Times(world)
    times.devices(1)
    await raised(world, STOPPED)
    await resolved(world, STOPPED)
    times.go(90 * 86_400 + 1)
    await times.look()

    assert stored(world) == []


async def test_a_project_s_alerts_are_listed_to_who_may_see_it_and_acknowledged_by_who_may_change_it(
    world: World,
) -> None:
    times = Times(world)
    times.devices(1)
    await raised(world, STOPPED)
    surface = AlertProcedures(world.parts)
    reader = world.member(3, AssetKind.PROJECT, 3, "READ")

    listed: Any = await surface.alert_list(reader, ListAlerts(3))
    (alert,) = listed.alerts
    with pytest.raises(NotAuthorizedError):
        await surface.alert_acknowledge(reader, NameAlert(alert.alert_key))
    for person, key in ((BERT, alert.alert_key), (ANNA, 999)):
        with pytest.raises(NotFoundError, match=NO_ALERT):
            await surface.alert_acknowledge(person, NameAlert(key))
    with pytest.raises(NotFoundError):
        await surface.alert_list(BERT, ListAlerts(3))

    known = await surface.alert_acknowledge(ANNA, NameAlert(alert.alert_key))
    assert (known.state, known.acknowledged_by, known.revision) == ("acknowledged", 5, 2)
    assert ("alert.acknowledged", "done") in world.postgres.audited()
    with pytest.raises(ConflictError):
        await surface.alert_acknowledge(ANNA, NameAlert(alert.alert_key))
    listed = await surface.alert_list(ANNA, ListAlerts("plant", state="open"))
    assert listed.alerts == []
    listed = await surface.alert_list(ANNA, ListAlerts("plant"))
    assert [each.state for each in listed.alerts] == ["acknowledged"]
