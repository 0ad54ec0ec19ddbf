"""What is written leaves at once where it may, and in order always."""

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import succeed
from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import Factory, Protocol
from twisted.protocols.policies import WrappingFactory

from shared.prompt import SMALL_OCTETS, PromptConnection, PromptEndpoint


class Tcp:
    """A transport of Twisted: `room` is how many octets the kernel takes now, None that the connection is lost."""

    def __init__(self, room: int | None) -> None:
        """Nothing was sent, nothing waits."""
        self.room = room
        self.sent = b""
        self.dataBuffer = b""
        self.offset = 0
        self.waiting: list[bytes] = []

    @property
    def _tempDataLen(self) -> int:  # noqa: N802 - as Twisted has it
        return sum(map(len, self.waiting))

    def writeSomeData(self, data: bytes) -> int | ConnectionLost:  # noqa: N802 - Twisted's name
        """What the kernel takes."""
        if self.room is None:
            return ConnectionLost()
        taken = data[: self.room]
        self.room -= len(taken)
        self.sent += taken
        return len(taken)

    def write(self, data: bytes) -> None:
        """Let it wait."""
        self.waiting.append(data)


def connection(tcp: Tcp) -> PromptConnection:
    made = PromptConnection(cast("Any", WrappingFactory(Factory())), Protocol())
    made.makeConnection(cast("Any", tcp))
    return made


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=20), st.integers(0, 500))
def test_octets_leave_in_order_and_what_there_is_no_room_for_waits(pieces: list[bytes], room: int) -> None:
    tcp = Tcp(room)
    prompt = connection(tcp)

    for piece in pieces:
        prompt.write(piece)

    whole = b"".join(pieces)
    assert tcp.sent == whole[:room]
    assert tcp.sent + b"".join(tcp.waiting) == whole
    assert prompt.waiting_octets() == max(0, len(whole) - room)


@pytest.mark.parametrize("dataBuffer", [b"before", b""])
def test_nothing_overtakes_what_waits(dataBuffer: bytes) -> None:  # noqa: N803 - Twisted's name
    tcp = Tcp(1000)
    tcp.dataBuffer = dataBuffer
    tcp.waiting = [] if dataBuffer else [b"before"]

    connection(tcp).write(b"after")

    assert tcp.sent == b""
    assert tcp.waiting[-1] == b"after"


def test_a_long_message_is_not_sent_piece_by_piece() -> None:
    tcp = Tcp(10**6)

    connection(tcp).write(bytes(SMALL_OCTETS + 1))

    assert tcp.sent == b""
    assert len(b"".join(tcp.waiting)) == SMALL_OCTETS + 1


def test_that_a_connection_is_lost_is_left_to_the_loop() -> None:
    tcp = Tcp(None)

    connection(tcp).write(b"x")

    assert tcp.waiting == [b"x"]


def test_nothing_is_sent_on_a_connection_that_is_over() -> None:
    tcp = Tcp(1000)
    over = connection(tcp)
    over.connectionLost()

    over.write(b"x")

    assert tcp.sent == b""


def test_an_endpoint_answers_with_the_protocol_that_was_asked_for() -> None:
    class Endpoint:
        def connect(self, factory: Any) -> Any:
            return succeed(factory.buildProtocol(None))

    found: list[object] = []

    _ = PromptEndpoint(cast("Any", Endpoint())).connect(Factory.forProtocol(Protocol)).addCallback(found.append)

    assert [type(each) for each in found] == [Protocol]
