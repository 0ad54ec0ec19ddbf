"""One connection of an agent: WebSocket with JSON, requests and their replies, the agent's own pings.

Everything that waits ends with `LinkLostError` when the connection does.
"""

import json
from collections.abc import Callable
from itertools import count
from typing import Any, Final

from autobahn.twisted.websocket import WebSocketClientProtocol
from autobahn.websocket.types import ConnectionResponse
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeoutError
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from typing_extensions import override

from deploy.flockctl.simulator.wire import (
    MAX_UNANSWERED_PINGS,
    PING_INTERVAL_S,
    PING_PAYLOAD,
    REPLY_TIMEOUT_S,
    SUBPROTOCOLS,
    Message,
)
from shared.websocket import send_at_once

_REQUEST_OF: Final = {
    Message.RESULT: Message.CALL,
    Message.REGISTERED: Message.REGISTER,
    Message.SUBSCRIBED: Message.SUBSCRIBE,
    Message.UNSUBSCRIBED: Message.UNSUBSCRIBE,
    Message.UNREGISTERED: Message.UNREGISTER,
    Message.PUBLISHED: Message.PUBLISH,
}
_JOINING: Final = frozenset({Message.CHALLENGE, Message.WELCOME, Message.ABORT})
_ERROR_URI_AT: Final = 4
_EVENT_ARGS_AT: Final = 4


class NotReachedError(Exception):
    """The endpoint could not be reached in time, or it is not what it should be."""


class LinkLostError(Exception):
    """The connection ended while something was waited for."""


class NoReplyError(Exception):
    """The router did not answer in time."""


class WampError(Exception):
    """The router or a callee refused: `uri`, and what it said."""

    def __init__(self, uri: str, args: list[Any]) -> None:
        """Keep the WAMP error."""
        super().__init__(f"{uri}: {args[0]}" if args else uri)
        self.uri = uri


class Link(WebSocketClientProtocol):
    """A connection from its opening to its end."""

    def __init__(self, clock: IReactorTime) -> None:
        """Prepare a connection whose waits are timed by `clock`."""
        super().__init__()
        self.opened: Deferred[None] = Deferred(canceller=lambda _: self.drop())
        self.registrations: dict[int, str] = {}
        self.subscriptions: dict[int, str] = {}
        self.evented: Callable[[str, list[Any]], None] = lambda _topic, _args: None
        self.invoked: Callable[[list[Any]], None] = lambda _message: None
        self.said_goodbye = False
        self._clock = clock
        self._ids = count(1)
        self._waiting: dict[tuple[int, int], Deferred[list[Any]]] = {}
        self._joining: Deferred[list[Any]] | None = None
        self._unanswered = 0
        self._ping: IDelayedCall | None = None
        self._is_cut = False
        self._held: list[list[Any]] = []
        self._is_over = False
        self._reason = ""
        self._watching: list[Deferred[str]] = []

    # ---- what the agent does

    @override
    def connectionMade(self) -> None:
        """The connection stands."""
        super().connectionMade()
        send_at_once(self)

    def tell(self, message: list[Any]) -> None:
        """Send `message` and wait for nothing."""
        if self._is_cut:
            self._held.append(message)
        elif not self._is_over:
            untyped: Any = self
            untyped.sendMessage(json.dumps(message, separators=(",", ":")).encode())

    async def join_step(self, message: list[Any]) -> list[Any]:
        """Send a message of the joining dialogue and return what comes back (CHALLENGE, WELCOME or ABORT).

        Raises:
            NoReplyError, LinkLostError: Nothing came within 7 s; the connection ended.
        """
        self._joining = Deferred()
        waiting = self._joining
        self.tell(message)
        return await self._reply(waiting, REPLY_TIMEOUT_S)

    async def request(self, kind: Message, *rest: Any, timeout_s: float | None = REPLY_TIMEOUT_S) -> list[Any]:
        """Send a request and return its reply.

        Args:
            rest: What follows the request id.
            timeout_s: How long to wait; for ever when None, as the agent does for most calls.

        Raises:
            WampError, NoReplyError, LinkLostError: It was refused; no answer in time; the connection ended.
        """
        identity = next(self._ids)
        waiting: Deferred[list[Any]] = Deferred()
        self._waiting[(kind, identity)] = waiting
        if self._is_over:
            raise LinkLostError("the connection has ended")
        self.tell([kind, identity, *rest])
        try:
            reply = await self._reply(waiting, timeout_s)
        finally:
            self._waiting.pop((kind, identity), None)
        if reply[0] == Message.ERROR:
            raise WampError(str(reply[_ERROR_URI_AT]), reply[5] if len(reply) > _ERROR_URI_AT + 1 else [])
        if kind is Message.REGISTER:
            self.registrations[reply[2]] = str(rest[1])
        if kind is Message.SUBSCRIBE:
            self.subscriptions[reply[2]] = str(rest[1])
        return reply

    async def wait_lost(self, timeout_s: float | None = None) -> str:
        """Return why the connection ended once it has, or an empty text after `timeout_s`."""
        if self._is_over:
            return self._reason
        watching: Deferred[str] = Deferred()
        self._watching.append(watching)
        if timeout_s is None:
            return await watching
        try:
            return await watching.addTimeout(timeout_s, self._clock)
        except DeferredTimeoutError:
            return ""

    def drop(self, reason: str = "dropped") -> None:
        """End the connection at once, without a word; over a cut network nobody hears of it."""
        if not self._is_cut:
            self._abort()
        self._end(reason)

    def cut(self) -> None:
        """From now on nothing gets through either way, and nobody is told: a network that went away without a FIN."""
        self._is_cut = True
        self._tcp.pauseProducing()

    def mend(self) -> None:
        """What was held goes out; an end that was decided meanwhile becomes known to the other side."""
        self._is_cut = False
        if self._is_over:
            self._abort()
            return
        self._tcp.resumeProducing()
        held, self._held = self._held, []
        for message in held:
            self.tell(message)

    # ---- autobahn's calls

    @override
    def onConnect(self, response: ConnectionResponse) -> None:
        """The HTTP upgrade is done."""
        if response.protocol != SUBPROTOCOLS[0]:
            self._refuse(f"the router chose {response.protocol!r} instead of {SUBPROTOCOLS[0]}")

    @override
    def onOpen(self) -> None:
        """WAMP may begin."""
        if not self.opened.called:
            self._ping = self._clock.callLater(PING_INTERVAL_S, self._tick)
            self.opened.callback(None)

    @override
    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """One WAMP message."""
        try:
            message = json.loads(payload)
            code = Message(message[0])
        except (ValueError, TypeError, IndexError, KeyError):
            self.drop()
            return
        self._take(code, message)

    @override
    def onPong(self, payload: bytes) -> None:
        """The router is alive."""
        self._unanswered = 0

    @override
    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        """The connection has ended."""
        self._end(reason or "connection closed")

    # ---- inside

    @property
    def _tcp(self) -> Any:
        # Twisted's interfaces of a transport do not say that TLS over TCP has these methods.
        return self.transport

    def _abort(self) -> None:
        if self.transport is not None:
            self._tcp.abortConnection()

    def _take(self, code: Message, message: list[Any]) -> None:
        if code is Message.INVOCATION:
            self.invoked(message)
        elif code is Message.EVENT:
            self.evented(self.subscriptions.get(message[1], ""), message[4] if len(message) > _EVENT_ARGS_AT else [])
        elif code in _JOINING and self._joining is not None:
            waiting, self._joining = self._joining, None
            waiting.callback(message)
        elif code is Message.ERROR:
            self._settle((message[1], message[2]), message)
        elif code in _REQUEST_OF:
            self._settle((_REQUEST_OF[code], message[1]), message)
        elif code in (Message.GOODBYE, Message.ABORT):
            self.said_goodbye = True
            self.tell([Message.GOODBYE, {}, "wamp.close.goodbye_and_out"])
            self.drop(str(message[2]) if len(message) > 2 else "")  # noqa: PLR2004 - both name their reason third

    def _settle(self, key: tuple[int, int], message: list[Any]) -> None:
        waiting = self._waiting.pop(key, None)
        if waiting is not None:
            waiting.callback(message)

    async def _reply(self, waiting: Deferred[list[Any]], timeout_s: float | None) -> list[Any]:
        bounded = waiting if timeout_s is None else waiting.addTimeout(timeout_s, self._clock)
        try:
            return await bounded
        except DeferredTimeoutError as error:
            raise NoReplyError(f"no reply within {timeout_s} s") from error

    def _tick(self) -> None:
        # As the agent: the third time that a ping is due and two are unanswered, the connection is given up.
        if self._unanswered >= MAX_UNANSWERED_PINGS:
            self.drop("the router answers no pings")
            return
        self._unanswered += 1
        if not self._is_cut:
            self.sendPing(PING_PAYLOAD)
        self._ping = self._clock.callLater(PING_INTERVAL_S, self._tick)

    def _refuse(self, reason: str) -> None:
        if not self.opened.called:
            self.opened.errback(NotReachedError(reason))
        self.drop()

    def _end(self, reason: str) -> None:
        if self._is_over:
            return
        self._is_over, self._reason = True, reason
        if self._ping is not None and self._ping.active():
            self._ping.cancel()
        if not self.opened.called:
            self.opened.errback(NotReachedError(reason))
        waiting = [*self._waiting.values(), *([self._joining] if self._joining else [])]
        self._waiting, self._joining = {}, None
        for request in waiting:
            if not request.called:
                request.errback(LinkLostError(reason))
        for watching in self._watching:
            if not watching.called:
                watching.callback(reason)
