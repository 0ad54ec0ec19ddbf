"""WAMP over WebSocket as Crossbar serves it, with the few things that our sessions need of their connection."""

import secrets
from collections.abc import Callable
from typing import Any, cast

from autobahn.exception import PayloadExceededError
from autobahn.wamp import message
from crossbar.router.protocol import WampWebSocketServerFactory, WampWebSocketServerProtocol
from crossbar.router.session import RouterSessionFactory
from twisted.internet.defer import Deferred
from typing_extensions import override

from ironflock_router import messages, payloads
from ironflock_router.authentication.doors import Door
from ironflock_router.guard import GuardedConnection
from shared.websocket import send_at_once

SERIALIZERS: list[str] = ["json", "cbor", "msgpack"]
"""In the order in which they are offered; agents take JSON (their numbers need it), SDKs offer MsgPack only."""

PING_INTERVAL_MS = 4000
PING_TIMEOUT_MS = 3500
"""A dead peer is found within 4 s + 3.5 s, before an agent that is refused eight times a second apart gives up
(wire-agent.md section 9, 13)."""
CLOSE_HANDSHAKE_MS = 1000
TIMED_BY_S = 0.2
"""Autobahn's timers go off together, five times a second."""


class PlatformWebSocket(WampWebSocketServerProtocol):
    """One connection, from its HTTP request on."""

    def __init__(self) -> None:
        """Made by the factory."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._pings: dict[bytes, Deferred[bool]] = {}
        self._result_too_long: int | None = None
        self.on_event: Callable[[message.Event], None] | None = None
        """Told of each event that was sent."""

    @override
    def connectionMade(self) -> None:
        """The connection stands."""
        super().connectionMade()
        send_at_once(self)

    @property
    def connection(self) -> GuardedConnection:
        """The guard's end of this connection; between them lies TLS only."""
        over_tls: Any = self.transport
        return cast("GuardedConnection", over_tls.transport)

    @property
    def door(self) -> Door:
        """The path that the client took."""
        return cast("Door", self.factory.door)

    @override
    def send(self, msg: message.Message) -> None:
        """Send one WAMP message; a WELCOME without what Crossbar tells about its processes.

        Raises:
            PayloadExceededError: A RESULT or EVENT is longer than this peer takes. Crossbar ends the call, or leaves
                the subscriber out. It does not expect this of other messages, and would end the *sender's* session.
        """
        if isinstance(msg, message.Welcome):
            msg = _modest(msg)
        elif isinstance(msg, message.Error) and msg.request == self._result_too_long:
            # Crossbar's own answer in place of the RESULT blames the caller's arguments.
            msg, self._result_too_long = messages.answer_too_long(message.Call.MESSAGE_TYPE, msg.request), None
        try:
            super().send(msg)  # type: ignore[no-untyped-call]
        except PayloadExceededError:
            if not self._is_answered_instead(msg):
                raise
        else:
            if self.on_event is not None and isinstance(msg, message.Event):
                self.on_event(msg)

    def _is_answered_instead(self, msg: message.Message) -> bool:
        """Whether the call of a message that is too long ends here; of a RESULT it is Crossbar that ends it."""
        if isinstance(msg, message.Error):
            self.send(messages.answer_too_long(msg.request_type, msg.request))
            return True
        if isinstance(msg, message.Invocation):
            session: Any = self._session
            session.refuse_invocation(msg.request)
            return True
        self._result_too_long = msg.request if isinstance(msg, message.Result) else None
        return False

    def ping(self) -> Deferred[bool]:
        """Ask the peer for a sign of life; True when it comes, False when the connection closes first."""
        payload = secrets.token_bytes(16)

        def forget(_: Deferred[bool]) -> None:
            self._pings.pop(payload, None)

        answered: Deferred[bool] = Deferred(forget)
        self._pings[payload] = answered
        self.sendPing(payload)
        return answered

    @override
    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """One message came; JSON is looked at before it is decoded. Behind what its sender was cut for none counts."""
        if self.connection.is_over:
            return
        if not isBinary and payloads.is_too_deep(payload):
            self.connection.factory.drop(self.connection, "payload")
            return
        super().onMessage(payload, isBinary)

    @override
    def onAutoPingTimeout(self) -> None:
        """No pong is there in time: the peer is gone, unless it sends. Behind a long message its pong comes late."""
        left_s = PING_TIMEOUT_MS / 1000 - self.connection.silent_s()
        if left_s <= 0:
            super().onAutoPingTimeout()
        else:
            self.autoPingTimeoutCall = self.factory.call_later(left_s, self.onAutoPingTimeout)

    @override
    def onPong(self, payload: bytes) -> None:
        """A pong came."""
        super().onPong(payload)
        answered = self._pings.pop(payload, None)
        if answered is not None:
            answered.callback(True)  # noqa: FBT003

    @override
    def onClose(self, wasClean: bool, code: int, reason: str | None) -> None:
        """The connection is gone."""
        super().onClose(wasClean, code, reason)  # type: ignore[no-untyped-call]
        pings, self._pings = self._pings, {}
        for answered in pings.values():
            answered.callback(False)  # noqa: FBT003


class PlatformWebSocketFactory(WampWebSocketServerFactory):
    """Makes the connections of one path."""

    protocol = PlatformWebSocket  # type: ignore[mutable-override]

    def __init__(
        self,
        sessions: RouterSessionFactory,
        door: Door,
        max_message_octets: int,
    ) -> None:
        """Each connection gets a session from `sessions`."""
        super().__init__(sessions, "", _configuration(max_message_octets), None)  # type: ignore[no-untyped-call]
        self.door = door

    def call_later(self, delay_s: float, action: Callable[[], None]) -> Any:
        """Do it after that time, not much later: as autobahn times its own pings."""
        return self._batched_timer.call_later(max(delay_s, TIMED_BY_S), action)


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
            "auto_ping_interval": PING_INTERVAL_MS,
            "auto_ping_timeout": PING_TIMEOUT_MS,
            "auto_ping_size": 12,
            # Autobahn counts whole frames only; `onAutoPingTimeout` counts octets.
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
