"""Public raw ports: open while a tunnel of tcp is public and offered, the one thing here that is not TLS (decision 29).

Each connection is a visit of somebody without an account, recorded like any other before the device is asked for a
stream.
"""

import asyncio
from contextlib import suppress
from typing import Any, Final

import psycopg
import structlog
from attrs import frozen
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress, IListeningPort
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from typing_extensions import override

from services.tunnels.declared import DeclaredPorts
from services.tunnels.edge import Edge
from services.tunnels.errors import NoWorkConnError
from services.tunnels.finding import Offering
from services.tunnels.forwarding import Forwarding
from services.tunnels.records.offers import Offer, Source
from services.tunnels.records.times import Times
from services.tunnels.records.tunnels import Tunnel
from services.tunnels.records.visits import Admitted, Cause, Visitor
from services.tunnels.store import tunnels as store
from services.tunnels.visiting import OpenVisit, Visiting
from shared.bus import Bus
from shared.database import Database
from shared.errors import PublicError

LOOK_EVERY_S: Final = 1.0
NOT_OPEN: Final = "its public port cannot be opened: something else has it"
TCP: Final = "tcp"

log = structlog.get_logger()


@frozen
class Standing:
    """What public ports stand on."""

    bus: Bus
    database: Database
    offering: Offering
    declared: DeclaredPorts
    visiting: Visiting
    edge: Edge
    times: Times


class RawPorts:
    """Opens and closes them."""

    def __init__(self, parts: Standing, reactor: Any, bind: str) -> None:
        """Listen on the address `bind`."""
        self._parts = parts
        self._reactor = reactor
        self._bind = bind
        self._open: dict[int, tuple[IListeningPort, PublicPort]] = {}
        self._is_due = asyncio.Event()

    def look(self) -> None:
        """Something may be otherwise."""
        self._is_due.set()

    async def keep_true(self) -> None:
        """Wait until something may be otherwise, a second at most; open what is to be open, and nothing else.

        Raises:
            PublicError: The database is away; what is open stays so.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_EVERY_S):
                await self._is_due.wait()
        self._is_due.clear()
        public = await self._parts.database.run(store.tunnel_list_public)
        wanted = {offer.remote_port or 0: (tunnel, offer) for tunnel, offer in self._offered(public)}
        for port in [each for each in self._open if each not in wanted]:
            self._close(port)
        for port, (tunnel, offer) in wanted.items():
            self._ensure(port, tunnel, offer)

    def stop(self) -> None:
        """Close every port."""
        for port in list(self._open):
            self._close(port)

    def _offered(self, public: list[Tunnel]) -> list[tuple[Tunnel, Offer]]:
        found = [(tunnel, self._parts.offering.find(tunnel.name)) for tunnel in public if tunnel.protocol == TCP]
        return [(tunnel, offer) for tunnel, offer in found if offer is not None]

    def _ensure(self, port: int, tunnel: Tunnel, offer: Offer) -> None:
        if port in self._open:
            self._open[port][1].serve(tunnel, offer)
            return
        factory = PublicPort(self._parts, tunnel, offer, self._reactor)
        try:
            listening = self._reactor.listenTCP(port, factory, interface=self._bind)
        except CannotListenError:
            self._parts.declared.refused(tunnel.name, NOT_OPEN)
            log.warning("tunnel_public_port_not_opened", port=port)
            return
        self._parts.declared.settled(tunnel.name)
        self._open[port] = listening, factory
        log.info("tunnel_public_port_opened", port=port, tunnel_key=tunnel.tunnel_key)

    def _close(self, port: int) -> None:
        listening, _ = self._open.pop(port)
        listening.stopListening()
        log.info("tunnel_public_port_closed", port=port)


class PublicPort(Factory):
    """One of them."""

    noisy = False

    def __init__(self, parts: Standing, tunnel: Tunnel, offer: Offer, reactor: Any) -> None:
        """Bring whoever comes to what `tunnel` is."""
        self.parts = parts
        self.reactor = reactor
        self.tunnel = tunnel
        self.offer = offer

    def serve(self, tunnel: Tunnel, offer: Offer) -> None:
        """From now on it is this."""
        self.tunnel, self.offer = tunnel, offer

    @override
    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        return PublicVisitor(self, addr)


class PublicVisitor(Protocol):
    """One connection; nothing is read of it before it is recorded and there is a stream for it."""

    def __init__(self, port: PublicPort, address: Any) -> None:
        """From `address`."""
        self._port = port
        self._source = Source(str(address.host), int(address.port))
        self._task: asyncio.Task[None] | None = None
        self._forwarding: Forwarding | None = None

    @override
    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.setTcpNoDelay(True)
        transport.pauseProducing()
        self._task = self._port.parts.bus.task(self._come())

    @override
    def dataReceived(self, data: bytes) -> None:
        if self._forwarding is not None:
            self._forwarding.dataReceived(data)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._forwarding is not None:
            self._forwarding.connectionLost(reason)
        elif self._task is not None:
            self._task.cancel()

    async def _come(self) -> None:
        parts, transport = self._port.parts, self.transport
        visitor = Visitor(None, self._source.address, None)
        try:
            opened = await parts.visiting.begin(Admitted(self._port.tunnel, visitor))
        except (PublicError, psycopg.Error) as error:
            log.info("tunnel_public_visit_refused", tunnel_key=self._port.tunnel.tunnel_key, reason=str(error)[:200])
            _abort(transport)
            return
        cause = Cause.VISITOR_LEFT
        try:
            cause = await self._carry(opened)
        finally:
            _abort(transport)
            await asyncio.shield(parts.visiting.conclude(opened, cause))

    async def _carry(self, opened: OpenVisit) -> Cause:
        """Pass on until it ends."""
        parts = self._port.parts
        transport: Any = self.transport
        try:
            stream = await parts.edge.open_stream(self._port.offer, self._source)
        except NoWorkConnError:
            return Cause.NOT_REACHED
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._forwarding = forwarding = Forwarding(stream, self._port.reactor, ended.set_result)
        connected: Any = forwarding
        connected.makeConnection(transport)
        transport.resumeProducing()
        opened.cut.add_done_callback(lambda cut: forwarding.cut(cut.result().value))
        counted = 0, 0
        while not ended.done():
            await asyncio.wait({ended}, timeout=LOOK_EVERY_S)
            traffic = forwarding.traffic
            now = traffic.to_device, traffic.to_visitor
            if now != counted:
                to_device, to_visitor = now[0] - counted[0], now[1] - counted[1]
                opened.moved(parts.times.clock(), octets_to=to_device, octets_from=to_visitor)
                counted = now
        if opened.cut.done():
            return opened.cut.result()
        return Cause.DEVICE_LEFT if "device" in ended.result() else Cause.VISITOR_LEFT


def _abort(transport: Any) -> None:
    if transport is not None and transport.connected:
        transport.abortConnection()
