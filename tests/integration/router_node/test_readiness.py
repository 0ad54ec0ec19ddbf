"""Devices are let in while every procedure that they call is there; who met a gap is sent off to reconnect."""

import pytest

from tests.integration.router_node.node import Node, Platform, eventually, platform
from tests.integration.router_node.wire import AbortedError, WampError

pytestmark = [pytest.mark.real, pytest.mark.asyncio]


async def test_the_public_listener_opens_when_every_procedure_is_registered(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    node = Node(tmp_path_factory.mktemp("readiness")).start()
    try:
        devices = await node.service("devices", "realm1")
        await devices.register("reswarm.devices.get_app_cred_key", lambda **_: None, invoke="roundrobin")
        with pytest.raises(OSError, match="Connect call failed"):
            await node.device(7)
        await devices.drop()
        async with platform(node), await node.device(7):
            pass
    finally:
        node.stop()


async def test_devices_that_met_a_gap_are_sent_off_and_others_not(stand_ins: Platform) -> None:
    node, devices = stand_ins.node, stand_ins.devices
    lost = await devices.register("ironflock.devices.device.show", stand_ins.answer, invoke="roundrobin")
    await devices.unregister(lost)  # a procedure of people: no gap for devices
    async with await node.device(30) as device:
        await devices.drop()  # the service is killed

        async def is_refused_as_away() -> bool:
            try:
                peer = await node.device(31)
            except AbortedError as error:
                return error.reason == "ironflock.error.unavailable"
            await peer.drop()
            return False

        await eventually(is_refused_as_away)
        with pytest.raises(WampError, match="no_such_procedure"):
            await device.call("reswarm.devices.get_app_cred_key")
        stand_ins.devices = await node.service("devices", "realm1")
        await stand_ins.register_agent_procedures()
        await eventually(lambda: device.goodbye)
        assert device.goodbye is not None
        assert device.goodbye[2] == "wamp.close.system_shutdown"
    async with await node.device(31):
        pass
    await stand_ins.devices.drop()
