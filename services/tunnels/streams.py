"""One stream of a yamux session, as a Twisted transport: any protocol of Twisted runs over it.

Back-pressure goes both ways. Octets of the peer are granted anew as they are delivered; while reading is paused they
are held, one window at the most. What is written waits for the peer's window, and its producer is paused meanwhile.
A FIN is a full close, as frp has it: neither side passes half a close on.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final, Protocol, cast

import structlog
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IAddress,
    IConsumer,
    IDelayedCall,
    IProducer,
    IProtocol,
    IPushProducer,
    IReactorTime,
    ITransport,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from services.tunnels.errors import LocalProtocolError, RemoteProtocolError
from services.tunnels.records.offers import Offer, Source
from services.tunnels.rules.yamux import Session

HIGH_OCTETS: Final = 196_608
"""With one more read of 64 KiB, 256 KiB wait at the most."""
LOW_OCTETS: Final = 65_536
CLOSE_S: Final = 30.0
"""From our FIN to the peer's; then the stream is reset."""

log = structlog.get_logger()


class DeviceStream(Protocol):
    """A way to what a device offers, of our own edge or of an frps: a transport, a consumer and a push producer."""

    def attach(self, protocol: IProtocol, first: bytes = b"") -> None:
        """From now on `protocol` has the stream."""

    def write(self, data: bytes) -> None:
        """Send `data` behind what waits."""

    def abortConnection(self) -> None:
        """End it now."""

    def loseConnection(self) -> None:
        """End it behind what waits."""

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:  # noqa: FBT001 - the interface
        """Pause `producer` while much waits."""

    def unregisterProducer(self) -> None:
        """It is to be paused no more."""


class Reaching(Protocol):
    """Opens ways to devices."""

    async def open_stream(self, offer: Offer, source: Source) -> DeviceStream:
        """A way to what is offered, for a visitor at `source`; a `NoWorkConnError` where there is none."""


class Carrier(Protocol):
    """What a stream needs of its connection."""

    session: Session
    clock: IReactorTime

    def pump(self) -> None:
        """Send what can be sent."""

    def relieve_later(self, stream: "MuxStream") -> None:
        """Call `relieve` once less of the stream waits."""

    def forget(self, stream: "MuxStream") -> None:
        """The stream is gone, by us."""

    def get_peer(self) -> IAddress:
        """Where the agent is."""

    def get_host(self) -> IAddress:
        """Where it reached us."""


@implementer(ITransport, IConsumer, IPushProducer)
class MuxStream:
    """A transport; nothing is delivered while no protocol is attached."""

    disconnecting = False

    def __init__(self, carrier: Carrier, stream_id: int) -> None:
        """A stream of the session that `carrier` has."""
        self._carrier = carrier
        self.stream_id = stream_id
        self._protocol: IProtocol | None = None
        self._producer: IPushProducer | None = None
        self._is_producer_paused = False
        self._held: deque[bytes] = deque()
        self.held_octets = 0
        self._is_reading = False
        self._end: Failure | None = None
        self._is_told = False
        self._closing: IDelayedCall | None = None

    @property
    def is_lost(self) -> bool:
        """Whether it ended."""
        return self._end is not None

    @property
    def waiting_octets(self) -> int:
        """What was written and not sent."""
        return self._carrier.session.waiting(self.stream_id)

    def attach(self, protocol: IProtocol, first: bytes = b"") -> None:
        """From now on `protocol` has the stream; `first`, which came already, is delivered to it before all else."""
        self._protocol = protocol
        self._is_reading = True
        protocol.makeConnection(self)
        if first:
            protocol.dataReceived(first)
        self._deliver_held()

    def widen(self, window: int) -> None:
        """Let the peer send `window` octets ahead of us."""
        self._carrier.session.widen(self.stream_id, window)
        self._carrier.pump()

    def detach(self) -> None:
        """Nobody has the stream until the next `attach`: what comes is held."""
        self._protocol = None
        self._is_reading = False

    # ---------------------------------------------------------------------------------------------- from the session

    def received(self, octets: bytes) -> None:
        """Octets of the peer."""
        if self.disconnecting or self.is_lost:
            self._carrier.session.consumed(self.stream_id, len(octets))
        elif self._is_reading and not self._held and self._protocol is not None:
            self._carrier.session.consumed(self.stream_id, len(octets))
            self._hand_over(octets)
        else:
            self._held.append(octets)
            self.held_octets += len(octets)

    def finished(self) -> None:
        """The peer sent FIN: what is held is still delivered, what waits is of no use to anybody."""
        self._carrier.session.drop_waiting(self.stream_id)
        self._carrier.session.finish(self.stream_id)
        self._over(Failure(ConnectionDone()))
        self._deliver_held()

    def broken(self, reason: str) -> None:
        """The peer reset it, or the session is over."""
        self._forget_held()
        self._over(Failure(ConnectionLost(reason)))
        self._tell()

    def relieve(self) -> bool:
        """Let the producer go on if little waits; whether that is settled."""
        if not self._is_producer_paused or self._producer is None or self.is_lost:
            return True
        if self.waiting_octets > LOW_OCTETS:
            return False
        self._is_producer_paused = False
        self._producer.resumeProducing()
        return not self._is_producer_paused  # one that writes at once may be paused anew by then

    # ---------------------------------------------------------------------------------------------------- ITransport

    def write(self, data: bytes) -> None:
        """Send `data` behind what waits; a writer that heeds no pause loses the stream."""
        if self.disconnecting or self.is_lost:
            return
        try:
            self._carrier.session.write(self.stream_id, data)
        except LocalProtocolError:
            self.abortConnection()
            return
        self._carrier.pump()
        if self._producer is not None and not self._is_producer_paused and self.waiting_octets > HIGH_OCTETS:
            self._is_producer_paused = True
            self._producer.pauseProducing()
            self._carrier.relieve_later(self)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Send all of `data`."""
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        """Send FIN behind what waits; what still comes is of no use to anybody."""
        if self.disconnecting or self.is_lost:
            return
        self.disconnecting = True
        self._forget_held()
        self._carrier.session.finish(self.stream_id)
        self._closing = self._carrier.clock.callLater(CLOSE_S, self.abortConnection)
        self._carrier.pump()

    def abortConnection(self) -> None:
        """Reset the stream; what waits is forgotten."""
        if self.is_lost:
            return
        self._forget_held()
        self._carrier.session.reset(self.stream_id)
        self._carrier.forget(self)
        self._over(Failure(ConnectionAborted()))
        self._carrier.clock.callLater(0, self._tell)
        self._carrier.pump()

    def getPeer(self) -> IAddress:
        """Where the agent is."""
        return self._carrier.get_peer()

    def getHost(self) -> IAddress:
        """Where it reached us."""
        return self._carrier.get_host()

    # -------------------------------------------------------------------------------------- IConsumer, IPushProducer

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:  # noqa: FBT001 - the interface
        """Pause `producer`, a push producer, while much waits."""
        if self._producer is not None or not streaming:
            raise RuntimeError("one producer at a time, and one that pushes")
        if self.is_lost:
            producer.stopProducing()
        else:
            self._producer = cast("IPushProducer", producer)

    def unregisterProducer(self) -> None:
        """It is to be paused no more."""
        self._producer = None
        self._is_producer_paused = False

    def pauseProducing(self) -> None:
        """Hold what comes: the peer's window closes."""
        self._is_reading = False

    def resumeProducing(self) -> None:
        """Deliver what is held, then go on."""
        self._is_reading = True
        self._deliver_held()

    def stopProducing(self) -> None:
        """Nobody wants what comes any more."""
        self.loseConnection()

    # -------------------------------------------------------------------------------------------------------- inside

    def _deliver_held(self) -> None:
        while self._held and self._is_reading and self._protocol is not None:
            octets = self._held.popleft()
            self.held_octets -= len(octets)
            self._carrier.session.consumed(self.stream_id, len(octets))
            self._hand_over(octets)
        if not self._held and self.is_lost:
            self._tell()
        self._carrier.pump()

    def _hand_over(self, octets: bytes) -> None:
        """Whatever fails behind this stream ends it, not the device's connection with all its other streams."""
        try:
            cast("IProtocol", self._protocol).dataReceived(octets)
        except RemoteProtocolError:
            raise  # the device's own fault, and the connection's
        except Exception:
            log.exception("tunnel_stream_failed")
            self.abortConnection()

    def _forget_held(self) -> None:
        self._carrier.session.consumed(self.stream_id, self.held_octets)
        self._held.clear()
        self.held_octets = 0

    def _over(self, end: Failure) -> None:
        if self._end is None:
            self._end = end
        if self._closing is not None and self._closing.active():
            self._closing.cancel()

    def _tell(self) -> None:
        """Tell the protocol that the stream is lost, once."""
        if self._is_told or self._protocol is None or self._end is None:
            return
        self._is_told = True
        self._protocol.connectionLost(self._end)
