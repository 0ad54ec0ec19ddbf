"""Two sessions of one device (decision 9)."""

import asyncio
from typing import Any

import pytest

from tests.integration.router_node.node import Platform, eventually, serial_of
from tests.integration.router_node.wire import WampError

pytestmark = [pytest.mark.real, pytest.mark.asyncio]


async def test_a_dead_first_session_is_ended_and_the_new_one_takes_over(stand_ins: Platform) -> None:
    uri = f"re.mgmt.{serial_of(20)}.wamp_connection_established"
    async with await stand_ins.node.device(20) as first:
        await first.register(uri, lambda **_: "first")
        first.answers_pings = False
        began = asyncio.get_running_loop().time()
        async with await stand_ins.node.device(20) as second:
            assert 1.5 < asyncio.get_running_loop().time() - began < 4.0
            await second.register(uri, lambda **_: "second")
            assert second.details["authrole"] == "device"
            assert await stand_ins.devices.call(uri) == "second"
            await asyncio.wait_for(first.closed.wait(), 1)


async def test_a_copy_learns_that_the_device_is_connected_and_may_nothing_else(stand_ins: Platform) -> None:
    alerts: list[Any] = []
    system = await stand_ins.node.service("devices", "ironflock.system")
    await system.subscribe("ironflock.router.device.duplicated", alerts.append)
    uri = f"re.mgmt.{serial_of(21)}.wamp_connection_established"
    async with system, await stand_ins.node.device(21) as first:
        async with await stand_ins.node.device(21) as copy:
            for procedure, error in ((uri, "procedure_already_exists"), (uri + "x", "not_authorized")):
                with pytest.raises(WampError, match=error):
                    await copy.register(procedure, stand_ins.answer)
            with pytest.raises(WampError, match="not_authorized"):
                await copy.call("reswarm.devices.get_app_cred_key")
            with pytest.raises(WampError, match="not_authorized"):
                await copy.call("wamp.session.add_testament", "reswarm.api.testament_device", [{}], {})
            with pytest.raises(WampError, match="procedure_already_exists"):
                await copy.register(uri, stand_ins.answer, force_reregister=True)
        await eventually(lambda: alerts)
        expected = {"device_key": 21, "project_key": 1, "serial_number": serial_of(21)}  # and nothing else
        assert alerts[0][5] == expected
        assert not first.closed.is_set()
        await first.register(uri, lambda **_: "first")
        assert await stand_ins.devices.call(uri) == "first"


async def test_the_seat_is_free_when_the_first_session_left(stand_ins: Platform) -> None:
    for _ in range(3):
        async with await stand_ins.node.device(22) as device:
            assert device.details["authrole"] == "device"
            await device.leave()
