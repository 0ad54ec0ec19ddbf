"""One yamux session: octets and commands in, events and octets out. It reads no clock and does no I/O.

Every stream has a window each way. What the peer may send us (`receive_window`) grows only by what was `consumed`, so
a stream whose reader stands still holds one window and no more. What we want to send waits in the stream's queue until
the peer's window takes it; streams take turns, frames of the session itself go first.
Source: fatedier/yamux d0154be01cd6 session.go, stream.go; hashicorp/yamux spec.md.
"""

from collections import deque
from typing import Final

from services.tunnels.errors import LocalProtocolError, RemoteProtocolError
from services.tunnels.records.yamux import (
    Data,
    Event,
    Finished,
    GoneAway,
    Keepalive,
    Opened,
    Reset,
    Role,
    Signal,
    StreamState,
)
from services.tunnels.rules.frames import (
    ACK,
    ALL_FLAGS,
    FIN,
    HEADER,
    HEADER_OCTETS,
    RST,
    SYN,
    VERSION,
    FrameType,
    GoAwayCode,
    header,
)
from services.tunnels.rules.yamux_streams import (
    INITIAL_WINDOW,
    PEER_IS_DONE,
    SENDING,
    TRANSITIONS,
    Stream,
    take_waiting,
)

MAX_STREAMS: Final = 256
"""As yamux' AcceptBacklog; one more is refused with RST."""
MAX_FRAME_OCTETS: Final = 6_291_456
"""frp's MaxStreamWindowSize: no honest frame is longer."""
MAX_SEND_WINDOW: Final = 2**31 - 1
MAX_WAITING: Final = 1_048_576
"""Octets that may wait to be sent on one stream; whoever writes is to stop long before."""
MAX_CONTROL_OCTETS: Final = 65_536
"""Answers that a peer leaves unread before its session ends."""
SEND_OCTETS: Final = 65_536
"""Headers included: whole records of TLS."""


class Session:
    """Streams over one connection."""

    def __init__(self, role: Role, keepalive: Keepalive | None = None, *, now: float = 0.0) -> None:
        """As `role`, from `now` on; without `keepalive` the peer's silence means nothing."""
        self._next_id = 1 if role is Role.CLIENT else 2
        self._peer_parity = 0 if role is Role.CLIENT else 1
        self._last_peer_id = 0
        self._streams: dict[int, Stream] = {}
        self._ready: deque[Stream] = deque()
        self._control: list[bytes] = []
        self._control_octets = 0
        self._head = b""
        self._missing = 0
        self._into: Stream | None = None
        self._is_fin_after = False
        self._keepalive = keepalive
        self._heard_at = now
        self._ping_at = now + keepalive.every_s if keepalive else 0.0
        self._ping_value = 0
        self.is_over = False

    @property
    def stream_count(self) -> int:
        """How many streams are there."""
        return len(self._streams)

    def waiting(self, stream_id: int) -> int:
        """How many octets wait to be sent on the stream; none on one that is gone."""
        stream = self._streams.get(stream_id)
        return 0 if stream is None else stream.waiting

    # ---------------------------------------------------------------------------------------------------------- time

    def next_timer(self) -> float | None:
        """When `tick` wants to be called, at the latest."""
        if self._keepalive is None or self.is_over:
            return None
        return min(self._ping_at, self._silent_at(self._keepalive))

    def tick(self, now: float) -> None:
        """Send what is due.

        Raises:
            RemoteProtocolError: The peer is gone: it said nothing since a ping, or reads none.
        """
        if self._keepalive is None or self.is_over:
            return
        if now >= self._silent_at(self._keepalive):
            self.is_over = True
            raise RemoteProtocolError("the peer answers no ping")
        if now >= self._ping_at:
            self._answer(FrameType.PING, SYN, 0, self._ping_value)
            self._ping_value = (self._ping_value + 1) & 0xFFFFFFFF
            self._ping_at = now + self._keepalive.every_s

    def _silent_at(self, keepalive: Keepalive) -> float:
        # Whatever is heard shows that the peer lives: the answer may stand behind much data on a slow line.
        return self._heard_at + keepalive.every_s + keepalive.within_s

    # ------------------------------------------------------------------------------------------------------- sending

    def open(self, window: int = INITIAL_WINDOW) -> int:
        """A new stream on which the peer may send `window` octets ahead of us; its id."""
        self._must(not self.is_over, "the session is over")
        stream = Stream(self._next_id, StreamState.SYN_SENT, window, window)
        self._next_id += 2
        self._streams[stream.stream_id] = stream
        self._queue(FrameType.WINDOW_UPDATE, SYN, stream.stream_id, window - INITIAL_WINDOW)
        return stream.stream_id

    def accept(self, stream_id: int) -> None:
        """Take a stream that the peer opened; without this frpc drops the whole session after 75 s."""
        stream = self._streams.get(stream_id)
        if stream is not None:
            self._move(stream, Signal.ACCEPTED)
            self._queue(FrameType.WINDOW_UPDATE, ACK, stream_id, 0)

    def widen(self, stream_id: int, window: int) -> None:
        """Let the peer send `window` octets ahead of us from now on, if it was fewer."""
        stream = self._streams.get(stream_id)
        if stream is None or stream.state in PEER_IS_DONE or window <= stream.window:
            return
        self._grant(stream, window - stream.window)
        stream.window = window

    def consumed(self, stream_id: int, count: int) -> None:
        """Somebody took `count` octets of the stream: the peer may send as many more, told by the half window."""
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        stream.ungranted += count
        self._must(stream.receive_window + stream.ungranted <= stream.window, "more was consumed than received")
        if stream.ungranted * 2 >= stream.window and stream.state not in PEER_IS_DONE:
            granted, stream.ungranted = stream.ungranted, 0
            self._grant(stream, granted)

    def write(self, stream_id: int, octets: bytes) -> None:
        """Let `octets` wait for their turn on the stream; they are dropped where the stream is gone.

        Raises:
            LocalProtocolError: More than `MAX_WAITING` would wait, or the stream is not open to us.
        """
        stream = self._streams.get(stream_id)
        if stream is None or not octets:
            return
        self._must(stream.state in SENDING and not stream.is_finishing, "the stream takes nothing from us")
        self._must(stream.waiting + len(octets) <= MAX_WAITING, "too much waits on the stream")
        stream.queue.append(octets)
        stream.waiting += len(octets)
        self._make_ready(stream)

    def finish(self, stream_id: int) -> None:
        """Send FIN behind what waits; a second time does nothing."""
        stream = self._streams.get(stream_id)
        if stream is None or stream.is_finishing:
            return
        self._must(stream.state in SENDING, "the stream cannot be finished")
        stream.is_finishing = True
        if not stream.waiting:
            self._control_frame(self._fin(stream))

    def drop_waiting(self, stream_id: int) -> None:
        """Forget what waits on the stream: nobody would read it."""
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        stream.queue.clear()
        stream.waiting = 0
        if stream.is_finishing and stream.state in SENDING:
            self._control_frame(self._fin(stream))

    def reset(self, stream_id: int) -> None:
        """End the stream now, both ways."""
        stream = self._streams.get(stream_id)
        if stream is not None:
            self._remove(stream)
            self._queue(FrameType.WINDOW_UPDATE, RST, stream_id, 0)

    def go_away(self, code: GoAwayCode) -> None:
        """Say that the session is over; nothing is received after that."""
        if not self.is_over:
            self.is_over = True
            self._control_frame(header(FrameType.GO_AWAY, 0, 0, code))

    def octets_to_send(self, most: int = SEND_OCTETS) -> bytes:
        """What the connection is to carry next: frames of the session, then `most` octets of streams at the most.

        One stream gives one frame and then lets the next have its turn.
        """
        out, self._control, self._control_octets = self._control, [], 0
        while self._ready and most > HEADER_OCTETS:
            stream = self._ready.popleft()
            stream.is_ready = False
            length = min(stream.waiting, stream.send_window, most - HEADER_OCTETS)
            if length:
                out.append(header(FrameType.DATA, 0, stream.stream_id, length))
                take_waiting(stream, length, out)
                most -= length + HEADER_OCTETS
            if stream.waiting:
                self._make_ready(stream)
            elif stream.is_finishing and stream.state in SENDING:
                out.append(self._fin(stream))
        return b"".join(out)

    # ----------------------------------------------------------------------------------------------------- receiving

    def receive(self, octets: bytes, now: float = 0.0) -> list[Event]:
        """What `octets`, however they were cut, tell at `now`.

        Raises:
            RemoteProtocolError: The peer broke the protocol; a go away waits to be sent, and nothing more is received.
        """
        self._heard_at = now
        events: list[Event] = []
        at, size = 0, len(octets)
        while at < size and not self.is_over:
            if self._missing:
                at += self._take_payload(octets, at, events)
            elif not self._head and size - at >= HEADER_OCTETS:
                self._take_frame(octets, at, events)
                at += HEADER_OCTETS
            else:
                at += self._take_head(octets, at, events)
        return events

    def _take_head(self, octets: bytes, at: int, events: list[Event]) -> int:
        piece = octets[at : at + HEADER_OCTETS - len(self._head)]
        self._head += piece
        if len(self._head) == HEADER_OCTETS:
            whole, self._head = self._head, b""
            self._take_frame(whole, 0, events)
        return len(piece)

    def _take_payload(self, octets: bytes, at: int, events: list[Event]) -> int:
        piece = octets[at : at + self._missing]
        self._missing -= len(piece)
        stream = self._into
        if stream is not None and stream.state is not StreamState.CLOSED:
            events.append(Data(stream.stream_id, piece))
            if self._is_fin_after and not self._missing:
                self._peer_finished(stream, events)
        return len(piece)

    def _take_frame(self, octets: bytes, at: int, events: list[Event]) -> None:
        version, kind, flags, stream_id, length = HEADER.unpack_from(octets, at)
        if version != VERSION:
            self._fail(f"yamux version {version}")
        if flags & ~ALL_FLAGS:
            self._fail(f"yamux flags {flags:#x}")
        if kind <= FrameType.WINDOW_UPDATE:
            self._take_stream_frame(kind, flags, stream_id, length, events)
        elif kind == FrameType.PING:
            self._take_ping(flags, length)
        elif kind == FrameType.GO_AWAY:
            events.append(GoneAway(length))
        else:
            self._fail(f"yamux frame of type {kind}")

    def _take_ping(self, flags: int, value: int) -> None:
        if flags == SYN:
            self._answer(FrameType.PING, ACK, 0, value)
        elif flags != ACK:
            self._fail("a ping that neither asks nor answers")

    def _take_stream_frame(self, kind: int, flags: int, stream_id: int, length: int, events: list[Event]) -> None:
        if kind == FrameType.DATA and length > MAX_FRAME_OCTETS:
            self._fail(f"a frame of {length} octets")
        if flags & SYN:
            self._take_syn(stream_id, events)
        stream = self._streams.get(stream_id)
        if stream is not None and flags & RST:
            self._remove(stream)
            events.append(Reset(stream_id))
            stream = None
        if stream is not None and flags & ACK:
            self._acknowledged(stream)
        if kind == FrameType.DATA:
            self._begin_payload(stream, flags, length, events)
        elif stream is not None:
            self._take_window(stream, flags, length, events)

    def _take_syn(self, stream_id: int, events: list[Event]) -> None:
        if stream_id % 2 != self._peer_parity or stream_id == 0:
            self._fail(f"stream id {stream_id} is not the peer's to open")
        if stream_id <= self._last_peer_id:
            self._fail(f"stream id {stream_id} was used before")
        self._last_peer_id = stream_id
        if len(self._streams) >= MAX_STREAMS:
            self._answer(FrameType.WINDOW_UPDATE, RST, stream_id, 0)
            return
        self._streams[stream_id] = Stream(stream_id, StreamState.SYN_RECEIVED)
        events.append(Opened(stream_id))

    def _acknowledged(self, stream: Stream) -> None:
        if (stream.state, Signal.ACKNOWLEDGED) not in TRANSITIONS:
            self._fail("an answer to what was not asked")
        self._move(stream, Signal.ACKNOWLEDGED)

    def _begin_payload(self, stream: Stream | None, flags: int, length: int, events: list[Event]) -> None:
        self._missing, self._into, self._is_fin_after = length, stream, bool(flags & FIN)
        if stream is None:
            return  # of a stream that is gone: read and forgotten
        if length > stream.receive_window:
            self._fail(f"{length} octets into a window of {stream.receive_window}")
        if length and stream.state in PEER_IS_DONE:
            self._fail("octets after FIN")
        stream.receive_window -= length
        if flags & FIN and not length:
            self._peer_finished(stream, events)

    def _take_window(self, stream: Stream, flags: int, delta: int, events: list[Event]) -> None:
        stream.send_window += delta
        if stream.send_window > MAX_SEND_WINDOW:
            self._fail("a window without end")
        if stream.waiting:
            self._make_ready(stream)
        if flags & FIN:
            self._peer_finished(stream, events)

    def _peer_finished(self, stream: Stream, events: list[Event]) -> None:
        if (stream.state, Signal.PEER_FINISHED) not in TRANSITIONS:
            self._fail("a second FIN")
        self._move(stream, Signal.PEER_FINISHED)
        events.append(Finished(stream.stream_id))

    # ------------------------------------------------------------------------------------------------------- streams

    def _move(self, stream: Stream, signal: Signal) -> None:
        found = TRANSITIONS.get((stream.state, signal))
        if found is None:
            raise LocalProtocolError(f"{signal.value}, while it is {stream.state.value}")
        stream.state = found
        if found is StreamState.CLOSED:
            self._remove(stream)

    def _remove(self, stream: Stream) -> None:
        stream.state = StreamState.CLOSED
        stream.queue.clear()
        stream.waiting = 0
        self._streams.pop(stream.stream_id, None)

    def _make_ready(self, stream: Stream) -> None:
        if not stream.is_ready and stream.send_window > 0:
            stream.is_ready = True
            self._ready.append(stream)

    def _grant(self, stream: Stream, delta: int) -> None:
        stream.receive_window += delta
        self._queue(FrameType.WINDOW_UPDATE, 0, stream.stream_id, delta)

    def _fin(self, stream: Stream) -> bytes:
        self._move(stream, Signal.FINISHED)
        return header(FrameType.WINDOW_UPDATE, FIN, stream.stream_id, 0)

    def _queue(self, kind: FrameType, flags: int, stream_id: int, length: int) -> None:
        self._control_frame(header(kind, flags, stream_id, length))

    def _answer(self, kind: FrameType, flags: int, stream_id: int, length: int) -> None:
        self._queue(kind, flags, stream_id, length)
        if self._control_octets > MAX_CONTROL_OCTETS:
            self._fail("the peer asks, and does not read the answers")

    def _control_frame(self, octets: bytes) -> None:
        self._control.append(octets)
        self._control_octets += HEADER_OCTETS

    def _fail(self, reason: str) -> None:
        self.go_away(GoAwayCode.PROTOCOL_ERROR)
        raise RemoteProtocolError(reason)

    def _must(self, is_so: bool, otherwise: str) -> None:  # noqa: FBT001 - a claim
        if not is_so:
            raise LocalProtocolError(otherwise)
