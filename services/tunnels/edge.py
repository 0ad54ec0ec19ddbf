"""The port that agents dial: TLS first, then yamux or a websocket with yamux in it; one session a device."""

import socket
from collections.abc import Callable
from typing import Any, Final, cast

from twisted.internet.interfaces import IAddress, IListeningPort, IReactorTime
from twisted.internet.protocol import Factory, Protocol, ServerFactory, connectionDone
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from typing_extensions import override

from services.tunnels.admission import Declared, Devices
from services.tunnels.doorway import LOGIN_S, Doorway, Pending
from services.tunnels.edge_session import EdgeSession
from services.tunnels.errors import NoWorkConnError
from services.tunnels.offers import Offers
from services.tunnels.pace import Pace
from services.tunnels.records.happenings import Happening, SessionBegan, SessionEnded
from services.tunnels.records.offers import Offer, Source, TunnelDevice
from services.tunnels.refusal_log import RefusalLog
from services.tunnels.rules.messages import WIRE_V2
from services.tunnels.streams import MuxStream
from services.tunnels.websocket import websocket_factory
from shared.proxied import NOBODY, Proxies, behind
from shared.tls import ServerOptions

CLIENT_HELLO: Final = b"\x16"
MARKER: Final = b"\x17"
"""Older agents put it before their ClientHello; it says nothing."""
GET: Final = b"G"
YAMUX: Final = b"\x00"
"""Its version."""
BACKLOG: Final = 512
UNSENT_OCTETS: Final = 65_536
READ_OCTETS: Final = 262_144
TAKEN_OVER: Final = "the device logged in anew"


class Edge:
    """All agents that are here, and what they offer."""

    def __init__(self, devices: Devices, declared: Declared, tell: Callable[[Happening], None], reactor: Any) -> None:
        """Ask `devices` and `declared` who may what; call `tell` with what happens. `reactor` has clock and ports."""
        self.devices = devices
        self.declared = declared
        self.tell = tell
        self.clock = reactor
        self.offers = Offers()
        self.refusals = RefusalLog(reactor.seconds)
        self._sessions: dict[int, EdgeSession] = {}
        self._pending: dict[EdgeSession, Pending] = {}
        self._doorway = Doorway(reactor)

    def listen(self, tls: ServerOptions, port: int, interface: str, proxies: Proxies = NOBODY) -> IListeningPort:
        """Let agents in on `interface`:`port`, and those whom `proxies` name; `close` ends what came in, not the port.

        Raises:
            CannotListenError: The port is taken.
        """
        secured = TLSMemoryBIOFactory(tls, False, Factory())  # noqa: FBT003 - Twisted's order
        factory = behind(proxies, _Port(self, secured), self.clock)
        return cast("IListeningPort", self.clock.listenTCP(port, factory, backlog=BACKLOG, interface=interface))

    def inside_tls(self, address: IAddress | None, pending: Pending | None = None) -> Protocol:
        """The protocol for an agent whose TLS another listener ends: it takes the octets from the first one on."""
        return Opening(self, address, pending)

    async def open_stream(self, offer: Offer, source: Source) -> MuxStream:
        """A stream to what a device offers, for a visitor at `source`; attach a protocol to it.

        Raises:
            NoWorkConnError: The device opens none within 10 s, or does not offer that any more.
        """
        session = self._sessions.get(offer.device_key)
        if session is None:
            raise NoWorkConnError("the device is not here")
        return await session.open_stream(offer, source)

    def end(self, device_key: int, reason: str) -> bool:
        """Cut the device's session now, with all visits; whether there was one."""
        session = self._sessions.get(device_key)
        if session is not None:
            session.end(reason)
        return session is not None

    def close(self) -> None:
        """End everything."""
        self._doorway.clear()
        for session in list(self._sessions.values()):
            session.end("the edge stops")

    # ----------------------------------------------------------------------------------------------- for connections

    def enter(self, abort: Callable[[], None], address: IAddress | None) -> Pending | None:
        """A place for who has not logged in; see `Doorway.enter`."""
        return self._doorway.enter(abort, _host(address))

    def begin(self, address: IAddress | None, pending: Pending | None) -> Protocol:
        """The yamux session of an agent at `address`."""
        session = EdgeSession(self, _host(address))
        if pending is not None:
            self._pending[session] = pending
        return session.link

    def let_in(self, session: EdgeSession, device: TunnelDevice) -> None:
        """`session` is the one of `device` from now on; an earlier one is ended, its names and ports are free."""
        pending = self._pending.pop(session, None)
        if pending is not None:
            pending.leave()
        earlier = self._sessions.get(device.device_key)
        if earlier is not None:
            earlier.end(TAKEN_OVER)
        self._sessions[device.device_key] = session
        self.tell(SessionBegan(device, session.address, None if earlier is None else earlier.address))

    def left(self, session: EdgeSession, reason: str) -> None:
        """`session` is over."""
        pending = self._pending.pop(session, None)
        if pending is not None:
            pending.leave()
        device = session.device
        if device is None:
            self.refusals.say("tunnel_login_not_completed", session.address, reason=reason)
        elif self._sessions.get(device.device_key) is session:
            del self._sessions[device.device_key]
            self.tell(SessionEnded(device, reason))


class _Port(ServerFactory):
    noisy = False

    def __init__(self, edge: Edge, secured: TLSMemoryBIOFactory) -> None:
        self._edge = edge
        self._secured = secured

    @override
    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        return Arrival(self._edge, self._secured, addr)


class _Tls(TLSMemoryBIOProtocol):
    """TLS that gathers nothing, since whole frames are written."""

    def __init__(self, factory: TLSMemoryBIOFactory, within: Protocol, clock: IReactorTime) -> None:
        untyped: Any = super().__init__
        untyped(factory, within)
        self._clock = clock
        self._pace = Pace()

    @override
    def write(self, bytes: bytes) -> None:
        # Twisted has one figure for how much it reads at once and how much may wait to be sent. Much read at once saves
        # work; much that waits makes a ping late.
        tcp: Any = self.transport
        untyped: Any = super().write
        tcp.bufferSize = self._pace.limit(self._clock.seconds())
        untyped(bytes)
        tcp.bufferSize = READ_OCTETS
        if tcp.producerPaused:
            self._pace.paused(self._clock.seconds())


class Arrival(Protocol):
    """A connection that was just made: nothing, or TLS."""

    def __init__(self, edge: Edge, secured: TLSMemoryBIOFactory, address: IAddress | None) -> None:
        """Lay TLS of `secured` around it."""
        self._edge = edge
        self._secured = secured
        self._address = address
        self._pending: Pending | None = None
        self._tls: Any = None
        self._is_begun = False

    @override
    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.setTcpNoDelay(True)
        transport.bufferSize = READ_OCTETS
        # A ping waits behind little of what the kernel has not sent yet: a slow line is not taken for a dead one.
        transport.getHandle().setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_OCTETS)
        self._pending = self._edge.enter(transport.abortConnection, self._address)
        if self._pending is None:
            transport.abortConnection()

    @override
    def dataReceived(self, data: bytes) -> None:
        if self._tls is not None:
            self._tls.dataReceived(data)
            return
        if self._pending is None:
            return
        if not self._is_begun:
            self._is_begun = True
            self._pending.expect(LOGIN_S)
            if data.startswith(MARKER):
                data = data[1:]
        if data:
            self._begin(data)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._pending is not None:
            self._pending.leave()
        if self._tls is not None:
            self._tls.connectionLost(reason)

    def _begin(self, data: bytes) -> None:
        transport: Any = self.transport
        if not data.startswith(CLIENT_HELLO):
            self._edge.refusals.say("tunnel_without_tls_refused", _host(self._address))
            transport.abortConnection()
            return
        self._tls = _Tls(self._secured, self._edge.inside_tls(self._address, self._pending), self._edge.clock)
        self._tls.makeConnection(transport)
        self._tls.dataReceived(data)


class Opening(Protocol):
    """An agent inside its TLS: the first octet says what it speaks."""

    def __init__(self, edge: Edge, address: IAddress | None, pending: Pending | None) -> None:
        """At `address`."""
        self._edge = edge
        self._address = address
        self._pending = pending
        self._within: Any = None

    @override
    def connectionMade(self) -> None:
        if self._pending is None:
            transport: Any = self.transport
            self._pending = self._edge.enter(transport.abortConnection, self._address)
            if self._pending is None:
                transport.abortConnection()

    @override
    def dataReceived(self, data: bytes) -> None:
        if self._within is None and self._pending is not None:
            self._within = self._chosen(data[:1])
            if self._within is not None:
                self._within.makeConnection(self.transport)
        if self._within is not None:
            self._within.dataReceived(data)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._pending is not None:
            self._pending.leave()
        if self._within is not None:
            self._within.connectionLost(reason)

    def _chosen(self, first: bytes) -> Protocol | None:
        if first == YAMUX:
            return self._edge.begin(self._address, self._pending)
        if first == GET:
            factory = websocket_factory(lambda address: self._edge.begin(address, self._pending))
            return cast("Protocol", factory.buildProtocol(self._address))
        event = "tunnel_wire_v2_refused" if WIRE_V2.startswith(first) else "tunnel_without_multiplexing_refused"
        self._edge.refusals.say(event, _host(self._address))
        transport: Any = self.transport
        transport.abortConnection()
        return None


def _host(address: IAddress | None) -> str:
    return str(getattr(address, "host", ""))
