"""What a device was refused: shown to people, and bounded."""

import pytest

from services.tunnels.declared import MAX_PROBLEMS
from services.tunnels.records.happenings import ProxyRefused
from services.tunnels.records.messages import NewProxy
from services.tunnels.records.offers import TunnelDevice
from services.tunnels.rules.tunnels import name_of
from tests.integration.tunnels.rooms import CRANE, PLANT, PRESS, Rooms

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
DEVICE = TunnelDevice(PRESS, PLANT, "serial", "flash-1", None)


async def test_of_many_refusals_the_latest_are_known_of_each_device(rooms: Rooms) -> None:
    declared = rooms.declared
    declared.refused(name_of(CRANE, "ssh", 22, "tcp"), "why")
    for port in range(1, MAX_PROBLEMS + 2):
        declared.refused(name_of(PRESS, "ssh", port, "tcp"), f"why {port}")

    assert declared.problem(name_of(PRESS, "ssh", 1, "tcp")) is None
    assert declared.problem(name_of(PRESS, "ssh", 2, "tcp")) == "why 2"
    assert declared.problem(name_of(CRANE, "ssh", 22, "tcp")) == "why"
    declared.settled(name_of(PRESS, "ssh", 2, "tcp"))
    assert declared.problem(name_of(PRESS, "ssh", 2, "tcp")) is None
    declared.forget(PRESS)
    assert declared.problem(name_of(PRESS, "ssh", 3, "tcp")) is None
    assert declared.problem(name_of(CRANE, "ssh", 22, "tcp")) == "why"


async def test_a_device_that_is_refused_again_and_again_is_one_line_of_the_log(
    rooms: Rooms, capfd: pytest.CaptureFixture[str]
) -> None:
    for port in range(1, 40):
        asked = NewProxy(f"{PRESS}-ssh-{port}-tcp", "tcp", remote_port=port)
        rooms.news.tell(ProxyRefused(DEVICE, asked, "this port is not declared"))

    written = capfd.readouterr()
    assert (written.out + written.err).count("tunnel_refused") == 1
