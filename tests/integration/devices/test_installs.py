"""An app leaves the devices of a project with the project's install, whatever is heard, missed or told twice."""

import asyncio
from typing import Any

import pytest

from services.devices.apps import installs
from services.devices.records.apps import ConfirmInstalls, Install
from shared.errors import ConflictError, NotAuthorizedError, UnavailableError
from shared.flags import AssetKind
from shared.identities import SYSTEM_REALM
from tests.integration.devices.world import ANNA, World

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
PRESS = Install(3, 26, "DEV")


def tell(world: World, *, is_installed: Any = False, **changes: Any) -> None:
    """Realms says that an install changed."""
    which = {"project_key": 3, "app_key": 26, "stage": "DEV", **changes}
    world.router.publish(SYSTEM_REALM, installs.TOPIC, is_installed=is_installed, **which)


async def with_apps(world: World) -> list[int]:
    """Three devices of the project with apps; the keys."""
    keys = [(await world.create(name)).device_key for name in ("a", "b", "c")]
    for key in keys[:2]:
        await world.install(key)
    await world.install(keys[0], 26, "PROD")
    await world.install(keys[2], 77)
    return keys


def rest(keys: list[int]) -> list[tuple[int, int, str]]:
    return [(keys[0], 26, "PROD"), (keys[2], 77, "DEV")]


async def test_an_app_leaves_every_device_with_the_install_and_its_sessions_end(world: World) -> None:
    keys = await with_apps(world)
    world.realms.installs.remove((3, 26, "DEV"))

    tell(world)
    await world.settle()
    await world.app_sessions.keep_up()

    assert world.on_devices() == rest(keys)
    serials = [str((await world.device(key)).serial_number) for key in keys[:2]]
    told = {(each["serial"], each.get("realm"), each.get("app_key"), each.get("stage")) for each in world.cut()}
    of_realm = {(serial, "realm-3-26-dev", None, None) for serial in serials}
    assert told == of_realm | {(serial, None, 26, "DEV") for serial in serials}
    assert len(world.cut()) == 4
    rows = world.postgres.rows(
        "SELECT actor ->> 'key', asset ->> 'key', project, before, reason FROM audit.queue"
        " WHERE action = 'device_app.uninstalled' ORDER BY id"
    )
    which = {"app_key": 26, "stage": "DEV"}
    assert rows == [("devices", str(key), 3, which, installs.GONE_WITH_PROJECT) for key in keys[:2]]


@pytest.mark.parametrize(
    "news",
    [
        {},  # realms says it again, but it is installed
        {"is_installed": True},
        {"is_installed": None},
        {"project_key": "3"},
        {"stage": "dev"},
        {"app_key": None},
        {"app_key": 99},
    ],
)
async def test_nothing_goes_that_the_project_has(world: World, news: dict[str, Any]) -> None:
    await with_apps(world)
    before = world.on_devices()

    tell(world, **news)
    await world.settle()

    assert world.on_devices() == before


async def test_what_was_missed_is_found_by_comparing_after_a_join(world: World) -> None:
    keys = await with_apps(world)
    world.system.lose()
    world.realms.installs.remove((3, 26, "DEV"))
    await world.router.join(world.bus, SYSTEM_REALM)
    world.realms.asked.clear()

    async with asyncio.timeout(5):
        await world.installs.following.keep_true()

    assert world.on_devices() == rest(keys)
    assert world.realms.asked == [(3, 26, "DEV"), (3, 26, "PROD"), (3, 77, "DEV")]


async def test_given_realms_away_when_an_install_ends_then_it_is_settled_later(world: World) -> None:
    keys = await with_apps(world)
    await world.installs.following.keep_true()
    world.realms.installs.remove((3, 26, "DEV"))
    world.realms.is_away = True
    tell(world)
    await world.settle()
    with pytest.raises(UnavailableError):
        await world.installs.following.keep_true()
    assert len(world.on_devices()) == 4

    world.realms.is_away = False
    async with asyncio.timeout(5):
        await world.installs.following.keep_true()

    assert world.on_devices() == rest(keys)


async def test_given_realms_is_older_when_it_is_asked_then_nothing_goes_before_somebody_confirmed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await with_apps(world)
    before = world.on_devices()
    monkeypatch.setattr(installs, "BATCH", 1)
    world.realms.installs.clear()

    await world.installs.compare()
    assert world.on_devices() == before

    reader = world.member(3, AssetKind.PROJECT, 3, "READ")
    with pytest.raises(NotAuthorizedError):
        await world.app_states.install_confirm(reader, ConfirmInstalls(3))
    assert world.on_devices() == before
    ended = await world.app_states.install_confirm(ANNA, ConfirmInstalls("plant"))

    assert ended.installs == [PRESS, Install(3, 26, "PROD"), Install(3, 77, "DEV")]
    assert world.on_devices() == []
    actors = world.postgres.rows(
        "SELECT DISTINCT actor ->> 'key' FROM audit.queue WHERE action = 'device_app.uninstalled'"
    )
    assert actors == [("5",)]


async def test_agents_are_told_of_apps_from_before_these_were_known_as_soon_as_they_are(world: World) -> None:
    key = (await with_apps(world))[0]
    world.postgres.run(
        "UPDATE devices.device_app SET app_name = NULL, release_key = NULL, version = NULL, target = 'REMOVED',"
        " revision = 1, told_revision = 0 WHERE device_key = %s",
        key,
    )
    world.postgres.run("DELETE FROM devices.app_order")

    for _ in range(2):
        await world.installs.compare()

    rows = world.postgres.rows(
        "SELECT stage, target, app_name, revision FROM devices.device_app JOIN devices.app_order"
        " USING (device_key, app_key, stage) ORDER BY stage"
    )
    assert rows == [("DEV", "REMOVED", "Press", 2), ("PROD", "PRESENT", "Press", 2)]


async def test_what_is_installed_after_the_question_stays(world: World) -> None:
    keys = await with_apps(world)
    world.realms.installs.remove((3, 26, "DEV"))

    def again() -> None:
        """Between the answer and the removal somebody installs it once more, there and on a device."""
        world.realms.after = lambda: None
        world.realms.installs.add((3, 26, "DEV"))
        world.postgres.run(
            "INSERT INTO devices.device_app (device_key, project_key, app_key, stage) VALUES (%s, 3, 26, 'DEV')",
            keys[2],
        )

    world.realms.after = again

    assert not await world.installs.settle(PRESS)

    assert world.on_devices() == [(keys[0], 26, "PROD"), (keys[2], 26, "DEV"), (keys[2], 77, "DEV")]


async def test_what_is_required_must_be_there(world: World) -> None:
    assert (await world.installs.require(PRESS)).app_name == "Press"
    with pytest.raises(ConflictError):
        await world.installs.require(Install(3, 26_000, "DEV"))
