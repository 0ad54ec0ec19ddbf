"""Devices that are no more what they were: cut off, and what was declared for them gone, at once."""

from pathlib import Path
from typing import Any, cast

import attrs
import pytest

from services.tunnels.departing import CHANGED, Departures, PortKeeping
from services.tunnels.records.offers import Offer, TunnelDevice, TunnelName, TunnelProtocol
from services.tunnels.records.tunnels import ExposePort
from services.tunnels.records.visits import Cause
from shared.bus import Bus
from shared.errors import UnavailableError
from shared.identities import SYSTEM_REALM
from tests.integration.flockctl.certificates import make_certificates
from tests.integration.tunnels.rooms import CRANE, PLANT, PRESS, YARD, Rooms, agent
from tests.integration.tunnels.visits import begin, ssh
from tests.unit.shared.memory_router import MemoryRouter, new_bus, settled

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


class Gate:
    """The edge, as far as devices are seen off at it."""

    def __init__(self) -> None:
        self.here = {key: TunnelDevice(key, PLANT, "serial", "flash-1", "192.0.2.7") for key in (PRESS, CRANE)}
        self.ended: list[tuple[int, str]] = []

    def connected(self) -> dict[int, TunnelDevice]:
        return self.here

    def cut_off(self, device_key: int, reason: str) -> None:
        self.ended.append((device_key, reason))
        self.here.pop(device_key, None)


def departures(rooms: Rooms, gate: Gate, bus: Bus | None = None) -> Departures:
    parts = rooms.parts
    return Departures(bus or cast("Bus", Quiet()), rooms.database, parts.devices, gate, rooms.visiting)


class Quiet:
    """A bus that nothing is heard on."""

    def on_join(self, *_: Any) -> None:
        """Never."""


FATES: dict[str, tuple[str, dict[str, Any], bool]] = {
    "flashed": ("the device was flashed anew", {"flash_id": "flash-2"}, True),
    "locked": ("the device is locked", {"is_locked": True}, True),
    "deleted": ("the device was deleted", {"is_leaving": True}, False),
}


@pytest.mark.parametrize("fate", FATES)
async def test_a_device_that_has_to_go_takes_its_visitors_along_and_no_other(rooms: Rooms, fate: str) -> None:
    await ssh(rooms)
    await ssh(rooms, "crane")
    await rooms.agents.expose_port(agent(), ExposePort())
    opened = await begin(rooms)
    gate = Gate()
    why, standing, keeps = FATES[fate]
    rooms.others.standings[PRESS] = {**attrs_of_standing(), **standing}

    await departures(rooms, gate).look_at({PRESS, CRANE})

    assert gate.ended == [(PRESS, why)]
    assert opened.cut.result() is Cause.DEVICE_ENDED
    assert [each.device_key for each in await rooms.listed()] == ([PRESS, CRANE] if keeps else [CRANE])
    assert rooms.postgres.rows("SELECT count(*) FROM tunnels.remote_port") == [(1 if keeps else 0,)]
    withdrawn = [(actor["kind"], actor["key"]) for action, _, actor, _ in rooms.entries() if action.endswith("drawn")]
    assert withdrawn == ([] if keeps else [("service", "tunnels")])


def attrs_of_standing() -> dict[str, Any]:
    return {"flash_id": "flash-1", "session": 99, "is_locked": False, "is_leaving": False}


async def test_a_device_that_moves_leaves_its_tunnels_behind(rooms: Rooms) -> None:
    await ssh(rooms)
    rooms.others.devices[PRESS] = attrs.evolve(rooms.others.devices[PRESS], project_key=YARD)
    gate = Gate()

    await departures(rooms, gate).look_at(None)

    assert gate.ended == [(PRESS, "the device is in another project now")]
    assert rooms.postgres.rows("SELECT count(*) FROM tunnels.tunnel") == [(0,)]


async def test_what_changes_is_heard_and_looked_at(rooms: Rooms, tmp_path: Path) -> None:
    bus, router, gate = new_bus(make_certificates(tmp_path).ca, role="svc_tunnels"), MemoryRouter(), Gate()
    leaving = departures(rooms, gate, bus)
    await router.join(bus, SYSTEM_REALM)
    await leaving.keep_true()
    rooms.others.standings[PRESS] = {**attrs_of_standing(), "flash_id": "flash-2"}

    router.publish(SYSTEM_REALM, CHANGED, PRESS, PLANT)
    await leaving.keep_true()
    await settled(bus)

    assert [key for key, _ in gate.ended] == [PRESS]
    assert rooms.others.asked[-1] == ("ironflock.devices.device.standing", {"devices": [PRESS]})


async def test_what_could_not_be_looked_at_is_looked_at_again(rooms: Rooms) -> None:
    gate = Gate()
    leaving = departures(rooms, gate)
    leaving._is_due.set()
    rooms.others.away.add("ironflock.devices.device.standing")
    rooms.others.standings[PRESS] = {**attrs_of_standing(), "is_locked": True}
    with pytest.raises(UnavailableError):
        await leaving.keep_true()
    rooms.others.away.clear()

    await leaving.keep_true()

    assert [key for key, _ in gate.ended] == [PRESS]


async def test_a_port_that_is_offered_is_not_given_back(rooms: Rooms) -> None:
    port = (await rooms.agents.expose_port(agent(), ExposePort())).remote_port
    name = TunnelName(PRESS, "ssh", 22, TunnelProtocol.TCP)
    rooms.offered.offers[name] = Offer(PRESS, 3, "ssh", 22, TunnelProtocol.TCP, "42-ssh-22-tcp", port)
    rooms.postgres.run("UPDATE tunnels.remote_port SET used_at = now() - interval '25 h', asked_at = used_at")

    await PortKeeping(rooms.database, rooms.offered).keep()

    assert rooms.postgres.rows("SELECT used_at > now() - interval '1 min' FROM tunnels.remote_port") == [(True,)]
