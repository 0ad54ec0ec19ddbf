"""Visitors with a WebSocket: octets of a stream as they come, or datagrams, of which each message is one.

What ends a visit is told in the close: 1000 `device_left`, or 4403 with the cause.
"""

from abc import ABCMeta, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from attrs import frozen
from autobahn.exception import Disconnected
from autobahn.twisted.websocket import WebSocketServerProtocol
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

from services.tunnels.datagrams import Channel, Member
from services.tunnels.forwarding import CLOSE_S
from services.tunnels.recording import VisitRecording
from services.tunnels.records.offers import Source
from services.tunnels.records.visits import Cause
from services.tunnels.streams import DeviceStream
from services.tunnels.visiting import OpenVisit
from shared.websocket import send_at_once

PIECE_OCTETS: Final = 65_536
SLOW_S: Final = CLOSE_S
"""For a visitor to read what came last, and the close behind it."""
NORMAL: Final = 1000
RECORDED: Final = "X-IronFlock-Recorded"
CUT: Final = 4403
"""Of the range for private use (RFC 6455, section 7.4.2); the reason is the cause's word."""


@frozen
class Carried:
    """A visit that is open, its recording if it has one, the clock by which it moves, and `over`.

    That is called once when the visit is over, with the cause.
    """

    opened: OpenVisit
    recording: VisitRecording | None
    clock: Callable[[], float]
    over: Callable[[Cause], None]


class VisitSocket(WebSocketServerProtocol, metaclass=ABCMeta):
    """One visitor."""

    def __init__(self, carried: Carried) -> None:
        """Carry it."""
        super().__init__()
        self._carried = carried
        self._cause: Cause | None = None
        carried.opened.cut.add_done_callback(lambda cut: self.end(cut.result(), CUT))

    @abstractmethod
    def begin(self) -> None:
        """The visitor is there: what comes may go to them."""

    @abstractmethod
    def take(self, octets: bytes) -> int:
        """Pass on what the visitor said; how many octets went to the device."""

    @abstractmethod
    def let_go(self) -> None:
        """The visit may not go on: nothing of it reaches the device any more."""

    @abstractmethod
    def take_leave(self) -> None:
        """The visitor wants nothing of the device any more; what they said still goes."""

    @override
    def connectionMade(self) -> None:
        """The connection stands."""
        super().connectionMade()
        send_at_once(self)

    @override
    def onConnect(self, request: Any) -> Any:
        # Whoever comes is told before anything goes.
        return None if self._carried.recording is None else (None, {RECORDED: "yes"})

    @override
    def onOpen(self) -> None:
        if self._cause is None:
            self.begin()
        else:
            self.sendClose(CUT, self._cause.value)

    @override
    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        if self._cause is None:
            went = self.take(payload)
            if went:
                self._carried.opened.moved(self._carried.clock(), octets_to=went)

    @override
    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        self.abandon()

    def abandon(self) -> None:
        """The visitor is gone."""
        self._over(Cause.VISITOR_LEFT)
        self.take_leave()

    def say(self, octets: bytes) -> None:
        """One message for the visitor; of no effect once they have closed."""
        untyped: Any = self
        with suppress(Disconnected):
            untyped.sendMessage(octets, isBinary=True)

    def moved(self, octets_from: int) -> None:
        """So many octets came from the device."""
        self._carried.opened.moved(self._carried.clock(), octets_from=octets_from)

    def device_ended(self) -> None:
        """Nothing more comes from the device."""
        self.end(Cause.DEVICE_LEFT, NORMAL)

    def end(self, cause: Cause, code: int) -> None:
        """It is over, and why; the first cause counts."""
        if self._cause is not None:
            return
        self._over(cause)
        if cause is Cause.DEVICE_LEFT:
            self.closeHandshakeTimeout = SLOW_S
        else:
            self.let_go()
        visitor: Any = self.transport
        if visitor is not None:
            visitor.unregisterProducer()
            self.sendClose(code, cause.value)

    def _over(self, cause: Cause) -> None:
        if self._cause is None:
            self._cause = cause
            self._carried.over(cause)


class StreamSocket(VisitSocket):
    """A visitor with a stream to the device; each side is read as fast as the other takes it."""

    def __init__(self, carried: Carried, stream: DeviceStream) -> None:
        """Over `stream`, to which nothing is attached yet."""
        super().__init__(carried)
        self._stream = stream

    @override
    def begin(self) -> None:
        visitor: Any = self.transport
        visitor.registerProducer(self._stream, True)  # noqa: FBT003 - Twisted's order
        self._stream.registerProducer(visitor, True)  # noqa: FBT003 - as above
        self._stream.attach(_FromDevice(self))

    @override
    def take(self, octets: bytes) -> int:
        self._stream.write(octets)
        return len(octets)

    @override
    def let_go(self) -> None:
        self._stream.unregisterProducer()
        self._stream.abortConnection()

    @override
    def take_leave(self) -> None:
        self._stream.unregisterProducer()
        self._stream.loseConnection()

    def from_device(self, octets: bytes) -> None:
        """Pass on what came."""
        self.moved(len(octets))
        if self._carried.recording is not None:
            self._carried.recording.seen(octets)
        for first in range(0, len(octets), PIECE_OCTETS):
            self.say(octets[first : first + PIECE_OCTETS])


class _FromDevice(Protocol):
    def __init__(self, socket: StreamSocket) -> None:
        self._socket = socket

    @override
    def dataReceived(self, data: bytes) -> None:
        self._socket.from_device(data)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._socket.device_ended()


class DatagramSocket(VisitSocket):
    """A visitor of a udp port: what they do not take in time is dropped."""

    def __init__(self, carried: Carried, channel: Channel, source: Source) -> None:
        """By a place in `channel`, for a visitor from `source`; raises as `Channel.enter`."""
        self._place = channel.enter(source, Member(self.from_device, self.device_ended))  # or there is no visit at all
        super().__init__(carried)
        self._channel = channel
        self._pressure = _Pressure()
        self._is_here = False

    @override
    def begin(self) -> None:
        visitor: Any = self.transport
        visitor.registerProducer(self._pressure, True)  # noqa: FBT003 - Twisted's order
        self._is_here = True

    @override
    def take(self, octets: bytes) -> int:
        return len(octets) if self._channel.send(octets, self._place) else 0

    @override
    def let_go(self) -> None:
        self._channel.leave(self._place)

    @override
    def take_leave(self) -> None:
        self._channel.leave(self._place)

    def from_device(self, datagram: bytes) -> None:
        """Pass on what came."""
        if self._is_here and not self._pressure.is_high:
            self.moved(len(datagram))
            self.say(datagram)


@implementer(IPushProducer)
class _Pressure:
    """Remembers whether the visitor takes what it is sent."""

    is_high = False

    def pauseProducing(self) -> None:
        """Too much waits for the visitor."""
        self.is_high = True

    def resumeProducing(self) -> None:
        """It was taken."""
        self.is_high = False

    def stopProducing(self) -> None:
        """The visitor is gone."""
        self.is_high = True
