"""What a joined session may not do; the whole table stands in tests/unit/router_node, this is the running platform."""

from typing import Any

import pytest

from tests.harness.accounts import Stranger
from tests.harness.clients import Account, join_device, join_person, join_service
from tests.harness.running import RunningPlatform
from tests.harness.waiting import eventually
from tests.integration.router_node.wire import WampError

pytestmark = [pytest.mark.real, pytest.mark.asyncio]

NOT_AUTHORIZED = "wamp.error.not_authorized"
FORGED = [{"session": 1, "authid": "svc_devices", "authrole": "svc_devices"}]


def answer(*_: Any, **__: Any) -> str:
    return "mine"


def ignore(_: Any) -> None:
    return


async def refused(attempt: Any, uri: str = NOT_AUTHORIZED) -> None:
    with pytest.raises(WampError) as caught:
        await attempt
    assert caught.value.uri == uri


async def test_a_forged_forward_for_is_refused_in_calls_and_publications(
    ironflock: RunningPlatform, owner: Account
) -> None:
    options = {"forward_for": FORGED}
    flock = owner.flashed()
    async with await join_device(ironflock, flock) as device, await join_person(ironflock) as person:
        await refused(device.call("reswarm.devices.get_app_cred_key", options=options))
        await refused(device.publish(f"re.mgmt.{flock['serial_number']}.cmd_output_1", "x", options=options))
        await refused(person.call("ironflock.auth.account.me", options=options))
        await refused(person.call("ironflock.devices.device.list", options={"forward_for": []}))
        assert (await person.call("ironflock.auth.account.me"))["login_name"]


async def test_a_device_cannot_speak_or_listen_as_another_serial(ironflock: RunningPlatform, owner: Account) -> None:
    mine, theirs = owner.flashed(), owner.flashed()
    serial = theirs["serial_number"]
    async with await join_device(ironflock, mine) as device:
        for name in ("device_handshake", "wamp_connection_established", "execute_cmd", "x"):
            await refused(device.register(f"re.mgmt.{serial}.{name}", answer, force_reregister=True))
            await refused(device.call(f"re.mgmt.{serial}.{name}", {"cmd": "id", "blocking": True}))
            await refused(device.publish(f"re.mgmt.{serial}.{name}", "x"))
        await refused(device.publish(f"reswarm.logs.{serial}.prod_1_app", "x"))
        await refused(device.subscribe(f"re.mgmt.{serial}.term_write.1", ignore))
        await refused(device.subscribe(f"reswarm.logs.{serial}.prod_1_app", ignore))
        upper = mine["serial_number"].upper()
        assert upper != mine["serial_number"]
        await refused(device.register(f"re.mgmt.{upper}.x", answer))


WIDE = [("", "prefix"), ("re.", "prefix"), ("re.mgmt.", "prefix"), ("ironflock.", "prefix"), ("wamp.", "prefix")]
WIDER = [
    ("..", "wildcard"),
    ("...", "wildcard"),
    ("re.mgmt..", "wildcard"),
    ("re.mgmt...", "wildcard"),
    ("", "wildcard"),
]


@pytest.mark.parametrize(("uri", "match"), [*WIDE, *WIDER])
async def test_no_pattern_reaches_further_than_its_parts_would(
    ironflock: RunningPlatform, owner: Account, uri: str, match: str
) -> None:
    async with await join_device(ironflock, owner.flashed()) as device, await join_person(ironflock) as person:
        for peer in (device, person):
            await refused(peer.subscribe(uri, ignore, match=match))
            await refused(peer.register(uri, answer, match=match))


async def test_a_pattern_that_begins_with_the_own_serial_does_not_reach_a_longer_one(
    ironflock: RunningPlatform, owner: Account
) -> None:
    flock = owner.flashed()
    serial = flock["serial_number"]
    async with await join_device(ironflock, flock) as device:
        for uri in (f"re.mgmt.{serial}", f"re.mgmt.{serial[:-1]}", f"re.mgmt.{serial[:-1]}."):
            await refused(device.register(uri, answer, match="prefix"))


SYSTEM = [
    "ironflock.auth.device_credential.find",
    "ironflock.auth.device_credential.issue",
    "ironflock.auth.device_credential.end",
    "ironflock.auth.ticket.verify",
    "ironflock.auth.app_cred_key.find",
    "ironflock.auth.account.find",
    "ironflock.auth.assertion.issue",
    "ironflock.auth.assertion.keys",
    "ironflock.realms.project.resolve",
    "ironflock.realms.project.reachable",
    "ironflock.realms.project.tunnel_rules",
    "ironflock.realms.project.set_owner",
]
AGENTS = [
    "reswarm.devices.read_device_metadata",
    "reswarm.devices.get_app_cred_key",
    "reswarm.devices.update_device_status",
    "reswarm.devices.update_device_architecture",
    "reswarm.devices.check_privilege",
    "reswarm.containers.get_requested_app_states",
    "reswarm.containers.update_app_on_device",
    "reswarm.containers.get_registry_token",
    "re.tunnel.expose_port",
    "reswarm.registry.run_gc",
]
PEOPLE = [
    "ironflock.auth.account.me",
    *(f"ironflock.realms.project.{verb}" for verb in ("create", "list", "show")),
    *(f"ironflock.devices.device.{verb}" for verb in ("create", "list", "show", "flash", "rename", "delete", "watch")),
]
META = [
    "wamp.session.list",
    "wamp.session.get",
    "wamp.session.kill",
    "wamp.session.kill_by_authid",
    "wamp.session.kill_all",
    "wamp.session.add_testament",
    "wamp.session.flush_testaments",
    "wamp.registration.list",
    "wamp.registration.remove_callee",
    "wamp.subscription.list",
    "wamp.subscription.match",
    "wamp.subscription.get_events",
    "wamp.subscription.list_subscribers",
    "crossbar.get_status",
]


async def test_people_call_what_is_for_people_and_nothing_else(ironflock: RunningPlatform, owner: Account) -> None:
    flock = owner.flashed()
    agent = [f"re.mgmt.{flock['serial_number']}.{name}" for name in ("device_handshake", "execute_cmd")]
    async with await join_device(ironflock, flock) as device, await join_person(ironflock) as person:
        await device.register(agent[1], answer, force_reregister=True)
        for uri in [*SYSTEM, *AGENTS, *META, *agent]:
            await refused(person.call(uri, authid="1-1"))
        for uri in ("ironflock.devices.device.list", "re.mgmt.x.y", "com.example.x"):
            await refused(person.register(uri, answer))
            await refused(person.publish(uri, "x"))
        for uri in ("reswarm.api.testament_device", "ironflock.devices.device.changed", "wamp.session.on_join"):
            await refused(person.subscribe(uri, ignore))
            await refused(
                person.publish(uri, 1), "wamp.error.invalid_uri" if uri.startswith("wamp.") else NOT_AUTHORIZED
            )


async def test_a_device_calls_what_is_for_agents_and_nothing_else(ironflock: RunningPlatform, owner: Account) -> None:
    allowed = {"wamp.session.add_testament", "wamp.subscription.match"}
    async with await join_device(ironflock, owner.flashed()) as device:
        for uri in [*SYSTEM, *PEOPLE, *META]:
            if uri not in allowed:
                await refused(device.call(uri))
        for uri in [*AGENTS, *PEOPLE, "ironflock.devices.x", "reswarm.devices.x"]:
            await refused(device.register(uri, answer))
            await refused(device.register(uri, answer, force_reregister=True))
        for uri in (
            "reswarm.api.testament_device",
            "reswarm.device.%d.list/ondestroy",
            "ironflock.devices.device.changed",
        ):
            await refused(device.publish(uri, {}))


@pytest.mark.parametrize("name", ["auth", "realms", "devices"])
async def test_a_service_registers_its_own_procedures_only_and_calls_what_it_needs(
    ironflock: RunningPlatform, name: str
) -> None:
    others = {"auth", "realms", "devices", "gateway"} - {name}
    for realm in ("realm1", "ironflock.system"):
        async with await join_service(ironflock, name, realm) as service:
            for other in others:
                await refused(service.register(f"ironflock.{other}.x", answer))
                await refused(service.register(f"ironflock.{other}.", answer, match="prefix"))
                await refused(service.publish(f"ironflock.{other}.x", 1))
            await refused(service.call("ironflock.auth.device_credential.find", authid="1-1"))
            await refused(service.call("ironflock.auth.ticket.verify", ticket="x", address="x"))
            await refused(service.call("ironflock.auth.assertion.issue"))
            await refused(service.register("", answer, match="prefix"))
            await refused(service.subscribe("", ignore, match="prefix"))
            if name == "realms":
                await refused(service.call("wamp.session.kill_by_authid", "1-1"))
            if name != "devices":
                await refused(service.call("wamp.session.kill", 1))
                await refused(service.call("re.mgmt.x.execute_cmd", {"cmd": "id"}))


async def test_a_device_sees_nothing_of_what_a_device_of_another_project_does(
    ironflock: RunningPlatform, owner: Account, stranger: Stranger
) -> None:
    mine, theirs = owner.flashed(), stranger.account.flashed()
    seen: list[Any] = []
    seen_there: list[Any] = []
    uri = f"re.mgmt.{theirs['serial_number']}.term_write.1"
    async with await join_device(ironflock, mine) as spy, await join_device(ironflock, theirs) as device:
        for topic in ("wamp.subscription.on_create", "wamp.subscription.on_delete", "wamp.registration.on_unregister"):
            await spy.subscribe(topic, seen.append)
            await device.subscribe(topic, seen_there.append)
        await refused(spy.subscribe("wamp.session.on_join", ignore))
        await refused(spy.subscribe("wamp.registration.on_create", ignore))

        subscription = await device.subscribe(uri, ignore)
        await device.unsubscribe(subscription)
        registration = await device.register(f"re.mgmt.{theirs['serial_number']}.term_resize.1", answer)
        await device.unregister(registration)

        assert await spy.call("wamp.subscription.match", uri) is None
        assert await spy.call("wamp.subscription.match", "reswarm.api.testament_device") is None
        await eventually(lambda: _is_long(seen_there, 3), 5, "the other device sees its own")
        # Our own event comes last: had there been others, they would be before it.
        await spy.subscribe(f"re.mgmt.{mine['serial_number']}.term_write.1", ignore)
        await eventually(lambda: _is_long(seen, 1), 5, "our own event")
        assert [event[4][1]["uri"] for event in seen] == [f"re.mgmt.{mine['serial_number']}.term_write.1"]


async def _is_long(events: list[Any], length: int) -> bool:
    return len(events) >= length
