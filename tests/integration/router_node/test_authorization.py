"""What joined sessions may do, tried on the real router; the whole table is tried in the unit tests."""

import asyncio
from typing import Any

import pytest

from tests.integration.router_node.node import Platform, eventually, serial_of
from tests.integration.router_node.wire import ERROR, INVOCATION, UNSUBSCRIBE, YIELD, Peer, WampError

pytestmark = [pytest.mark.real, pytest.mark.asyncio]

NOT_AUTHORIZED = "wamp.error.not_authorized"
FORGED = [{"session": 1, "authid": "admin", "authrole": "trusted"}]


async def refused(attempt: Any, uri: str = NOT_AUTHORIZED) -> None:
    with pytest.raises(WampError) as caught:
        await attempt
    assert caught.value.uri == uri


def ignore(_: Any) -> None:
    """Listen to nothing."""


async def test_a_device_calls_the_agents_procedures_and_is_disclosed(stand_ins: Platform) -> None:
    async with await stand_ins.node.device(7) as device:
        answer = await device.call("reswarm.devices.read_device_metadata", {"device_key": 7})
        assert answer["args"] == [{"device_key": 7}]
        assert answer["details"]["caller_authid"] == "1-7"
        assert answer["details"]["caller_authrole"] == "device"


async def test_a_forged_identity_is_refused(stand_ins: Platform) -> None:
    async with await stand_ins.node.device(7) as device, await stand_ins.node.person() as person:
        await refused(device.call("reswarm.devices.get_app_cred_key", options={"forward_for": FORGED}))
        await refused(
            device.publish(f"re.mgmt.{serial_of(7)}.agent_update_progress", 1, options={"forward_for": FORGED})
        )
        await refused(person.call("ironflock.auth.account.me", options={"forward_for": FORGED}))


async def test_a_device_has_its_own_serial_only(stand_ins: Platform) -> None:
    mine, theirs = serial_of(7), serial_of(8)
    async with await stand_ins.node.device(7) as device:
        await device.register(f"re.mgmt.{mine}.device_handshake", stand_ins.answer, force_reregister=True)
        await device.publish(f"re.mgmt.{mine}.cmd_output_1", "x")
        await device.publish(f"reswarm.logs.{mine}.prod_1_app", "x")
        await device.subscribe(f"re.mgmt.{mine}.term_write.1", ignore)
        for uri in (
            f"re.mgmt.{theirs}.device_handshake",
            f"re.mgmt.{mine}",
            "re.mgmt",
            "ironflock.devices.device.list",
        ):
            await refused(device.register(uri, stand_ins.answer, force_reregister=True))
        await refused(device.publish(f"re.mgmt.{theirs}.cmd_output_1", "x"))
        await refused(device.publish(f"reswarm.logs.{theirs}.prod_1_app", "x"))
        await refused(device.subscribe(f"re.mgmt.{theirs}.term_write.1", ignore))
        await refused(device.call(f"re.mgmt.{theirs}.execute_cmd", {"cmd": "id", "blocking": True}))


@pytest.mark.parametrize(
    ("uri", "match"),
    [("", "prefix"), ("re.", "prefix"), (f"re.mgmt.{serial_of(7)}", "prefix"), ("re.mgmt..x", "wildcard")],
)
async def test_patterns_are_judged_by_all_that_they_reach(stand_ins: Platform, uri: str, match: str) -> None:
    async with await stand_ins.node.device(7) as device:
        await refused(device.subscribe(uri, ignore, match=match))
        await refused(device.register(uri, stand_ins.answer, match=match))


async def test_the_event_that_ends_all_agents_is_published_by_nobody(stand_ins: Platform) -> None:
    topic = "reswarm.device.%d.list/ondestroy"
    async with await stand_ins.node.device(7) as device, await stand_ins.node.person() as person:
        for peer in (device, person, stand_ins.devices):
            await refused(peer.publish(topic, 1))
        await refused(device.subscribe(topic, ignore))


async def test_a_denied_registration_does_not_tell_whether_the_procedure_exists(stand_ins: Platform) -> None:
    async with await stand_ins.node.device(7) as device:
        await refused(device.register("reswarm.devices.get_app_cred_key", stand_ins.answer))
        await refused(device.register("reswarm.devices.no_such_thing", stand_ins.answer))
        await refused(device.register("reswarm.devices.get_app_cred_key", stand_ins.answer, force_reregister=True))


async def test_the_meta_procedures_are_for_services(stand_ins: Platform) -> None:
    async with await stand_ins.node.device(7) as device, await stand_ins.node.person() as person:
        for procedure in ("list", "get", "count", "kill", "kill_by_authid", "kill_by_authrole"):
            await refused(device.call(f"wamp.session.{procedure}", 1))
            await refused(person.call(f"wamp.session.{procedure}", 1))
        await refused(device.call("wamp.registration.remove_callee", 1, 1))
        await refused(device.call("crossbar.anything"))
        await refused(device.subscribe("wamp.session.on_join", ignore))
        await refused(device.subscribe("wamp.", ignore, match="prefix"))
        assert device.session in await stand_ins.devices.call("wamp.session.list")
        details = await stand_ins.devices.call("wamp.session.get", device.session)
        assert details["authextra"]["serial_number"] == serial_of(7)


async def test_the_secrets_are_for_the_router_alone(stand_ins: Platform) -> None:
    gateway = await stand_ins.node.service("gateway", "ironflock.system")
    async with gateway:
        await refused(gateway.call("ironflock.auth.device_credential.find", authid="1-7"))
        await refused(gateway.call("ironflock.auth.ticket.verify", ticket="ticket-5", address="here"))
        await refused(gateway.call("ironflock.auth.device_credential.issue"))
        await refused(gateway.register("ironflock.auth.ticket.verify", stand_ins.answer, invoke="roundrobin"))
        await gateway.register("ironflock.gateway.anything", stand_ins.answer, invoke="roundrobin")


async def test_only_the_devices_service_calls_agents(stand_ins: Platform) -> None:
    async with await stand_ins.node.device(7) as device, await stand_ins.node.person() as person:
        uri = f"re.mgmt.{serial_of(7)}.device_handshake"
        await device.register(uri, stand_ins.answer, force_reregister=True)
        answer = await stand_ins.devices.call(uri)
        assert answer["details"]["caller_authid"] == "system"
        await refused(person.call(uri))


async def test_a_testament_comes_from_a_session_that_ends_and_from_no_other(stand_ins: Platform) -> None:
    events: list[Any] = []
    topic = "reswarm.api.testament_device"
    await stand_ins.devices.subscribe(topic, events.append)
    async with await stand_ins.node.device(7) as abrupt, await stand_ins.node.device(8) as orderly:
        for peer, key in ((abrupt, 7), (orderly, 8)):
            await peer.call("wamp.session.add_testament", topic, [{"device_key": key}], {})
            await refused(peer.publish(topic, {"device_key": 9}))
        await abrupt.drop()
        await orderly.leave()
        await eventually(lambda: len(events) == 2)
    assert sorted(event[4][0]["device_key"] for event in events) == [7, 8]
    assert sorted(event[3]["publisher_authid"] for event in events) == ["1-7", "1-8"]


async def test_a_testament_elsewhere_is_not_published(stand_ins: Platform) -> None:
    async with await stand_ins.node.device(8) as victim, await stand_ins.node.device(7) as device:
        events: list[Any] = []
        await victim.subscribe(f"re.mgmt.{serial_of(8)}.term_write.1", events.append)
        await device.call("wamp.session.add_testament", f"re.mgmt.{serial_of(8)}.term_write.1", ["rm -rf /\n"], {})
        await device.leave()
        await victim.call("reswarm.devices.get_app_cred_key")
        assert events == []


async def test_a_session_leaves_a_few_testaments_only(stand_ins: Platform) -> None:
    async with await stand_ins.node.device(7) as device:
        for _ in range(4):
            await device.call("wamp.session.add_testament", "reswarm.api.testament_device", [{}], {})
        await refused(
            device.call("wamp.session.add_testament", "reswarm.api.testament_device", [{}], {}),
            "ironflock.error.over_limit",
        )


async def test_replicas_of_a_service_share_a_procedure(stand_ins: Platform) -> None:
    async with await stand_ins.node.service("devices", "realm1") as replica:
        await replica.register("ironflock.devices.device.list", lambda **_: "replica", invoke="roundrobin")
        await stand_ins.devices.register("ironflock.devices.device.list", lambda **_: "first", invoke="roundrobin")
        async with await stand_ins.node.person() as person:
            answers = {await person.call("ironflock.devices.device.list") for _ in range(4)}
        assert answers == {"replica", "first"}
        await refused(replica.register("ironflock.devices.device.show", stand_ins.answer, force_reregister=True))


async def test_a_device_takes_its_own_procedures_over_from_its_dead_session(stand_ins: Platform) -> None:
    async with await stand_ins.node.device(7) as device:
        first: Peer = device
        uri = f"re.mgmt.{serial_of(7)}.device_handshake"
        await first.register(uri, lambda **_: 1, force_reregister=True)
        await first.register(uri, lambda **_: 2, force_reregister=True)
        assert await stand_ins.devices.call(uri) == 2


@pytest.mark.parametrize("kind", [ERROR, YIELD])
async def test_a_device_cannot_answer_another_ones_call(stand_ins: Platform, kind: int) -> None:
    release = asyncio.Event()

    running: list[Any] = []

    async def slow(**details: Any) -> str:
        running.append(details)
        await release.wait()
        return "genuine"

    service = await stand_ins.node.service("devices", "realm1")
    async with service, await stand_ins.node.device(7) as victim, await stand_ins.node.device(8) as attacker:
        uri = "ironflock.devices.device.list"
        await service.register(uri, slow, invoke="roundrobin")
        async with await stand_ins.node.person() as person:
            call = asyncio.create_task(person.call(uri))
            await eventually(lambda: running)
            for guess in range(1, 2000):
                rest = [guess, {}, "wamp.error.canceled", ["forged"]] if kind == ERROR else [guess, {}, ["forged"]]
                attacker.send(kind, *([INVOCATION, *rest] if kind == ERROR else rest))
            await asyncio.wait_for(attacker.closed.wait(), 5)
            release.set()
            assert await call == "genuine"
        assert not victim.closed.is_set()


async def test_forward_for_ends_the_connection_in_messages_that_are_not_asked_for(stand_ins: Platform) -> None:
    async with await stand_ins.node.device(7) as device:
        subscription = await device.subscribe(f"re.mgmt.{serial_of(7)}.term_write.1", ignore)
        device.send(UNSUBSCRIBE, 4711, subscription, {"forward_for": FORGED})
        await asyncio.wait_for(device.closed.wait(), 5)


async def test_a_session_holds_a_bounded_number_of_subscriptions(stand_ins: Platform) -> None:
    async with await stand_ins.node.device(7) as device:
        for number in range(512):
            await device.subscribe(f"re.mgmt.{serial_of(7)}.term_write.{number}", ignore)
        await refused(device.subscribe(f"re.mgmt.{serial_of(7)}.term_write.513", ignore))


async def test_a_payload_that_others_cannot_take_is_refused_and_harms_nobody(stand_ins: Platform) -> None:
    uri = "reswarm.devices.read_device_metadata"
    async with await stand_ins.node.device(7) as device, await stand_ins.node.device(8) as other:
        for payload in ("\ud800", 2**70):
            await refused(device.call(uri, payload), "wamp.error.invalid_argument")
        device.send_frame(1, b'[48,1,{},"%s",[%s]]' % (uri.encode(), b"[" * 20_000 + b"]" * 20_000))
        await asyncio.wait_for(device.closed.wait(), 5)
        await other.call(uri, {"device_key": 8})
