"""The first message of a stream, in time and in pieces."""

from services.tunnels.control_stream import FIRST_MESSAGE_S, FirstMessage
from services.tunnels.records.messages import Login, Message, NewWorkConn
from services.tunnels.rules.messages import encode
from services.tunnels.streams import MuxStream
from tests.unit.tunnels.joined import Joined


class Reading:
    """A stream whose first message is read."""

    def __init__(self) -> None:
        self.joined = Joined()
        self.agent, self.edge = self.joined.stream()
        self.begun: list[tuple[Message | None, bytes]] = []
        self.broken: list[str] = []
        self.edge.attach(FirstMessage(self.edge, self.joined.clock, self._begin, self.broken.append))

    def _begin(self, _stream: MuxStream, first: Message | None, octets: bytes) -> None:
        self.begun.append((first, octets))

    def send(self, octets: bytes) -> None:
        self.agent.write(octets)
        self.joined.carry()

    def wait(self) -> None:
        for _ in range(int(FIRST_MESSAGE_S)):
            self.joined.clock.advance(1.0)
            self.joined.carry()


def test_a_stream_that_says_nothing_in_time_is_reset() -> None:
    reading = Reading()

    reading.wait()

    assert reading.edge.is_lost
    assert reading.joined.ended == []


def test_a_message_that_trickles_in_has_no_more_time() -> None:
    reading = Reading()
    reading.send(encode(NewWorkConn("0123456789abcdef"))[:-1])

    reading.wait()

    assert reading.edge.is_lost
    assert reading.begun == []


def test_a_message_in_pieces_is_read_once_and_the_stream_stays() -> None:
    reading = Reading()
    octets = encode(NewWorkConn("0123456789abcdef"))
    for at in range(len(octets)):
        reading.send(octets[at : at + 1])

    reading.wait()

    assert reading.begun == [(NewWorkConn("0123456789abcdef"), b"")]
    assert not reading.edge.is_lost


def test_the_octets_of_a_login_are_left_to_the_control_stream() -> None:
    reading = Reading()

    reading.send(encode(Login()))

    assert reading.begun == [(None, encode(Login()))]


def test_what_is_no_message_is_told() -> None:
    reading = Reading()

    reading.send(b"z")

    assert reading.broken == ["no message of frp begins with 7a"]
