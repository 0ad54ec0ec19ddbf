"""Who joins and who does not, and what a refused client gets to know."""

import asyncio

import pytest

from ironflock_router.people_watch import SILENCE_S
from ironflock_router.wire_names import CREDENTIALS_TOLD
from tests.integration.router_node.node import Node, Platform, eventually, new_address, saying, serial_of
from tests.integration.router_node.wire import ABORT, CHALLENGE, AbortedError, ClosedError, Peer, sign

pytestmark = [pytest.mark.real, pytest.mark.asyncio]

NEUTRAL = ("wamp.error.authentication_failed", "authentication failed")
PUBLISHED_TEXT = "WAMP-CRA client signature is invalid"


async def refusal(
    node: Node, path: str, realm: str, authid: str, secret: str, *, source: str | None = None
) -> tuple[str, str | None]:
    port = node.services if path == "/ws-svc" else node.public
    async with await Peer.connect(port, path, node.tls, source=source or new_address()) as peer:
        answer = await peer.hello(realm, authid, ["wampcra"])
        assert answer[0] == CHALLENGE
        answer = await peer.authenticate(sign(secret, answer[2]["challenge"]))
        assert answer[0] == ABORT, answer
        return answer[2], answer[1].get("message")


async def test_a_device_joins_and_is_told_nothing_of_the_router(stand_ins: Platform) -> None:
    async with await stand_ins.node.device(7) as device:
        assert device.details["authid"] == "1-7"
        assert device.details["authrole"] == "device"
        assert device.details["authextra"] == {
            "device_key": 7,
            "project_key": 1,
            "serial_number": serial_of(7),
            "flash_id": "flash-1",
        }
        assert not [name for name in device.details if name.startswith("x_cb")]


async def test_a_person_joins_with_a_ticket_as_the_account_key(stand_ins: Platform) -> None:
    async with await stand_ins.node.person("ticket-5") as person:
        assert person.details["authid"] == "5"
        assert person.details["authrole"] == "user"
        assert person.details["authextra"] == {"credential": "key-1", "scopes": ["all"]}


async def test_an_unknown_principal_and_a_wrong_secret_look_the_same(stand_ins: Platform) -> None:
    node = stand_ins.node
    assert await refusal(node, "/ws-re-dev", "realm1", "1-8", "wrong") == NEUTRAL
    assert await refusal(node, "/ws-re-dev", "realm1", "9-9", "wrong") == NEUTRAL
    assert await refusal(node, "/ws-re-dev", "realm1", "nonsense", "wrong") == NEUTRAL
    assert await refusal(node, "/ws-re-dev", "elsewhere", "1-8", "secret-8") == NEUTRAL
    assert await refusal(node, "/ws-re-dev", "ironflock.system", "1-8", "secret-8") == NEUTRAL


async def test_a_wrong_ticket_gets_the_neutral_text(stand_ins: Platform) -> None:
    with pytest.raises(AbortedError) as caught:
        await stand_ins.node.person("wrong", source=new_address())
    assert (caught.value.reason, caught.value.message) == NEUTRAL


async def test_only_a_decommissioned_device_with_its_last_secret_reads_the_published_text(stand_ins: Platform) -> None:
    stand_ins.states["1-9"] = "ended"
    assert (await refusal(stand_ins.node, "/ws-re-dev", "realm1", "1-9", "secret-9"))[1] == PUBLISHED_TEXT
    assert await refusal(stand_ins.node, "/ws-re-dev", "realm1", "1-9", "wrong") == NEUTRAL


async def test_a_secret_counts_on_its_own_path_only(stand_ins: Platform) -> None:
    node = stand_ins.node
    assert await refusal(node, "/ws-re-dev", "realm1", "svc_devices", "secret of devices") == NEUTRAL
    assert await refusal(node, "/ws-svc", "realm1", "1-7", "secret-7") == NEUTRAL
    assert await refusal(node, "/ws-svc", "elsewhere", "svc_devices", "secret of devices") == NEUTRAL
    with pytest.raises(ClosedError):
        await Peer.connect(node.public, "/ws-svc", node.tls)


async def test_nobody_joins_as_the_caller_whom_agents_believe(stand_ins: Platform) -> None:
    for path, realm in (("/ws-svc", "realm1"), ("/ws-svc", "ironflock.system"), ("/ws-re-dev", "realm1")):
        assert await refusal(stand_ins.node, path, realm, "system", "secret of devices") == NEUTRAL


async def test_a_changed_service_secret_counts_from_the_next_join_on(stand_ins: Platform) -> None:
    node = stand_ins.node
    file = node.secrets / "svc_gateway"
    file.write_text("another\n")
    try:
        assert await refusal(node, "/ws-svc", "realm1", "svc_gateway", "secret of gateway") == NEUTRAL
        async with await Peer.connect(node.services, "/ws-svc", node.tls) as peer:
            await peer.join_cra("realm1", "svc_gateway", "another")
    finally:
        file.write_text("secret of gateway\n")


async def test_while_a_service_secret_is_followed_either_joins(stand_ins: Platform) -> None:
    node = stand_ins.node
    file = node.secrets / "svc_gateway"
    file.write_text("another\nsecret of gateway\n")
    try:
        for secret in ("another", "secret of gateway"):
            async with await Peer.connect(node.services, "/ws-svc", node.tls) as peer:
                await peer.join_cra("realm1", "svc_gateway", secret)
        assert await refusal(node, "/ws-svc", "realm1", "svc_gateway", "a third one") == NEUTRAL
    finally:
        file.write_text("secret of gateway\n")


async def test_nobody_joins_anonymously(stand_ins: Platform) -> None:
    for path in ("/ws-re-dev", "/ws-usr", "/ws-ua-usr"):
        async with await Peer.connect(stand_ins.node.public, path, stand_ins.node.tls) as peer:
            answer = await peer.hello("realm1", None, ["anonymous"])
            assert (answer[0], answer[2]) == (ABORT, "wamp.error.no_auth_method")


async def test_a_challenge_takes_one_answer_and_a_connection_one_attempt(stand_ins: Platform) -> None:
    node = stand_ins.node
    async with await Peer.connect(node.public, "/ws-re-dev", node.tls, source=new_address()) as peer:
        challenge = (await peer.hello("realm1", "1-7", ["wampcra"]))[2]["challenge"]
        assert (await peer.authenticate("wrong"))[0] == ABORT
        assert (await peer.authenticate(sign("secret-7", challenge)))[0] == ABORT
        with pytest.raises(ClosedError):
            await asyncio.wait_for(peer.receive(), 3)
    async with await Peer.connect(node.public, "/ws-re-dev", node.tls, source=new_address()) as peer:
        await peer.hello("realm1", "1-7", ["wampcra"])
        assert (await peer.authenticate(sign("secret-7", challenge)))[0] == ABORT  # replayed on another connection


async def test_an_answer_of_auth_that_never_comes_is_not_the_neutral_text(stand_ins: Platform) -> None:
    stand_ins.is_away = True
    answer = await refusal(stand_ins.node, "/ws-re-dev", "realm1", "1-7", "secret-7")
    assert answer[0] == "ironflock.error.unavailable"
    assert PUBLISHED_TEXT not in str(answer)


async def test_refusals_of_a_failing_principal_are_held_back_and_a_success_is_not(stand_ins: Platform) -> None:
    loop = asyncio.get_running_loop()
    address, times = new_address(), []
    for _ in range(4):
        began = loop.time()
        assert await refusal(stand_ins.node, "/ws-re-dev", "realm1", "1-10", "wrong", source=address) == NEUTRAL
        times.append(loop.time() - began)
    assert times[3] > 0.4
    assert max(times) < 3.0
    began = loop.time()
    async with await stand_ins.node.device(10, source=address):
        assert loop.time() - began < 0.4


async def test_auth_sees_the_router_itself_ask(stand_ins: Platform) -> None:
    async with await stand_ins.node.device(7):
        assert stand_ins.asked[-1][1]["caller_authrole"] == "trusted"


async def test_a_person_is_shown_out_when_the_credential_ends(stand_ins: Platform) -> None:
    import time  # noqa: PLC0415

    stand_ins.ticket_ends_at = time.time() + 1.0  # noqa: TID251 - ends are dates
    async with await stand_ins.node.person() as person:
        await eventually(lambda: person.goodbye)
        assert person.goodbye is not None
        assert person.goodbye[2] == "ironflock.close.credential_ended"
        await asyncio.wait_for(person.closed.wait(), 5)


@pytest.mark.soak
async def test_people_are_shown_out_where_auth_is_lost_for_a_minute_and_devices_stay(stand_ins: Platform) -> None:
    node = stand_ins.node
    async with await node.person() as person, await node.device(12) as device:
        async with saying(node, "auth", CREDENTIALS_TOLD):
            pass
        await asyncio.wait_for(person.closed.wait(), SILENCE_S + 5)
        assert person.goodbye is not None
        assert person.goodbye[2] == "ironflock.close.credential_unknown"
        assert not device.closed.is_set()
    async with await node.person():  # whom auth lets in just now
        pass


async def test_a_killed_session_ends_even_if_its_client_ignores_it(stand_ins: Platform) -> None:
    async with await stand_ins.node.device(11) as device:
        left: list[int] = []
        await stand_ins.devices.subscribe("wamp.session.on_leave", lambda event: left.append(event[4][0]))
        assert device._task is not None
        device._task.cancel()  # it neither reads nor answers any more
        assert await stand_ins.devices.call("wamp.session.kill_by_authid", "1-11") == [device.session]
        await eventually(lambda: device.session in left, 1.0)
        assert device.session not in await stand_ins.devices.call("wamp.session.list")
