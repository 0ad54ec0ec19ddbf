"""WAMP over WebSocket as Crossbar serves it, with the few things that our sessions need of their connection."""

import secrets
from typing import Any, cast

from autobahn.wamp import message
from crossbar.router.protocol import WampWebSocketServerFactory, WampWebSocketServerProtocol
from crossbar.router.session import RouterSessionFactory
from twisted.internet.defer import Deferred

from ironflock_router.authentication.doors import Door
from ironflock_router.guard import GuardedConnection

SERIALIZERS: list[str] = ["json", "cbor", "msgpack"]
"""In the order in which they are offered; agents take JSON (their numbers need it), SDKs offer MsgPack only."""

PING_INTERVAL_MS = 4000
PING_TIMEOUT_MS = 3500
"""A dead peer is found within 4 s + 3.5 s, before an agent that is refused eight times a second apart gives up
(wire-agent.md section 9, 13)."""
CLOSE_HANDSHAKE_MS = 1000


class PlatformWebSocket(WampWebSocketServerProtocol):  # type: ignore[misc] # Crossbar is untyped
    """One connection, from its HTTP request on."""

    def __init__(self) -> None:
        """Made by the factory."""
        super().__init__()
        self._pings: dict[bytes, Deferred[bool]] = {}

    @property
    def connection(self) -> GuardedConnection:
        """The guard's end of this connection; between them lies TLS only."""
        return cast("GuardedConnection", self.transport.transport)

    @property
    def door(self) -> Door:
        """The path that the client took."""
        return cast("Door", self.factory.door)

    def send(self, msg: message.Message) -> None:
        """Send one WAMP message; a WELCOME without what Crossbar tells about its processes."""
        if isinstance(msg, message.Welcome):
            msg = _modest(msg)
        super().send(msg)

    def ping(self) -> Deferred[bool]:
        """Ask the peer for a sign of life; True when it comes, False when the connection closes first."""
        payload = secrets.token_bytes(16)
        self._pings[payload] = answered = Deferred(canceller=lambda _: self._pings.pop(payload, None))
        self.sendPing(payload)
        return answered

    def onPong(self, payload: bytes) -> None:  # noqa: N802 - autobahn's name
        """A pong came."""
        super().onPong(payload)
        answered = self._pings.pop(payload, None)
        if answered is not None:
            answered.callback(True)  # noqa: FBT003

    def onClose(self, wasClean: bool, code: int, reason: str) -> None:  # noqa: N802, N803, FBT001 - autobahn's names
        """The connection is gone."""
        super().onClose(wasClean, code, reason)
        pings, self._pings = self._pings, {}
        for answered in pings.values():
            answered.callback(False)  # noqa: FBT003


class PlatformWebSocketFactory(WampWebSocketServerFactory):  # type: ignore[misc] # Crossbar is untyped
    """Makes the connections of one path."""

    protocol = PlatformWebSocket

    def __init__(
        self,
        sessions: RouterSessionFactory,
        door: Door,
        cbdir: str,
        templates: Any,  # noqa: ANN401 - Crossbar's Jinja environment, passed through
        max_message_octets: int,
    ) -> None:
        """Each connection gets a session from `sessions`."""
        super().__init__(sessions, cbdir, _configuration(max_message_octets), templates)
        self.door = door


def _configuration(max_message_octets: int) -> dict[str, Any]:
    """One WebSocket transport in the words of Crossbar's node configuration."""
    return {
        "type": "websocket",
        "serializers": list(SERIALIZERS),
        "options": {
            "enable_webstatus": False,
            "max_frame_size": max_message_octets,
            "max_message_size": max_message_octets,
            "fail_by_drop": True,
            "tcp_nodelay": True,
            "auto_ping_interval": PING_INTERVAL_MS,
            "auto_ping_timeout": PING_TIMEOUT_MS,
            "auto_ping_size": 12,
            # Traffic from the peer is no sign that it still takes ours.
            "auto_ping_restart_on_any_traffic": False,
            "open_handshake_timeout": 5000,
            "close_handshake_timeout": CLOSE_HANDSHAKE_MS,
        },
    }


def _modest(welcome: message.Welcome) -> message.Welcome:
    extra = {key: value for key, value in (welcome.authextra or {}).items() if not key.startswith("x_cb_")}
    return message.Welcome(
        welcome.session,
        welcome.roles,
        realm=welcome.realm,
        authid=welcome.authid,
        authrole=welcome.authrole,
        authmethod=welcome.authmethod,
        authprovider=welcome.authprovider,
        authextra=extra,
    )
