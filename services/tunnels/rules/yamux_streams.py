"""What a yamux session knows of one stream, and how its state changes.

Source: fatedier/yamux d0154be01cd6 stream.go; hashicorp/yamux spec.md.
"""

from collections import deque
from typing import Final

from attrs import Factory, define

from services.tunnels.records.yamux import Signal, StreamState

INITIAL_WINDOW: Final = 262_144
"""Both ways, before anything is granted (spec.md, "Flow Control")."""
TRANSITIONS: Final[dict[tuple[StreamState, Signal], StreamState]] = {
    (StreamState.SYN_RECEIVED, Signal.ACCEPTED): StreamState.ESTABLISHED,
    (StreamState.REMOTE_CLOSED, Signal.ACCEPTED): StreamState.REMOTE_CLOSED,
    (StreamState.SYN_SENT, Signal.ACKNOWLEDGED): StreamState.ESTABLISHED,
    (StreamState.ESTABLISHED, Signal.ACKNOWLEDGED): StreamState.ESTABLISHED,
    (StreamState.LOCAL_CLOSED, Signal.ACKNOWLEDGED): StreamState.LOCAL_CLOSED,
    (StreamState.REMOTE_CLOSED, Signal.ACKNOWLEDGED): StreamState.REMOTE_CLOSED,
    (StreamState.SYN_SENT, Signal.FINISHED): StreamState.LOCAL_CLOSED,
    (StreamState.ESTABLISHED, Signal.FINISHED): StreamState.LOCAL_CLOSED,
    (StreamState.REMOTE_CLOSED, Signal.FINISHED): StreamState.CLOSED,
    (StreamState.SYN_SENT, Signal.PEER_FINISHED): StreamState.REMOTE_CLOSED,
    (StreamState.SYN_RECEIVED, Signal.PEER_FINISHED): StreamState.REMOTE_CLOSED,
    (StreamState.ESTABLISHED, Signal.PEER_FINISHED): StreamState.REMOTE_CLOSED,
    (StreamState.LOCAL_CLOSED, Signal.PEER_FINISHED): StreamState.CLOSED,
}
SENDING: Final = frozenset({StreamState.SYN_SENT, StreamState.ESTABLISHED, StreamState.REMOTE_CLOSED})
PEER_IS_DONE: Final = frozenset({StreamState.REMOTE_CLOSED, StreamState.CLOSED})


@define
class Stream:
    """One stream; `queue` is what waits to be sent, of which `waiting` octets are left."""

    stream_id: int
    state: StreamState
    window: int = INITIAL_WINDOW
    receive_window: int = INITIAL_WINDOW
    send_window: int = INITIAL_WINDOW
    ungranted: int = 0
    queue: deque[bytes] = Factory(deque)
    waiting: int = 0
    is_ready: bool = False
    is_finishing: bool = False


def take_waiting(stream: Stream, length: int, out: list[bytes]) -> None:
    """Move `length` octets from the stream's queue to `out`."""
    stream.waiting -= length
    stream.send_window -= length
    while length:
        first = stream.queue[0]
        if len(first) <= length:
            out.append(first)
            length -= len(first)
            stream.queue.popleft()
        else:
            out.append(first[:length])
            stream.queue[0] = first[length:]
            length = 0
