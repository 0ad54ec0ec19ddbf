"""Which public ports are open."""

import asyncio

import pytest

from services.tunnels import open_ports
from services.tunnels.open_ports import OpenPorts

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize(("opened", "taken"), [([3], []), ([], [3])])
async def test_whoever_waits_for_a_port_is_told_once_it_is_settled(opened: list[int], taken: list[int]) -> None:
    ports = OpenPorts()
    waiting = asyncio.ensure_future(ports.settled(3))
    await asyncio.wait_for(ports.is_due.wait(), 30)

    ports.stand([1], [2])
    await asyncio.sleep(0)
    assert not waiting.done()
    ports.stand(opened, taken)
    await asyncio.wait_for(waiting, 30)

    assert (ports.is_open(3), ports.is_taken(3)) == (bool(opened), bool(taken))


async def test_nobody_waits_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_ports, "SETTLED_S", 0.01)

    await asyncio.wait_for(OpenPorts().settled(3), 30)
