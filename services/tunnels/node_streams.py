"""A connection to what a device offers at an frps, used as a stream of our own edge is."""

import asyncio
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.interfaces import IAddress, IProducer, IProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from typing_extensions import override

from services.tunnels.errors import NoWorkConnError
from services.tunnels.records.offers import Offer, TunnelProtocol
from services.tunnels.records.plugin import Node

CONNECT_S: Final = 10.0


class NodeStream(Protocol):
    """The connection; nothing is read of it before a protocol is attached."""

    def __init__(self) -> None:
        """Not connected yet."""
        self._within: IProtocol | None = None
        self._lost: Failure | None = None

    @property
    def _connection(self) -> Any:
        return self.transport

    @override
    def connectionMade(self) -> None:
        self._connection.setTcpNoDelay(True)
        self._connection.pauseProducing()

    @override
    def dataReceived(self, data: bytes) -> None:
        if self._within is not None:
            self._within.dataReceived(data)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._lost = reason
        if self._within is not None:
            self._within.connectionLost(reason)

    def attach(self, protocol: IProtocol, first: bytes = b"") -> None:
        """From now on `protocol` has the stream; `first`, which came already, is delivered to it before all else."""
        self._within = protocol
        protocol.makeConnection(self)  # type: ignore[arg-type]  # a transport, as far as ours use one
        if first:
            protocol.dataReceived(first)
        if self._lost is not None:
            protocol.connectionLost(self._lost)
        elif not self._connection.disconnecting:
            self._connection.resumeProducing()

    # ---------------------------------------------------------------------------------- the transport of what is within

    @property
    def disconnecting(self) -> bool:
        """Whether it is being closed."""
        return bool(self._connection.disconnecting)

    def write(self, data: bytes) -> None:
        """Send `data`."""
        self._connection.write(data)

    def writeSequence(self, data: list[bytes]) -> None:
        """Send all of `data`."""
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        """Close it once everything is sent."""
        self._connection.loseConnection()

    def abortConnection(self) -> None:
        """Close it now."""
        self._connection.abortConnection()

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:  # noqa: FBT001 - the interface
        """Pause `producer` while much waits."""
        self._connection.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """It is to be paused no more."""
        self._connection.unregisterProducer()

    def pauseProducing(self) -> None:
        """Read no more for now."""
        self._connection.pauseProducing()

    def resumeProducing(self) -> None:
        """Read on."""
        if self._lost is None and not self._connection.disconnecting:
            self._connection.resumeProducing()

    def stopProducing(self) -> None:
        """Nobody wants what comes any more."""
        self._connection.loseConnection()

    def getPeer(self) -> IAddress:
        """Where the node is."""
        return self._connection.getPeer()  # type: ignore[no-any-return]  # a transport of Twisted's

    def getHost(self) -> IAddress:
        """Where we are."""
        return self._connection.getHost()  # type: ignore[no-any-return]  # as above


async def open_at(reactor: Any, node: Node, offer: Offer) -> NodeStream:
    """A connection to what is offered at `node`.

    Raises:
        NoWorkConnError: The node takes none, within 10 s.
    """
    endpoint = HostnameEndpoint(reactor, node.inside_host, _port(node, offer), timeout=CONNECT_S)
    connecting: Deferred[Any] = endpoint.connect(Factory.forProtocol(NodeStream))
    try:
        return await connecting.asFuture(asyncio.get_running_loop())  # type: ignore[no-any-return]  # of our factory
    except (ConnectError, DNSLookupError) as error:
        raise NoWorkConnError("the node does not take the visitor") from error


def _port(node: Node, offer: Offer) -> int:
    match offer.protocol:
        case TunnelProtocol.HTTP:
            return node.http_port
        case TunnelProtocol.HTTPS:
            return node.https_port
        case TunnelProtocol.TCP | TunnelProtocol.UDP:
            return offer.remote_port or 0
