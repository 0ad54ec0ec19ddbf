"""Orders to agents: who is silent holds up nobody, and nothing old overtakes what is newer."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from services.devices.apps import delivery as app_delivery
from services.devices.apps.delivery import AppDelivery
from services.devices.apps.reports import NOBODY_SAID
from services.devices.records.agents import UpdateAppOnDevice
from services.devices.records.apps import NameApp, Places, UpgradeApp, Variable
from services.devices.records.devices import NameDevice
from shared.errors import ConflictError, UnavailableError
from shared.identities import DeviceIdentity
from tests.integration.devices.test_app_states import PRESS, Placed, placed
from tests.integration.devices.world import ANNA, World

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


class Silent:
    """Agents that take a wish and do not answer."""

    def __init__(self) -> None:
        """Nobody was asked."""
        self.asked = 0
        self.at_once = 0
        self.most = 0
        self.begun, self.answer = asyncio.Event(), asyncio.Event()

    async def __call__(self, **_: Any) -> None:
        """`request_app_state`."""
        self.asked += 1
        self.begun.set()
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            await self.answer.wait()
        finally:
            self.at_once -= 1


async def fleet(world: World, count: int, project: int, prefix: str) -> list[tuple[int, str]]:
    """Keys and procedures of devices with an app, connected."""
    found = []
    for number in range(count):
        device = await world.create(f"{prefix}-{number}", project)
        await world.install(device.device_key, 26, "PROD")
        await world.online(device.device_key, 1000 * project + number)
        found.append((device.device_key, f"re.mgmt.{device.serial_number}.request_app_state"))
    return found


async def test_forty_silent_agents_of_a_project_hold_up_neither_it_nor_another(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_delivery, "PLACES", Places(in_all=100, of_project=6, of_slow=3))
    world.realms.installs.add((4, 26, "PROD"))
    silent, heard = Silent(), asyncio.Queue[str]()
    for _, uri in await fleet(world, 40, 3, "silent"):
        world.router.answers[uri] = silent
    world.postgres.run("UPDATE devices.app_order SET attempts = 1, due_at = due_at - interval '1 hour'")
    for project in (3, 4):
        for _, uri in await fleet(world, 2, project, f"quick{project}"):
            world.router.answers[uri] = lambda *, uri=uri, **_: heard.put_nowait(uri)

    world.delivery.wake()
    keeping = asyncio.create_task(world.delivery.keep_up())
    async with asyncio.timeout(30):
        told = {await heard.get() for _ in range(4)}

    assert len(told) == 4
    assert 0 < silent.most <= 3
    silent.answer.set()
    async with asyncio.timeout(30):
        await keeping
    assert silent.asked == 40
    assert world.postgres.rows("SELECT FROM devices.app_order") == []


async def test_a_device_is_told_one_thing_at_a_time(world: World) -> None:
    device = await placed(world)
    silent = Silent()
    world.router.answers[device.uri] = silent
    await world.app_states.app_start(ANNA, PRESS)
    await world.install("press-1", 26, "DEV")
    keeping = asyncio.create_task(world.delivery.keep_up())
    world.delivery.wake()

    async with asyncio.timeout(30):
        await silent.begun.wait()
        silent.answer.set()
        await keeping

    assert (silent.most, silent.asked) == (1, 2)


async def test_a_list_that_is_put_together_has_what_was_wanted_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = await placed(world)
    opened = world.parts.apps.environments.opened

    async def slow(app: Any) -> dict[str, Variable]:
        monkeypatch.undo()
        await world.app_states.app_upgrade(ANNA, UpgradeApp("press-1", 26, "PROD", "1.1.0"))
        await device.told()
        return await opened(app)

    monkeypatch.setattr(world.parts.apps.environments, "opened", slow)
    rows = await device.listed()

    assert rows[0]["new_release_key"] == 261


async def test_a_list_that_never_stands_still_is_asked_for_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    device = await placed(world)

    async def restless(_: Any) -> dict[str, Variable]:
        world.postgres.run("UPDATE devices.device_app SET revision = revision + 1")
        return {}

    monkeypatch.setattr(world.parts.apps.environments, "opened", restless)
    with pytest.raises(UnavailableError):
        await device.listed()


async def test_a_wish_told_beside_another_process_s_list_is_told_once_more_after_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = await placed(world)
    monkeypatch.setattr(app_delivery, "LIST_OVERTAKES_S", 60.0)
    apps = world.parts.apps
    other = AppDelivery(world.database, world.parts.operations.agents, apps.environments, apps.releases, uuid4())
    await device.listed()
    before = len(device.apps.wishes)

    await world.app_states.app_start(ANNA, PRESS)
    await other.keep_up()
    assert [wish.target for wish in device.apps.wishes[before:]] == ["RUNNING"]
    world.postgres.run("UPDATE devices.app_list SET listed_at = listed_at - interval '61 s'")
    world.postgres.run("UPDATE devices.app_order SET due_at = now()")
    await other.keep_up()
    await other.keep_up()

    assert [wish.target for wish in device.apps.wishes[before:]] == ["RUNNING", "RUNNING"]


async def test_a_cancelling_is_told_with_the_wish_that_it_came_with_and_once(world: World) -> None:
    device = await placed(world)
    wished = world.router.answers[device.uri]
    said = UpdateAppOnDevice(26, device.key, "PROD", "UPDATING", 260)
    await world.agents.update_app_on_device(device.identity, said)

    async def slow(**kwargs: Any) -> None:
        world.router.answers[device.uri] = wished
        await world.app_states.app_upgrade(ANNA, UpgradeApp("press-1", 26, "PROD", "1.2.0"))
        await wished(**kwargs)

    world.router.answers[device.uri] = slow
    await world.app_states.app_cancel(ANNA, PRESS)
    await device.told()

    assert [wish.cancels for wish in device.apps.wishes[-2:]] == [True, False]
    assert (await device.status()).present_version == "1.2.0"


async def test_a_late_word_of_an_update_that_was_rolled_back_has_the_agent_told_again(world: World) -> None:
    device = await placed(world)
    device.is_silent = True
    await world.app_states.app_upgrade(ANNA, UpgradeApp("press-1", 26, "PROD", "1.1.0"))
    await device.told()
    await world.app_states.app_rollback(ANNA, PRESS)
    await device.told()
    device.is_silent = False
    device.apps.states[26, "PROD"] = ("PRESENT", 261)

    late = UpdateAppOnDevice(26, device.key, "PROD", "PRESENT", 261, "pending_remote_confirmation")
    await world.agents.update_app_on_device(device.identity, late)
    assert (await device.status()).present_version == "1.1.0"
    await device.told()

    assert (await device.status()).present_version == "1.0.0"
    assert device.apps.states[26, "PROD"] == ("PRESENT", 260)


async def unlisted(world: World) -> Placed:
    """A device that says that it has an app which nobody put there."""
    device = await world.create()
    found = Placed(world, device.device_key, str(device.serial_number))
    said = UpdateAppOnDevice(77, device.device_key, "PROD", "RUNNING", 1)
    await world.agents.update_app_on_device(DeviceIdentity(3, device.device_key, 77), said)
    return found


async def test_given_a_device_with_apps_that_nobody_listed_when_one_is_installed_then_they_stay(world: World) -> None:
    device = await unlisted(world)
    await world.install("press-1", 26, "PROD")

    with pytest.raises(ConflictError) as refused:
        await device.listed()
    assert refused.value.message == NOBODY_SAID
    assert not (await world.apps.app_list(ANNA, NameDevice("press-1"))).is_confirmed
    for wish in ("app_start", "app_stop"):
        await getattr(world.app_states, wish)(ANNA, NameApp("press-1", 26, "PROD"))
    with pytest.raises(ConflictError):
        await device.listed()

    assert (await world.app_states.app_confirm(ANNA, NameDevice("press-1"))).is_confirmed
    assert [row["app_key"] for row in await device.listed()] == [26]


async def test_after_a_restored_database_an_install_says_nothing_of_what_else_is_there(world: World) -> None:
    device = await placed(world)
    world.postgres.run("DELETE FROM devices.device_app")
    world.postgres.run("DELETE FROM devices.app_list")
    await world.install("press-1", 26, "PROD")

    with pytest.raises(ConflictError):
        await device.listed()
