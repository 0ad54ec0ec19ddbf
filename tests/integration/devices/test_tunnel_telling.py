"""Ports that people set are told to tunnels until it took them: as they stand, and that they are gone."""

from typing import Any

import pytest
from autobahn.wamp.exception import ApplicationError

from services.devices.apps.tunnel_telling import PROCEDURE
from services.devices.records.agents import UpdateAppOnDevice
from services.devices.records.apps import SetPorts, Stage
from services.devices.records.devices import NameDevice
from shared.errors import NotAuthorizedError, UnavailableError
from shared.flags import AssetKind
from shared.releases import Contents, PortRule
from tests.integration.devices.test_app_states import PRESS, placed
from tests.integration.devices.world import ANNA, World

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
WAITING = "SELECT device_key, app_key FROM devices.tunnel_order"


class Tunnels:
    """Takes what it is told; can be away."""

    def __init__(self, world: World) -> None:
        """Nothing was told."""
        self.told: list[dict[str, Any]] = []
        self.error: Exception | None = None
        self.left_out: list[int] = []
        world.router.answers[PROCEDURE] = self.settle

    def settle(self, **told: Any) -> dict[str, Any]:
        """`ironflock.tunnels.tunnel.settle`."""
        if self.error is not None:
            raise self.error
        self.told.append(told)
        return {"left_out": self.left_out}

    def ports(self) -> list[list[tuple[int, str]]]:
        """What was told, in order."""
        return [[(each["port"], each["protocol"]) for each in told["ports"]] for told in self.told]


async def set_ports(world: World, *rules: PortRule, stage: Stage = "PROD") -> None:
    await world.app_settings.app_set_ports(ANNA, SetPorts("press-1", 26, stage, list(rules)))


async def tell(world: World) -> None:
    """What is due is told, whenever it was to be told again."""
    world.postgres.run("UPDATE devices.tunnel_order SET due_at = now()")
    world.parts.apps.tunnel_telling.wake()
    await world.parts.apps.tunnel_telling.keep_up()


async def test_ports_are_told_as_they_stand_then_and_that_they_are_gone(world: World) -> None:
    device, tunnels = await placed(world), Tunnels(world)
    await set_ports(world, PortRule(80))
    await set_ports(world, PortRule(80), PortRule(22, protocol="tcp"), PortRule(9, active=False))
    await tell(world)
    await tell(world)
    assert tunnels.ports() == [[(80, "http"), (22, "tcp")]]
    first = tunnels.told[0]
    assert (first["device_key"], first["project_key"], first["app"], first["account_key"]) == (
        device.key,
        3,
        "Press",
        5,
    )

    await set_ports(world)
    await tell(world)
    await set_ports(world, PortRule(81))
    await world.apps.app_uninstall(ANNA, PRESS)
    await tell(world)

    assert tunnels.ports()[1:] == [[], []]
    revisions = [told["revision"] for told in tunnels.told]
    assert revisions == sorted({*revisions})
    assert world.postgres.rows(WAITING) == []


async def test_while_tunnels_is_away_it_stays_due(world: World) -> None:
    await placed(world)
    tunnels = Tunnels(world)
    await set_ports(world, PortRule(80))
    tunnels.error = ApplicationError("wamp.error.no_such_procedure", "away")
    with pytest.raises(UnavailableError):
        await tell(world)
    tunnels.error = ApplicationError("wamp.error.invalid_argument", "no")
    await tell(world)
    assert len(world.postgres.rows(WAITING)) == 1

    tunnels.error, tunnels.left_out = None, [80]
    await tell(world)

    assert (tunnels.ports(), world.postgres.rows(WAITING)) == ([[(80, "http")]], [])


async def test_what_came_while_it_was_told_is_told_after_it(world: World) -> None:
    await placed(world)
    tunnels = Tunnels(world)
    await set_ports(world, PortRule(80))
    (taken,) = await world.parts.apps.tunnel_telling._taken()
    await set_ports(world, PortRule(81))
    await world.parts.apps.tunnel_telling._tell(taken)
    assert len(world.postgres.rows(WAITING)) == 1
    await tell(world)

    assert tunnels.ports() == [[(81, "http")], [(81, "http")]]
    assert tunnels.told[0]["revision"] < tunnels.told[1]["revision"]


async def test_an_app_that_goes_with_its_project_s_install_takes_its_tunnels_along(world: World) -> None:
    await placed(world)
    tunnels = Tunnels(world)
    await set_ports(world, PortRule(80))
    await tell(world)
    world.realms.installs.discard((3, 26, "PROD"))
    await world.installs.compare()
    await tell(world)

    assert tunnels.ports() == [[(80, "http")], []]
    assert tunnels.told[1]["account_key"] is None


async def test_what_a_device_says_what_a_release_offers_and_what_is_built_there_declares_nothing(world: World) -> None:
    world.realms.contents[260] = Contents(ports=[PortRule(80)])
    device, tunnels = await placed(world), Tunnels(world)
    await world.agents.update_app_on_device(
        device.identity, UpdateAppOnDevice(26, device.key, "PROD", ports=[{"port": 9_000, "protocol": "tcp"}])
    )
    await world.install("press-1", 26, "DEV")
    await set_ports(world, PortRule(80), stage="DEV")
    other = world.member(3, AssetKind.DEVICE, device.key, "READ", "INSTALL", "DEVELOP", "OPERATE")
    with pytest.raises(NotAuthorizedError):
        await world.app_settings.app_set_ports(other, SetPorts("press-1", 26, "PROD", [PortRule(80)]))
    await tell(world)

    assert tunnels.told == []


async def test_tunnels_of_a_device_that_goes_are_not_spoken_of(world: World) -> None:
    device, tunnels = await placed(world), Tunnels(world)
    await set_ports(world, PortRule(80))
    await world.people.device_delete(ANNA, NameDevice(device.key))
    await tell(world)

    assert (tunnels.told, world.postgres.rows(WAITING)) == ([], [])
