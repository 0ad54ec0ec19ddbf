"""The WAMP session of a service, and how it gets to the router: TLS verified, CBOR, pings, a bound on every wait."""

import asyncio
from collections.abc import Callable
from contextvars import Context
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlsplit

import structlog
from attrs import field, frozen
from autobahn import util as autobahn_util
from autobahn.twisted.wamp import ApplicationSession
from autobahn.twisted.websocket import WampWebSocketClientFactory, WampWebSocketClientProtocol
from autobahn.wamp import message
from autobahn.wamp.auth import compute_wcs
from autobahn.wamp.exception import ApplicationError, TransportLost
from autobahn.wamp.request import CallRequest
from autobahn.wamp.serializer import CBORSerializer
from autobahn.wamp.types import Challenge, CloseDetails, SessionDetails
from OpenSSL import SSL
from twisted.internet.defer import Deferred, fail
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import (
    IDelayedCall,
    IProtocol,
    IProtocolFactory,
    IReactorCore,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

from shared import tracing
from shared.identities import SYSTEM_REALM
from shared.prompt import PromptEndpoint
from shared.tls import client_options
from shared.uncoloured import uncolour
from shared.websocket import send_at_once

CONNECT_TIMEOUT_S: Final = 5
JOIN_TIMEOUT_S: Final = 8.0
PING_INTERVAL_S: Final = 4
PING_TIMEOUT_S: Final = 4
MAX_MESSAGE_OCTETS: Final = 16 * 2**20

log = structlog.get_logger()


@frozen
class BusCredential:
    """Who the service is on the bus; `role` is both authid and authrole (`svc_auth`)."""

    role: str
    secret: str = field(repr=False)
    ca: Path


class BusSession(ApplicationSession):
    """Joins one realm by WAMP-CRA and tells its link what becomes of it."""

    def __init__(
        self,
        clock: IReactorTime,
        realm: str,
        credential: BusCredential,
        joined: "Callable[[BusSession], None]",
        left: "Callable[[BusSession, str], None]",
    ) -> None:
        """Prepare for `realm`; `joined` is called once, `left` at every end, also of an attempt."""
        super().__init__()
        self._clock = clock
        self._realm_name = realm
        self._credential = credential
        self._joined = joined
        self._left = left
        self._deadline: IDelayedCall | None = None
        self.router_cell: str | None = None
        """Which cell the router says that it is, once joined; None where it is of a release that does not say."""
        self.message_octets = 0
        """The length of the message that is being taken in."""

    @override
    def onConnect(self) -> None:
        """Ask to join, and do not wait for ever."""
        self._deadline = self._clock.callLater(JOIN_TIMEOUT_S, self.abort)
        self.join(self._realm_name, ["wampcra"], self._credential.role)

    @override
    def onChallenge(self, challenge: Challenge) -> str:
        """Sign the router's challenge (WAMP-CRA, unsalted)."""
        signature: bytes = compute_wcs(self._credential.secret.encode(), challenge.extra["challenge"].encode())
        return signature.decode("ascii")

    @override
    def onJoin(self, details: SessionDetails) -> None:
        """Hand over to the link."""
        self._rest()
        self.router_cell = (details.authextra or {}).get("cell")
        self._joined(self)

    @override
    def onLeave(self, details: CloseDetails) -> None:
        """End the connection too: a session is never reused."""
        self._rest()
        self._left(self, str(details.reason))
        super().onLeave(details)  # fails what is outstanding, then disconnects

    @override
    def onDisconnect(self) -> None:
        """Tell the link, also where the session had never joined."""
        self._rest()
        self._left(self, "disconnected")
        super().onDisconnect()  # fails what is outstanding

    @override
    def onUserError(self, fail: Failure, msg: str) -> None:
        """A fault in what is called with an event; refusals of procedures are logged where they are made."""
        if fail.value is not None and not isinstance(fail.value, ApplicationError):
            log.error("event_failed", exc_info=fail.value)

    @override
    def call(self, procedure: str, /, *args: Any, **kwargs: Any) -> "Deferred[Any]":
        """Call `procedure`; autobahn's own `call` takes arguments named `procedure` and `options` for itself.

        Raises:
            TransportLost: There is no connection.
        """
        if self._transport is None:
            raise TransportLost
        number = self._request_id_gen.next()

        def cancel(_: "Deferred[Any]") -> None:
            if self._transport is not None:
                self._transport.send(message.Cancel(number))

        answered: Deferred[Any] = Deferred(cancel)
        self._call_reqs[number] = CallRequest(number, procedure, answered, None)
        try:
            self._transport.send(
                message.Call(number, procedure, args=args, kwargs=kwargs, transaction_hash=self._trace())
            )
        except BaseException:
            del self._call_reqs[number]
            raise
        return answered

    def abort(self) -> None:
        """Drop the connection at once; the link connects again."""
        if self._transport is not None:
            self._transport.abort()

    def _trace(self) -> str | None:
        """What the callee continues the present trace by, in the one WAMP option that a router passes on as it is.

        On the realm of services alone: nobody else is told of traces, and nobody else is believed.
        """
        return tracing.carried_on() if self._realm_name == SYSTEM_REALM else None

    def _rest(self) -> None:
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()


class _Connection(WampWebSocketClientProtocol):
    """Tells its session how long a message is: what is decoded does not say."""

    @override
    def connectionMade(self) -> None:
        """The connection stands."""
        super().connectionMade()
        send_at_once(self)

    @override
    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """One message came."""
        session: Any = self._session
        if session is not None:
            session.message_octets = len(payload)
        # The event loop calls in the context in which somebody last touched the socket: of some other call's trace.
        Context().run(super().onMessage, payload, isBinary)


def session_factory(
    clock: IReactorTime,
    url: str,
    realm: str,
    credential: BusCredential,
    *,
    joined: Callable[[BusSession], None],
    left: Callable[[BusSession, str], None],
) -> WampWebSocketClientFactory:
    """The protocol factory that makes such sessions on `url`."""

    def create(*_: Any) -> BusSession:
        return BusSession(clock, realm, credential, joined, left)

    uncolour(autobahn_util)
    factory = WampWebSocketClientFactory(create, url=url, serializers=[CBORSerializer()])
    factory.protocol = _Connection
    factory.setProtocolOptions(
        openHandshakeTimeout=CONNECT_TIMEOUT_S,
        closeHandshakeTimeout=2,
        autoPingInterval=PING_INTERVAL_S,
        autoPingTimeout=PING_TIMEOUT_S,
        maxMessagePayloadSize=MAX_MESSAGE_OCTETS,
        maxFramePayloadSize=MAX_MESSAGE_OCTETS,
        failByDrop=True,
    )
    return factory


def client_endpoint(reactor: IReactorCore, url: str, ca: Path) -> IStreamClientEndpoint:
    """Where `url` (`wss://host:port/path`) connects: TLS, verified against the host's name and who `ca` trusts then.

    Raises:
        ValueError: The URL is not `wss`.
    """
    parts = urlsplit(url)
    if parts.scheme != "wss" or parts.hostname is None:
        raise ValueError(f"{url} is not a wss URL")
    plain = HostnameEndpoint(reactor, parts.hostname, parts.port or 443, timeout=CONNECT_TIMEOUT_S)
    return _Secured(parts.hostname, ca, plain)


@implementer(IStreamClientEndpoint)
@frozen
class _Secured:
    """Reads the file of authorities for each connection: another one may have come into it."""

    host: str
    ca: Path
    plain: IStreamClientEndpoint

    def connect(self, factory: IProtocolFactory) -> "Deferred[IProtocol]":
        """Connect, and verify."""
        try:
            options = client_options(self.host, self.ca)
        except (OSError, ValueError, SSL.Error) as error:
            return fail(ConnectError(string=f"the authorities in {self.ca} cannot be read ({type(error).__name__})"))
        clock = cast("IReactorTime", _NextTurn())
        return wrapClientTLS(options, PromptEndpoint(self.plain), clock).connect(factory)


class _NextTurn:
    """A clock for TLS, which asks it for nothing but the next turn: asyncio has that for less than Twisted's own."""

    def callLater(self, delay: float, action: Callable[[], object]) -> asyncio.Handle:  # noqa: ARG002 - the interface
        """Do it in the next turn of the loop, with all that was written in this one."""
        return asyncio.get_running_loop().call_soon(action)
