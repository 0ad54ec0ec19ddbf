"""The guard of a listening port: every connection, from accept on, before TLS, with its bounds.

Crossbar and Twisted leave these open (facts tried on Crossbar 26.10): no bound on the time to join, none on connections
per address, none on octets that wait for a peer which does not read. The guard is the outermost factory of the port, so
it holds the raw TCP transport of each connection and sees every octet before TLS.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, Final

import structlog
from twisted.internet.interfaces import IAddress, IProtocol, IReactorTime
from twisted.internet.protocol import ServerFactory, connectionDone
from twisted.protocols.policies import WrappingFactory
from twisted.python.failure import Failure
from typing_extensions import override

from ironflock_router.handshakes import Handshakes
from ironflock_router.loops import Loop
from ironflock_router.metrics import CONNECTIONS, DROPPED, UNJOINED, WAITING_OCTETS
from ironflock_router.settings import Limits
from ironflock_router.turns import Turn
from shared.prompt import PromptConnection
from shared.subscribers import subscriber

log = structlog.get_logger()

SWEEP_EVERY_S: Final = 0.5
BURST: Final = 4
"""Between two sweeps a connection may lag this many times its bound; beyond it is cut in the same turn."""
PARTS: Final = 4
"""What waits in all is looked at whenever so large a part of its bound was written, also within one turn of the
reactor: in each an event goes to a hundred subscribers."""


class GuardedConnection(PromptConnection):
    """One connection, as transport for TLS and as protocol for TCP."""

    factory: "Guard"

    def __init__(self, factory: "Guard", wrapped: IProtocol, address: str, born: float) -> None:
        """Made by the guard; `address` is the peer's host (of IPv6: its network), `born` the reactor's seconds."""
        super().__init__(factory, wrapped)  # type: ignore[arg-type]  # Twisted's generic names itself
        self.address = address
        self.born = born
        self.is_joined = False
        self.is_shaking_hands = False
        self._has_tls = False
        self.is_over = False
        """Whether it was cut or lost: nothing is written to it any more, nor is what was read still heard."""
        self._octets_before_join = 0
        self._heard_at = born

    def joined(self) -> None:
        """A session has joined over this connection."""
        self.is_joined = True
        self.factory.connection_joined(self)

    def handshake_done(self) -> None:
        """TLS stands."""
        self._has_tls = True
        self.factory.handshake_ended(self)

    def late(self, now: float) -> str | None:
        """The reason to end it at `now`, if there is one."""
        limits, age = self.factory.limits, now - self.born
        if age > limits.join_timeout_s:
            return "join_timeout"
        if not self._has_tls and age > limits.handshake_timeout_s:
            return "handshake_timeout"
        return None

    @override
    def dataReceived(self, data: bytes) -> None:
        """Octets from the peer."""
        self._heard_at = self.factory.seconds()
        if not self.is_joined and not self._may_go_on(len(data)):
            return
        with self.factory.turn:
            super().dataReceived(data)  # type: ignore[no-untyped-call]

    @override
    def write(self, data: bytes) -> None:
        """Octets to the peer."""
        if self.is_over:
            return
        super().write(data)
        self.factory.written(self, len(data))

    @override
    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Octets to the peer."""
        self.write(b"".join(data))

    def silent_s(self) -> float:
        """For how many seconds not one octet has come from the peer: below TLS, whose records come as a whole."""
        return self.factory.seconds() - self._heard_at

    def abort(self) -> None:
        """Cut it; what waits is lost, now and not when Twisted comes to it, and nothing more is taken."""
        self.is_over = True
        tcp: Any = self.transport
        tcp.dataBuffer, tcp.offset, tcp._tempDataLen = b"", 0, 0  # noqa: SLF001 - as `waiting_octets`
        tcp._tempDataBuffer.clear()  # noqa: SLF001 - as above
        tcp.abortConnection()

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone."""
        self.is_over = True  # TLS would still write its farewell
        super().connectionLost(reason)
        self.factory.connection_lost(self)

    def _may_go_on(self, length: int) -> bool:
        self._octets_before_join += length
        if self._octets_before_join > self.factory.limits.octets_before_join:
            self.factory.drop(self, "octets_before_join")
            return False
        if self._has_tls or self.is_shaking_hands:
            return True
        # Counted from the first octet: a silent connection costs no computing.
        return self.factory.handshake_begun(self)


class Guard(WrappingFactory):
    """The outermost factory of a port."""

    noisy = False

    def __init__(self, name: str, limits: Limits, wrapped: ServerFactory, reactor: IReactorTime, turn: Turn) -> None:
        """Guard what `wrapped` serves; `name` labels the figures, octets are taken in within `turn`."""
        super().__init__(wrapped)  # type: ignore[no-untyped-call]
        self.limits = limits
        self._name = name
        self._reactor = reactor
        self.turn = turn
        self.seconds = reactor.seconds
        self._unjoined: OrderedDict[GuardedConnection, None] = OrderedDict()  # oldest first
        self._by_address: dict[str, OrderedDict[GuardedConnection, None]] = {}
        self._handshakes: Handshakes[GuardedConnection] = Handshakes(limits, reactor.seconds)
        self._written: set[GuardedConnection] = set()  # where something may wait: few of many
        self._unseen_octets = 0
        self._sweeps = Loop(reactor, self.sweep, SWEEP_EVERY_S)

    @override
    def doStart(self) -> None:
        """The port listens."""
        super().doStart()  # type: ignore[no-untyped-call]
        self._sweeps.start()

    @override
    def doStop(self) -> None:
        """The port is closed."""
        super().doStop()  # type: ignore[no-untyped-call]
        self._sweeps.stop()

    @override
    def buildProtocol(self, addr: IAddress | None) -> GuardedConnection | None:  # type: ignore[override]  # None: refuse
        """Take a connection in, or close it in the same turn."""
        address = subscriber(getattr(addr, "host", ""))
        reason = self._refusal(address)
        if reason is not None:
            DROPPED.labels(self._name, reason).inc()
            return None
        wrapped: IProtocol | None = self.wrappedFactory.buildProtocol(addr)
        if wrapped is None:
            return None
        connection = GuardedConnection(self, wrapped, address, self._reactor.seconds())
        self._unjoined[connection] = None
        self._by_address.setdefault(address, OrderedDict())[connection] = None
        self._count()
        return connection

    def connection_joined(self, connection: GuardedConnection) -> None:
        """It counts among those that have not joined no longer."""
        self._forget_unjoined(connection)

    def connection_lost(self, connection: GuardedConnection) -> None:
        """It is gone."""
        self._forget_unjoined(connection)
        self._handshakes.end(connection)
        self._written.discard(connection)

    def written(self, connection: GuardedConnection, octets: int) -> None:
        """So many octets were given to its transport."""
        self._written.add(connection)
        self._unseen_octets += octets
        if connection.waiting_octets() > BURST * self.limits.waiting_per_connection:
            self.drop(connection, "slow_reader")
        if PARTS * self._unseen_octets > self.limits.waiting_in_all:
            self._bound_all(self._waiting())

    def handshake_begun(self, connection: GuardedConnection) -> bool:
        """The first octet of TLS came: whether it may go on; above the bounds it is cut, or another one for it."""
        place = self._handshakes.place_for(connection.address)
        if place.refusal is not None:
            self.drop(connection, place.refusal)
            return False
        if place.instead_of is not None:
            self.drop(place.instead_of, "handshake_made_room")
        connection.is_shaking_hands = True
        self._handshakes.begin(connection)
        return True

    def handshake_ended(self, connection: GuardedConnection) -> None:
        """TLS stands."""
        connection.is_shaking_hands = False
        self._handshakes.end(connection)

    def drop(self, connection: GuardedConnection, reason: str) -> None:
        """Cut a connection, and count why."""
        DROPPED.labels(self._name, reason).inc()
        if connection.is_joined:
            log.warning("connection_dropped", listener=self._name, address=connection.address, reason=reason)
        self._forget_unjoined(connection)
        self._handshakes.end(connection)
        connection.abort()

    def sweep(self) -> None:
        """End what is late or lags; twice a second."""
        now = self._reactor.seconds()
        late = [(connection, connection.late(now)) for connection in self._unjoined]
        for connection, reason in late:
            if reason is not None:
                self.drop(connection, reason)
        self._sweep_waiting()
        self._count()

    @override
    def unregisterProtocol(self, p: Any) -> None:
        """One connection less."""
        super().unregisterProtocol(p)  # type: ignore[no-untyped-call]
        self._count()

    def _sweep_waiting(self) -> None:
        waiting = self._waiting()
        WAITING_OCTETS.labels(self._name).set(sum(waiting.values()))
        lagging = [each for each, octets in waiting.items() if octets > self.limits.waiting_per_connection]
        for connection in lagging:
            self.drop(connection, "slow_reader")
            del waiting[connection]
        self._bound_all(waiting)

    def _waiting(self) -> dict[GuardedConnection, int]:
        looked_at = {connection: connection.waiting_octets() for connection in self._written}
        waiting = {connection: octets for connection, octets in looked_at.items() if octets}
        self._written, self._unseen_octets = set(waiting), 0
        return waiting

    def _bound_all(self, waiting: dict[GuardedConnection, int]) -> None:
        """Cut those with most until the rest is within the bound."""
        total = sum(waiting.values())
        if total <= self.limits.waiting_in_all:
            return
        for connection, octets in sorted(waiting.items(), key=lambda item: -item[1]):
            if total <= self.limits.waiting_in_all:
                return
            self.drop(connection, "waiting_in_all")
            total -= octets

    def _refusal(self, address: str) -> str | None:
        if len(self.protocols) >= self.limits.connections:
            return "connections"
        # Nobody goes for a connection that has not said a word.
        place = self._handshakes.place_for(address)
        if place.refusal is not None:
            return place.refusal
        of_address = self._by_address.get(address, OrderedDict())
        if len(of_address) >= self.limits.unjoined_per_address and not self._make_room(of_address):
            return "unjoined_per_address"
        if len(self._unjoined) >= self.limits.unjoined_in_all and not self._make_room(self._unjoined):
            return "unjoined_in_all"
        return None

    def _make_room(self, connections: "OrderedDict[GuardedConnection, None]") -> bool:
        """Let the oldest one go for a newcomer, if it had its time: an honest join takes a fraction of that.

        Otherwise one silent client would keep everybody behind its address out.
        """
        oldest = next(iter(connections))
        if self._reactor.seconds() - oldest.born < self.limits.room_after_s:
            return False
        self.drop(oldest, "made_room")
        return True

    def _forget_unjoined(self, connection: GuardedConnection) -> None:
        self._unjoined.pop(connection, None)
        of_address = self._by_address.get(connection.address)
        if of_address is not None:
            of_address.pop(connection, None)
            if not of_address:
                del self._by_address[connection.address]

    def _count(self) -> None:
        CONNECTIONS.labels(self._name).set(len(self.protocols))
        UNJOINED.labels(self._name).set(len(self._unjoined))
