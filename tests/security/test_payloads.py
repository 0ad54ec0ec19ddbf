"""Messages that are made to hurt what reads them: too long, too deep, not text, not WAMP. Nobody else may notice."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.harness.binary import BinaryPeer, CborPeer, MsgpackPeer
from tests.harness.clients import Account, authid_of, connect, join_device, join_person, join_service
from tests.harness.running import RunningPlatform
from tests.harness.waiting import eventually
from tests.integration.router_node.wire import BINARY, CALL, TEXT, ClosedError, Peer, WampError

pytestmark = [pytest.mark.real, pytest.mark.asyncio]

QUICKLY_S = 3.0
STATUS = "reswarm.devices.update_device_status"


async def is_answered_or_cut(peer: Peer, octets: bytes, opcode: int = TEXT) -> bool:
    """Whether the message, a call with the request id 1, gets an error or ends its connection, within 3 s."""
    answer: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
    peer._pending[CALL, 1] = answer
    peer.send_frame(opcode, octets)
    try:
        await asyncio.wait_for(answer, 3)
    except (WampError, ClosedError):
        return True
    except TimeoutError:
        return False
    return False


def nested(depth: int) -> bytes:
    """A call whose only argument is a list in a list in a list."""
    return f'[48,1,{{}},"{STATUS}",[{"[" * depth}{"]" * depth}]]'.encode()


@pytest.mark.parametrize("depth", [100, 450, 990, 5_000, 20_000, 200_000])
async def test_a_deeply_nested_message_hurts_nobody_but_its_sender(
    ironflock: RunningPlatform, owner: Account, depth: int
) -> None:
    victim, attacker = owner.flashed(), owner.flashed()
    router = ironflock.pid("router")
    async with await join_device(ironflock, victim) as device, await join_device(ironflock, attacker) as evil:
        assert await is_answered_or_cut(evil, nested(depth))

        assert await device.call("reswarm.devices.get_app_cred_key")
        assert not device.closed.is_set()
    assert ironflock.pid("router") == router
    assert not ironflock.unready()


def nested_cbor(depth: int) -> bytes:
    """The same in CBOR (RFC 8949)."""
    uri = STATUS.encode()
    return b"\x85\x18\x30\x01\xa0\x78" + bytes([len(uri)]) + uri + b"\x81" + b"\x81" * depth + b"\x80"


def nested_msgpack(depth: int) -> bytes:
    """The same in MessagePack."""
    uri = STATUS.encode()
    return b"\x95\x30\x01\x80\xd9" + bytes([len(uri)]) + uri + b"\x91" + b"\x91" * depth + b"\x90"


@pytest.mark.parametrize("name", ["self", "fun"])
async def test_no_argument_s_name_ends_the_session_of_who_is_called_or_told(
    ironflock: RunningPlatform, owner: Account, name: str
) -> None:
    router = ironflock.pid("router")
    flashed = owner.flashed()
    async with await join_person(ironflock) as person, await join_device(ironflock, flashed) as device:
        with pytest.raises(WampError) as refused:
            await person._ask(CALL, {}, "ironflock.devices.device.list", [], {name: 1})
        assert refused.value.uri == "wamp.error.invalid_argument"
        with pytest.raises(WampError) as refused:
            await device.call("wamp.session.add_testament", "reswarm.api.testament_device", [{}], {name: 1})
        assert refused.value.uri == "wamp.error.invalid_argument"

        assert (await person.call("ironflock.devices.device.list"))["devices"]
    assert ironflock.pid("router") == router
    assert not ironflock.unready()


BINARY_FORMS = [
    (CborPeer, nested_cbor),
    (MsgpackPeer, nested_msgpack),
]


@pytest.mark.parametrize(("kind", "nest"), BINARY_FORMS, ids=["cbor", "msgpack"])
@pytest.mark.parametrize("depth", [100, 350, 395, 450, 505, 1_000, 20_000])
async def test_a_deeply_nested_binary_message_hurts_nobody_but_its_sender(
    ironflock: RunningPlatform, owner: Account, kind: type[BinaryPeer], nest: Callable[[int], bytes], depth: int
) -> None:
    victim, attacker = owner.flashed(), owner.flashed()
    router = ironflock.pid("router")
    async with await join_device(ironflock, victim) as device:
        evil = await kind.open(ironflock.ports.router_public, "/ws-re-dev", ironflock.tls)
        async with await evil.join_cra("realm1", authid_of(attacker), attacker["secret"]):
            assert await is_answered_or_cut(evil, nest(depth), BINARY)

            assert await device.call("reswarm.devices.get_app_cred_key")
        assert not device.closed.is_set()
    assert ironflock.pid("router") == router
    assert not ironflock.unready()


UNSENDABLE = {
    "lone-high-surrogate": r'{"status": "\ud800"}',
    "lone-low-surrogate": r'{"status": "\uDC00x"}',
    "surrogate-as-key": r'{"\ud800": 1}',
    "surrogates-in-the-wrong-order": r'{"status": "\udc00\ud800"}',
}


@pytest.mark.parametrize("payload", UNSENDABLE.values(), ids=UNSENDABLE.keys())
async def test_a_text_that_is_no_unicode_is_refused_or_cut_and_leaves_nothing_behind(
    ironflock: RunningPlatform, owner: Account, payload: str
) -> None:
    flock = owner.flashed()
    async with await join_service(ironflock, "devices") as devices:
        async with await join_device(ironflock, flock) as device:
            assert await is_answered_or_cut(device, f'[48,1,{{}},"{STATUS}",[{payload}]]'.encode())

        async def has_left() -> bool:
            return device.session not in await devices.call("wamp.session.list")

        await eventually(has_left, 5, "the session is gone")
    log = (ironflock.state.log / "router.log").read_text(encoding="utf-8", errors="replace")
    assert f"Failed to detach session '{device.session}'" not in log


async def test_text_with_paired_escapes_is_text_like_any(ironflock: RunningPlatform, owner: Account) -> None:
    project = owner.project()
    async with await join_person(ironflock) as person:
        assert rb"\ud83c" in json.dumps("press \U0001f3ed").encode()
        made = await person.call("ironflock.devices.device.create", project=project, name="press \U0001f3ed")
    assert made["name"] == "press \U0001f3ed"


def unterminated(length: int) -> bytes:
    """Many brackets, then a string that is nothing but escaped quotes and never ends."""
    head = b'[48,1,{},"a.b",' + b"[" * 40 + b'"'
    return head + b'\\"' * ((length - len(head)) // 2)


async def test_an_unterminated_string_of_a_device_does_not_keep_the_router_busy(
    ironflock: RunningPlatform, owner: Account
) -> None:
    loop = asyncio.get_running_loop()
    async with await join_person(ironflock) as bystander, await join_device(ironflock, owner.flashed()) as evil:
        evil.send_frame(TEXT, unterminated(1_000_000))
        await asyncio.wait_for(evil.closed.wait(), QUICKLY_S)

        began = loop.time()
        assert await bystander.call("ironflock.auth.account.me")
        assert loop.time() - began < QUICKLY_S


async def test_an_unterminated_string_of_a_stranger_does_not_keep_the_router_busy(ironflock: RunningPlatform) -> None:
    loop = asyncio.get_running_loop()
    async with await join_person(ironflock) as bystander, await connect(ironflock, "/ws-re-dev") as evil:
        evil.send_frame(TEXT, unterminated(60_000))
        began = loop.time()
        with pytest.raises(ClosedError):
            await asyncio.wait_for(evil.receive(), QUICKLY_S)

        assert await bystander.call("ironflock.auth.account.me")
        assert loop.time() - began < QUICKLY_S


async def test_a_message_above_the_bound_ends_its_connection_alone(ironflock: RunningPlatform, owner: Account) -> None:
    victim, attacker = owner.flashed(), owner.flashed()
    async with await join_device(ironflock, victim) as device, await join_device(ironflock, attacker) as evil:
        with pytest.raises(ClosedError):
            await evil.call(STATUS, {"status": "x" * 1_100_000})
        assert await device.call("reswarm.devices.get_app_cred_key")


async def test_a_frame_that_promises_more_than_the_bound_is_cut_before_it_comes(
    ironflock: RunningPlatform, owner: Account
) -> None:
    async with await join_device(ironflock, owner.flashed()) as device:
        device._writer.write(b"\x81\xff" + (2**40).to_bytes(8, "big") + b"\0\0\0\0")

        await asyncio.wait_for(device.closed.wait(), 3)


async def test_fragments_that_add_up_above_the_bound_are_cut(ironflock: RunningPlatform, owner: Account) -> None:
    async with await join_device(ironflock, owner.flashed()) as device:
        piece = b"\xfe" + (60_000).to_bytes(2, "big") + b"\0\0\0\0" + b"[" * 60_000
        for at in range(40):
            device._writer.write((b"\x01" if at == 0 else b"\x00") + piece)

        await asyncio.wait_for(device.closed.wait(), 3)


NONSENSE = {
    "not-json": b"x",
    "empty": b"",
    "not-a-list": b"{}",
    "empty-list": b"[]",
    "unknown-type": b"[4711]",
    "type-is-text": b'["CALL",1,{},"a.b"]',
    "negative-request": b'[48,-1,{},"a.b"]',
    "huge-request": b'[48,1e400,{},"a.b"]',
    "uri-is-a-number": b"[48,1,{},1]",
    "authenticate-after-welcome": b'[5,"x",{}]',
    "welcome-from-a-client": b"[2,1,{}]",
    "challenge-from-a-client": b'[4,"wampcra",{}]',
    "not-utf-8": b'[48,1,{},"\xff\xfe"]',
}


@pytest.mark.parametrize("octets", NONSENSE.values(), ids=NONSENSE.keys())
async def test_nonsense_ends_its_own_session_and_nothing_else(
    ironflock: RunningPlatform, owner: Account, octets: bytes
) -> None:
    async with await join_person(ironflock) as bystander, await join_device(ironflock, owner.flashed()) as device:
        device.send_frame(TEXT, octets)

        await asyncio.wait_for(device.closed.wait(), 5)
        assert await bystander.call("ironflock.auth.account.me")


async def test_a_second_hello_on_a_joined_session_changes_nothing(ironflock: RunningPlatform, owner: Account) -> None:
    mine, other = owner.flashed(), owner.flashed()
    async with await join_device(ironflock, mine) as device:
        hello = [1, "realm1", {"authid": authid_of(other), "authmethods": ["wampcra"], "roles": {"caller": {}}}]
        device.send(*hello)
        metadata = await device.call("reswarm.devices.read_device_metadata", {"device_key": mine["device_key"]})
        assert metadata["device_name"] == mine["name"]


async def test_a_flood_of_refused_calls_does_not_keep_others_waiting(
    ironflock: RunningPlatform, owner: Account
) -> None:
    loop = asyncio.get_running_loop()
    async with await join_person(ironflock) as bystander, await join_device(ironflock, owner.flashed()) as device:
        for number in range(3000):
            device.send(CALL, 10_000 + number, {}, "ironflock.auth.ticket.verify", [], {})
        began = loop.time()
        await bystander.call("ironflock.auth.account.me")
        assert loop.time() - began < 5
