"""Peers that do not do their part: each is cut within its bound, and those that do theirs are welcome meanwhile."""

import asyncio
import contextlib
import ssl

import pytest

from tests.harness.clients import (
    Account,
    Flock,
    authid_of,
    connect,
    flashed_devices,
    join_device,
    join_person,
    join_service,
)
from tests.harness.processes import resident_octets
from tests.harness.running import RunningPlatform
from tests.harness.waiting import eventually
from tests.integration.router_node.node import new_address
from tests.integration.router_node.wire import PUBLISH, AbortedError, ClosedError, Peer

pytestmark = [pytest.mark.real, pytest.mark.asyncio]

HANDSHAKE_S, JOIN_S, MARGIN_S = 3.0, 8.0, 2.0
MIB = 2**20
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def seconds_until_cut(stream: Stream, trickle: bytes = b"", limit_s: float = 15.0) -> float:
    """How long the other side keeps the connection, whatever trickles in; `limit_s` when it does not end it."""
    reader, writer = stream
    loop = asyncio.get_running_loop()
    began = loop.time()

    async def send() -> None:
        for octet in trickle:
            writer.write(bytes([octet]))
            await asyncio.sleep(0.1)

    sending = asyncio.create_task(send())
    with contextlib.suppress(ConnectionError, ssl.SSLError, TimeoutError):
        while await asyncio.wait_for(reader.read(4096), limit_s):
            pass
    sending.cancel()
    writer.transport.abort()
    await asyncio.gather(sending, writer.wait_closed(), return_exceptions=True)
    return loop.time() - began


async def plain(port: int) -> Stream:
    return await asyncio.open_connection("127.0.0.1", port, local_addr=(new_address(), 0))


async def encrypted(platform: RunningPlatform, port: int) -> Stream:
    return await asyncio.open_connection(
        "127.0.0.1", port, ssl=platform.tls, server_hostname="localhost", local_addr=(new_address(), 0)
    )


@pytest.mark.parametrize("listener", ["router_public", "router_services"])
async def test_who_does_not_get_on_with_joining_is_cut_within_its_bound(
    ironflock: RunningPlatform, owner: Account, listener: str
) -> None:
    port: int = getattr(ironflock.ports, listener)
    path = "/ws-re-dev" if listener == "router_public" else "/ws-svc"
    no_hello = await connect(ironflock, path, source=new_address())
    unanswered = await connect(ironflock, path, source=new_address())
    await unanswered.hello("realm1", authid_of(owner.flashed()), ["wampcra"])
    request = f"GET {path} HTTP/1.1\r\nX: ".encode() + b"y" * 200

    silent, half_a_hello, without_http, trickled, mute, dumb = await asyncio.gather(
        seconds_until_cut(await plain(port)),
        seconds_until_cut(await plain(port), trickle=b"\x16\x03\x01\x02\x00\x01\x00" + b"\0" * 200),
        seconds_until_cut(await encrypted(ironflock, port)),
        seconds_until_cut(await encrypted(ironflock, port), trickle=request),
        seconds_until_cut((no_hello._reader, no_hello._writer)),
        seconds_until_cut((unanswered._reader, unanswered._writer)),
    )

    assert max(silent, half_a_hello) < HANDSHAKE_S + MARGIN_S
    assert max(without_http, trickled, mute, dumb) < JOIN_S + MARGIN_S
    assert min(silent, half_a_hello, without_http, trickled, mute, dumb) > 1.0  # honest slow networks have time


@pytest.mark.soak
async def test_the_gateway_cuts_silent_and_trickling_clients(ironflock: RunningPlatform) -> None:
    port = ironflock.ports.gateway
    line_by_line = b"GET /health HTTP/1.1\r\n" + b"X: y\r\n" * 400

    lived = await asyncio.gather(
        seconds_until_cut(await plain(port), limit_s=90),
        seconds_until_cut(await encrypted(ironflock, port), limit_s=90),
        seconds_until_cut(await encrypted(ironflock, port), trickle=line_by_line, limit_s=90),
    )

    assert max(lived) < 65


async def join_patiently(platform: RunningPlatform, flock: Flock, address: str) -> Peer:
    """As an agent: dials again each second."""
    for _ in range(10):
        try:
            return await join_device(platform, flock, source=address)
        except (OSError, ClosedError, AbortedError):
            await asyncio.sleep(1.0)
    raise AssertionError(authid_of(flock))


@pytest.mark.parametrize(("silent", "joining"), [(200, 25), pytest.param(500, 200, marks=pytest.mark.soak)])
async def test_connections_that_never_join_are_bounded_and_those_of_the_same_address_that_do_are_welcome(
    ironflock: RunningPlatform, silent: int, joining: int
) -> None:
    address, port = new_address(), ironflock.ports.router_public
    flocks = await flashed_devices(ironflock, joining)
    streams = [await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0)) for _ in range(silent)]

    def still_open() -> int:
        return sum(not reader.at_eof() and reader.exception() is None for reader, _ in streams)

    async def are_bounded() -> bool:
        return still_open() <= 128

    await eventually(are_bounded, 3, "more than the bound are closed at once")
    peers = await asyncio.gather(*(join_patiently(ironflock, flock, address) for flock in flocks))

    assert len({peer.session for peer in peers}) == joining
    assert not any(peer.closed.is_set() for peer in peers)
    async with await join_person(ironflock) as person:
        assert await person.call("ironflock.auth.account.me")
    for peer in peers:
        await peer.drop()
    for _, writer in streams:
        writer.transport.abort()


async def test_a_subscriber_that_never_reads_is_cut_and_the_routers_memory_stays_bounded(
    ironflock: RunningPlatform, owner: Account
) -> None:
    flock = owner.flashed()
    router = ironflock.pid("router")
    before = peak = resident_octets(router)
    device = await join_device(ironflock, flock)
    topic = f"re.mgmt.{flock['serial_number']}.term_write.1"
    await device.subscribe(topic, lambda _: None)
    assert device._task is not None
    device._task.cancel()
    device._writer.transport.pause_reading()  # type: ignore[attr-defined] # it is a read transport too

    sent = 0
    with contextlib.suppress(ConnectionError, TimeoutError):
        while sent < 256 * MIB:
            device.send(PUBLISH, 5000 + sent, {"exclude_me": False}, topic, ["x" * 500_000])
            await asyncio.wait_for(device._writer.drain(), 10)
            sent += 500_000
            peak = max(peak, resident_octets(router))

    async with await join_service(ironflock, "devices") as devices:

        async def is_gone() -> bool:
            return device.session not in await devices.call("wamp.session.list")

        await eventually(is_gone, 10, "the session is cut")
    await device.drop()
    assert sent < 128 * MIB
    assert peak - before < 96 * MIB


async def test_a_person_that_reads_no_answers_is_cut_and_the_routers_memory_stays_bounded(
    ironflock: RunningPlatform, owner: Account
) -> None:
    project = owner.project()
    for _ in range(30):
        owner.call("ironflock.devices.device.create", project=project, name=f"press {_}", description="x" * 4000)
    router = ironflock.pid("router")
    before = peak = resident_octets(router)
    person = await join_person(ironflock)
    assert person._task is not None
    person._task.cancel()
    person._writer.transport.pause_reading()  # type: ignore[attr-defined] # it is a read transport too

    with contextlib.suppress(ConnectionError, TimeoutError):
        for number in range(500):  # 120 KiB each
            person.send(48, 5000 + number, {}, "ironflock.devices.device.list", [], {"project": project})
            await asyncio.wait_for(person._writer.drain(), 10)

    async def is_cut() -> bool:
        nonlocal peak
        peak = max(peak, resident_octets(router))
        return bool(person._writer.transport.is_closing() or person._reader.at_eof()) or await session_is_gone()

    async def session_is_gone() -> bool:
        async with await join_service(ironflock, "devices") as devices:
            return person.session not in await devices.call("wamp.session.list")

    await eventually(is_cut, 20, "the session is cut")
    await person.drop()
    assert peak - before < 96 * MIB
