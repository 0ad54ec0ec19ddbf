"""Where people come to what devices offer: HTTPS, and a raw stream as a WebSocket at `/visit/<device>/<app>/<port>`.

Who comes shows an API key, an access token or a ticket as bearer. They are let in, and that is recorded, before the
device is asked for a stream; then binary frames go both ways, as fast as the slower side takes them. A close says why
it ended.
"""

import asyncio
import json
from typing import Any, Final
from urllib.parse import unquote

import psycopg
import structlog
from attrs import frozen
from autobahn.twisted.resource import WebSocketResource
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request
from typing_extensions import override

from services.tunnels.admitting import Admissions, Wanted
from services.tunnels.edge import Edge
from services.tunnels.errors import NoWorkConnError
from services.tunnels.finding import Offering
from services.tunnels.identity import Identity
from services.tunnels.records.offers import Source
from services.tunnels.records.times import Times
from services.tunnels.records.visits import Admitted, Cause
from services.tunnels.rules.visitors import STATUS_OF_REFUSALS, bearer, wanted_of
from services.tunnels.streams import MuxStream
from services.tunnels.visiting import OpenVisit, Visiting
from services.tunnels.web_sign_in import SignIn
from shared.allowance import Allowance
from shared.bus import Bus
from shared.errors import ConflictError, OverLimitError, PublicError, SignInRefusedError, UnavailableError
from shared.websocket import send_at_once

IDLE_S: Final = 60
FAILURES: Final = 60
FAILURES_WINDOW_S: Final = 60.0
PIECE_OCTETS: Final = 65_536
MAX_MESSAGE_OCTETS: Final = 1_048_576
PING_S: Final = 20
CLOSE_S: Final = 2
"""For the visitor to take the close, while nothing else goes; autobahn counts whole seconds."""
NORMAL: Final = 1000
CUT: Final = 4403
"""Of the range for private use (RFC 6455, section 7.4.2); the reason is the cause's word."""
NOT_OFFERED: Final = "the device does not offer this now"
NOT_REACHED: Final = "the device did not answer"
NO_KEYS: Final = "the keys cannot be told now"
NOT_RECORDED: Final = "this cannot be recorded now, and so not be done"
TOO_MANY_FAILURES: Final = "too much that opened nothing came from your address; wait a minute"

log = structlog.get_logger()


@frozen
class Inside:
    """What the listener works with."""

    bus: Bus
    admissions: Admissions
    offering: Offering
    visiting: Visiting
    edge: Edge
    times: Times


class VisitResource(Resource):
    """`/visit/...`."""

    isLeaf = 1

    def __init__(self, inside: Inside) -> None:
        """Let in whom `inside` lets in."""
        super().__init__()
        self._inside = inside
        self._failures = Allowance(FAILURES, FAILURES_WINDOW_S)

    def render_GET(self, request: Request) -> int:
        """Somebody comes."""
        self._inside.bus.spawn(self._come(request))
        return NOT_DONE_YET

    async def _come(self, request: Any) -> None:
        gone = asyncio.Event()
        request.notifyFinish().addErrback(lambda _: gone.set())
        try:
            opened, stream = await self._let_in(request)
        except PublicError as error:
            _refuse(request, error, is_gone=gone.is_set())
            return
        except psycopg.Error:
            log.exception("tunnel_visit_not_recorded")
            _refuse(request, UnavailableError(NOT_RECORDED), is_gone=gone.is_set())
            return
        if gone.is_set():
            stream.abortConnection()
            await self._inside.visiting.conclude(opened, Cause.VISITOR_LEFT)
            return
        factory: Any = WebSocketServerFactory()
        factory.setProtocolOptions(
            maxFramePayloadSize=MAX_MESSAGE_OCTETS,
            maxMessagePayloadSize=MAX_MESSAGE_OCTETS,
            autoPingInterval=PING_S,
            autoPingTimeout=PING_S,
            closeHandshakeTimeout=CLOSE_S,
            failByDrop=False,
            utf8validateIncoming=False,
        )
        factory.protocol = lambda: VisitSocket(self._inside, opened, stream)
        request.channel.transport.unregisterProducer()
        WebSocketResource(factory).render(request)

    async def _let_in(self, request: Any) -> tuple[OpenVisit, MuxStream]:
        inside, client = self._inside, request.getClientAddress()
        wanted = wanted_of([unquote(part.decode("ascii", "replace")) for part in request.postpath])
        admitted = await self._admit(request, client.host, Wanted(*wanted))
        offer = inside.offering.find(admitted.tunnel.name)
        if offer is None:
            raise ConflictError(NOT_OFFERED)
        opened = await inside.visiting.begin(admitted)
        try:
            return opened, await inside.edge.open_stream(offer, Source(client.host, client.port))
        except NoWorkConnError as error:
            await inside.visiting.conclude(opened, Cause.NOT_REACHED)
            raise UnavailableError(NOT_REACHED) from error
        except BaseException:
            await inside.visiting.conclude(opened, Cause.FAILED)
            raise

    async def _admit(self, request: Any, address: str, wanted: Wanted) -> Admitted:
        """Whoever shows too much that opens nothing is not looked at for a while."""
        if not self._failures.take(address, self._inside.times.clock()):
            raise OverLimitError(TOO_MANY_FAILURES)
        shown = bearer(request.requestHeaders.getRawHeaders("authorization", []))
        try:
            admitted = await self._inside.admissions.admit(shown, address, wanted)
        except SignInRefusedError:
            raise
        except BaseException:
            self._failures.give_back(address)
            raise
        self._failures.give_back(address)
        return admitted


class VisitSocket(WebSocketServerProtocol):
    """One visitor with a stream to the device."""

    def __init__(self, inside: Inside, opened: OpenVisit, stream: MuxStream) -> None:
        """Carry `opened` over `stream`, to which nothing is attached yet."""
        super().__init__()
        self._inside = inside
        self._opened = opened
        self._stream = stream
        self._cause: Cause | None = None
        opened.cut.add_done_callback(lambda cut: self._end(cut.result(), CUT))

    @override
    def connectionMade(self) -> None:
        """The connection stands."""
        super().connectionMade()
        send_at_once(self)

    @override
    def onOpen(self) -> None:
        visitor: Any = self.transport
        visitor.registerProducer(self._stream, True)  # noqa: FBT003 - Twisted's order
        self._stream.registerProducer(visitor, True)  # noqa: FBT003 - as above
        self._stream.attach(_FromDevice(self))

    @override
    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        if self._cause is None:
            self._opened.moved(self._inside.times.clock(), octets_to=len(payload))
            self._stream.write(payload)

    @override
    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        self._over(Cause.VISITOR_LEFT)
        self._stream.unregisterProducer()
        self._stream.abortConnection()

    def from_device(self, octets: bytes) -> None:
        """Pass on what came."""
        self._opened.moved(self._inside.times.clock(), octets_from=len(octets))
        for first in range(0, len(octets), PIECE_OCTETS):
            self.sendMessage(octets[first : first + PIECE_OCTETS], isBinary=True)

    def device_ended(self) -> None:
        """Nothing more comes from the device."""
        self._end(Cause.DEVICE_LEFT, NORMAL)

    def _end(self, cause: Cause, code: int) -> None:
        if self._cause is not None:
            return
        self._over(cause)
        if cause is not Cause.DEVICE_LEFT:
            self._stream.unregisterProducer()
            self._stream.abortConnection()
        visitor: Any = self.transport
        if visitor is not None:
            visitor.unregisterProducer()
            self.sendClose(code, cause.value)

    def _over(self, cause: Cause) -> None:
        if self._cause is None:
            self._cause = cause
            self._inside.bus.spawn(self._inside.visiting.conclude(self._opened, cause))


class _FromDevice(Protocol):
    def __init__(self, socket: VisitSocket) -> None:
        self._socket = socket

    @override
    def dataReceived(self, data: bytes) -> None:
        self._socket.from_device(data)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._socket.device_ended()


class JwksResource(Resource):
    """`/.well-known/jwks.json`: by what devices verify who visits them."""

    isLeaf = 1

    def __init__(self, inside: Inside, identity: Identity) -> None:
        """Tell the keys of `identity`."""
        super().__init__()
        self._inside = inside
        self._identity = identity

    def render_GET(self, request: Request) -> int:
        """The key set."""
        self._inside.bus.spawn(self._tell(request))
        return NOT_DONE_YET

    async def _tell(self, request: Any) -> None:
        gone = asyncio.Event()
        request.notifyFinish().addErrback(lambda _: gone.set())
        try:
            said = json.dumps(await self._identity.key_set()).encode()
        except (PublicError, psycopg.Error):
            _refuse(request, UnavailableError(NO_KEYS), is_gone=gone.is_set())
            return
        if not gone.is_set():
            request.setHeader(b"content-type", b"application/jwk-set+json")
            request.setHeader(b"cache-control", b"max-age=60")
            request.write(said)
            request.finish()


class SignInResource(Resource):
    """`/sign-in/done`: browsers that come back from the provider."""

    isLeaf = 1

    def __init__(self, inside: Inside, sign_in: SignIn) -> None:
        """Ask `sign_in`."""
        super().__init__()
        self._inside = inside
        self._sign_in = sign_in

    def render_GET(self, request: Request) -> int:
        """One browser."""
        self._inside.bus.spawn(self._done(request))
        return NOT_DONE_YET

    async def _done(self, request: Any) -> None:
        gone = asyncio.Event()
        request.notifyFinish().addErrback(lambda _: gone.set())
        query = request.uri.partition(b"?")[2].decode("ascii", "replace")
        answer = await self._sign_in.come_back(query, request.getClientAddress().host)
        if gone.is_set():
            return
        request.setResponseCode(answer.status)
        for name, value in answer.headers:
            request.responseHeaders.addRawHeader(name, value)
        request.write(answer.body)
        request.finish()


def site_root(inside: Inside, identity: Identity, sign_in: SignIn) -> Resource:
    """What the domain of tunnels itself has."""
    root, known, signing_in = Resource(), Resource(), Resource()
    root.putChild(b"visit", VisitResource(inside))
    root.putChild(b".well-known", known)
    root.putChild(b"sign-in", signing_in)
    known.putChild(b"jwks.json", JwksResource(inside, identity))
    signing_in.putChild(b"done", SignInResource(inside, sign_in))
    return root


def _refuse(request: Any, error: PublicError, *, is_gone: bool) -> None:
    if is_gone:
        return
    status = STATUS_OF_REFUSALS.get(type(error), 503)
    request.setResponseCode(status)
    request.setHeader(b"content-type", b"application/json")
    request.setHeader(b"x-content-type-options", b"nosniff")
    if isinstance(error, SignInRefusedError):
        request.setHeader(b"www-authenticate", b"Bearer")
    request.write(json.dumps(error.details()).encode() + b"\n")
    request.finish()
