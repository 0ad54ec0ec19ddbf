"""An HTTPS listener: TLS before anything is answered; connections, requests and the time they take are bounded."""

from collections.abc import Callable
from typing import Any, Final, cast

from prometheus_client import Counter
from twisted.internet import reactor
from twisted.internet.interfaces import IAddress, IDelayedCall, IListeningPort
from twisted.internet.protocol import ServerFactory, connectionDone
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel, Request
from twisted.web.resource import IResource
from twisted.web.server import Request as SiteRequest
from twisted.web.server import Site
from typing_extensions import override

from shared.places import Places
from shared.proxied import NOBODY, Proxies, behind
from shared.subscribers import subscriber
from shared.tls import ServerOptions

MAX_CONNECTIONS: Final = 2_000
MAX_OF_AN_ADDRESS: Final = 256
"""A site's people share one."""
HEAD_TIMEOUT_S: Final = 15
BODY_TIMEOUT_S: Final = 30
MAX_BODY_OCTETS: Final = 65_536
_TOO_LARGE_BODY: Final = b'{"error": "the body is too large", "code": "content_too_large"}\n'
_TOO_LARGE: Final = (
    b"HTTP/1.1 413 Content Too Large\r\nconnection: close\r\ncontent-type: application/json\r\n"
    b"x-content-type-options: nosniff\r\ncontent-length: %d\r\n\r\n%b" % (len(_TOO_LARGE_BODY), _TOO_LARGE_BODY)
)


DROPPED: Final = Counter(
    "ironflock_https_dropped_connections_total", "Connections that an HTTPS listener did not take or cut", ["reason"]
)


class _Connection(ProtocolWrapper):
    """One connection, below TLS."""

    factory: "_Bounded"

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.factory.places.leave(self)
        super().connectionLost(reason)


class _Bounded(WrappingFactory):
    """Takes in so many in all and so many an address: who holds connections and asks for nothing keeps nobody out."""

    noisy = False
    protocol = _Connection  # type: ignore[mutable-override]  # Twisted's generic names itself

    def __init__(self, wrapped: ServerFactory, of_an_address: int, seconds: Callable[[], float]) -> None:
        super().__init__(wrapped)
        self.places: Places[_Connection] = Places(seconds, per_address=of_an_address, in_all=MAX_CONNECTIONS)

    @override
    def buildProtocol(self, addr: IAddress | None) -> _Connection | None:  # type: ignore[override]  # None: refuse
        whose = subscriber(str(getattr(addr, "host", "")))
        place = self.places.place_for(whose)
        if not place.is_there:
            DROPPED.labels("no_room").inc()
            return None
        if place.instead_of is not None:
            DROPPED.labels("made_room").inc()
            self.places.leave(place.instead_of)
            cast("Any", place.instead_of.transport).abortConnection()
        connection = cast("_Connection", super().buildProtocol(addr))
        self.places.take(connection, whose)
        return connection


class _Channel(HTTPChannel):
    """One connection: each request's head and body must be whole in time, however busily they trickle in."""

    _deadline: IDelayedCall | None = None

    @override
    def connectionMade(self) -> None:
        super().connectionMade()
        self._expect(HEAD_TIMEOUT_S)

    @override
    def allHeadersReceived(self) -> None:
        self._rest()
        if self.length != 0:
            self._expect(BODY_TIMEOUT_S)
        super().allHeadersReceived()

    @override
    def allContentReceived(self) -> None:
        self._rest()
        if self._connection is not None:
            self._connection.factory.places.stay(self._connection)
        super().allContentReceived()

    @override
    def requestDone(self, request: Request) -> None:
        super().requestDone(request)
        if self._connection is not None:
            self._connection.factory.places.rest(self._connection)
        self._expect(HEAD_TIMEOUT_S)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._rest()
        super().connectionLost(reason)

    @property
    def _connection(self) -> _Connection | None:
        """None where another listener than ours has taken it in."""
        found = getattr(self.transport, "transport", None)  # ours is that of TLS
        return found if isinstance(found, _Connection) else None

    def _expect(self, seconds: float) -> None:
        self._rest()
        self._deadline = self.callLater(seconds, self.forceAbortClient)

    def _rest(self) -> None:
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()


class _Request(SiteRequest):
    """One request: a body that says, or turns out, to be too large is refused before it is kept."""

    max_body_octets = MAX_BODY_OCTETS
    _received_octets = 0
    _is_refused = False

    @override
    def gotLength(self, length: int | None) -> None:
        is_too_large = length is not None and length > self.max_body_octets
        super().gotLength(0 if is_too_large else length)
        if is_too_large:
            self._refuse()

    @override
    def handleContentChunk(self, data: bytes) -> None:
        self._received_octets += len(data)
        if self._is_refused:
            return
        if self._received_octets > self.max_body_octets:
            self._refuse()
        else:
            super().handleContentChunk(data)

    @override
    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        if not self._is_refused:
            super().requestReceived(command, path, version)

    def _refuse(self) -> None:
        self._is_refused = True
        channel = cast("_Channel", self.channel)
        channel.write(_TOO_LARGE)
        channel.loseConnection()


def listen_https(
    tls: ServerOptions,
    port: int,
    interface: str,
    root: IResource,
    *,
    idle_timeout_s: int,
    max_body_octets: int = MAX_BODY_OCTETS,
    of_an_address: int = MAX_OF_AN_ADDRESS,
    proxies: Proxies = NOBODY,
    reactor: Any = reactor,
) -> IListeningPort:
    """Serve `root` on `interface`:`port`; bodies are octets to it, forms are not taken apart here.

    Args:
        of_an_address: How many of all connections one address may have.
        proxies: Those whose connections are of whom they name.

    Raises:
        CannotListenError: The port is taken.
    """
    site = site_of(root, idle_timeout_s=idle_timeout_s, max_body_octets=max_body_octets)
    secured = TLSMemoryBIOFactory(tls, False, site)  # noqa: FBT003 - Twisted's order
    bounded = _Bounded(cast("ServerFactory", secured), of_an_address, reactor.seconds)
    return cast("IListeningPort", reactor.listenTCP(port, behind(proxies, bounded, reactor), interface=interface))


def site_of(root: IResource, *, idle_timeout_s: int, max_body_octets: int = MAX_BODY_OCTETS) -> Site:
    """The same behind a listener of one's own, which has TLS and bounds its connections."""
    bounded = type("BoundedRequest", (_Request,), {"max_body_octets": max_body_octets})
    site = Site(root, bounded, timeout=idle_timeout_s, parsePOSTFormSubmission=False)
    site.protocol = _Channel  # type: ignore[method-assign, assignment]  # HTTP/1.1 alone, with our deadline
    return site
