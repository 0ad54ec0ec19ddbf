"""A yamux session over a connection of Twisted: streams come out of it, and their octets leave as it takes them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from twisted.internet.interfaces import IAddress, IDelayedCall, IPushProducer, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

from services.tunnels.errors import RemoteProtocolError
from services.tunnels.records.yamux import Data, Event, Finished, GoneAway, Keepalive, Opened, Reset, Role
from services.tunnels.rules.frames import GoAwayCode
from services.tunnels.rules.yamux import Session
from services.tunnels.streams import MuxStream

KEEPALIVE: Final = Keepalive(every_s=2.0, within_s=5.0)
"""A peer that is gone without a word is found within 7 s: names are free within 10 s (decision 29)."""
CLOSE_S: Final = 2.0
"""For what is still to be sent, and the peer's end of TLS."""


@implementer(IPushProducer)
class Link(Protocol):
    """One connection. `opened` gets each stream of the peer, accepted; `ended` is called once, with why."""

    def __init__(
        self,
        clock: IReactorTime,
        opened: Callable[[MuxStream], None],
        ended: Callable[[str], None],
        *,
        role: Role = Role.SERVER,
        keepalive: Keepalive | None = KEEPALIVE,
    ) -> None:
        """Begin once there is a connection."""
        self.clock = clock
        self.session = Session(role, keepalive, now=clock.seconds())
        self._opened = opened
        self._ended = ended
        self._streams: dict[int, MuxStream] = {}
        self._full: set[MuxStream] = set()
        self._timer: IDelayedCall | None = None
        self._is_paused = False
        self._is_busy = False
        self.is_over = False

    def open_stream(self, window: int) -> MuxStream:
        """A stream of our own (a client's)."""
        stream = MuxStream(self, self.session.open(window))
        self._streams[stream.stream_id] = stream
        self.pump()
        return stream

    def end(self, reason: str, code: GoAwayCode = GoAwayCode.NORMAL) -> None:
        """End the session now: each stream is lost, and little of what waits is still sent."""
        if self.is_over:
            return
        transport: Any = self.transport
        self.session.go_away(code)
        transport.write(self.session.octets_to_send())
        self._over(reason)
        transport.unregisterProducer()
        transport.loseConnection()
        self._timer = self.clock.callLater(CLOSE_S, transport.abortConnection)

    # ------------------------------------------------------------------------------------------------------- Twisted

    @override
    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.registerProducer(self, True)  # noqa: FBT003 - Twisted's order
        self._set_timer()
        self.pump()

    @override
    def dataReceived(self, data: bytes) -> None:
        if self.is_over:
            return
        self._is_busy = True  # as `together`, which would cost a microsecond for each record of TLS
        try:
            for event in self.session.receive(data, self.clock.seconds()):
                self._take(event)
        except RemoteProtocolError as error:
            self.end(str(error), GoAwayCode.PROTOCOL_ERROR)
        finally:
            self._is_busy = False
        self.pump()

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._over("the connection was lost")
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def pauseProducing(self) -> None:
        """The connection takes no more for now."""
        self._is_paused = True

    def resumeProducing(self) -> None:
        """It does again."""
        self._is_paused = False
        self.pump()

    def stopProducing(self) -> None:
        """It never will."""
        self._is_paused = True

    # --------------------------------------------------------------------------------------------------- for streams

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is written within leaves in one piece."""
        if self._is_busy:
            yield
            return
        self._is_busy = True
        try:
            yield
        finally:
            self._is_busy = False
            self.pump()

    def pump(self) -> None:
        """Send what the connection takes, and let those write on whose octets left."""
        if self._is_busy or self.is_over or self.transport is None:
            return
        self._is_busy = True
        try:
            self._write_waiting()
            while self._relieved():
                self._write_waiting()
        finally:
            self._is_busy = False

    def relieve_later(self, stream: MuxStream) -> None:
        """Tell `stream` when less of it waits."""
        self._full.add(stream)

    def forget(self, stream: MuxStream) -> None:
        """The stream is gone, by us."""
        self._streams.pop(stream.stream_id, None)

    def get_peer(self) -> IAddress:
        """Where the agent is."""
        transport: Any = self.transport
        peer: IAddress = transport.getPeer()
        return peer

    def get_host(self) -> IAddress:
        """Where it reached us."""
        transport: Any = self.transport
        host: IAddress = transport.getHost()
        return host

    # -------------------------------------------------------------------------------------------------------- inside

    def _write_waiting(self) -> None:
        transport: Any = self.transport
        while not self._is_paused and (octets := self.session.octets_to_send()):
            transport.write(octets)

    def _relieved(self) -> bool:
        if not self._full:
            return False
        full, self._full = self._full, set()
        # A producer may write on at once, and come back into the new set.
        settled = [stream for stream in full if stream.relieve()]
        self._full |= full.difference(settled)
        return bool(settled) and not self._is_paused

    def _take(self, event: Event) -> None:
        match event:
            case Data(stream_id, octets):
                stream = self._streams.get(stream_id)
                if stream is not None:  # else we reset it while the same octets were read
                    stream.received(octets)
            case Opened(stream_id):
                self.session.accept(stream_id)
                self._streams[stream_id] = MuxStream(self, stream_id)
                self._opened(self._streams[stream_id])
            case Finished(stream_id):
                self._lost(stream_id, MuxStream.finished)
            case Reset(stream_id):
                self._lost(stream_id, partial(MuxStream.broken, reason="the agent reset the stream"))
            case GoneAway(code):
                self.end(f"the agent went away with code {code}")

    def _lost(self, stream_id: int, tell: Callable[[MuxStream], None]) -> None:
        stream = self._streams.pop(stream_id, None)
        if stream is not None:
            tell(stream)

    def _set_timer(self) -> None:
        due = self.session.next_timer()
        if due is not None:
            self._timer = self.clock.callLater(max(0.0, due - self.clock.seconds()), self._tick)

    def _tick(self) -> None:
        try:
            self.session.tick(self.clock.seconds())
        except RemoteProtocolError as error:
            self.end(str(error))
            return
        self._set_timer()
        self.pump()

    def _over(self, reason: str) -> None:
        if self.is_over:
            return
        self.is_over = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        streams, self._streams = list(self._streams.values()), {}
        self._full.clear()
        for stream in streams:
            stream.broken(reason)
        self._ended(reason)
