"""Two links over a connection in memory, which can stand still; protocols that remember."""

from typing import Any

from attrs import define, field
from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

from services.tunnels.links import KEEPALIVE, Link
from services.tunnels.records.yamux import Role
from services.tunnels.streams import MuxStream

BUFFER = 65_536


class Wire:
    """One side's transport: what is written waits until it is carried over."""

    disconnecting = False

    def __init__(self) -> None:
        self.octets = bytearray()
        self.most = 0
        self.is_closed = False
        self.is_aborted = False
        self._producer: IPushProducer | None = None

    def write(self, data: bytes) -> None:
        self.octets += data
        self.most = max(self.most, len(self.octets))
        if self._producer is not None and len(self.octets) > BUFFER:
            self._producer.pauseProducing()

    def carry(self) -> bytes:
        octets = bytes(self.octets)
        self.octets.clear()
        if self._producer is not None:
            self._producer.resumeProducing()
        return octets

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        assert streaming
        self._producer = producer

    def unregisterProducer(self) -> None:
        self._producer = None

    def loseConnection(self) -> None:
        self.is_closed = True

    def abortConnection(self) -> None:
        self.is_aborted = True

    def getPeer(self) -> IPv4Address:
        return IPv4Address("TCP", "192.0.2.1", 7)

    def getHost(self) -> IPv4Address:
        return IPv4Address("TCP", "192.0.2.2", 7000)


@define
class Joined:
    """An agent's link and the edge's."""

    clock: Clock = field(factory=Clock)
    opened: list[MuxStream] = field(factory=list)
    ended: list[str] = field(factory=list)
    agent: Link = field(init=False)
    edge: Link = field(init=False)
    agent_wire: Wire = field(factory=Wire)
    edge_wire: Wire = field(factory=Wire)

    def __attrs_post_init__(self) -> None:
        """Connect them."""
        self.agent = Link(self.clock, _nobody, lambda _: None, role=Role.CLIENT, keepalive=None)
        self.edge = Link(self.clock, self.opened.append, self.ended.append, keepalive=KEEPALIVE)
        self.agent.makeConnection(self.agent_wire)
        self.edge.makeConnection(self.edge_wire)

    def carry(self) -> None:
        """Everything that is under way arrives."""
        while self.agent_wire.octets or self.edge_wire.octets:
            self.edge.dataReceived(self.agent_wire.carry())
            self.agent.dataReceived(self.edge_wire.carry())

    def stream(self, window: int = 6_291_456) -> tuple[MuxStream, MuxStream]:
        """A stream that the agent opened: its end, and the edge's."""
        ours = self.agent.open_stream(window)
        self.carry()
        return ours, self.opened[-1]


class Remembering(Protocol):
    """What came, and how it ended."""

    def __init__(self) -> None:
        self.octets = b""
        self.ends: list[str] = []

    def dataReceived(self, data: bytes) -> None:
        self.octets += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        assert reason.value is not None
        self.ends.append(type(reason.value).__name__)


@implementer(IPushProducer)
class Producer:
    """Remembers whether it is paused."""

    def __init__(self) -> None:
        self._is_paused = False
        self.is_stopped = False

    def is_paused(self) -> bool:
        return self._is_paused

    def pauseProducing(self) -> None:
        self._is_paused = True

    def resumeProducing(self) -> None:
        self._is_paused = False

    def stopProducing(self) -> None:
        self.is_stopped = True


def _nobody(stream: MuxStream) -> None:
    raise AssertionError("an edge opens no streams")
