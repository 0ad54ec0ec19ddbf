"""A client's session in the router: Crossbar's own, with our authentication, our endings and our few answers.

The life of a connection: HELLO, CHALLENGE, AUTHENTICATE, then WELCOME or ABORT, each once; after an ABORT or a GOODBYE
the connection is closed, so that nobody tries a second secret on it and no session outlives its end. Crossbar itself
waits for the peer's GOODBYE for ever: a session that is killed would stay as long as its client likes.
"""

from collections.abc import Callable
from typing import Any, Final, Protocol

from autobahn.wamp import message
from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.types import Accept, Challenge, CloseDetails, Deny, HelloDetails, SessionDetails
from crossbar.router.router import RouterFactory
from crossbar.router.session import RouterSession, RouterSessionFactory
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from typing_extensions import override

from ironflock_router import messages
from ironflock_router.authentication.doors import CRA
from ironflock_router.authentication.proofs import Claim, challenge_text
from ironflock_router.authentication.refusals import NO_AUTH_METHOD, OUT_OF_ORDER, Refusal
from ironflock_router.records import Identity
from ironflock_router.websocket import PlatformWebSocket
from ironflock_router.wire_names import SERVICE_ROLES

GRACE_S: Final = 1.0
"""How long a peer has to close by itself after ABORT or GOODBYE."""


class Reception(Protocol):
    """What a session needs of the reception; `reception.Reception` is it."""

    @property
    def reactor(self) -> IReactorTime:
        """The clock."""

    @property
    def may_register(self) -> "Callable[[PlatformSession, message.Register], bool]":
        """Whether the table permits a registration."""

    async def settle(self, claim: Claim, signature: str) -> Identity | Refusal:
        """Who joins, or with which sentence not."""

    def joined(self, session: "PlatformSession") -> None:
        """A session is in."""

    def left(self, session: "PlatformSession") -> None:
        """A session is out."""

    def cut(self, session: "PlatformSession", reason: str) -> None:
        """End a session that sent what no client of ours sends."""


class PlatformSession(RouterSession):
    """One client; `identity` is None until its secret is proved."""

    _transport: PlatformWebSocket | None  # type: ignore[mutable-override]  # ours is the only kind here

    def __init__(self, router_factory: RouterFactory, reception: Reception) -> None:
        """Made by `PlatformSessionFactory` for each connection."""
        super().__init__(router_factory)
        self.identity: Identity | None = None
        self.is_leaving = False
        self.joined_at = 0.0
        self.closed: Deferred[None] = Deferred()
        self._reception = reception
        self._claim: Claim | None = None
        self._has_said_hello = False

    @override
    def onHello(self, realm: str | None, details: HelloDetails) -> Challenge | Deny:
        """Answer a HELLO with a challenge, whoever it names."""
        door = self._connected.door
        if self._has_said_hello:
            return self._refuse(OUT_OF_ORDER)
        self._has_said_hello = True
        method = next((each for each in details.authmethods or () if each in door.authmethods), None)
        if method is None:
            return self._refuse(NO_AUTH_METHOD)
        authid = details.authid or ""
        challenge = challenge_text(authid, details.pending_session or 0)
        self._claim = Claim(door, realm or "", authid, self._connected.connection.address, challenge, method)
        return Challenge(method, {"challenge": challenge} if method == CRA else {})

    @override
    def onAuthenticate(self, signature: str, extra: dict[str, Any]) -> "Deferred[Accept | Deny] | Deny":
        """Check the answer to the challenge; each challenge takes one answer."""
        claim, self._claim = self._claim, None
        if claim is None:
            return self._refuse(OUT_OF_ORDER)
        return Deferred.fromCoroutine(self._answer(claim, signature))

    async def _answer(self, claim: Claim, signature: str) -> Accept | Deny:
        outcome = await self._reception.settle(claim, signature)
        if isinstance(outcome, Refusal):
            return self._refuse(outcome)
        self.identity = outcome
        return Accept(
            realm=outcome.realm,
            authid=outcome.authid,
            authrole=outcome.role,
            authmethod=outcome.authmethod,
            authprovider="ironflock",
            authextra=dict(outcome.authextra),  # Crossbar writes into it
        )

    @override
    def onJoin(self, details: SessionDetails) -> None:
        """The session is in."""
        super().onJoin(details)
        self._connected.connection.joined()
        self._reception.joined(self)

    @override
    def onMessage(self, msg: message.Message) -> None:
        """One message from the client."""
        if self._session_id is not None and self._is_settled(msg):
            return
        super().onMessage(msg)  # type: ignore[no-untyped-call]
        if isinstance(msg, message.Goodbye | message.Abort):
            self._end_soon()
        elif isinstance(msg, message.Yield) and msg.progress:
            self._stop_if_over(msg.request)

    @override
    def leave(self, reason: str | None = None, message: str | None = None) -> None:
        """End the session from our side: GOODBYE, out of the router in this turn, the connection closed within 1 s."""
        if self._goodbye_sent or self._transport is None or self._session_id is None:
            return
        super().leave(reason, message)  # type: ignore[no-untyped-call]
        # Not at once: Crossbar's own kill procedures iterate over the very sets that this changes.
        self._reception.reactor.callLater(0, self._detach)

    def on_event(self, listener: Callable[[message.Event], None]) -> None:
        """Have `listener` told of every event that the client is sent from now on."""
        self._connected.on_event = listener

    def end(self) -> None:
        """Cut the connection, whatever is still to be said."""
        if self._transport is not None:
            self._transport.connection.abort()

    async def answers_ping(self, timeout_s: float) -> bool:
        """Whether the client shows a sign of life within `timeout_s`."""
        if self._transport is None:
            return False
        answered = self._transport.ping().addTimeout(timeout_s, self._reception.reactor, lambda *_: False)
        return bool(await answered)

    @override
    def onLeave(self, details: CloseDetails) -> None:
        """The session ends; its testaments are published in here."""
        self.is_leaving = True
        try:
            super().onLeave(details)
        finally:
            # Its realm may end before its connection does, and Crossbar publishes figures there on the latter.
            self._service_session = None
            self._reception.left(self)

    @override
    def onClose(self, wasClean: bool) -> None:
        """The connection is gone."""
        super().onClose(wasClean)  # type: ignore[no-untyped-call]
        self._reception.left(self)
        if not self.closed.called:
            self.closed.callback(None)

    def refuse_invocation(self, request: int) -> None:
        """Answer invocation `request` in the client's place: it is longer than the client takes."""
        refusal = messages.invocation_too_long(request)
        # Not at once: Crossbar is in the middle of the call.
        self._reception.reactor.callLater(0, self._answer_instead, refusal)

    def is_foreign_invocation(self, request: int) -> bool:
        """Whether invocation `request` is running at another session of the realm."""
        invocation = self._invocation(request)
        return invocation is not None and invocation.callee is not self

    @property
    def testament_count(self) -> int:
        """How many testaments the session has left with the router."""
        return sum(len(testaments) for testaments in self._testaments.values())

    @property
    def _connected(self) -> PlatformWebSocket:
        if self._transport is None:
            raise ApplicationError(ApplicationError.CANCELED, "the connection is gone")
        return self._transport

    def _invocation(self, request: int) -> Any:
        router: Any = self._router
        # Crossbar keeps it there only.
        return router._dealer._invocations.get(request) if router is not None else None  # noqa: SLF001

    def _is_settled(self, msg: message.Message) -> bool:
        """Whether nothing is left to route: the sender broke a rule, or the router has answered itself."""
        refusal = messages.payload_refusal(msg)
        if isinstance(refusal, message.Error):
            self._connected.send(refusal)
            return True
        reason = refusal or messages.violation(self, msg)
        if reason is not None:
            self._reception.cut(self, reason)
            return True
        answer = messages.own_answer(self, msg, lambda register: self._reception.may_register(self, register))
        if answer is not None:
            self._connected.send(answer)
        return answer is not None

    def _answer_instead(self, refusal: message.Error) -> None:
        if self._session_id is not None:
            super().onMessage(refusal)  # type: ignore[no-untyped-call]  # as if the client had sent it

    def _stop_if_over(self, request: int) -> None:
        """Tell a service that goes on answering a call that is over; Crossbar ends one silently that gets too long."""
        is_service = self.identity is not None and self.identity.role in SERVICE_ROLES
        if is_service and self._transport is not None and self._invocation(request) is None:
            self._transport.send(message.Interrupt(request))

    def _detach(self) -> None:
        if self._session_id is not None:
            super().onMessage(message.Goodbye())  # type: ignore[no-untyped-call]  # as if the peer had answered
        self._end_soon()

    def _refuse(self, refusal: Refusal) -> Deny:
        self._end_soon()
        return Deny(refusal.reason, refusal.message)

    def _end_soon(self) -> None:
        self._reception.reactor.callLater(GRACE_S, self.end)


class PlatformSessionFactory(RouterSessionFactory):
    """Makes the sessions of both listeners."""

    def __init__(self, router_factory: RouterFactory, reception: Reception) -> None:
        """Sessions join the realms of `router_factory` and are looked after by `reception`."""
        super().__init__(router_factory)  # type: ignore[no-untyped-call]
        self._reception = reception

    @override
    def __call__(self) -> PlatformSession:
        """A session for a new connection."""
        session = PlatformSession(self._routerFactory, self._reception)
        session.factory = self  # type: ignore[attr-defined]  # Crossbar sets it so
        return session
