"""The request line, and where it leads."""

from itertools import pairwise
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from typing_extensions import override

from ironflock_router.entrance import MAX_REQUEST_LINE, Entrance, EntranceFactory

ADDRESS = IPv4Address("TCP", "10.0.0.1", 1)


class Recorder(Protocol):
    """A WebSocket that keeps what it is given."""

    made: "ClassVar[list[Recorder]]"

    def __init__(self) -> None:
        """Nothing yet."""
        self.received = b""
        self.is_lost = False
        Recorder.made.append(self)

    @override
    def dataReceived(self, data: bytes) -> None:
        """Keep it."""
        self.received += data

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Note it."""
        assert reason is not None
        self.is_lost = True


def entrance() -> tuple[Entrance, StringTransport]:
    Recorder.made = []
    transport = StringTransport()
    protocol = EntranceFactory({"/ws-usr": Factory.forProtocol(Recorder)}).buildProtocol(ADDRESS)
    protocol.makeConnection(transport)
    return protocol, transport


@given(st.lists(st.integers(0, 60), max_size=5))
def test_any_split_of_the_octets_arrives_whole_at_the_path(cuts: list[int]) -> None:
    octets = b"GET /ws-usr?a=b HTTP/1.1\r\nHost: localhost\r\n\r\n\x81\x00"
    protocol, transport = entrance()
    edges = sorted({0, len(octets), *(cut for cut in cuts if cut < len(octets))})
    for start, end in pairwise(edges):
        protocol.dataReceived(octets[start:end])
    recorder = Recorder.made[0]
    assert (recorder.received, recorder.transport) == (octets, transport)
    protocol.connectionLost()
    assert recorder.is_lost


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (b"GET /ws-svc HTTP/1.1\r\n", b"404"),
        (b"GET / HTTP/1.1\r\n", b"404"),
        (b"GET /ws-usr/x HTTP/1.1\r\n", b"404"),
        (b"GET /%77s-usr HTTP/1.1\r\n", b"404"),
        (b"GET /\xff HTTP/1.1\r\n", b"404"),
        (b"POST /ws-usr HTTP/1.1\r\n", b"400"),
        (b"GET  /ws-usr HTTP/1.1\r\n", b"400"),
        (b"\r\n", b"400"),
        (b"\x7f\xf2\x00\x00" + b"x" * MAX_REQUEST_LINE, b"400"),
    ],
)
def test_anything_else_is_turned_away(octets: bytes, status: bytes) -> None:
    protocol, transport = entrance()
    protocol.dataReceived(octets)
    assert transport.value().startswith(b"HTTP/1.1 " + status)
    assert transport.disconnecting
    protocol.dataReceived(b"GET /ws-usr HTTP/1.1\r\n")
    assert Recorder.made == []
