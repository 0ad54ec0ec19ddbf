"""With an app's stolen credential on the bus: nothing of another app's realm, of another project, or of the router.

The bus alone, with a stand-in that says who an app is; what apps may do is tried on their realm in
tests/integration/router_node, by rows and for every URI in tests/unit/router_node.
"""

import asyncio
import statistics
from typing import Any

import pytest
import pytest_asyncio

from tests.integration.router_node.conftest import shared_node, stand_ins
from tests.integration.router_node.node import (
    Platform,
    app_authid,
    app_secret,
    eventually,
    new_address,
    serial_of,
)
from tests.integration.router_node.test_data_realms import said_until_cut
from tests.integration.router_node.wire import (
    ABORT,
    AUTHENTICATE,
    CALL,
    ERROR,
    HELLO,
    INVOCATION,
    UNREGISTER,
    UNSUBSCRIBE,
    YIELD,
    AbortedError,
    Peer,
    WampError,
    sign,
)

__all__ = ["shared_node", "stand_ins"]  # the fixtures of the router's folder

pytestmark = [pytest.mark.real, pytest.mark.asyncio]

NEUTRAL = ("wamp.error.authentication_failed", "authentication failed")
NOT_AUTHORIZED = "wamp.error.not_authorized"
MINE, THEIRS = "realm-1-26-dev", "realm-2-26-dev"
THIEF, VICTIM = 7, 500
SIMILAR_S = 0.15


@pytest_asyncio.fixture
async def realms(stand_ins: Platform) -> Any:
    """A thief on the realm of project 1, somebody on that of project 2."""
    async with await stand_ins.node.app(THIEF) as thief, await stand_ins.node.app(VICTIM) as victim:
        yield thief, victim


def answer(*args: Any, details: dict[str, Any], **_: Any) -> list[Any]:
    assert details
    return list(args)


def ignore(_: Any) -> None:
    """Listen to nothing."""


async def error_of(attempt: Any) -> str:
    with pytest.raises(WampError) as caught:
        await attempt
    return caught.value.uri


async def attempt_to_join(platform: Platform, realm: str, authid: str, secret: str) -> tuple[Any, float]:
    async with await Peer.connect(platform.node.public, "/ws-ua-usr", platform.node.tls, source=new_address()) as peer:
        began = asyncio.get_running_loop().time()
        try:
            await peer.join_cra(realm, authid, secret)
        except AbortedError as error:
            return (error.reason, error.message), asyncio.get_running_loop().time() - began
    return "joined", 0.0


# coming in


@pytest.mark.parametrize(
    ("realm", "authid"),
    [
        (THEIRS, app_authid(THIEF + 1, 26)),
        ("realm-2-77-prod", app_authid(THIEF + 2, 26)),
        ("realm-1-77-dev", app_authid(THIEF + 3, 26)),  # no grant
        ("realm-3-26-dev", app_authid(THIEF + 4, 26)),
        ("realm1", app_authid(THIEF + 5, 26)),
        ("ironflock.system", app_authid(THIEF + 6, 26)),
        ("crossbar", app_authid(THIEF + 7, 26)),
        ("*", app_authid(THIEF + 8, 26)),
        ("realm-1-26-dev\n", app_authid(THIEF + 9, 26)),
        ("realm-1-26-dev';DROP/**/SCHEMA/**/auth;--", app_authid(THIEF + 10, 26)),
        (MINE, app_authid(VICTIM + 1, 26)),
    ],
)
async def test_a_credential_opens_no_realm_but_its_own(stand_ins: Platform, realm: str, authid: str) -> None:
    assert (await attempt_to_join(stand_ins, realm, authid, app_secret(authid)))[0] == NEUTRAL


async def test_a_serial_number_of_somebody_else_opens_nothing(stand_ins: Platform) -> None:
    for authid in (serial_of(VICTIM), f"@{serial_of(VICTIM)}", f"APP-26-dev-e1@{serial_of(VICTIM)}"):
        assert (await attempt_to_join(stand_ins, THEIRS, authid, serial_of(VICTIM)))[0] == NEUTRAL


async def test_an_answer_to_the_challenge_of_one_realm_opens_no_other(stand_ins: Platform) -> None:
    stand_ins.grants.add((26, 77))
    authid, node = app_authid(THIEF, 26), stand_ins.node
    async with await Peer.connect(node.public, "/ws-ua-usr", node.tls, source=new_address()) as other:
        challenge = (await other.hello("realm-1-77-dev", authid, ["wampcra"]))[2]["challenge"]
        async with await Peer.connect(node.public, "/ws-ua-usr", node.tls, source=new_address()) as peer:
            await peer.hello(MINE, authid, ["wampcra"])
            assert (await peer.authenticate(sign(app_secret(authid), challenge)))[0] == ABORT


async def test_one_connection_tries_one_realm(stand_ins: Platform) -> None:
    authid, node = app_authid(THIEF, 26), stand_ins.node
    async with await Peer.connect(node.public, "/ws-ua-usr", node.tls, source=new_address()) as peer:
        challenge = (await peer.hello("realm-2-26-dev", authid, ["wampcra"]))[2]["challenge"]
        peer.send(HELLO, MINE, {"roles": {"caller": {}}, "authmethods": ["wampcra"], "authid": authid})
        assert (await asyncio.wait_for(peer.receive(), 5))[0] == ABORT
        peer.send(AUTHENTICATE, sign(app_secret(authid), challenge), {})
        assert set(await said_until_cut(peer)) <= {ABORT}


async def test_a_joined_session_does_not_change_its_realm(realms: tuple[Peer, Peer]) -> None:
    thief, victim = realms
    thief.send(HELLO, THEIRS, {"roles": {"caller": {}}, "authmethods": ["wampcra"], "authid": app_authid(VICTIM, 26)})
    await victim.register("2.500.26.DEV.f", answer)
    assert await error_of(thief.call("2.500.26.DEV.f")) == NOT_AUTHORIZED
    assert (await thief.call("wamp.session.get", thief.session))["realm"] == MINE


async def test_nobody_chooses_a_role(stand_ins: Platform) -> None:
    authid, node = app_authid(THIEF, 26), stand_ins.node
    for extra in ({"authrole": "trusted"}, {"authrole": "svc_devices"}, {"authextra": {"device_key": 8}}):
        async with await Peer.connect(node.public, "/ws-ua-usr", node.tls, source=new_address()) as peer:
            challenge = (await peer.hello(MINE, authid, ["wampcra"], **extra))[2]["challenge"]
            welcome = await peer.authenticate(sign(app_secret(authid), challenge))
            assert (welcome[2]["authrole"], welcome[2]["authid"]) == ("app", serial_of(THIEF))
            own = {"device_key": THIEF, "project_key": 1, "app_key": 26, "stage": "dev"}
            assert welcome[2]["authextra"] == own


async def test_refusals_of_every_kind_look_alike_and_take_alike_long(stand_ins: Platform) -> None:
    # Each once a principal and address, so that none is held back longer than another.
    kinds: dict[str, list[tuple[str, str, str | None]]] = {
        "unknown device": [(MINE, app_authid(1000 + number, 26), "x") for number in range(5)],
        "wrong secret": [(MINE, app_authid(20 + number, 26), "x") for number in range(5)],
        "no grant": [("realm-1-77-dev", app_authid(30 + number, 26), None) for number in range(5)],
        "another project": [(THEIRS, app_authid(40 + number, 26), None) for number in range(5)],
        "no data realm": [("realm1", app_authid(50 + number, 26), None) for number in range(5)],
    }
    medians = []
    for attempts in kinds.values():
        answers = [
            await attempt_to_join(stand_ins, realm, authid, secret or app_secret(authid))
            for realm, authid, secret in attempts
        ]
        assert {one for one, _ in answers} == {NEUTRAL}
        medians.append(statistics.median(elapsed for _, elapsed in answers))
    assert max(medians) - min(medians) < SIMILAR_S


async def test_guessing_secrets_gets_slower(stand_ins: Platform) -> None:
    authid = app_authid(60, 26)
    times = [(await attempt_to_join(stand_ins, MINE, authid, f"guess {number}"))[1] for number in range(4)]
    assert times[3] > 0.5


# once in


async def test_nothing_of_another_project_can_be_named(realms: tuple[Peer, Peer]) -> None:
    thief, victim = realms
    heard: list[Any] = []
    for uri in ("com.myapp.x", "transformed.t"):
        await victim.subscribe(uri, heard.append)
    await victim.register("2.500.26.DEV.f", answer)
    for uri in ("2.500.26.DEV.f", "2.26.t", "bulk.2.26.t", "2", "02.26.t"):
        assert await error_of(thief.publish(uri, 1)) == NOT_AUTHORIZED
        assert await error_of(thief.register(uri, answer, force_reregister=True)) == NOT_AUTHORIZED
        assert await error_of(thief.subscribe(uri, ignore)) == NOT_AUTHORIZED
    for uri in ("2.500.26.DEV.f", "2.26.t", "2", "02.26.t"):
        assert await error_of(thief.call(uri)) == NOT_AUTHORIZED
    await thief.publish("com.myapp.x", "from project 1")
    await victim.publish("com.myapp.x", "own", options={"exclude_me": False})
    await eventually(lambda: heard)
    assert [event[4] for event in heard] == [["own"]]


async def test_whether_a_procedure_exists_is_not_told_by_a_refusal(stand_ins: Platform) -> None:
    async with await stand_ins.node.app(THIEF) as thief, await stand_ins.node.app(8) as other:
        await other.register("1.8.26.DEV.f", answer)
        for uri in ("1.8.26.DEV.f", "1.8.26.DEV.g", "wamp.session.list", "wamp.session.lust"):
            assert await error_of(thief.register(uri, answer)) == NOT_AUTHORIZED


async def test_ids_of_others_end_nothing(stand_ins: Platform) -> None:
    heard: list[Any] = []
    async with await stand_ins.node.app(THIEF) as thief, await stand_ins.node.app(8) as other:
        subscription = await other.subscribe("com.myapp.x", heard.append)
        registration = await other.register("1.8.26.DEV.f", lambda **_: "there")
        assert await error_of(thief._ask(UNSUBSCRIBE, subscription)) == "wamp.error.no_such_subscription"
        assert await error_of(thief._ask(UNREGISTER, registration)) == "wamp.error.no_such_registration"
        await thief.publish("com.myapp.x", 1)
        assert await thief.call("1.8.26.DEV.f") == "there"
        await eventually(lambda: heard)


@pytest.mark.parametrize("kind", [ERROR, YIELD])
async def test_another_apps_call_cannot_be_answered(stand_ins: Platform, kind: int) -> None:
    release, running = asyncio.Event(), list[Any]()

    async def slow(**details: Any) -> str:
        running.append(details)
        await release.wait()
        return "genuine"

    node = stand_ins.node
    async with await node.app(8) as callee, await node.app(9) as caller, await node.app(THIEF) as thief:
        await callee.register("1.8.26.DEV.f", slow)
        call = asyncio.create_task(caller.call("1.8.26.DEV.f"))
        await eventually(lambda: running)
        for guess in range(1, 500):
            rest = [guess, {}, "wamp.error.canceled", ["forged"]] if kind == ERROR else [guess, {}, ["forged"]]
            thief.send(kind, *([INVOCATION, *rest] if kind == ERROR else rest))
        await asyncio.wait_for(thief.closed.wait(), 5)
        release.set()
        assert await call == "genuine"


async def test_a_realm_is_not_filled_by_one_session(stand_ins: Platform) -> None:
    async with await stand_ins.node.app(THIEF) as thief, await stand_ins.node.app(8) as other:
        for number in range(512):
            await thief.register(f"1.{THIEF}.26.DEV.f{number}", answer)
            await thief.subscribe(f"com.myapp.x{number}", ignore)
        assert await error_of(thief.register(f"1.{THIEF}.26.DEV.more", answer)) == NOT_AUTHORIZED
        assert await error_of(thief.subscribe("com.myapp.more", ignore)) == NOT_AUTHORIZED
        await other.register("1.8.26.DEV.f", answer)
        await other.subscribe("com.myapp.x0", ignore)


async def test_a_payload_that_others_cannot_take_harms_nobody(stand_ins: Platform) -> None:
    async with await stand_ins.node.app(THIEF) as thief, await stand_ins.node.app(8) as other:
        await other.register("1.8.26.DEV.f", answer)
        for payload in ("\ud800", 2**70):
            assert await error_of(thief.call("1.8.26.DEV.f", payload)) == "wamp.error.invalid_argument"
        thief.send_frame(1, b'[%d,1,{},"1.8.26.DEV.f",[%s]]' % (CALL, b"[" * 20_000 + b"]" * 20_000))
        await asyncio.wait_for(thief.closed.wait(), 5)
        assert await other.call("1.8.26.DEV.f", 1) == [1]


async def test_the_procedures_that_end_sessions_are_not_there_for_apps(realms: tuple[Peer, Peer]) -> None:
    thief, victim = realms
    for uri in ("ironflock.router.realm.end", "ironflock.router.session.end", "ironflock.auth.app_credential.find"):
        assert await error_of(thief.call(uri, THEIRS)) == NOT_AUTHORIZED
        assert await error_of(thief.register(uri, answer, force_reregister=True)) == NOT_AUTHORIZED
    for verb in ("kill", "kill_by_authid", "kill_by_authrole"):
        assert await error_of(thief.call(f"wamp.session.{verb}", victim.session)) == NOT_AUTHORIZED
    await victim.call("wamp.session.get", victim.session)
    assert await error_of(thief.call("wamp.session.get", victim.session)) == "wamp.error.no_such_session"
