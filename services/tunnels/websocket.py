"""Agents behind a web front: yamux inside websocket messages, binary ones, or text ones that hold the same raw octets.

Each write of frpc is a message: a header of yamux, or what follows one. Source: fatedier/frp v0.70.0
pkg/util/net/websocket.go; 0.69.1 and older for text frames.
"""

from collections.abc import Callable
from typing import Any, Final

from autobahn.exception import Disconnected
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.websocket.types import ConnectionDeny, ConnectionRequest
from twisted.internet.interfaces import IAddress, IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from typing_extensions import override

PATH: Final = "/~!frp"
MAX_MESSAGE: Final = 1_114_112
"""A frame fills a window of 1 MiB at the most."""
HANDSHAKE_S: Final = 10


class WebSocket(WebSocketServerProtocol):
    """One agent's websocket: a transport for the protocol within."""

    def __init__(self, build: Callable[[IAddress], Protocol]) -> None:
        """`build` makes the protocol within, once the handshake is done."""
        super().__init__()
        self._build = build
        self._within: Protocol | None = None

    @override
    def onConnect(self, request: ConnectionRequest) -> None:
        if request.path != PATH:
            raise ConnectionDeny(ConnectionDeny.NOT_FOUND, "there is nothing here")

    @override
    def onOpen(self) -> None:
        transport = _Transport(self)
        within: Any = self._build(transport.getPeer())
        self._within = within
        within.makeConnection(transport)

    @override
    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        if self._within is not None:
            self._within.dataReceived(payload)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)
        within, self._within = self._within, None
        if within is not None:
            within.connectionLost(reason)


class _Transport:
    """What the protocol within writes to."""

    def __init__(self, websocket: Any) -> None:
        self._websocket = websocket

    def write(self, data: bytes) -> None:
        try:
            self._websocket.sendMessage(data, isBinary=True)
        except Disconnected:
            return

    def loseConnection(self) -> None:
        self._websocket.sendClose()

    def abortConnection(self) -> None:
        self._websocket.transport.abortConnection()

    def registerProducer(self, producer: IPushProducer, streaming: bool) -> None:  # noqa: FBT001 - the interface
        self._websocket.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        self._websocket.unregisterProducer()

    def getPeer(self) -> IAddress:
        peer: IAddress = self._websocket.transport.getPeer()
        return peer

    def getHost(self) -> IAddress:
        host: IAddress = self._websocket.transport.getHost()
        return host


def websocket_factory(build: Callable[[IAddress], Protocol]) -> Any:
    """Makes the websocket of each agent, `build` the protocol within it."""
    factory: Any = WebSocketServerFactory()
    factory.noisy = False
    factory.protocol = lambda: WebSocket(build)
    factory.setProtocolOptions(
        utf8validateIncoming=False,
        maxFramePayloadSize=MAX_MESSAGE,
        maxMessagePayloadSize=MAX_MESSAGE,
        openHandshakeTimeout=HANDSHAKE_S,
        closeHandshakeTimeout=1,
        autoPingInterval=0,
        webStatus=False,
    )
    return factory
