"""Who joins a data realm, as what, and what a refused app gets to know."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.harness.binary import MsgpackPeer
from tests.integration.router_node.node import (
    Node,
    Platform,
    app_authid,
    app_secret,
    eventually,
    new_address,
    platform,
    serial_of,
)
from tests.integration.router_node.test_joins import NEUTRAL, refusal
from tests.integration.router_node.wire import AbortedError, Peer

pytestmark = [pytest.mark.real, pytest.mark.asyncio]

OWN = "realm-1-26-dev"
NO_SUCH_REALM = "wamp.error.no_such_realm"
AWAY = "ironflock.error.unavailable"


async def refused(node: Node, realm: str, authid: str, secret: str | None = None) -> tuple[str, str | None]:
    return await refusal(node, "/ws-ua-usr", realm, authid, app_secret(authid) if secret is None else secret)


async def test_an_app_joins_its_own_realm_as_its_device(stand_ins: Platform) -> None:
    async with await stand_ins.node.app(7) as app:
        assert (app.details["authid"], app.details["authrole"]) == (serial_of(7), "app")
        assert app.details["realm"] == OWN
        assert app.details["authextra"] == {"device_key": 7, "project_key": 1, "app_key": 26, "stage": "dev"}
        assert not [name for name in app.details if name.startswith("x_cb")]
        name, asked = stand_ins.asked[-1]
        assert (name, asked["realm"], asked["authid"]) == (
            "ironflock.auth.app_credential.find",
            OWN,
            app_authid(7, 26),
        )
        assert asked["caller_authrole"] == "trusted"


async def test_an_app_joins_another_apps_realm_as_a_reader_where_it_has_a_grant(stand_ins: Platform) -> None:
    assert await refused(stand_ins.node, "realm-1-77-dev", app_authid(7, 26)) == NEUTRAL
    stand_ins.grants.add((26, 77))
    async with await stand_ins.node.app(7, realm="realm-1-77-dev") as reader:
        assert (reader.details["authid"], reader.details["authrole"]) == (serial_of(7), "app_reader")


async def test_a_legacy_credential_is_the_serial_number_twice_where_it_is_taken(stand_ins: Platform) -> None:
    serial = serial_of(7)
    assert await refused(stand_ins.node, OWN, serial) == NEUTRAL
    stand_ins.takes_legacy = True
    async with await Peer.connect(stand_ins.node.public, "/ws-ua-usr", stand_ins.node.tls) as peer:
        await peer.join_cra(OWN, serial, serial)
        assert (peer.details["authid"], peer.details["authrole"]) == (serial, "app")
    assert await refused(stand_ins.node, OWN, serial, "wrong") == NEUTRAL


async def test_an_sdk_joins_and_speaks_msgpack(stand_ins: Platform) -> None:
    node, authid = stand_ins.node, app_authid(7, 26)
    async with await MsgpackPeer.open(node.public, "/ws-ua-usr", node.tls) as peer, await node.app(8) as other:
        await peer.join_cra(OWN, authid, app_secret(authid))
        await peer.register("1.7.26.DEV.f", lambda value, **_: {"got": value}, force_reregister=True)
        assert await other.call("1.7.26.DEV.f", [1, 2.5, None, "ä"]) == {"got": [1, 2.5, None, "ä"]}


@pytest.mark.parametrize(
    ("realm", "authid", "secret"),  # each of another device: a principal that fails again and again waits
    [
        (OWN, app_authid(101, 26), "wrong"),
        (OWN, app_authid(102, 26), ""),
        (OWN, app_authid(103, 26), serial_of(7)),
        (OWN, app_authid(1000, 26), None),
        (OWN, app_authid(500, 26), None),  # a device of project 2
        ("realm-2-26-dev", app_authid(104, 26), None),
        ("realm-1-77-dev", app_authid(105, 26), None),
        (OWN, "", ""),
        (OWN, "x" * 200, None),
        (OWN, "svc_devices", "secret of devices"),
        (OWN, "1-7", "secret-7"),
        ("realm1", app_authid(106, 26), None),
        ("ironflock.system", app_authid(107, 26), None),
        ("realm-1-26-DEV", app_authid(108, 26), None),
        ("realm-01-26-dev", app_authid(109, 26), None),
        ("realm-1-26-dev-x", app_authid(110, 26), None),
        ("realm-1-26-test", app_authid(111, 26), None),
        ("realm-1-9007199254740992-dev", app_authid(112, 26), None),
    ],
)
async def test_whoever_is_refused_reads_the_neutral_text(
    stand_ins: Platform, realm: str, authid: str, secret: str | None
) -> None:
    assert await refused(stand_ins.node, realm, authid, secret) == NEUTRAL


async def test_no_such_realm_is_for_a_device_that_proves_its_secret_while_its_app_is_not_installed(
    stand_ins: Platform,
) -> None:
    stand_ins.uninstalled.add((7, 26, "dev"))
    assert (await refused(stand_ins.node, OWN, app_authid(7, 26)))[0] == NO_SUCH_REALM
    assert await refused(stand_ins.node, OWN, app_authid(7, 26), "wrong") == NEUTRAL
    assert await refused(stand_ins.node, "realm-2-26-dev", app_authid(7, 26)) == NEUTRAL
    stand_ins.uninstalled.clear()
    async with await stand_ins.node.app(7):
        pass


def another(**change: Any) -> Callable[[Platform], dict[str, Any]]:
    answer = {"secret": "s", "role": "app", "authid": serial_of(7), "device_key": 7, "project_key": 1, "reason": "app"}
    return lambda _: {**answer, **change}


@pytest.mark.parametrize(
    ("realm", "answer"),
    [
        (OWN, another(project_key=2)),
        (OWN, another(authid=serial_of(8))),
        ("realm-1-77-dev", another()),
    ],
    ids=["of another project", "of another device", "as an app on a foreign realm"],
)
async def test_a_look_up_that_answers_for_somebody_else_opens_nothing(
    stand_ins: Platform, realm: str, answer: Callable[[Platform], dict[str, Any]]
) -> None:
    stand_ins._app_credential = lambda *_: answer(stand_ins)
    assert await refused(stand_ins.node, realm, app_authid(7, 26), "s") == NEUTRAL


@pytest.mark.parametrize("answer", [another(role="svc_fleetdb"), another(secret=""), another(authid="a.b"), dict])
async def test_a_look_up_that_answers_nonsense_is_away(
    stand_ins: Platform, answer: Callable[..., dict[str, Any]]
) -> None:
    stand_ins._app_credential = lambda *_: {} if answer is dict else answer(stand_ins)
    assert (await refused(stand_ins.node, OWN, app_authid(7, 26), "s"))[0] == AWAY


async def test_an_auth_that_does_not_answer_is_away(stand_ins: Platform) -> None:
    async def never() -> None:
        await asyncio.sleep(3600)

    stand_ins.before_answer = never
    assert (await refused(stand_ins.node, OWN, app_authid(7, 26)))[0] == AWAY


async def test_an_app_leaves_the_seat_of_its_device_alone(stand_ins: Platform) -> None:
    node = stand_ins.node
    async with await node.device(7) as device, await node.app(7) as app, await node.app(7) as second:
        await app.leave()
        await second.drop()
        assert device.details["authrole"] == "device"
        await device.call("reswarm.devices.get_app_cred_key")
        async with await node.device(7) as copy:
            assert copy.details["authrole"] == "device_duplicate"


async def test_a_devices_apps_have_a_bounded_number_of_sessions(tmp_path_factory: pytest.TempPathFactory) -> None:
    node = Node(tmp_path_factory.mktemp("bounded"), sessions_per_device="2").start()
    try:
        async with platform(node), await node.app(7), await node.app(7, 77, stage="prod") as second:
            with pytest.raises(AbortedError, match="over_limit"):
                await node.app(7)
            assert await refusal(node, "/ws-ua-usr", OWN, app_authid(7, 26), "wrong", source=new_address()) == NEUTRAL
            async with await node.app(8):
                pass
            await second.leave()
            await eventually(lambda: joins(node, 7))
    finally:
        node.stop()


async def joins(node: Node, key: int) -> bool:
    try:
        await (await node.app(key)).drop()
    except AbortedError:
        return False
    return True
