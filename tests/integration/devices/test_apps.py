"""Apps on devices: who may put them there and take them away, what ends with them, what is told to whom."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.devices.apps import states as app_states
from services.devices.records.apps import FindInstalled, InstallApp, NameApp
from services.devices.records.devices import ClaimDevice, NameDevice, SetClaimable
from shared.errors import (
    ConflictError,
    NotAuthorizedError,
    NotFoundError,
    OverLimitError,
    UnavailableError,
)
from shared.flags import AssetKind
from shared.identities import ServiceIdentity
from tests.integration.devices.world import ANNA, BERT, World

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
AUTH = ServiceIdentity("auth", 1)
PRESS = NameApp("press-1", 26, "DEV")


async def installed(world: World, serial_number: UUID) -> Any:
    return await world.apps.app_installed(AUTH, FindInstalled(serial_number))


def recorded(world: World, *actions: str) -> list[tuple[Any, ...]]:
    """What is in the log of these actions: who, what before and after."""
    return world.postgres.rows(
        "SELECT action, actor ->> 'key', asset ->> 'key', project, before, after FROM audit.queue"
        " WHERE action = ANY (%s) ORDER BY id",
        list(actions),
    )


async def test_an_app_of_the_project_is_put_on_a_device_and_recorded_once(world: World) -> None:
    key = (await world.create()).device_key

    first, second = await world.install("press-1"), await world.install(key)

    assert first == second
    assert (first.device_key, first.app_key, first.stage) == (key, 26, "DEV")
    assert world.on_devices() == [(key, 26, "DEV")]
    which = {"app_key": 26, "stage": "DEV"}
    assert recorded(world, "device_app.installed") == [("device_app.installed", "5", str(key), 3, None, which)]


async def test_an_app_that_the_project_does_not_have_is_refused_as_one_that_there_is_not(world: World) -> None:
    await world.create()
    refusals = []
    for app, stage in ((99, "DEV"), (77, "PROD"), (2**53 - 1, "DEV")):
        with pytest.raises(ConflictError) as refused:
            await world.install("press-1", app, stage)  # type: ignore[arg-type]
        refusals.append(refused.value.details())

    assert refusals == [refusals[0]] * 3
    assert world.on_devices() == []


async def test_given_the_project_loses_the_app_meanwhile_when_it_is_installed_then_it_is_not(world: World) -> None:
    await world.create()
    world.realms.after = world.realms.installs.clear

    with pytest.raises(ConflictError):
        await world.install("press-1")

    assert world.on_devices() == []


async def test_while_realms_is_away_nothing_is_installed(world: World) -> None:
    await world.create()
    world.realms.is_away = True

    with pytest.raises(UnavailableError):
        await world.install("press-1")

    assert world.on_devices() == []


async def test_a_device_has_so_many_apps_and_no_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.create()
    monkeypatch.setattr(app_states, "MAX_APPS_OF_A_DEVICE", 2)
    await world.install("press-1", 26, "DEV")
    await world.install("press-1", 26, "PROD")

    with pytest.raises(OverLimitError):
        await world.install("press-1", 77)
    await world.install("press-1", 26, "DEV")

    assert len(world.on_devices()) == 2
    assert len(recorded(world, "device_app.installed")) == 2


async def test_an_uninstalled_app_goes_and_its_sessions_end(world: World) -> None:
    device = await world.create()
    await world.install("press-1")
    await world.install("press-1", 26, "PROD")

    await world.apps.app_uninstall(ANNA, PRESS)
    await world.app_sessions.keep_up()
    await world.apps.app_uninstall(ANNA, PRESS)

    assert world.on_devices() == [(device.device_key, 26, "PROD")]
    which = {"app_key": 26, "stage": "DEV"}
    serial = {"serial": str(device.serial_number)}
    assert sorted(world.cut(), key=len) == [{**serial, "realm": "realm-3-26-dev"}, {**serial, **which}]
    told = ("device_app.uninstalled", "5", str(device.device_key), 3, which, None)
    assert recorded(world, "device_app.uninstalled") == [told]


async def test_many_at_once_leave_one_app_and_one_entry(world: World) -> None:
    key = (await world.create()).device_key

    await asyncio.gather(*(world.install(key) for _ in range(6)))
    assert world.on_devices() == [(key, 26, "DEV")]
    await asyncio.gather(*(world.apps.app_uninstall(ANNA, PRESS) for _ in range(6)))

    assert [row[0] for row in recorded(world, "device_app.installed", "device_app.uninstalled")] == [
        "device_app.installed",
        "device_app.uninstalled",
    ]


CALLS = {
    "install": ("INSTALL", lambda world, person: world.apps.app_install(person, InstallApp("press-1", 26, "DEV"))),
    "uninstall": ("INSTALL", lambda world, person: world.apps.app_uninstall(person, PRESS)),
    "rotate": ("INSTALL", lambda world, person: world.apps.app_rotate_credential(person, PRESS)),
    "environment": ("DEVELOP", lambda world, person: world.apps.app_environment(person, PRESS)),
    "list": ("READ", lambda world, person: world.apps.app_list(person, NameDevice("press-1"))),
}


@pytest.mark.parametrize("what", CALLS)
async def test_each_needs_its_flag_and_outsiders_see_no_device(world: World, what: str) -> None:
    key = (await world.create()).device_key
    await world.flash(key)
    await world.install(key)
    flag, call = CALLS[what]
    others = {
        "READ",
        "UPDATE",
        "OPERATE",
        "NETWORK",
        "MAINTAIN",
        "REMOTE_ACCESS",
        "GRANT",
        "DELETE",
        "INSTALL",
        "DEVELOP",
    }
    others -= {flag}
    reader = world.member(3, AssetKind.DEVICE, key, *others)

    with pytest.raises(NotFoundError if flag == "READ" else NotAuthorizedError):
        await call(world, reader)
    with pytest.raises(NotFoundError):
        await call(world, BERT)
    assert world.on_devices() == [(key, 26, "DEV")]
    assert world.auth.rotated == []
    await call(world, world.member(3, AssetKind.DEVICE, key, "READ", flag))


async def test_the_apps_of_a_device_are_listed(world: World) -> None:
    await world.create()
    for app, stage in ((77, "DEV"), (26, "PROD"), (26, "DEV")):
        await world.install("press-1", app, stage)  # type: ignore[arg-type]

    listed = await world.apps.app_list(ANNA, NameDevice("press-1"))

    assert [(app.app_key, app.stage) for app in listed.apps] == [(26, "DEV"), (26, "PROD"), (77, "DEV")]


async def test_auth_alone_is_told_what_is_on_a_device(world: World) -> None:
    device, bare = await world.create(), await world.create("bare")
    await world.install("press-1")
    await world.install("press-1", 26, "PROD")

    found = await installed(world, device.serial_number)
    assert (found.device_key, found.project_key) == (device.device_key, 3)
    assert [(app.app_key, app.stage) for app in found.apps] == [(26, "DEV"), (26, "PROD")]
    assert (await installed(world, bare.serial_number)).apps == []
    assert await installed(world, uuid4()) is None
    world.postgres.run("UPDATE devices.device SET state = 'deleting' WHERE name = 'bare'")
    assert await installed(world, bare.serial_number) is None
    for name in ("router", "realms", "devices", "gateway", "audit", "privileges", ""):
        with pytest.raises(NotAuthorizedError):
            await world.apps.app_installed(ServiceIdentity(name, 1), FindInstalled(device.serial_number))


async def test_a_rotated_credential_takes_its_sessions_with_it_when_the_overlap_is_over(world: World) -> None:
    device = await world.create()
    await world.flash(device.device_key)
    await world.install("press-1")

    rotated = await world.apps.app_rotate_credential(ANNA, PRESS)

    assert (rotated.epoch, rotated.overlap_until) == (2, "2026-11-29T21:00:00Z")
    key = device.device_key
    assert world.auth.rotated == [{"device_key": key, "app_key": 26, "stage": "DEV", "account_key": 5}]
    rows = world.postgres.rows(
        "SELECT serial_number, conditions, due_at > now() + interval '15 minutes',"
        " due_at < now() + interval '16 minutes' FROM devices.app_ending"
    )
    assert rows == [(device.serial_number, {"app_key": 26, "stage": "DEV", "epoch_below": 2}, True, True)]


async def test_given_auth_away_when_a_credential_is_rotated_then_it_is_refused(world: World) -> None:
    await world.create()
    await world.install("press-1")
    world.auth.is_away = True

    with pytest.raises(UnavailableError):
        await world.apps.app_rotate_credential(ANNA, PRESS)
    rows = world.postgres.rows("SELECT conditions FROM devices.app_ending")  # who knows whether auth acted
    assert rows == [({"app_key": 26, "stage": "DEV"},)]
    with pytest.raises(UnavailableError):
        await world.apps.app_environment(ANNA, PRESS)
    assert recorded(world, "app_environment.read") == []


@pytest.mark.parametrize("what", ["rotate", "environment"])
async def test_what_is_not_on_the_device_has_no_credential(world: World, what: str) -> None:
    key = (await world.create()).device_key
    await world.flash(key)
    await world.install("press-1", 26, "PROD")

    with pytest.raises(ConflictError):
        await CALLS[what][1](world, ANNA)

    assert world.auth.rotated == []


async def test_the_environment_of_an_app_is_what_its_container_gets_and_each_reading_is_recorded(world: World) -> None:
    device = await world.create()
    key = device.device_key
    await world.flash(key)
    await world.install(key)

    found = await world.apps.app_environment(ANNA, PRESS)

    assert found.environment == {
        "DEVICE_SERIAL_NUMBER": str(device.serial_number),
        "ENV": "DEV",
        "DEVICE_KEY": str(key),
        "SWARM_KEY": "3",
        "APP_KEY": "26",
        "APP_NAME": "Press",
        "DEVICE_NAME": "press-1",
        "DEVICE_ENDPOINT_URL": "wss://localhost:8443/ws-re-dev",
        "TUNNEL_DOMAIN": "app.ironflock.com",
        "APP_AUTH_ID": f"app-26-dev-e1@{key}",
        "APP_AUTH_SECRET": "secret of 26 DEV",
        "RESWARM_URL": "https://localhost:8445",
        "DEVICE_URL": "https://localhost:8445/person 5/swarms/plant/settings/devices/press-1",
    }
    assert "secret of" not in repr(found)
    which = {"app_key": 26, "stage": "DEV"}
    assert recorded(world, "app_environment.read") == [("app_environment.read", "5", str(key), 3, None, which)]
    assert "secret of" not in str(world.postgres.rows("SELECT q::text FROM audit.queue q"))


async def test_a_device_that_was_never_flashed_has_no_environment(world: World) -> None:
    await world.create()
    await world.install("press-1")

    with pytest.raises(NotFoundError):
        await world.apps.app_environment(ANNA, PRESS)
    assert recorded(world, "app_environment.read") == []


async def test_a_claimed_device_leaves_its_apps_behind_and_their_sessions_end(world: World) -> None:
    device = await world.create()
    await world.install("press-1")
    code = (await world.claims.device_set_claimable(ANNA, SetClaimable("press-1", is_claimable=True))).claim_code
    assert code is not None

    await world.claims.device_claim(BERT, ClaimDevice(code, 9))

    assert world.on_devices() == []
    assert world.cut() == [{"serial": str(device.serial_number)}]
    assert (await installed(world, device.serial_number)).project_key == 9
    with pytest.raises(ConflictError):
        await world.install(device.device_key, person=BERT)


@pytest.mark.parametrize("what", ["flash", "delete"])
async def test_sessions_of_apps_end_with_the_secrets_of_their_device(world: World, what: str) -> None:
    device = await world.create()
    await world.install("press-1")

    await (world.flash if what == "flash" else world.delete)(device.device_key)

    assert world.cut() == [{"serial": str(device.serial_number)}]
    assert world.on_devices() == ([(device.device_key, 26, "DEV")] if what == "flash" else [])


async def test_nothing_is_put_on_a_device_that_is_to_go(world: World) -> None:
    await world.create()
    world.postgres.run("UPDATE devices.device SET state = 'deleting'")

    with pytest.raises(ConflictError):
        await world.install("press-1")
    assert world.on_devices() == []
