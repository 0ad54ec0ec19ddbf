"""Device A sees nothing that project B causes (decision 10)."""

from typing import Any

import pytest

from tests.integration.router_node.node import Platform, eventually, serial_of

pytestmark = [pytest.mark.real, pytest.mark.asyncio]


async def test_subscription_events_reach_the_device_whose_serial_is_in_the_uri_and_no_other(
    stand_ins: Platform,
) -> None:
    mine: list[Any] = []
    theirs: list[Any] = []
    async with await stand_ins.node.device(7) as device, await stand_ins.node.device(8) as other:
        for topic in ("wamp.subscription.on_create", "wamp.subscription.on_delete"):
            await device.subscribe(topic, mine.append)
            await other.subscribe(topic, theirs.append)
        uri = f"re.mgmt.{serial_of(7)}.term_write.1"
        subscription = await device.subscribe(uri, lambda _: None)
        await device.unsubscribe(subscription)
        await eventually(lambda: len(mine) == 2)
        assert mine[0][4][1]["uri"] == uri
        assert mine[1][4][1] == subscription
        # What the other device causes arrives at the other device: then ours had the time to arrive too.
        await other.subscribe(f"re.mgmt.{serial_of(8)}.term_write.1", lambda _: None)
        await eventually(lambda: theirs)
        assert [event[4][1]["uri"] for event in theirs] == [f"re.mgmt.{serial_of(8)}.term_write.1"]
        assert len(mine) == 2


async def test_unregister_events_reach_the_device_whose_serial_is_in_the_uri_and_no_other(stand_ins: Platform) -> None:
    mine: list[Any] = []
    theirs: list[Any] = []
    async with await stand_ins.node.device(7) as device, await stand_ins.node.device(8) as other:
        await device.subscribe("wamp.registration.on_unregister", mine.append)
        await other.subscribe("wamp.registration.on_unregister", theirs.append)
        for_mine = await stand_ins.devices.register(f"ironflock.devices.terminal.{serial_of(7)}.1", stand_ins.answer)
        for_nobody = await stand_ins.devices.register("ironflock.devices.terminal.x", stand_ins.answer)
        for_theirs = await stand_ins.devices.register(f"ironflock.devices.terminal.{serial_of(8)}.1", stand_ins.answer)
        for registration in (for_mine, for_nobody, for_theirs):
            await stand_ins.devices.unregister(registration)
        await eventually(lambda: theirs)
        assert [event[4][1] for event in mine] == [for_mine]
        assert [event[4][1] for event in theirs] == [for_theirs]


async def test_match_answers_a_device_for_its_own_serial_only(stand_ins: Platform) -> None:
    async with await stand_ins.node.device(7) as device, await stand_ins.node.device(8) as other:
        uri = f"re.mgmt.{serial_of(8)}.term_write.1"
        subscription = await other.subscribe(uri, lambda _: None)
        assert await other.call("wamp.subscription.match", uri) == [subscription]
        assert await device.call("wamp.subscription.match", uri) is None
        assert await device.call("wamp.subscription.match", "reswarm.api.testament_device") is None
        assert await device.call("wamp.subscription.match") is None
        assert await device.call("wamp.subscription.match", {"not": "a topic"}) is None
