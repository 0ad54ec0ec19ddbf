"""Where people come to what devices offer: HTTPS, and a WebSocket at `/visit/<device>/<app>/<port>[/udp]`.

Who comes shows an API key, an access token or a ticket as bearer. They are let in, and that is recorded, before the
device is asked for a stream; what goes then is in `visit_sockets.py`.
"""

import asyncio
import json
from typing import Any, Final
from urllib.parse import unquote

import psycopg
import structlog
from attrs import frozen
from autobahn.twisted.resource import WebSocketResource
from autobahn.twisted.websocket import WebSocketServerFactory
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from services.tunnels.admitting import Admissions, Wanted
from services.tunnels.datagrams import Channels
from services.tunnels.errors import NoWorkConnError
from services.tunnels.finding import Offering
from services.tunnels.identity import Identity
from services.tunnels.recording import Recordings, VisitRecording
from services.tunnels.records.offers import Offer, Source, TunnelProtocol
from services.tunnels.records.times import Times
from services.tunnels.records.visits import Admitted, Cause
from services.tunnels.rules.visitors import STATUS_OF_REFUSALS, bearer, wanted_of
from services.tunnels.streams import Reaching
from services.tunnels.visit_sockets import SLOW_S, Carried, DatagramSocket, StreamSocket, VisitSocket
from services.tunnels.visiting import OpenVisit, Visiting
from services.tunnels.web_sign_in import SignIn
from shared import tracing
from shared.allowance import Allowance
from shared.bus import Bus
from shared.errors import ConflictError, OverLimitError, PublicError, SignInRefusedError, UnavailableError
from shared.subscribers import subscriber

IDLE_S: Final = 60
FAILURES: Final = 60
FAILURES_WINDOW_S: Final = 60.0
MAX_MESSAGE_OCTETS: Final = 262_144
PING_S: Final = 20
PONG_S: Final = int(SLOW_S)
"""A ping waits behind what the visitor has not read."""
CLOSE_S: Final = 2
"""For the visitor to take the close, while nothing else goes; autobahn counts whole seconds."""
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
    recordings: Recordings
    edge: Reaching
    channels: Channels
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
            with tracing.visited("websocket"):
                socket = await self._let_in(request)
        except PublicError as error:
            _refuse(request, error, is_gone=gone.is_set())
            return
        except psycopg.Error:
            log.exception("tunnel_visit_not_recorded")
            _refuse(request, UnavailableError(NOT_RECORDED), is_gone=gone.is_set())
            return
        if gone.is_set():
            socket.abandon()
            return
        factory: Any = WebSocketServerFactory()
        factory.setProtocolOptions(
            maxFramePayloadSize=MAX_MESSAGE_OCTETS,
            maxMessagePayloadSize=MAX_MESSAGE_OCTETS,
            autoPingInterval=PING_S,
            autoPingTimeout=PONG_S,
            closeHandshakeTimeout=CLOSE_S,
            failByDrop=False,
            utf8validateIncoming=False,
        )
        factory.protocol = lambda: socket
        request.channel.transport.unregisterProducer()
        WebSocketResource(factory).render(request)

    async def _let_in(self, request: Any) -> VisitSocket:
        inside, client = self._inside, request.getClientAddress()
        wanted = wanted_of([unquote(part.decode("ascii", "replace")) for part in request.postpath])
        admitted = await self._admit(request, client.host, Wanted(*wanted))
        offer = inside.offering.find(admitted.tunnel.name)
        if offer is None:
            raise ConflictError(NOT_OFFERED)
        opened = await inside.visiting.begin(admitted)
        recording = None
        try:
            recording = await self._recorded(opened)
            return await self._reached(opened, recording, offer, Source(client.host, client.port))
        except NoWorkConnError as error:
            await _give_up(inside, opened, recording, Cause.NOT_REACHED)
            raise UnavailableError(NOT_REACHED) from error
        except BaseException:
            await _give_up(inside, opened, recording, Cause.FAILED)
            raise

    async def _recorded(self, opened: OpenVisit) -> VisitRecording | None:
        try:
            return await self._inside.recordings.begin_recording(opened)
        except (PublicError, psycopg.Error):
            opened.end(Cause.NOT_RECORDED)
            raise

    async def _reached(
        self, opened: OpenVisit, recording: VisitRecording | None, offer: Offer, source: Source
    ) -> VisitSocket:
        """The visit with its way to the device; raises NoWorkConnError where it opens none."""
        inside = self._inside

        def over(cause: Cause) -> None:
            inside.bus.spawn(_give_up(inside, opened, recording, cause))

        carried = Carried(opened, recording, inside.times.clock, over)
        if offer.protocol is not TunnelProtocol.UDP:
            return StreamSocket(carried, await inside.edge.open_stream(offer, source))
        channel = inside.channels.of(offer)
        socket = DatagramSocket(carried, channel, source)
        try:
            await channel.ready()
        except BaseException:
            socket.let_go()
            raise
        return socket

    async def _admit(self, request: Any, address: str, wanted: Wanted) -> Admitted:
        """Whoever shows too much that opens nothing is not looked at for a while."""
        whose = subscriber(address)
        if not self._failures.take(whose, self._inside.times.clock()):
            raise OverLimitError(TOO_MANY_FAILURES)
        shown = bearer(request.requestHeaders.getRawHeaders("authorization", []))
        try:
            admitted = await self._inside.admissions.admit(shown, address, wanted)
        except SignInRefusedError:
            raise
        except BaseException:
            self._failures.give_back(whose)
            raise
        self._failures.give_back(whose)
        return admitted


async def _give_up(inside: Inside, opened: OpenVisit, recording: VisitRecording | None, cause: Cause) -> None:
    """The visit is over, and its recording."""
    opened.end(cause)  # the first cause counts
    try:
        if recording is not None:
            await recording.complete()
    finally:
        await inside.visiting.conclude(opened, opened.cut.result())


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
