"""An agent's frpc of our own, on the running reactor: for places without Go, and for what a real one would never do."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, connectProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import CertificateOptions
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure

from services.tunnels.forwarding import Forwarding
from services.tunnels.links import Link
from services.tunnels.records.messages import (
    Login,
    LoginResp,
    Message,
    NewProxy,
    NewProxyResp,
    NewWorkConn,
    ReqWorkConn,
    StartWorkConn,
)
from services.tunnels.records.yamux import Role
from services.tunnels.rules.cipher import Decrypting, Encrypting, control_key
from services.tunnels.rules.messages import MessageReader, encode
from services.tunnels.streams import MuxStream

WINDOW: Final = 6_291_456
ANSWER_S: Final = 10.0

Work = Callable[[MuxStream, StartWorkConn, bytes], None]
"""Takes a stream, what the edge said of its visitor, and the visitor's octets that came already."""


class FrpClient:
    """One agent: `work` takes each work stream that was given to a visitor."""

    def __init__(self, reactor: Any, work: Work) -> None:
        self._reactor = reactor
        self._work = work
        self.link = Link(reactor, _refuse, self._lost, role=Role.CLIENT, keepalive=None)
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.run_id = ""
        self._answers: asyncio.Queue[Message] = asyncio.Queue()
        self._control: _Control | None = None

    async def connect(self, port: int, first: bytes = b"") -> None:
        """Dial the edge; `first` goes before TLS."""
        dialled = Deferred.asFuture(
            connectProtocol(HostnameEndpoint(self._reactor, "127.0.0.1", port), _Secured(self.link, first)),
            asyncio.get_running_loop(),
        )
        await asyncio.wait_for(dialled, ANSWER_S)

    async def log_in(self, proof: str, pool_count: int = 1) -> LoginResp:
        """The edge's answer to a Login."""
        stream = self.link.open_stream(WINDOW)
        self._control = _Control(self._told)
        stream.attach(self._control)
        stream.write(encode(Login(version="0.70.0", metas={"tunnel_proof": proof}, pool_count=pool_count)))
        answer = await self.answer()
        assert isinstance(answer, LoginResp)
        self.run_id = answer.run_id
        return answer

    async def offer(self, asked: NewProxy) -> NewProxyResp:
        """The edge's answer to a proxy."""
        self.send(asked)
        answer = await self.answer()
        assert isinstance(answer, NewProxyResp)
        return answer

    def send(self, message: Message) -> None:
        """Send `message` on the control stream."""
        assert self._control is not None
        self._control.send(message)

    def open_work_stream(self) -> MuxStream:
        """Offer one, asked for or not."""
        stream = self.link.open_stream(WINDOW)
        stream.attach(_Waiting(stream, self._work))
        stream.write(encode(NewWorkConn(self.run_id)))
        return stream

    async def answer(self) -> Message:
        """The next thing that the edge says, but for wanting work streams."""
        return await asyncio.wait_for(self._answers.get(), ANSWER_S)

    def _told(self, message: Message) -> None:
        if isinstance(message, ReqWorkConn):
            self.open_work_stream()
        else:
            self._answers.put_nowait(message)

    def _lost(self, reason: str) -> None:
        if not self.ended.done():
            self.ended.set_result(reason)


class _Control(Protocol):
    def __init__(self, told: Callable[[Message], None]) -> None:
        self._told = told
        self._reader = MessageReader()
        self._encrypting = Encrypting(control_key(), bytes(range(16)))
        self._decrypting: Decrypting | None = None

    def send(self, message: Message) -> None:
        assert self.transport is not None
        self.transport.write(self._encrypting.encrypt(encode(message)))

    def dataReceived(self, data: bytes) -> None:
        if self._decrypting is None:
            answer = self._reader.feed_one(data)
            if answer is None:
                return
            data, self._reader, self._decrypting = self._reader.rest, MessageReader(), Decrypting(control_key())
            self._told(answer)
        for message in self._reader.feed(self._decrypting.decrypt(data)):
            self._told(message)


class _Waiting(Protocol):
    """A work stream until a visitor is there."""

    def __init__(self, stream: MuxStream, work: Work) -> None:
        self._stream = stream
        self._work = work
        self._reader = MessageReader()

    def dataReceived(self, data: bytes) -> None:
        message = self._reader.feed_one(data)
        if message is not None:
            assert isinstance(message, StartWorkConn)
            self._stream.detach()
            self._work(self._stream, message, self._reader.rest)


class _Secured(Protocol):
    """TLS of a client that verifies nobody, as frpc's, and what goes before it."""

    def __init__(self, within: Protocol, first: bytes) -> None:
        self._within = within
        self._first = first
        self._tls: Any = None

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.setTcpNoDelay(True)
        if self._first:
            transport.write(self._first)
        factory = TLSMemoryBIOFactory(CertificateOptions(), True, Factory())
        self._tls = factory.protocol(factory, self._within)
        self._tls.makeConnection(transport)

    def dataReceived(self, data: bytes) -> None:
        self._tls.dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._tls.connectionLost(reason)


def _refuse(stream: MuxStream) -> None:
    raise AssertionError("an edge opens no streams")


def echo(stream: MuxStream, _start: StartWorkConn, first: bytes) -> None:
    """Work that sends back what comes."""
    stream.registerProducer(stream, True)
    stream.attach(_Echo(), first)


def to_port(reactor: Any, port: int) -> Work:
    """Work that joins each visitor with a service of this machine, as frpc does."""

    def work(stream: MuxStream, _start: StartWorkConn, first: bytes) -> None:
        _connected = connectProtocol(HostnameEndpoint(reactor, "127.0.0.1", port), _Local(stream, reactor, first))
        _connected.addErrback(lambda _: stream.abortConnection())

    return work


class _Local(Forwarding):
    def __init__(self, stream: MuxStream, reactor: Any, first: bytes) -> None:
        super().__init__(stream, reactor, lambda *_: None, lambda _: None)
        self._first = first

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(self._first)
        super().connectionMade()


class _Echo(Protocol):
    def dataReceived(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)
