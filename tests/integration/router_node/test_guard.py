"""What the guard cuts, and that it cuts nobody else. Bounds are small here, so that each is met in a second or two."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.integration.router_node.node import Node, Platform, eventually, new_address, platform, serial_of
from tests.integration.router_node.wire import CALL, PUBLISH, YIELD, AbortedError, ClosedError, Peer, WampError

pytestmark = [pytest.mark.real, pytest.mark.asyncio]

JOIN_TIMEOUT_S = 2.0


@pytest.fixture(scope="module")
def strict_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    told = {"join_timeout_s": str(JOIN_TIMEOUT_S), "waiting_per_connection": "1048576", "proxies": "127.99.0.0/16"}
    node = Node(tmp_path_factory.mktemp("guard"), **told)
    yield node.start()
    node.stop()


@pytest_asyncio.fixture
async def guarded(strict_node: Node) -> AsyncIterator[Platform]:
    async with platform(strict_node) as joined:
        yield joined


async def is_cut_in_time(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, trickle: bytes = b"") -> bool:
    """Whether the router ends the connection about `JOIN_TIMEOUT_S` after now, whatever trickles in."""
    loop = asyncio.get_running_loop()
    began = loop.time()

    async def send() -> None:
        for octet in trickle:
            writer.write(bytes([octet]))
            await asyncio.sleep(0.1)

    sending = asyncio.create_task(send())
    try:
        while await asyncio.wait_for(reader.read(4096), JOIN_TIMEOUT_S + 2.0):
            pass
    except (ConnectionError, ssl.SSLError):
        pass
    except TimeoutError:
        return False
    finally:
        sending.cancel()
        writer.transport.abort()
        await asyncio.gather(sending, writer.wait_closed(), return_exceptions=True)
    return loop.time() - began > JOIN_TIMEOUT_S - 1.0


async def test_silence_before_and_after_tls_and_a_trickled_request_are_cut(guarded: Platform) -> None:
    node = guarded.node
    silent = await asyncio.open_connection("127.0.0.1", node.public)
    without_http = await asyncio.open_connection("127.0.0.1", node.public, ssl=node.tls, server_hostname="localhost")
    trickled = await asyncio.open_connection("127.0.0.1", node.public, ssl=node.tls, server_hostname="localhost")
    results = await asyncio.gather(
        is_cut_in_time(*silent),
        is_cut_in_time(*without_http),
        is_cut_in_time(*trickled, trickle=b"GET /ws-re-dev HTTP/1.1\r\nX: " + b"y" * 100),
    )
    assert all(results)


async def proxied(node: Node, said: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection of a proxy, which says `said` before anything else."""
    reader, writer = await asyncio.open_connection("127.0.0.1", node.public, local_addr=("127.99.0.1", 0))
    writer.write(said)
    return reader, writer


def naming(address: str) -> bytes:
    return f"PROXY TCP4 {address} 127.0.0.1 50000 443\r\n".encode()


async def test_bounds_are_of_whom_a_proxy_names_and_a_proxy_that_names_nobody_is_cut(guarded: Platform) -> None:
    node = guarded.node
    crowd = [await proxied(node, naming("198.51.100.7")) for _ in range(200)]
    others = [await proxied(node, said) for said in (naming("198.51.100.8"), b"\x16\x03\x01\x00\x00")]
    (_, other), (unnamed, without) = others

    await asyncio.wait_for(other.start_tls(node.tls, server_hostname="localhost"), 10.0)
    await eventually(lambda: unnamed.at_eof() or unnamed.exception() is not None, 10.0)
    all_of_them = (other, without, *(writer for _, writer in crowd))
    for writer in all_of_them:
        writer.transport.abort()
    await asyncio.gather(*(writer.wait_closed() for writer in all_of_them), return_exceptions=True)


async def test_no_hello_and_an_unanswered_challenge_are_cut(guarded: Platform) -> None:
    node = guarded.node
    without_hello = await Peer.connect(node.public, "/ws-re-dev", node.tls)
    unanswered = await Peer.connect(node.public, "/ws-re-dev", node.tls)
    await unanswered.hello("realm1", "1-7", ["wampcra"])
    for peer in (without_hello, unanswered):
        with pytest.raises(ClosedError):
            await asyncio.wait_for(peer.receive(), JOIN_TIMEOUT_S + 2.0)
        await peer.drop()


async def test_who_has_joined_stays(guarded: Platform) -> None:
    async with await guarded.node.device(40) as device:
        await asyncio.sleep(JOIN_TIMEOUT_S + 1.0)  # the bound itself is what is waited for
        await device.call("reswarm.devices.get_app_cred_key")


async def test_500_silent_connections_of_one_address_are_refused_and_200_that_join_are_welcome(
    guarded: Platform,
) -> None:
    node, address = guarded.node, new_address()
    silent = [await asyncio.open_connection("127.0.0.1", node.public, local_addr=(address, 0)) for _ in range(500)]

    def still_open() -> int:
        return sum(not reader.at_eof() and reader.exception() is None for reader, _ in silent)

    await eventually(lambda: still_open() <= 128, 2.0)
    await eventually(lambda: still_open() == 0, JOIN_TIMEOUT_S + 2.0)
    for _, writer in silent:
        writer.transport.abort()

    async def join(key: int) -> Peer:
        for _ in range(8):  # an agent dials again each second
            try:
                return await node.device(key, source=address)
            except (OSError, ClosedError, AbortedError):
                await asyncio.sleep(1.0)
        raise AssertionError(key)

    peers = await asyncio.gather(*(join(100 + number) for number in range(200)))
    assert len({peer.session for peer in peers}) == 200
    assert not any(peer.closed.is_set() for peer in peers)
    for peer in peers:
        await peer.drop()


async def begun_handshake(node: Node, address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection that says the first octet of TLS and no more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", node.public, local_addr=(address, 0))
    writer.write(b"\x16")
    return reader, writer


async def end(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def test_an_address_that_holds_handshakes_keeps_nobody_at_another_address_out(guarded: Platform) -> None:
    node, address = guarded.node, new_address()

    async def hold() -> None:
        while True:
            reader, writer = await begun_handshake(node, address)
            with suppress(OSError):
                try:
                    await reader.read(1)
                finally:
                    await end(writer)
            await asyncio.sleep(0.1)

    holding = [asyncio.create_task(hold()) for _ in range(256)]
    try:
        await asyncio.sleep(1.0)  # they are at it
        for key in range(50, 60):
            device = await asyncio.wait_for(node.device(key, source=new_address()), 1.25)  # as agents dial
            await device.drop()
    finally:
        for task in holding:
            task.cancel()
        await asyncio.gather(*holding, return_exceptions=True)


async def test_who_shares_an_address_with_held_handshakes_joins_by_dialling_again(guarded: Platform) -> None:
    node, address = guarded.node, new_address()
    held = [await begun_handshake(node, address) for _ in range(160)]

    async def attempt() -> Peer | None:
        try:
            return await node.device(60, source=address)
        except (OSError, ClosedError, AbortedError):
            return None

    device: Peer = await eventually(attempt, 1.5)  # before the held ones are cut for being late
    await device.drop()
    for _, writer in held:
        await end(writer)


async def test_a_service_may_send_16_times_as_much_as_the_public_and_an_answer_too_long_ends_its_call_alone(
    guarded: Platform,
) -> None:
    lengths = {"short": 900_000, "long": 5_000_000}

    def answer(length: str, **_: Any) -> str:
        return "x" * lengths[length]

    service = guarded.devices
    await service.register("ironflock.devices.device.list", answer)
    async with await guarded.node.person() as person:
        for length in ("long", "short", "long", "short"):
            if length == "short":
                assert len(await person.call("ironflock.devices.device.list", length)) == lengths[length]
                continue
            with pytest.raises(WampError) as caught:
                await person.call("ironflock.devices.device.list", length)
            assert caught.value.uri == "ironflock.error.over_limit"
        assert not person.closed.is_set()
    assert not service.closed.is_set()


async def test_a_service_that_goes_on_answering_a_call_that_got_too_long_is_told_to_stop(guarded: Platform) -> None:
    service = guarded.devices
    calls: list[int] = []

    async def watch(details: dict[str, Any]) -> str:
        service.send(YIELD, details["request"], {"progress": True}, ["x" * 2_000_000])
        calls.append(details["request"])
        return "end"

    await service.register("ironflock.devices.device.watch", watch)
    async with await guarded.node.person() as person:
        with pytest.raises(WampError) as caught:
            await person.call("ironflock.devices.device.watch", options={"receive_progress": True})
        assert caught.value.uri == "ironflock.error.over_limit"
        await eventually(lambda: service.interrupted == calls)
        assert not person.closed.is_set()
    assert not service.closed.is_set()


async def test_an_error_too_long_for_the_caller_ends_its_call_alone(guarded: Platform) -> None:
    service = guarded.devices

    def fail(**_: Any) -> None:
        raise WampError("ironflock.error.conflict", ["x" * 2_000_000])

    await service.register("ironflock.devices.device.list", fail)
    async with await guarded.node.person() as person:
        with pytest.raises(WampError) as caught:
            await person.call("ironflock.devices.device.list")
        assert caught.value.uri == "ironflock.error.over_limit"
    assert not service.closed.is_set()


async def test_a_call_too_long_for_the_device_ends_alone(guarded: Platform) -> None:
    async with await guarded.node.device(61) as device:
        uri = f"re.mgmt.{serial_of(61)}.device_handshake"
        await device.register(uri, lambda *args, **_: len(args[0]))
        with pytest.raises(WampError) as caught:
            await guarded.devices.call(uri, "x" * 2_000_000)
        assert caught.value.uri == "ironflock.error.over_limit"
        assert await guarded.devices.call(uri, "x" * 1000) == 1000
    assert not guarded.devices.closed.is_set()


async def test_a_message_above_the_bound_ends_its_connection_and_one_below_passes(guarded: Platform) -> None:
    async with await guarded.node.device(42) as device:
        answer = await device.call("reswarm.devices.read_device_metadata", "x" * 400_000)
        assert len(answer["args"][0]) == 400_000
        with pytest.raises(ClosedError):
            await device.call("reswarm.devices.read_device_metadata", "x" * 1_100_000)


async def test_a_subscriber_that_never_reads_is_cut_and_memory_stays_bounded(guarded: Platform) -> None:
    node, topic = guarded.node, f"re.mgmt.{serial_of(44)}.term_write.1"
    before = resident_octets(node.pid)
    async with await node.device(44) as device:
        await device.subscribe(topic, lambda _: None)
        device.stop_reading()
        event = [topic, ["x" * 100_000]]
        for _ in range(1000):  # 100 MB to itself
            device.send(PUBLISH, 1, {"exclude_me": False}, *event)
            await asyncio.sleep(0)

        async def is_gone() -> bool:
            return device.session not in await guarded.devices.call("wamp.session.list")

        await eventually(is_gone, 5.0)
    assert resident_octets(node.pid) - before < 64 * 2**20
    assert 'reason": "slow_reader"' in node.log.read_text()


def resident_octets(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def test_a_dead_peer_is_found_in_8_seconds(guarded: Platform) -> None:
    node = guarded.node
    left: list[int] = []
    await guarded.devices.subscribe("wamp.session.on_leave", lambda event: left.append(event[4][0]))
    async with await node.device(46) as device:
        device.answers_pings = False
        await eventually(lambda: device.session in left, 8.5)


async def test_a_long_message_on_a_slow_link_is_no_sign_of_death(guarded: Platform) -> None:
    """10 MB within 10 seconds: the pong waits behind them for longer than a pong may take."""
    node, realm, length = guarded.node, "realm-1-26-dev", 10_000_000
    fleetdb = await node.service("fleetdb", realm)
    lengths: list[int] = []

    def take(row: str, details: dict[str, Any]) -> int:
        del details
        lengths.append(len(row))
        return len(row)

    await fleetdb.register("append.1.26.", take, match="prefix", invoke="roundrobin")
    async with fleetdb, await node.app(7) as app:
        request = next(app._requests)
        answer = app._pending[CALL, request] = asyncio.get_running_loop().create_future()
        await app.send_slowly([CALL, request, {}, "append.1.26.readings", ["x" * length]], 10.0)
        assert (await asyncio.wait_for(answer, 10))[3] == [length]
        assert not app.closed.is_set()
    assert lengths == [length]


async def test_who_has_stopped_amid_a_message_is_found_in_8_seconds(guarded: Platform) -> None:
    async with await guarded.node.app(8) as app:
        app.answers_pings = False
        await asyncio.sleep(1.0)
        app._writer.write(b"\x81\xff" + (10_000).to_bytes(8) + bytes(4) + b"x" * 5_000)
        await asyncio.wait_for(app.closed.wait(), 8.5)


async def test_a_renewed_certificate_is_served_on_the_live_listener(guarded: Platform) -> None:
    node = guarded.node
    async with await node.device(47) as device:
        serial = node.authority.issue(node.certificate, node.key)
        _, writer = await asyncio.open_connection("127.0.0.1", node.public, ssl=node.tls, server_hostname="localhost")
        shown = writer.get_extra_info("ssl_object").getpeercert()["serialNumber"]
        writer.transport.abort()
        assert int(shown, 16) == serial
        await device.call("reswarm.devices.get_app_cred_key")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_tls_1_2_and_1_3_are_served(guarded: Platform, version: ssl.TLSVersion) -> None:
    tls = ssl.create_default_context(cafile=str(guarded.node.authority.ca))
    tls.minimum_version = tls.maximum_version = version
    async with await Peer.connect(guarded.node.public, "/ws-re-dev", tls) as peer:
        await peer.join_cra("realm1", "1-48", "secret-48")


async def test_no_listener_answers_without_tls(guarded: Platform) -> None:
    node = guarded.node
    for port in (node.public, node.services, node.ops):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        try:
            answer = await asyncio.wait_for(reader.read(4096), 5)
        except ConnectionError:
            answer = b""
        assert not answer.startswith(b"HTTP")
        writer.transport.abort()
