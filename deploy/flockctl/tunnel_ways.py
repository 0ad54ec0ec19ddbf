"""Ways into a tunnel from this machine: standard input and output, or a port; each connection is a visit."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlsplit

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.stdio import StandardIO
from twisted.python.failure import Failure
from typing_extensions import override

from deploy.flockctl.datagrams import LocalDatagrams
from deploy.flockctl.errors import CommandError
from deploy.flockctl.operator import Operator
from deploy.flockctl.text import printable
from deploy.flockctl.visits import LocalEnd, VisitSocket, ending, visit

NO_TUNNELS: Final = "this platform tells of no tunnels: is it of this release?"
RECORDED: Final = "this visit is recorded: whatever the device shows, and whoever may read the audit log may read that"
LOCAL: Final = "127.0.0.1"


@frozen
class Way:
    """A tunnel that somebody wants to go through, each time with a ticket of its own."""

    operator: Operator
    tunnel: Mapping[str, Any]
    hours: float | None

    async def go(self) -> VisitSocket:
        """A visit that is open."""
        issued = await ticket_for(self.operator, self.tunnel, self.hours)
        if issued["is_recorded"]:
            self.operator.output.notice(RECORDED)
        url = url_of(self.operator, self.tunnel)
        return await visit(self.operator.reactor, url, self.operator.endpoints.ca, issued["ticket"])


class Listening(Factory):
    """A port of this machine: each connection is a visit."""

    noisy = False

    def __init__(self, way: Way) -> None:
        """Go that way."""
        self.way = way

    @override
    def buildProtocol(self, addr: object) -> Protocol:
        return Incoming(self.way)


class Incoming(Protocol):
    """One connection; it is read once its visit is open."""

    def __init__(self, way: Way) -> None:
        """Go that way."""
        self._way = way
        self._end: LocalEnd | None = None
        self._is_lost = False

    @override
    def connectionMade(self) -> None:
        connected: Any = self.transport
        connected.setTcpNoDelay(True)
        connected.pauseProducing()
        _came = Deferred.fromCoroutine(self._come()).addErrback(self._refused)

    @override
    def dataReceived(self, data: bytes) -> None:
        if self._end is not None:
            self._end.dataReceived(data)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._is_lost = True
        if self._end is not None:
            self._end.connectionLost(reason)

    async def _come(self) -> None:
        opened = await self._way.go()
        if self._is_lost:
            opened.sendClose(1000)
            return
        end: Any = LocalEnd(opened)
        self._end = end
        end.makeConnection(self.transport)
        connected: Any = self.transport
        connected.resumeProducing()
        ended = ending(await opened.ended)
        if ended is not None:
            self._way.operator.output.notice(ended.message)

    def _refused(self, failure: Failure) -> None:
        connected: Any = self.transport
        connected.abortConnection()
        error = failure.value
        self._way.operator.output.notice(error.message if isinstance(error, CommandError) else "something went wrong")


async def over_stdio(way: Way) -> None:
    """One visit by standard input and output, until it ends."""
    opened = await way.go()
    StandardIO(LocalEnd(opened), reactor=way.operator.reactor)
    ended = ending(await opened.ended)
    if ended is not None:
        raise ended


async def over_port(way: Way, port: int, *, is_udp: bool) -> None:
    """Visits by a port of this machine (0: any), until somebody interrupts.

    Raises:
        CommandError: The port is taken.
    """
    reactor, output = way.operator.reactor, way.operator.output
    try:
        if is_udp:
            listening = reactor.listenUDP(port, LocalDatagrams(way.go, output.notice, reactor), interface=LOCAL)
        else:
            listening = reactor.listenTCP(port, Listening(way), interface=LOCAL)
    except CannotListenError as error:
        raise CommandError("port_taken", f"port {port} of this machine is taken; say another with --listen") from error
    number, protocol = listening.getHost().port, "udp" if is_udp else "tcp"
    said = f"{LOCAL}:{number} ({protocol}) leads to {printable(way.tunnel['device_name'])}; Ctrl-C ends it"
    output.result({"listening": {"host": LOCAL, "port": number, "protocol": protocol}}, said)
    await Deferred()


async def ticket_for(operator: Operator, tunnel: Mapping[str, Any], hours: float | None) -> dict[str, Any]:
    """A ticket for one visit of the tunnel."""
    lasting: dict[str, Any] = {} if hours is None else {"hours": hours}
    issued: dict[str, Any] = await operator.call(
        "ironflock.tunnels.ticket.issue", tunnel=tunnel["tunnel_key"], **lasting
    )
    return issued


def url_of(operator: Operator, tunnel: Mapping[str, Any]) -> str:
    """Where visits of the tunnel begin.

    Raises:
        CommandError: The platform has no tunnels.
    """
    if operator.endpoints.visitors is None:
        raise CommandError("not_supported", NO_TUNNELS)
    host = urlsplit(operator.endpoints.visitors).netloc
    behind = "/udp" if tunnel["protocol"] == "udp" else ""
    return f"wss://{host}/visit/{tunnel['device_key']}/{quote(tunnel['app'])}/{tunnel['port']}{behind}"
