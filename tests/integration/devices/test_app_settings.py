"""What people set for apps on devices: sealed at rest, masked where it is shown, told to the agent as it wants it."""

import pytest

from services.devices.apps import states as app_states
from services.devices.records.agents import UpdateAppOnDevice
from services.devices.records.apps import InstallApp, NameApp, SetEnvironment, SetPorts
from shared.errors import ConflictError, InvalidArgumentError, NotAuthorizedError, NotFoundError
from shared.flags import AssetKind
from shared.identities import Person
from shared.releases import PortRule
from tests.integration.devices.test_app_states import ALL, PRESS, placed
from tests.integration.devices.world import ANNA, BERT, World

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


async def set_values(
    world: World, values: dict[str, str | None], *secrets: str, person: Person = ANNA
) -> list[tuple[str, str | None, bool]]:
    request = SetEnvironment("press-1", 26, "PROD", values, list(secrets))
    answer = await world.app_settings.app_set_environment(person, request)
    return [(each.name, each.value, each.is_secret) for each in answer.variables]


async def test_an_environment_is_sealed_masked_and_told(world: World) -> None:
    device = await placed(world)
    await world.flash(device.key)

    assert await set_values(world, {"RATE": "5", "TOKEN": "s3cret-value"}, "TOKEN") == [
        ("RATE", "5", False),
        ("TOKEN", None, True),
    ]
    assert await set_values(world, {"RATE": None, "TOKEN": "other-value"}) == [("TOKEN", None, True)]  # it stays secret

    assert (await device.listed())[0]["environment"] == {"TOKEN": {"value": "other-value"}}
    shown = await world.app_settings.app_variables(ANNA, PRESS)
    assert [(each.name, each.value) for each in shown.variables] == [("TOKEN", None)]
    revealed = (await world.apps.app_environment(ANNA, PRESS)).environment
    assert (revealed["TOKEN"], revealed["ENV"]) == ("other-value", "PROD")
    kept = str(world.postgres.rows("SELECT a::text, a.environment FROM devices.device_app a"))
    kept += str(world.postgres.rows("SELECT q::text FROM audit.queue q"))
    assert "other-value" not in kept
    assert "s3cret-value" not in kept
    rows = world.postgres.rows(
        "SELECT after FROM audit.queue WHERE action = 'device_app.environment_changed' ORDER BY id"
    )
    assert rows[0] == ({"app_key": 26, "stage": "PROD", "names": ["RATE", "TOKEN"]},)


@pytest.mark.parametrize("values", [{"APP_AUTH_SECRET": "x"}, {"A": "\0"}, {f"A{n}": "x" * 8_000 for n in range(9)}])
async def test_what_cannot_be_an_environment_is_refused(world: World, values: dict[str, str | None]) -> None:
    await placed(world)

    with pytest.raises(InvalidArgumentError):
        await set_values(world, values)
    assert (await world.app_settings.app_variables(ANNA, PRESS)).variables == []


async def test_what_is_set_for_all_apps_of_a_device_fits_into_one_message(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = await placed(world)
    await set_values(world, {"A": "x" * 1_000})
    monkeypatch.setattr(app_states, "MAX_ENVIRONMENTS_OCTETS", 1_500)
    monkeypatch.setattr(app_states, "MAX_PORTS_OCTETS", 1_500)

    await world.install("press-1", 26, "DEV")
    request = SetEnvironment("press-1", 26, "DEV", {"B": "x" * 1_000}, [])
    with pytest.raises(InvalidArgumentError):
        await world.app_settings.app_set_environment(ANNA, request)
    said = UpdateAppOnDevice(26, device.key, "PROD", ports=[{"name": "x" * 1_600}])
    with pytest.raises(InvalidArgumentError):
        await world.agents.update_app_on_device(device.identity, said)
    with pytest.raises(InvalidArgumentError):
        await world.app_settings.app_set_ports(
            ANNA, SetPorts("press-1", 26, "DEV", [PortRule(port, "x" * 90) for port in range(1, 11)])
        )

    assert (await world.app_settings.app_variables(ANNA, NameApp("press-1", 26, "DEV"))).variables == []
    assert [row["ports"] for row in await device.listed()] == [[], []]


async def test_ports_are_told_with_the_remote_port_that_was_allotted(world: World) -> None:
    device = await placed(world)
    rules = [PortRule(80, "web", main=True), PortRule(22, "ssh", "tcp")]
    await world.app_settings.app_set_ports(ANNA, SetPorts("press-1", 26, "PROD", rules))
    await world.parts.apps.reports.said_ports(
        device.key, 26, "PROD", [{"port": 22.0, "protocol": "tcp", "remote_port": 31000.0}]
    )

    ports = (await device.listed())[0]["ports"]
    assert [(each["port"], each["protocol"], each.get("remote_port")) for each in ports] == [
        (80, "http", None),
        (22, "tcp", 31000),
    ]
    await device.connect()  # which takes them
    with pytest.raises(InvalidArgumentError):
        await world.app_settings.app_set_ports(ANNA, SetPorts("press-1", 26, "PROD", [PortRule(80), PortRule(80)]))
    for taken in ("APP_KEY", "LD_PRELOAD", "PATH"):
        refused = SetPorts("press-1", 26, "PROD", [PortRule(22, "ssh", "tcp", remote_port_environment=taken)])
        with pytest.raises(InvalidArgumentError, match=taken):
            await world.app_settings.app_set_ports(ANNA, refused)

    await world.app_settings.app_set_ports(ANNA, SetPorts("press-1", 26, "PROD", []))
    assert (await device.listed())[0]["ports"] == []


CALLS = {
    "variables": ("READ", lambda world, person: world.app_settings.app_variables(person, PRESS)),
    "set_environment": ("DEVELOP", lambda world, person: set_values(world, {"A": "b"}, person=person)),
    "set_ports": (
        "UPDATE",
        lambda world, person: world.app_settings.app_set_ports(person, SetPorts("press-1", 26, "PROD", [])),
    ),
}


@pytest.mark.parametrize("what", CALLS)
async def test_each_needs_its_flag(world: World, what: str) -> None:
    device = await placed(world)
    flag, call = CALLS[what]
    other = world.member(3, AssetKind.DEVICE, device.key, *(ALL - {flag}))

    with pytest.raises(NotFoundError if flag == "READ" else NotAuthorizedError):
        await call(world, other)
    with pytest.raises(NotFoundError):
        await call(world, BERT)
    await call(world, world.member(3, AssetKind.DEVICE, device.key, "READ", flag))


async def test_an_app_that_is_put_there_again_begins_without_the_settings_of_before(world: World) -> None:
    device = await placed(world)
    await set_values(world, {"RATE": "5"})
    await world.apps.app_uninstall(ANNA, PRESS)
    with pytest.raises(ConflictError):
        await set_values(world, {"RATE": "6"})
    await device.told()
    await world.apps.app_install(ANNA, InstallApp("press-1", 26, "PROD"))

    assert (await world.app_settings.app_variables(ANNA, NameApp("press-1", 26, "PROD"))).variables == []
