"""An HTTPS listener: TLS before anything is answered; connections, requests and the time they take are bounded."""

from typing import Any, Final, cast

from twisted.internet import reactor
from twisted.internet.interfaces import IDelayedCall, IListeningPort
from twisted.internet.protocol import connectionDone
from twisted.protocols.policies import ThrottlingFactory
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel, Request
from twisted.web.resource import IResource
from twisted.web.server import Request as SiteRequest
from twisted.web.server import Site
from typing_extensions import override

from shared.proxied import NOBODY, Proxies, behind
from shared.tls import ServerOptions

MAX_CONNECTIONS: Final = 2_000
HEAD_TIMEOUT_S: Final = 15
BODY_TIMEOUT_S: Final = 30
MAX_BODY_OCTETS: Final = 65_536
_TOO_LARGE_BODY: Final = b'{"error": "the body is too large", "code": "content_too_large"}\n'
_TOO_LARGE: Final = (
    b"HTTP/1.1 413 Content Too Large\r\nconnection: close\r\ncontent-type: application/json\r\n"
    b"x-content-type-options: nosniff\r\ncontent-length: %d\r\n\r\n%b" % (len(_TOO_LARGE_BODY), _TOO_LARGE_BODY)
)


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
        super().allContentReceived()

    @override
    def requestDone(self, request: Request) -> None:
        super().requestDone(request)
        self._expect(HEAD_TIMEOUT_S)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._rest()
        super().connectionLost(reason)

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
    proxies: Proxies = NOBODY,
    reactor: Any = reactor,
) -> IListeningPort:
    """Serve `root` on `interface`:`port`; bodies are octets to it, forms are not taken apart here.

    Args:
        proxies: Those whose connections are of whom they name.

    Raises:
        CannotListenError: The port is taken.
    """
    site = site_of(root, idle_timeout_s=idle_timeout_s, max_body_octets=max_body_octets)
    secured = TLSMemoryBIOFactory(tls, False, site)  # noqa: FBT003 - Twisted's order
    limited = ThrottlingFactory(secured, maxConnectionCount=MAX_CONNECTIONS)
    return cast("IListeningPort", reactor.listenTCP(port, behind(proxies, limited, reactor), interface=interface))


def site_of(root: IResource, *, idle_timeout_s: int, max_body_octets: int = MAX_BODY_OCTETS) -> Site:
    """The same behind a listener of one's own, which has TLS and bounds its connections."""
    bounded = type("BoundedRequest", (_Request,), {"max_body_octets": max_body_octets})
    site = Site(root, bounded, timeout=idle_timeout_s, parsePOSTFormSubmission=False)
    site.protocol = _Channel  # type: ignore[method-assign, assignment]  # HTTP/1.1 alone, with our deadline
    return site
