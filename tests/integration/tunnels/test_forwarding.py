"""Visitors and work streams, joined: nothing is lost, and whoever stands still costs little."""

import hashlib
import os
import socket
import time
from threading import Thread
from typing import Any

import pytest
from twisted.internet.protocol import Factory
from twisted.protocols.tls import TLSMemoryBIOFactory

from services.tunnels.forwarding import Forwarding
from services.tunnels.records.messages import StartWorkConn
from services.tunnels.records.offers import Source
from services.tunnels.streams import MuxStream
from shared.tls import client_options, server_options
from tests.harness.frp_client import WINDOW
from tests.harness.tunnel_edge import World, run
from tests.harness.waiting import wait_until
from tests.integration.flockctl import reactor_thread
from tests.integration.flockctl.certificates import Certificates
from tests.integration.tunnels.agents import SSH, call, is_closed, logged_in, visit
from tests.unit.tunnels.joined import Remembering, Wire

NAME = SSH.proxy_name


def echoed(port: int, octets: bytes) -> bytes:
    """What comes back of `octets`."""
    with visit(port) as connection:
        sender = Thread(target=connection.sendall, args=[octets])
        sender.start()
        found = bytearray()
        while len(found) < len(octets):
            found += connection.recv(65_536)
        sender.join()
        return bytes(found)


def pour(connection: socket.socket) -> None:
    """Send until it takes no more in time."""
    while True:
        connection.sendall(bytes(65_536))


def waiting_at_the_edge(world: World) -> int:
    """What waits there for device 42."""
    session = world.edge._sessions[42].link.session
    return sum(session.waiting(stream_id) for stream_id in range(1, 100))


def test_octets_come_back_equal(world: World) -> None:
    run(logged_in(world).offer(SSH))
    port, octets = world.raw_port(NAME), os.urandom(2_000_000)

    assert hashlib.sha256(echoed(port, octets)).digest() == hashlib.sha256(octets).digest()


def test_a_visitor_of_nobody_is_sent_away(world: World) -> None:
    try:
        with visit(world.raw_port(NAME)) as connection:
            assert is_closed(connection)
    except ConnectionResetError:
        return  # sent away while it came


def test_given_a_device_that_reads_nothing_when_a_visitor_sends_then_the_visitor_is_read_no_more(world: World) -> None:
    streams: list[MuxStream] = []

    def stand_still(stream: MuxStream, _start: StartWorkConn, _first: bytes) -> None:
        streams.append(stream)

    run(logged_in(world, work=stand_still).offer(SSH))
    with visit(world.raw_port(NAME)) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
        connection.settimeout(1.0)
        with pytest.raises(TimeoutError):
            pour(connection)

        assert WINDOW - 1_000 < streams[0].held_octets < WINDOW  # the StartWorkConn went before
        assert 0 < call(waiting_at_the_edge, world) <= 262_144


def test_given_a_visitor_that_reads_nothing_when_the_device_sends_then_the_device_is_read_no_more(world: World) -> None:
    pouring = _Pouring()
    run(logged_in(world, work=pouring.begin).offer(SSH))
    with visit(world.raw_port(NAME)):
        wait_until(pouring.is_stuck, 10, "the device cannot send on")
        sent = call(lambda: pouring.sent)

        assert 262_144 < sent < 16_000_000
    wait_until(lambda: pouring.is_lost, 10, "the device knows that the visitor left")


def test_when_the_device_ends_it_the_visitor_still_reads_what_came(world: World) -> None:
    def say_and_go(stream: MuxStream, _start: StartWorkConn, _first: bytes) -> None:
        stream.attach(Remembering())
        stream.write(b"last words")
        stream.loseConnection()

    run(logged_in(world, work=say_and_go).offer(SSH))
    with visit(world.raw_port(NAME)) as connection:
        assert connection.recv(100, socket.MSG_WAITALL) == b"last words"


def test_a_visit_is_counted_and_told_when_it_ends_and_can_be_cut(world: World) -> None:
    run(logged_in(world).offer(SSH))
    reasons: list[str] = []
    counted = {"to": 0, "from": 0}

    def moved(to_device: int, to_visitor: int) -> None:
        counted["to"] += to_device
        counted["from"] += to_visitor

    async def begin() -> tuple[Forwarding, Wire]:
        stream = await world.open(NAME, Source("192.0.2.9", 1))
        forwarding, wire = Forwarding(stream, reactor_thread.reactor, moved, reasons.append), Wire()
        forwarding.makeConnection(wire)
        forwarding.dataReceived(b"hello")
        return forwarding, wire

    forwarding, wire = run(begin())
    wait_until(lambda: bytes(wire.octets) == b"hello", 10, "it came back")
    assert counted == {"to": 5, "from": 5}

    call(forwarding.cut, "the right was taken away")

    assert wire.is_aborted
    assert reasons == ["the right was taken away"]


def test_tls_to_the_device_runs_over_a_stream(world: World, certificates: Certificates) -> None:
    tls = server_options(certificates.certificate, certificates.key)

    def secure(stream: MuxStream, _start: StartWorkConn, first: bytes) -> None:
        factory = TLSMemoryBIOFactory(tls, False, Factory.forProtocol(_Greeting))
        stream.attach(factory.buildProtocol(None), first)

    run(logged_in(world, work=secure).offer(SSH))
    remembering = Remembering()

    async def ask() -> None:
        stream = await world.open(NAME, Source("192.0.2.9", 1))
        factory = TLSMemoryBIOFactory(client_options("localhost", certificates.ca), True, Factory())
        within: Any = factory.protocol(factory, remembering)
        stream.attach(within)
        within.write(bytes(300_000) + b"!")

    run(ask())
    wait_until(lambda: remembering.octets == b"hello 300001", 10, "the device answers inside TLS")


class _Greeting(Remembering):
    """A device's service that answers how much came, at the `!`."""

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        if data.endswith(b"!"):
            self.transport.write(b"hello %d" % len(self.octets))  # type: ignore[union-attr]


class _Pouring(Remembering):
    """A device's service that sends without end, as fast as it may."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = 0
        self.is_paused = False
        self.is_lost = False
        self._seen = 0
        self._since = time.monotonic()

    def begin(self, stream: MuxStream, _start: StartWorkConn, _first: bytes) -> None:
        stream.registerProducer(self, True)  # type: ignore[arg-type]
        stream.attach(self)
        self.resumeProducing()

    def is_stuck(self) -> bool:
        """Whether nothing more was sent for half a second."""
        now = time.monotonic()
        if self.sent != self._seen:
            self._seen, self._since = self.sent, now
        return self.sent > 0 and now - self._since > 0.5

    def resumeProducing(self) -> None:
        self.is_paused = False
        while not self.is_paused and not self.is_lost:
            self.sent += 65_536
            self.transport.write(bytes(65_536))  # type: ignore[union-attr]

    def pauseProducing(self) -> None:
        self.is_paused = True

    def stopProducing(self) -> None:
        self.is_lost = True

    def connectionLost(self, reason: object = None) -> None:
        self.is_lost = True
