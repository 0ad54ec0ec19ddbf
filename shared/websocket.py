"""What every WebSocket of ours has in common."""

from typing import Any


def send_at_once(websocket: Any) -> None:
    """Let a connection that stands keep no message back for an acknowledgement (TCP_NODELAY, RFC 9293 section 3.7.4).

    Autobahn's own option of that name has no effect: it is looked up before the protocol has been given it, and the
    error is dropped. A message that follows another one would then wait 40 ms on Linux.
    """
    websocket.transport.setTcpNoDelay(True)
