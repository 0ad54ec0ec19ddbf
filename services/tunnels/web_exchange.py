"""One request of a web visitor and the device's answer: both are taken apart and put together anew, as they stream.

Each side is read as fast as the other takes it. After a change to a WebSocket octets go both ways as they are.
"""

import asyncio
from collections.abc import Callable
from enum import Enum
from typing import Any, Final

import h11
from h11 import Connection as HttpConnection
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IPushProducer, IReactorTime
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

from services.tunnels.deadlines import Deadline
from services.tunnels.rules.headers import switched_to_visitor, to_visitor
from services.tunnels.rules.heads import MAX_HEAD, Headers, Incoming
from services.tunnels.streams import DeviceStream

ANSWER_S: Final = 60.0
"""From the end of the request to the head of the answer, as frps waits for it."""
BODY_S: Final = 30.0
"""For the next piece of a request's body, while we take some: whoever sends none keeps a stream of the device."""
MAX_AHEAD: Final = 131_072
"""Of what a visitor sends behind a request that is not answered yet."""
SWITCHING: Final = 101
CONTINUE: Final = 100

Moved = Callable[[int, int], None]
"""Told the octets that went to the device, and that came from it."""


class Outcome(Enum):
    """How it ended."""

    ANSWERED = "answered"
    DEVICE_LEFT = "device_left"
    DEVICE_BROKE_HTTP = "device_broke_http"
    TIMED_OUT = "timed_out"
    BODY_LATE = "body_late"
    VISITOR_LEFT = "visitor_left"
    VISITOR_BROKE_HTTP = "visitor_broke_http"
    CUT = "cut"


@implementer(IOpenSSLClientConnectionCreator)
class DeviceTls:
    """TLS to a device: its certificate is its own and proves nothing; who it is, its tunnel has shown."""

    def __init__(self, host: str) -> None:
        """It is asked for as `host`."""
        self._host = host
        self._context = SSL.Context(SSL.TLS_METHOD)
        self._context.set_min_proto_version(SSL.TLS1_2_VERSION)

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:  # noqa: ARG002, N803 - the interface
        """A connection, as Twisted's `TLSMemoryBIOFactory` asks for it."""
        connection = SSL.Connection(self._context, None)
        connection.set_tlsext_host_name(self._host.encode())
        return connection


@implementer(IPushProducer)
class Exchange:
    """The exchange, which is read of as the device takes it; `done` is told how it ended, once."""

    def __init__(self, incoming: Incoming, headers: Headers, visitor: Any, clock: IReactorTime, moved: Moved) -> None:
        """Ask with `headers` for what is `incoming`; `visitor` is the visitor's transport."""
        self.done: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.is_answered = False
        self.is_switched = False
        self._request = h11.Request(method=incoming.method, target=incoming.target, headers=headers)
        self._http: HttpConnection = incoming.connection
        self._device_http: HttpConnection = HttpConnection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
        self._visitor = visitor
        self._device: Any = None
        self._moved = moved
        self._ahead = bytearray()
        self._is_paused = False
        self._answer_due = Deadline(clock, lambda: self._end(Outcome.TIMED_OUT))
        self._body_due = Deadline(clock, lambda: self._end(Outcome.BODY_LATE))

    def begin(self, stream: DeviceStream, tls: IOpenSSLClientConnectionCreator | None, first: bytes) -> None:
        """Send it over `stream`, inside of `tls` where that is given; `first` has come behind the head already."""
        self._ahead += first
        protocol: Any = _FromDevice(self)
        if tls is not None:
            factory = TLSMemoryBIOFactory(tls, True, Factory.forProtocol(lambda: protocol))  # noqa: FBT003 - Twisted's
            stream.attach(factory.buildProtocol(None))
        else:
            stream.attach(protocol)

    @property
    def ahead(self) -> bytes:
        """What came behind the request and was not looked at."""
        return bytes(self._ahead)

    @property
    def leftover(self) -> bytes | None:
        """What came behind the request; None where nothing can follow on this connection."""
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return None
        return self._http.trailing_data[0] + bytes(self._ahead)

    # ---------------------------------------------------------------------------------------------- from the visitor

    def from_visitor(self, data: bytes) -> None:
        """Octets behind the head."""
        if self.done.done():
            return
        if self.is_switched:
            self._write_device(data)
        elif self._device is None or self._http.their_state is not h11.SEND_BODY:
            self._ahead += data
            if len(self._ahead) > MAX_AHEAD:
                self._end(Outcome.VISITOR_BROKE_HTTP)
        else:
            self._take_body(data)

    def visitor_lost(self) -> None:
        """They are gone."""
        self._end(Outcome.VISITOR_LEFT)

    def interrupt(self) -> None:
        """It may not go on."""
        self._end(Outcome.CUT)

    # ----------------------------------------------------------------------------------------------- from the device

    def joined(self, device: Any) -> None:
        """There is a way to the device."""
        if self.done.done():
            device.abortConnection()
            return
        self._device = device
        self._visitor.registerProducer(device, True)  # noqa: FBT003 - Twisted's order
        device.registerProducer(self, True)  # noqa: FBT003 - as above
        self._await_body()
        self._send_device(self._request)
        self._take_body(self._taken_ahead())

    def from_device(self, data: bytes) -> None:
        """Octets of the answer."""
        if self.done.done():
            return
        self._moved(0, len(data))
        if self.is_switched:
            self._visitor.write(data)
            return
        self._guard_device(lambda: self._device_http.receive_data(data))

    def device_lost(self) -> None:
        """The device ended it: that may be the end of its answer."""
        if self.done.done():
            return
        if not self.is_switched:
            self._guard_device(lambda: self._device_http.receive_data(b""))
        self._end(Outcome.DEVICE_LEFT)

    # ---------------------------------------------------------------------------- the producer of what the device takes

    def pauseProducing(self) -> None:
        """The device takes no more for now: nobody is waited for who is not read."""
        self._is_paused = True
        self._body_due.rest()
        self._visitor.pauseProducing()

    def resumeProducing(self) -> None:
        """It does again."""
        self._is_paused = False
        if self._http.their_state is h11.SEND_BODY:
            self._await_body()
        self._visitor.resumeProducing()

    def stopProducing(self) -> None:
        """It never will, as `device_lost` says too."""

    # -------------------------------------------------------------------------------------------------------- inside

    def _take_body(self, data: bytes) -> None:
        try:
            if data:
                self._http.receive_data(data)
            while not self.done.done() and self._pass_body(self._http.next_event()):
                pass
        except h11.RemoteProtocolError:
            self._end(Outcome.VISITOR_BROKE_HTTP)

    def _pass_body(self, event: Any) -> bool:
        """Pass on one event of the request's body; whether another may be there."""
        if isinstance(event, h11.Data):
            self._await_body()
            self._send_device(h11.Data(data=bytes(event.data)))
            return True
        if isinstance(event, h11.EndOfMessage):
            self._body_due.rest()
            self._send_device(h11.EndOfMessage())
            if not self.is_answered:
                self._answer_due.expect(ANSWER_S)
        return False

    def _await_body(self) -> None:
        """There is a time for the next piece, while we take some and the device has not answered without it."""
        if not (self._is_paused or self.is_answered or self.done.done()):
            self._body_due.expect(BODY_S)

    def _taken_ahead(self) -> bytes:
        ahead, self._ahead = bytes(self._ahead), bytearray()
        return ahead

    def _guard_device(self, receive: Callable[[], None]) -> None:
        try:
            receive()
            while not self.done.done() and not self.is_switched and self._take_answer(self._device_http.next_event()):
                pass
        except h11.ProtocolError:
            self._end(Outcome.DEVICE_BROKE_HTTP)

    def _take_answer(self, event: Any) -> bool:
        """Pass on one event of the answer; whether another may be there."""
        headers = [(bytes(name), bytes(value)) for name, value in getattr(event, "headers", [])]
        match event:
            case h11.InformationalResponse(status_code=status):
                if status == SWITCHING:
                    self._switch(headers)
                elif status == CONTINUE and self._http.they_are_waiting_for_100_continue:
                    self._send_visitor(h11.InformationalResponse(status_code=CONTINUE, headers=[]))
            case h11.Response(status_code=status, reason=reason):
                self._rest()
                self.is_answered = True
                self._send_visitor(h11.Response(status_code=status, headers=to_visitor(headers), reason=reason))
            case h11.Data(data=data):
                self._send_visitor(h11.Data(data=bytes(data)))
            case h11.EndOfMessage():
                self._send_visitor(h11.EndOfMessage())
                self._end(Outcome.ANSWERED)
            case _:
                return False
        return True

    def _switch(self, headers: Headers) -> None:
        self._rest()
        self._send_visitor(h11.InformationalResponse(status_code=SWITCHING, headers=switched_to_visitor(headers)))
        self.is_answered = self.is_switched = True
        waiting = self._device_http.trailing_data[0]
        if waiting:
            self._visitor.write(waiting)
        ahead = self._http.trailing_data[0] + self._taken_ahead()
        if ahead:
            self._write_device(ahead)

    def _send_visitor(self, event: Any) -> None:
        octets = self._http.send(event)
        if octets:
            self._visitor.write(octets)

    def _send_device(self, event: Any) -> None:
        octets = self._device_http.send(event)
        if octets:
            self._write_device(octets)

    def _write_device(self, octets: bytes) -> None:
        self._moved(len(octets), 0)
        self._device.write(octets)

    def _rest(self) -> None:
        self._answer_due.rest()
        self._body_due.rest()

    def _end(self, outcome: Outcome) -> None:
        if self.done.done():
            return
        self._rest()
        self.done.set_result(outcome)
        if self._device is not None:
            self._device.unregisterProducer()
            self._visitor.unregisterProducer()
            self._device.abortConnection()


class _FromDevice(Protocol):
    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    @override
    def connectionMade(self) -> None:
        self._exchange.joined(self.transport)

    @override
    def dataReceived(self, data: bytes) -> None:
        self._exchange.from_device(data)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._exchange.device_lost()
