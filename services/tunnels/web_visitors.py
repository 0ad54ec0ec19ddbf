"""The visitors' listener: each connection is the site's or a tunnel's, by the host of its first request.

A tunnel's connection stays with its host. One request after another is let in, taken to the device, and answered; a
connection that breaks the rules of HTTP, or names another host than its TLS does, is answered 400 and closed.
"""

import asyncio
from typing import Any, Final, cast

import h11
import psycopg
import structlog
from attrs import frozen
from twisted.internet.interfaces import IAddress, IListeningPort
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.protocols.policies import ThrottlingFactory
from twisted.python.failure import Failure
from typing_extensions import override

from services.tunnels.arriving import Arrivals, PassingOn
from services.tunnels.deadlines import Deadline
from services.tunnels.errors import NoWorkConnError
from services.tunnels.first_octets import FIRST_S, Undecided
from services.tunnels.forwarding import CLOSE_S
from services.tunnels.records.offers import Offer, Source, TunnelProtocol
from services.tunnels.rules.callers import OWN_PATH, is_page
from services.tunnels.rules.heads import END, MAX_HEAD, BadHeadError, Incoming, is_within, label_of, read_head
from services.tunnels.rules.pages import CUT, Answer, failure, refusal
from services.tunnels.streams import DeviceStream
from services.tunnels.visiting import OpenVisit
from services.tunnels.visitors import IDLE_S, NOT_REACHED, NOT_RECORDED, Inside, site_root
from services.tunnels.web_exchange import DeviceTls, Exchange, Outcome
from services.tunnels.web_front import Asked, Entered, WebFront
from services.tunnels.web_sign_in import SignIn
from shared.errors import InvalidArgumentError, PublicError, SignInRefusedError, UnavailableError
from shared.https import MAX_CONNECTIONS, site_of
from shared.proxied import NOBODY, Proxies, behind
from shared.tls import ServerOptions

OTHER_HOST: Final = "the request names another host than its connection"
BROKEN: Final = "the device's answer is no HTTP"
LEFT: Final = "the device ended the connection before it answered"
LATE: Final = "the device did not answer in time"
BAD_BODY: Final = "the body of the request is broken"
LATE_BODY: Final = "the body of the request did not come in time"
_FAILURES: Final = {
    Outcome.DEVICE_LEFT: (502, "bad_gateway", LEFT),
    Outcome.DEVICE_BROKE_HTTP: (502, "bad_gateway", BROKEN),
    Outcome.BODY_LATE: (408, "request_timeout", LATE_BODY),
    Outcome.TIMED_OUT: (504, "gateway_timeout", LATE),
    Outcome.VISITOR_BROKE_HTTP: (400, "bad_request", BAD_BODY),
}

log = structlog.get_logger()


@frozen
class Web:
    """What tunnels of the web are served with."""

    front: WebFront
    sign_in: SignIn
    reactor: Any


class Connection(Undecided):
    """A connection that has said nothing yet, and then the site's or a tunnel's."""

    def __init__(self, listener: "Listener", address: Any) -> None:
        """From `address`."""
        super().__init__(listener.web.reactor)
        self._listener = listener
        self._address = address
        self._seen = 0

    @override
    def look(self) -> None:
        end = self._octets.find(END, max(0, self._seen - len(END)))
        self._seen = len(self._octets)
        if end < 0 and self._seen <= MAX_HEAD:
            return
        self._deadline.rest()
        try:
            host = read_head(bytes(self._octets[: end + len(END)] if end >= 0 else self._octets)).host
        except BadHeadError as error:
            self._refuse(str(error))
            return
        self._hand_over(host)

    def _hand_over(self, host: str) -> None:
        transport: Any = self.transport
        web = self._listener.web
        if host != web.front.parts.domain and not is_within(host, web.front.parts.domain):
            inner = self._listener.site.buildProtocol(self._address)
        elif _server_name(transport) not in (None, host):
            self._refuse(OTHER_HOST)
            return
        elif host == web.front.parts.domain:
            inner = self._listener.site.buildProtocol(self._address)
        else:
            inner = WebVisitor(web, host, Source(str(self._address.host), int(self._address.port)))
        self.hand_over(inner)

    def _refuse(self, why: str) -> None:
        self.take_octets(Protocol())  # which hears nothing
        refuse_raw(self.transport, why)
        self._deadline.expect(CLOSE_S)


class WebVisitor(Protocol):
    """A connection to one tunnel's host."""

    def __init__(self, web: Web, host: str, source: Source) -> None:
        """From `source`."""
        self._web = web
        self._host = host
        self._source = source
        self._octets = bytearray()
        self._seen = 0
        self._task: asyncio.Task[None] | None = None
        self._exchange: Exchange | None = None
        self._deadline = Deadline(web.reactor, self._cut)
        self._is_idle = False
        self._is_over = False

    @override
    def dataReceived(self, data: bytes) -> None:
        if self._exchange is not None:
            self._exchange.from_visitor(data)
        elif not self._is_over:
            self._octets += data
            if self._task is None:
                self._look()

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._is_over = True
        self._deadline.rest()
        if self._exchange is not None:
            self._exchange.visitor_lost()
        elif self._task is not None:
            self._task.cancel()
        self._web.front.parts.visits.leave(id(self))

    # ------------------------------------------------------------------------------------------------------ requests

    def _look(self) -> None:
        """Begin with the next request, once its head is whole."""
        end = self._octets.find(END, max(0, self._seen - len(END)))
        self._seen = len(self._octets)
        if end < 0 and self._seen <= MAX_HEAD:
            if not self._deadline.is_set or not self._octets or self._is_idle:
                self._deadline.expect(FIRST_S if self._octets else IDLE_S)
                self._is_idle = not self._octets
            return
        self._deadline.rest()
        cut = end + len(END) if end >= 0 else self._seen
        try:
            incoming = read_head(bytes(self._octets[:cut]))
        except BadHeadError as error:
            self._refuse(str(error))
            return
        if incoming.host != self._host:
            self._refuse(OTHER_HOST)
            return
        del self._octets[:cut]
        self._seen = 0
        transport: Any = self.transport
        transport.pauseProducing()
        self._task = self._web.front.parts.bus.task(self._serve(incoming))
        self._task.add_done_callback(self._served)

    def _served(self, task: "asyncio.Task[None]") -> None:
        """A fault of ours leaves nobody waiting."""
        if not task.cancelled() and task.exception() is not None:
            self._close(is_whole=False)

    async def _serve(self, incoming: Incoming) -> None:
        label = label_of(self._host, self._web.front.parts.domain) or ""
        asked = Asked(incoming, label, self._source.address, self._source.port, id(self))
        try:
            if incoming.target.startswith(OWN_PATH):
                self._answer(incoming, await self._web.sign_in.hand_over(asked))
                return
            entered = await self._web.front.let_in(asked)
            answer = await self._carry(incoming, entered)
        except SignInRefusedError as error:
            answer = self._web.sign_in.begin(asked, error)
        except PublicError as error:
            answer = refusal(error, is_page=is_page(incoming))
        except psycopg.Error:
            log.exception("tunnel_visit_not_recorded")
            answer = refusal(UnavailableError(NOT_RECORDED), is_page=is_page(incoming))
        if answer is not None:
            self._answer(incoming, answer)

    async def _carry(self, incoming: Incoming, entered: Entered) -> Answer | None:
        """Take the request to the device; an answer of ours where it gave none."""
        parts, opened = self._web.front.parts, entered.visit
        with parts.sharing.stream(entered.offer.device_key, opened.visitor):
            try:
                stream = await parts.edge.open_stream(entered.offer, self._source)
            except NoWorkConnError:
                return failure(502, "bad_gateway", NOT_REACHED, is_page=is_page(incoming))
            exchange = self._exchange_of(incoming, entered)
            outcome = await self._exchanged(exchange, opened, stream, _tls_of(incoming, entered.offer))
        if outcome is Outcome.ANSWERED:
            self._next(exchange.leftover)
        elif exchange.is_answered:
            self._close(is_whole=exchange.is_switched and outcome is Outcome.DEVICE_LEFT)
        else:
            self._octets[:0] = exchange.ahead
            status, code, sentence = _told(outcome, opened)
            return failure(status, code, sentence, is_page=is_page(incoming))
        return None

    def _exchange_of(self, incoming: Incoming, entered: Entered) -> Exchange:
        parts, opened = self._web.front.parts, entered.visit

        def moved(octets_to: int, octets_from: int) -> None:
            opened.moved(parts.times.clock(), octets_to=octets_to, octets_from=octets_from)

        return Exchange(incoming, entered.headers, self.transport, self._web.reactor, moved)

    async def _exchanged(
        self, exchange: Exchange, opened: OpenVisit, stream: DeviceStream, tls: DeviceTls | None
    ) -> Outcome:
        def cut(_: object) -> None:
            exchange.interrupt()

        opened.cut.add_done_callback(cut)
        self._exchange = exchange
        transport: Any = self.transport
        transport.resumeProducing()
        exchange.begin(stream, tls, self._taken())
        try:
            return await exchange.done
        finally:
            opened.cut.remove_done_callback(cut)
            self._exchange = None

    def _taken(self) -> bytes:
        octets, self._octets, self._seen = bytes(self._octets), bytearray(), 0
        return octets

    # ------------------------------------------------------------------------------------------------------- answers

    def _refuse(self, why: str) -> None:
        self._is_over = True
        refuse_raw(self.transport, why)
        self._deadline.expect(CLOSE_S)

    def _answer(self, incoming: Incoming, answer: Answer) -> None:
        """Answer ourselves."""
        if self._is_over:
            return
        http, transport = incoming.connection, cast("Any", self.transport)
        is_whole = http.their_state is h11.DONE
        if http.their_state is h11.SEND_BODY:
            is_whole = isinstance(http.next_event(), h11.EndOfMessage)
        headers = [*answer.headers, (b"content-length", str(len(answer.body)).encode())]
        if not is_whole:
            headers.append((b"connection", b"close"))
        transport.write(http.send(h11.Response(status_code=answer.status, headers=headers)) or b"")
        if answer.body and incoming.method != b"HEAD":
            transport.write(http.send(h11.Data(data=answer.body)) or b"")
        http.send(h11.EndOfMessage())
        both = is_whole and http.our_state is h11.DONE and http.their_state is h11.DONE
        self._next(http.trailing_data[0] if both else None)

    def _next(self, leftover: bytes | None) -> None:
        """Go on with what came behind, or close."""
        if leftover is None:
            self._close(is_whole=True)
        elif not self._is_over:
            transport: Any = self.transport
            self._task = None
            self._octets[:0] = leftover
            self._seen = 0
            transport.resumeProducing()
            self._look()

    def _close(self, *, is_whole: bool) -> None:
        if self._is_over:
            return
        self._is_over = True
        transport: Any = self.transport
        if not is_whole:
            transport.abortConnection()
            return
        transport.resumeProducing()
        transport.loseConnection()
        self._deadline.expect(CLOSE_S)

    def _cut(self) -> None:
        transport: Any = self.transport
        transport.abortConnection()


class Listener(Factory):
    """Makes connections."""

    noisy = False

    def __init__(self, site: Any, web: Web) -> None:
        """`site` is what the domain of tunnels itself has."""
        self.site = site
        self.web = web

    @override
    def startFactory(self) -> None:
        self.site.doStart()

    @override
    def stopFactory(self) -> None:
        self.site.doStop()

    @override
    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        return Connection(self, addr)


def _told(outcome: Outcome, opened: OpenVisit) -> tuple[int, str, str]:
    """Status, code and sentence of what ended without an answer of the device."""
    if outcome is Outcome.CUT:
        cause = opened.cut.result().value
        return 403, cause, CUT.get(cause, NOT_REACHED)
    return _FAILURES.get(outcome, _FAILURES[Outcome.DEVICE_LEFT])


def refuse_raw(transport: Any, why: str) -> None:
    """400, whatever was asked; nobody can say how it was meant."""
    answer = refusal(InvalidArgumentError(why), is_page=False)
    lines = [b"HTTP/1.1 400 Bad Request", *(name + b": " + value for name, value in answer.headers)]
    lines += [b"content-length: %d" % len(answer.body), b"connection: close"]
    transport.write(b"\r\n".join(lines) + END + answer.body)
    transport.loseConnection()


def _tls_of(incoming: Incoming, offer: Offer) -> DeviceTls | None:
    return DeviceTls(incoming.host) if offer.protocol is TunnelProtocol.HTTPS else None


def _server_name(transport: Any) -> str | None:
    name = transport.getHandle().get_servername()
    return None if name is None else name.decode("ascii", "replace").lower()


def listen_visitors(
    tls: ServerOptions, port: int, interface: str, inside: Inside, web: Web, *, proxies: Proxies = NOBODY
) -> IListeningPort:
    """Let people in on `interface`:`port`, and those whom `proxies` name.

    Raises:
        CannotListenError: The port is taken.
    """
    site = site_of(site_root(inside, web.front.parts.identity, web.sign_in), idle_timeout_s=IDLE_S)
    secured = Arrivals(tls, Listener(site, web), PassingOn(web.front.parts, web.reactor))
    limited = ThrottlingFactory(secured, maxConnectionCount=MAX_CONNECTIONS)
    factory = behind(proxies, limited, web.reactor)
    return cast("IListeningPort", web.reactor.listenTCP(port, factory, interface=interface))
