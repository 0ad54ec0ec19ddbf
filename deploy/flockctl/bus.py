"""A person's session on the bus: WAMP-ticket with an API key on `/ws-usr`, over verified TLS."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import shared.unspoken  # noqa: F401 - before what it speaks of

# isort: split
from autobahn.twisted.wamp import ApplicationSession
from autobahn.twisted.websocket import WampWebSocketClientFactory, WampWebSocketClientProtocol
from autobahn.wamp.exception import ApplicationError, SessionNotReady, TransportLost
from autobahn.wamp.serializer import JsonSerializer
from autobahn.wamp.types import CallOptions, Challenge, CloseDetails, SessionDetails
from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeoutError
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError, ConnectionClosed, DNSLookupError
from twisted.internet.protocol import connectionDone
from twisted.internet.ssl import optionsForClientTLS
from twisted.python.failure import Failure
from typing_extensions import override

from deploy.flockctl.errors import AwayError, CommandError, OutcomeUnknownError, RefusedKeyError, from_public
from shared.errors import from_wire
from shared.tls import client_options
from shared.websocket import send_at_once

REALM: Final = "realm1"
CONNECT_TIMEOUT_S: Final = 5.0
JOIN_TIMEOUT_S: Final = 10.0  # a router holds the answer to a wrong key back for some seconds
CALL_TIMEOUT_S: Final = 40.0  # the platform itself gives a procedure up after 30 s
PING_S: Final = 4
MAX_MESSAGE_OCTETS: Final = 16 << 20
_NOT_BEGUN: Final = frozenset(
    {"wamp.error.no_such_procedure", "wamp.error.no_available_callee", "wamp.error.no_eligible_callee"}
)
_CANCELLED: Final = "wamp.error.canceled"
_CLOSED: Final = "wamp.close."
BROKEN_OFF: Final = "the router broke the connection off: it may be starting, stopping, or full"
UNTRUSTED: Final = "no TLS connection that can be trusted: is the router's certificate one of this platform's?"
AWAY: Final = "the platform is starting, or a part of it is away"


class _Session(ApplicationSession):
    """Joins with a ticket; `joined` tells how that went, `lost` hears of the end."""

    def __init__(self, api_key: str) -> None:
        super().__init__()
        self.joined: Deferred[None] = Deferred()
        self.lost: Callable[[], None] = lambda: None
        self._api_key = api_key

    @override
    def onConnect(self) -> None:
        self.join(REALM, ["ticket"])

    @override
    def onChallenge(self, challenge: Challenge) -> str:
        return self._api_key

    @override
    def onJoin(self, details: SessionDetails) -> None:
        self.joined.callback(None)

    @override
    def onLeave(self, details: CloseDetails) -> None:
        if not self.joined.called:
            self.joined.errback(Failure(_refusal(str(details.reason), str(details.message or ""))))
        self.lost()
        super().onLeave(details)  # ends what is under way, and the connection

    @override
    def onDisconnect(self) -> None:
        self.broke_off()
        self.lost()
        super().onDisconnect()

    def broke_off(self, why: str = BROKEN_OFF) -> None:
        """The connection is gone, perhaps before there was a session on it."""
        if not self.joined.called:
            self.joined.errback(Failure(AwayError(why)))


class _Protocol(WampWebSocketClientProtocol):
    """Remembers how its connection was lost."""

    was_untrusted = False

    @override
    def connectionMade(self) -> None:
        """The connection stands."""
        super().connectionMade()
        send_at_once(self)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        # TLS says itself what it does not like; a peer that goes amid the handshake is an end like any other.
        self.was_untrusted = reason.check(ConnectionClosed) is None
        super().connectionLost(reason)


class Connection:
    """An open session."""

    def __init__(self, session: Any, reactor: Any) -> None:
        """Speak through `session`, which has joined."""
        self.is_open = True
        self._session = session
        self._reactor = reactor
        session.lost = self._is_lost

    async def call(self, procedure: str, **arguments: Any) -> Any:
        """The result of `procedure`.

        Raises:
            AwayError: Nothing was begun. OutcomeUnknownError: No answer came. CommandError: It was refused.
        """
        calling = self._session.call(procedure, **arguments)
        return await self._answer(calling.addTimeout(CALL_TIMEOUT_S, self._reactor))

    async def stream(self, procedure: str, heard: Callable[[Any], None], **arguments: Any) -> Any:
        """As `call`, for one that answers progressively: `heard` gets each answer before the last."""
        options = CallOptions(on_progress=heard)
        return await self._answer(self._session.call(procedure, options=options, **arguments))

    def close(self) -> None:
        """Leave, without waiting for it."""
        if self.is_open:
            self.is_open = False
            self._session.leave()

    def _is_lost(self) -> None:
        self.is_open = False

    async def _answer(self, calling: Deferred[Any]) -> Any:
        try:
            return await calling
        except ApplicationError as error:
            raise _refused_call(error) from error
        except SessionNotReady as error:
            raise AwayError(AWAY) from error
        except (TransportLost, DeferredTimeoutError) as error:
            raise OutcomeUnknownError from error


async def connect(reactor: Any, url: str, ca: Path | None, api_key: str) -> Connection:
    """A session at `url` as the account of `api_key`.

    Args:
        ca: The PEM file of the only authority to trust; the system's when None.

    Raises:
        AwayError: The router cannot be reached, or cannot tell now whether the key is right.
        CommandError: The router is not who it should be; the key was refused.
    """
    session = _Session(api_key)
    try:
        protocol = await endpoint(reactor, url, ca).connect(_factory(url, session))
        protocol.is_closed.addCallback(lambda _: session.broke_off(UNTRUSTED if protocol.was_untrusted else BROKEN_OFF))
        await session.joined.addTimeout(JOIN_TIMEOUT_S, reactor)
    except (ConnectError, DNSLookupError) as error:
        raise AwayError(f"the router at {url} cannot be reached") from error
    except DeferredTimeoutError as error:
        raise AwayError(f"the router at {url} does not answer") from error
    return Connection(session, reactor)


def endpoint(reactor: Any, url: str, ca: Path | None) -> Any:
    """Where to connect for `url` (`wss://...`), over TLS that trusts `ca` alone, or the system's authorities.

    Raises:
        CommandError: The file of the authority cannot be read.
    """
    parts = urlsplit(url)
    host = str(parts.hostname)
    try:
        tls = optionsForClientTLS(host) if ca is None else client_options(host, ca)
    except (OSError, SSL.Error) as error:
        raise CommandError("no_ca", f"the CA file {ca} cannot be read; was the platform started here?") from error
    return wrapClientTLS(tls, HostnameEndpoint(reactor, host, parts.port or 443, timeout=CONNECT_TIMEOUT_S))


def _factory(url: str, session: _Session) -> Any:
    factory: Any = WampWebSocketClientFactory(lambda: session, url=url, serializers=[JsonSerializer()])
    factory.protocol = _Protocol
    factory.noisy = False
    factory.setProtocolOptions(
        openHandshakeTimeout=CONNECT_TIMEOUT_S,
        closeHandshakeTimeout=1,
        autoPingInterval=PING_S,
        autoPingTimeout=PING_S,
        maxMessagePayloadSize=MAX_MESSAGE_OCTETS,
        failByDrop=True,
    )
    return factory


def _refusal(reason: str, message: str) -> CommandError:
    if reason in ("wamp.error.not_authorized", "wamp.error.authentication_failed", "wamp.error.authentication_denied"):
        return RefusedKeyError()
    known = from_wire(reason, message or AWAY, {})
    if known is not None:
        return from_public(known)
    return AwayError(f"the router let nobody in: {message or AWAY}", reason=reason)


def _refused_call(error: ApplicationError) -> CommandError:
    if error.error in _NOT_BEGUN:
        return AwayError(AWAY)
    if error.error == _CANCELLED or error.error.startswith(_CLOSED):
        return OutcomeUnknownError()
    message = str(error.args[0]) if error.args else ""
    known = from_wire(error.error, message, error.kwargs or {})
    if known is not None:
        return from_public(known)
    return CommandError("unexpected_answer", f"the platform answered with {error.error}; is flockctl of its release?")
