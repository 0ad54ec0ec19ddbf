"""What is wanted of apps reaches their agents, and what those say is kept: races, absences, upgrades, moves."""

import asyncio
from typing import Any

import pytest
from attrs import fields
from autobahn.wamp.exception import ApplicationError

from deploy.flockctl.simulator.apps import Apps, Said, Wish
from services.devices.apps.reports import INCOMPLETE, NOBODY_SAID
from services.devices.records.agents import AskAppStates, UpdateAppOnDevice
from services.devices.records.apps import InstallApp, NameApp, UpgradeApp
from services.devices.records.devices import ClaimDevice, NameDevice, SetClaimable
from shared.errors import ConflictError, InvalidArgumentError, NotAuthorizedError, NotFoundError
from shared.flags import AssetKind
from shared.identities import DeviceIdentity
from tests.integration.devices.world import ANNA, BERT, World

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
PRESS = NameApp("press-1", 26, "PROD")


class Placed:
    """One device with an agent that takes its wishes."""

    def __init__(self, world: World, key: int, serial: str) -> None:
        """Not connected yet."""
        self.world = world
        self.key = key
        self.identity = DeviceIdentity(3, key, 77)
        self.apps = Apps()
        self.is_silent = False
        self.uri = f"re.mgmt.{serial}.request_app_state"

    async def connect(self) -> None:
        """As an agent that comes: it asks for its apps, then is CONNECTED."""
        self.world.router.answers[self.uri] = self._wished
        for wish, says in self.apps.take_list(await self.listed()):
            await self._say(wish, says)
        await self.world.online(self.key, 77)

    async def leave(self) -> None:
        """The network is gone."""
        del self.world.router.answers[self.uri]
        self.world.tells("wamp.session.on_leave", 77)
        await self.world.settle()

    async def listed(self) -> list[dict[str, Any]]:
        """What the platform answers when it asks for its apps."""
        found: list[dict[str, Any]] = await self.world.agents.get_requested_app_states(
            self.identity, AskAppStates(self.key)
        )
        return found

    async def _wished(self, **kwargs: Any) -> None:
        wish, says = self.apps.request(kwargs)
        if not self.is_silent:
            await self._say(wish, says)

    async def _say(self, wish: Wish, says: list[Said]) -> None:
        for said in says:
            words = {"device_key": self.key, "swarm_key": 3, **self.apps.say(wish, said)}
            known = {each.name: words[each.name] for each in fields(UpdateAppOnDevice) if each.name in words}
            await self.world.agents.update_app_on_device(self.identity, UpdateAppOnDevice(**known))

    async def told(self) -> None:
        """Whatever is due has been told."""
        self.world.delivery.wake()
        await self.world.delivery.keep_up()

    async def status(self) -> Any:
        """The app as Anna sees it."""
        return await self.world.app_states.app_status(ANNA, PRESS)


async def placed(world: World, *, is_there: bool = True) -> Placed:
    """A device with `press` at PROD, connected."""
    device = await world.create()
    found = Placed(world, device.device_key, str(device.serial_number))
    await world.install(device.device_key, 26, "PROD")
    if is_there:
        await found.connect()
        await found.told()
    return found


async def test_an_app_is_installed_started_stopped_and_goes(world: World) -> None:
    device = await placed(world)
    status = await device.status()
    assert (status.state, status.version, status.present_version) == ("PRESENT", "1.0.0", "1.0.0")
    assert status.is_told

    await world.app_states.app_start(ANNA, PRESS)
    await device.told()
    assert (await device.status()).state == "RUNNING"
    await world.app_states.app_stop(ANNA, PRESS)
    await device.told()
    assert (await device.status()).state == "PRESENT"
    await world.app_states.app_remove(ANNA, PRESS)
    await device.told()
    assert ((await device.status()).state, (await device.status()).present_version) == ("REMOVED", None)
    await world.apps.app_uninstall(ANNA, PRESS)
    with pytest.raises(ConflictError):
        await world.app_states.app_start(ANNA, PRESS)
    await device.told()

    assert world.on_devices() == []
    assert device.apps.present == {}
    tags = world.postgres.rows(
        "SELECT action, after ->> 'target' FROM audit.queue WHERE action LIKE 'device_app%%' ORDER BY id"
    )
    assert tags == [
        ("device_app.installed", None),
        ("device_app.target_changed", "RUNNING"),
        ("device_app.target_changed", "PRESENT"),
        ("device_app.target_changed", "REMOVED"),
        ("device_app.uninstalled", None),
    ]
    assert await device.listed() == []  # which somebody wanted


async def test_a_list_is_an_error_before_anybody_has_said_what_is_to_be_there(world: World) -> None:
    device = await world.create()
    found = Placed(world, device.device_key, str(device.serial_number))
    with pytest.raises(ConflictError) as refused:
        await found.listed()
    assert refused.value.message == NOBODY_SAID

    confirmed = await world.app_states.app_confirm(ANNA, NameDevice("press-1"))
    assert confirmed.apps == []
    assert await found.listed() == []

    await world.install("press-1", 26, "PROD")
    world.postgres.run("UPDATE devices.device_app SET app_name = NULL")  # as from before names were kept
    with pytest.raises(ConflictError) as refused:
        await found.listed()
    assert refused.value.message == INCOMPLETE
    await world.installs.compare()
    assert [row["app_name"] for row in await found.listed()] == ["Press"]


async def test_a_restored_database_that_forgot_who_said_so_wipes_nothing(world: World) -> None:
    device = await placed(world)
    world.postgres.run("DELETE FROM devices.device_app")
    world.postgres.run("DELETE FROM devices.app_list")

    with pytest.raises(ConflictError):
        await device.listed()


async def test_a_device_asks_for_itself_only(world: World) -> None:
    device = await placed(world)
    other = await world.create("press-2")

    with pytest.raises(NotAuthorizedError):
        await world.agents.get_requested_app_states(device.identity, AskAppStates(other.device_key))
    said = UpdateAppOnDevice(26, other.device_key, "PROD", "FAILED")
    with pytest.raises(NotAuthorizedError):
        await world.agents.update_app_on_device(device.identity, said)


async def test_an_upgrade_is_confirmed_and_rolled_back(world: World) -> None:
    device = await placed(world)
    await world.app_states.app_start(ANNA, PRESS)
    await device.told()

    await world.app_states.app_upgrade(ANNA, UpgradeApp("press-1", 26, "PROD", "1.1.0"))
    await device.told()
    status = await device.status()
    assert (status.present_version, status.previous_version) == ("1.1.0", "1.0.0")
    assert (status.state, status.target) == ("RUNNING", "RUNNING")
    assert device.apps.states[26, "PROD"] == ("RUNNING", 261)

    await world.app_states.app_rollback(ANNA, PRESS)
    await device.told()
    assert (await device.status()).present_version == "1.0.0"
    assert device.apps.states[26, "PROD"] == ("RUNNING", 260)
    assert (await device.listed())[0]["request_update"] is False


async def test_without_a_version_it_is_what_the_project_has(world: World) -> None:
    device = await placed(world)
    await world.app_states.app_upgrade(ANNA, UpgradeApp("press-1", 26, "PROD", "1.2.0"))
    await world.app_states.app_upgrade(ANNA, UpgradeApp("press-1", 26, "PROD"))

    assert (await device.status()).version == "1.0.0"
    with pytest.raises(NotFoundError):
        await world.app_states.app_upgrade(ANNA, UpgradeApp("press-1", 26, "PROD", "9.9.9"))
    with pytest.raises(ConflictError):  # there was none before
        await world.app_states.app_rollback(ANNA, PRESS)


async def test_a_failing_upgrade_is_rolled_back_to_what_is_there(world: World) -> None:
    device = await placed(world)
    device.apps.failing.add(26)
    await world.app_states.app_upgrade(ANNA, UpgradeApp("press-1", 26, "PROD", "1.1.0"))
    await device.told()
    assert (await device.status()).state == "FAILED"

    device.apps.failing.clear()
    await world.app_states.app_rollback(ANNA, PRESS)
    await world.app_states.app_start(ANNA, PRESS)
    await device.told()

    status = await device.status()
    assert (status.state, status.version, status.present_version) == ("RUNNING", "1.0.0", "1.0.0")


async def test_a_wish_repeated_after_a_failure_is_a_new_try(world: World) -> None:
    device = await placed(world)
    device.apps.failing.add(26)
    await world.app_states.app_start(ANNA, PRESS)
    await device.told()
    assert (await device.status()).state == "FAILED"

    device.apps.failing.clear()
    await world.app_states.app_start(ANNA, PRESS)
    await device.told()
    assert (await device.status()).state == "RUNNING"
    before = len(device.apps.wishes)
    await world.app_states.app_start(ANNA, PRESS)  # which it does
    await device.told()
    assert len(device.apps.wishes) == before


async def test_what_is_under_way_is_cancelled(world: World) -> None:
    device = await placed(world)
    with pytest.raises(ConflictError):
        await world.app_states.app_cancel(ANNA, PRESS)
    await world.app_states.app_upgrade(ANNA, UpgradeApp("press-1", 26, "PROD", "1.1.0"))
    device.is_silent = True
    await device.told()
    said = UpdateAppOnDevice(26, device.key, "PROD", "UPDATING", 260)
    await world.agents.update_app_on_device(device.identity, said)
    device.apps.states[26, "PROD"] = ("UPDATING", 260)
    device.is_silent = False

    await world.app_states.app_cancel(ANNA, PRESS)
    await device.told()

    assert device.apps.wishes[-1].cancels
    status = await device.status()
    assert (status.state, status.version, status.present_version) == ("PRESENT", "1.0.0", "1.0.0")


async def test_two_installs_at_once_and_an_uninstall_during_an_upgrade(world: World) -> None:
    device = await placed(world)
    await asyncio.gather(*(world.install("press-1", 26, "PROD") for _ in range(5)))
    await asyncio.gather(
        world.app_states.app_upgrade(ANNA, UpgradeApp("press-1", 26, "PROD", "1.1.0")),
        world.delivery.keep_up(),
    )
    said = UpdateAppOnDevice(26, device.key, "PROD", "UPDATING", 260)
    await world.apps.app_uninstall(ANNA, PRESS)
    await world.agents.update_app_on_device(device.identity, said)  # the agent is at the upgrade still
    device.apps.states[26, "PROD"] = ("UPDATING", 260)
    await device.told()

    assert world.on_devices() == []
    assert device.apps.present == {}


async def test_an_install_after_an_uninstall_wins_whatever_the_agent_still_says(world: World) -> None:
    device = await placed(world)
    await world.apps.app_uninstall(ANNA, PRESS)
    await world.install("press-1", 26, "PROD")
    device.apps.states[26, "PROD"] = ("UNINSTALLED", 260)  # it had been told of that, and is at it
    late = UpdateAppOnDevice(26, device.key, "PROD", "UNINSTALLED")
    await world.agents.update_app_on_device(device.identity, late)
    await device.told()

    assert world.on_devices() == [(device.key, 26, "PROD")]
    assert (await device.status()).state == "PRESENT"


async def test_a_device_that_was_away_for_a_week_catches_up(world: World) -> None:
    device = await placed(world)
    await device.leave()
    await world.app_states.app_upgrade(ANNA, UpgradeApp("press-1", 26, "PROD", "1.1.0"))
    await world.app_states.app_start(ANNA, PRESS)
    world.postgres.run("UPDATE devices.app_order SET due_at = due_at - interval '7 days'")
    before = len(device.apps.wishes)
    await device.told()
    assert len(device.apps.wishes) == before
    assert not (await device.status()).is_told

    await device.connect()
    await device.told()

    status = await device.status()
    assert (status.state, status.present_version, status.is_told) == ("RUNNING", "1.1.0", True)


async def test_an_app_that_was_uninstalled_while_the_device_was_away_goes_when_it_is_back(world: World) -> None:
    device = await placed(world)
    await device.leave()
    await world.apps.app_uninstall(ANNA, PRESS)
    assert [row.target for row in (await world.apps.app_list(ANNA, NameDevice("press-1"))).apps] == ["UNINSTALLED"]

    await device.connect()
    await device.told()

    assert world.on_devices() == []
    assert device.apps.present == {}


async def test_an_app_goes_also_where_nobody_knows_whether_its_agent_took_it(world: World) -> None:
    device = await placed(world, is_there=False)

    async def answer_is_lost(**wish: Any) -> None:
        await device._wished(**wish)
        raise ApplicationError("wamp.error.canceled", "the caller is gone")

    world.router.answers[device.uri] = answer_is_lost
    await world.online(device.key, 77)
    await device.told()
    assert device.apps.present
    await world.apps.app_uninstall(ANNA, PRESS)
    world.router.answers[device.uri] = device._wished
    await device.told()

    assert device.apps.present == {}
    assert world.on_devices() == []


async def test_an_app_that_comes_again_has_nothing_that_was_set_before(world: World) -> None:
    device = await placed(world)
    world.postgres.run(
        "UPDATE devices.device_app SET environment = 'sealed', ports = '[{}]', created_at = '2020-01-01'"
    )
    await device.leave()
    await world.apps.app_uninstall(ANNA, PRESS)

    await world.install(device.key, 26, "PROD")

    row = "SELECT environment, ports, created_at > clock_timestamp() - interval '1 hour' FROM devices.device_app"
    assert world.postgres.rows(row) == [(None, None, True)]


async def test_installing_again_changes_no_release_that_nobody_named(world: World) -> None:
    device = await placed(world)
    await world.app_states.app_upgrade(ANNA, UpgradeApp("press-1", 26, "PROD", "1.2.0"))
    await device.told()

    await world.install(device.key, 26, "PROD")
    await device.told()

    assert (await device.status()).version == "1.2.0"


async def test_a_device_that_is_claimed_while_updating_leaves_all_behind(world: World) -> None:
    device = await placed(world)
    await world.app_states.app_upgrade(ANNA, UpgradeApp("press-1", 26, "PROD", "1.1.0"))
    code = (await world.claims.device_set_claimable(ANNA, SetClaimable("press-1", is_claimable=True))).claim_code
    assert code is not None

    await world.claims.device_claim(BERT, ClaimDevice(code, 9))
    said = UpdateAppOnDevice(26, device.key, "PROD", "UPDATING", 260)
    await world.agents.update_app_on_device(device.identity, said)  # still under its old name
    await device.told()

    assert world.on_devices() == []
    assert await device.listed() == []
    assert world.postgres.rows("SELECT * FROM devices.app_order") == []


async def test_what_an_agent_refuses_is_shown_and_tried_again(world: World) -> None:
    device = await placed(world)

    def refuses(**_: Any) -> None:
        raise ApplicationError("wamp.error.canceled", {"error": "failed to parse x"})

    world.router.answers[device.uri] = refuses
    await world.app_states.app_start(ANNA, PRESS)
    await device.told()
    status = await device.status()
    assert (status.refusal, status.is_told) == ("the device answered: failed to parse x", False)

    world.router.answers[device.uri] = device._wished
    world.postgres.run("UPDATE devices.app_order SET due_at = now()")
    await device.told()
    status = await device.status()
    assert (status.refusal, status.is_told, status.state) == (None, True, "RUNNING")


async def test_a_wish_that_changes_while_it_is_told_is_told_again(world: World) -> None:
    device = await placed(world)
    wished = world.router.answers[device.uri]

    async def slow(**kwargs: Any) -> None:
        world.router.answers[device.uri] = wished
        await world.app_states.app_stop(ANNA, PRESS)
        await wished(**kwargs)

    world.router.answers[device.uri] = slow
    await world.app_states.app_start(ANNA, PRESS)
    await device.told()

    assert [wish.target for wish in device.apps.wishes[-2:]] == ["RUNNING", "PRESENT"]
    assert (await device.status()).state == "PRESENT"


async def test_an_app_that_its_project_loses_goes_from_devices(world: World) -> None:
    device = await placed(world)
    world.realms.installs.discard((3, 26, "PROD"))
    await world.installs.compare()
    await device.told()

    assert world.on_devices() == []
    assert device.apps.present == {}


async def test_ports_come_as_floats_and_go_as_integers(world: World) -> None:
    device = await placed(world)
    ports = [{"port": 9999.0, "remote_port": 31000.0, "active": True, "name": "web"}]
    await world.agents.update_app_on_device(device.identity, UpdateAppOnDevice(26, device.key, "PROD", ports=ports))

    kept = (await device.listed())[0]["ports"]
    assert kept == [{"port": 9999, "remote_port": 31000, "active": True, "name": "web"}]
    assert type(kept[0]["port"]) is int
    for bad in ([{"port": 1.5}], [{"port": [1]}], [{"name": "\0"}], [{"name": "x" * 70_000}]):
        said = UpdateAppOnDevice(26, device.key, "PROD", ports=bad)
        with pytest.raises(InvalidArgumentError):
            await world.agents.update_app_on_device(device.identity, said)
    with pytest.raises(InvalidArgumentError):
        await world.agents.update_app_on_device(device.identity, UpdateAppOnDevice(26, device.key, "PROD"))


async def test_a_device_that_is_flashed_has_nothing_and_is_told_anew(world: World) -> None:
    device = await placed(world)
    await world.app_states.app_start(ANNA, PRESS)
    await device.told()
    await device.leave()
    await world.install("press-1", 26, "DEV")
    await world.flash(device.key)
    assert (await device.status()).state == "UNINSTALLED"

    device.apps.states.clear()
    await device.connect()

    status = await device.status()
    assert (status.state, status.present_version) == ("RUNNING", "1.0.0")


async def test_a_rotated_credential_s_epoch_reaches_the_agent(world: World) -> None:
    device = await placed(world)
    await world.flash(device.key)
    await world.online(device.key, 77)
    await world.apps.app_rotate_credential(ANNA, PRESS)

    assert (await device.listed())[0]["app_cred_epoch"] == 2


CALLS = {
    "status": ("READ", lambda world, person: world.app_states.app_status(person, PRESS)),
    "start": ("OPERATE", lambda world, person: world.app_states.app_start(person, PRESS)),
    "stop": ("OPERATE", lambda world, person: world.app_states.app_stop(person, PRESS)),
    "remove": ("INSTALL", lambda world, person: world.app_states.app_remove(person, PRESS)),
    "upgrade": (
        "INSTALL",
        lambda world, person: world.app_states.app_upgrade(person, UpgradeApp("press-1", 26, "PROD", "1.1.0")),
    ),
    "rollback": ("INSTALL", lambda world, person: world.app_states.app_rollback(person, PRESS)),
    "cancel": ("INSTALL", lambda world, person: world.app_states.app_cancel(person, PRESS)),
    "confirm": ("INSTALL", lambda world, person: world.app_states.app_confirm(person, NameDevice("press-1"))),
}
ALL = {"READ", "UPDATE", "OPERATE", "NETWORK", "MAINTAIN", "REMOTE_ACCESS", "GRANT", "DELETE", "INSTALL", "DEVELOP"}


@pytest.mark.parametrize("what", CALLS)
async def test_each_needs_its_flag_and_without_it_the_agent_sees_nothing(world: World, what: str) -> None:
    device = await placed(world)
    flag, call = CALLS[what]
    before = len(device.apps.wishes)
    other = world.member(3, AssetKind.DEVICE, device.key, *(ALL - {flag}))

    with pytest.raises(NotFoundError if flag == "READ" else NotAuthorizedError):
        await call(world, other)
    with pytest.raises(NotFoundError):
        await call(world, BERT)
    await device.told()
    assert len(device.apps.wishes) == before

    await world.app_states.app_upgrade(ANNA, UpgradeApp("press-1", 26, "PROD", "1.2.0"))
    await call(world, world.member(3, AssetKind.DEVICE, device.key, "READ", flag))


async def test_prod_needs_a_release(world: World) -> None:
    await world.create()
    world.router.answers["ironflock.realms.install.find"] = lambda **_: {"is_installed": True, "app_name": "Press"}

    with pytest.raises(ConflictError):
        await world.install("press-1", 26, "PROD")
    await world.apps.app_install(ANNA, InstallApp("press-1", 26, "PROD", "1.1.0"))
    assert (await world.install("press-1", 26, "DEV")).target == "REMOVED"
