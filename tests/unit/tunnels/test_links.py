"""A yamux session over a connection of Twisted."""

import pytest

from services.tunnels.links import CLOSE_S
from services.tunnels.rules.frames import ACK, FIN, RST, SYN, FrameType, header
from tests.unit.tunnels.joined import BUFFER, Joined, Producer, Remembering


def test_streams_of_the_agent_are_accepted_and_told() -> None:
    joined = Joined()

    _, edge = joined.stream()

    assert edge.stream_id == 1
    assert joined.edge.get_peer() == joined.edge_wire.getPeer()
    assert edge.getPeer() == joined.edge_wire.getPeer()
    assert edge.getHost() == joined.edge_wire.getHost()


def test_octets_arrive_both_ways() -> None:
    joined = Joined()
    agent, edge = joined.stream()
    at_agent, at_edge = Remembering(), Remembering()
    agent.attach(at_agent)
    edge.attach(at_edge)

    agent.write(b"from the device")
    edge.writeSequence([b"from ", b"the visitor"])
    joined.carry()

    assert (at_edge.octets, at_agent.octets) == (b"from the device", b"from the visitor")


def test_given_a_connection_that_takes_no_more_when_much_is_written_then_little_of_it_waits_there() -> None:
    joined = Joined()
    _, edge = joined.stream()
    producer = Producer()
    edge.registerProducer(producer, True)

    while not producer.is_paused():
        edge.write(bytes(BUFFER))

    assert joined.edge_wire.most <= 2 * BUFFER + 100
    assert edge.waiting_octets <= 262_144
    joined.carry()
    assert not producer.is_paused()
    assert edge.waiting_octets == 0


def test_a_silent_agent_is_given_up_after_seven_seconds_and_its_streams_are_lost() -> None:
    joined = Joined()
    _, edge = joined.stream()
    visitor = Remembering()
    edge.attach(visitor)

    joined.clock.pump([0.5] * 14)

    assert joined.ended == ["the peer answers no ping"]
    assert visitor.ends == ["ConnectionLost"]
    assert joined.edge_wire.is_closed
    assert not joined.edge_wire.is_aborted
    joined.clock.advance(CLOSE_S)
    assert joined.edge_wire.is_aborted


def test_an_agent_that_answers_pings_stays() -> None:
    joined = Joined()

    for _ in range(60):
        joined.clock.advance(1.0)
        joined.carry()

    assert joined.ended == []


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"\x01", None),
        (b"\x01" + bytes(11), "yamux version 1"),
        (header(FrameType.GO_AWAY, 0, 0, 0), "the agent went away with code 0"),
        (header(FrameType.PING, 0, 0, 0), "a ping that neither asks nor answers"),
    ],
)
def test_what_breaks_the_protocol_ends_the_session_once(octets: bytes, reason: str | None) -> None:
    joined = Joined()

    joined.edge.dataReceived(octets)
    joined.edge.dataReceived(octets)

    assert joined.ended == [reason] * (reason is not None)


def test_a_lost_connection_ends_it_once_and_leaves_no_timer() -> None:
    joined = Joined()
    agent, edge = joined.stream()
    visitor = Remembering()
    edge.attach(visitor)

    joined.edge.connectionLost()
    joined.edge.end("again")

    assert joined.ended == ["the connection was lost"]
    assert visitor.ends == ["ConnectionLost"]
    assert joined.clock.getDelayedCalls() == []
    edge.write(b"late")
    edge.loseConnection()
    edge.abortConnection()
    assert agent.waiting_octets == 0


def test_many_events_in_one_read_about_a_stream_that_is_reset_meanwhile_are_forgotten() -> None:
    joined = Joined()
    _, edge = joined.stream()

    class Breaking(Remembering):
        def dataReceived(self, data: bytes) -> None:
            super().dataReceived(data)
            edge.abortConnection()

    visitor = Breaking()
    edge.attach(visitor)
    data = header(FrameType.DATA, 0, 1, 1)
    joined.edge.dataReceived(data + b"a" + data + b"b" + header(FrameType.WINDOW_UPDATE, FIN, 1, 0))
    joined.clock.advance(0)

    assert visitor.octets == b"a"
    assert visitor.ends == ["ConnectionAborted"]
    assert header(FrameType.WINDOW_UPDATE, RST, 1, 0) in joined.edge_wire.octets


def test_answers_to_one_read_leave_in_one_write() -> None:
    joined = Joined()

    joined.edge.dataReceived(header(FrameType.PING, SYN, 0, 1) + header(FrameType.PING, SYN, 0, 2))

    assert joined.edge_wire.octets == header(FrameType.PING, ACK, 0, 1) + header(FrameType.PING, ACK, 0, 2)
