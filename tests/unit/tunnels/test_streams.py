"""A stream of yamux as a transport of Twisted."""

import pytest

from services.tunnels.rules.yamux import MAX_WAITING
from services.tunnels.rules.yamux_streams import INITIAL_WINDOW
from services.tunnels.streams import CLOSE_S
from tests.unit.tunnels.joined import Joined, Producer, Remembering


def test_what_comes_before_somebody_is_there_is_held() -> None:
    joined = Joined()
    agent, edge = joined.stream()
    agent.write(b"early")
    agent.loseConnection()
    joined.carry()
    visitor = Remembering()

    edge.attach(visitor, b"first, ")

    assert visitor.octets == b"first, early"
    assert visitor.ends == ["ConnectionDone"]


def test_given_a_reader_that_stands_still_when_the_device_sends_then_one_window_is_held_and_not_more() -> None:
    joined = Joined()
    agent, edge = joined.stream()
    visitor, producer = Remembering(), Producer()
    edge.attach(visitor)
    agent.registerProducer(producer, True)
    edge.pauseProducing()

    while not producer.is_paused():
        agent.write(bytes(65_536))
        joined.carry()

    assert edge.held_octets == INITIAL_WINDOW
    assert not visitor.octets
    edge.resumeProducing()
    joined.carry()
    assert not producer.is_paused()
    assert edge.held_octets == 0
    assert agent.waiting_octets == 0


def test_a_producer_that_writes_on_as_soon_as_it_may_is_never_forgotten() -> None:
    joined = Joined()
    agent, edge = joined.stream()
    device = Remembering()
    agent.attach(device)

    class Pouring(Producer):
        left = 40

        def resumeProducing(self) -> None:
            super().resumeProducing()
            while self.left and not self.is_paused():
                self.left -= 1
                edge.write(bytes(65_536))

    pouring = Pouring()
    edge.registerProducer(pouring, True)

    pouring.resumeProducing()
    joined.carry()

    assert pouring.left == 0
    assert len(device.octets) == 40 * 65_536


@pytest.mark.parametrize("is_held", [False, True])
def test_what_fails_behind_a_stream_ends_it_and_not_the_connection(is_held: bool) -> None:
    class Failing(Remembering):
        def dataReceived(self, data: bytes) -> None:
            raise OSError("no way to the visitor")

    joined = Joined()
    agent, edge = joined.stream()
    other, visitor = joined.stream()
    failing, fine = Failing(), Remembering()
    visitor.attach(fine)
    if not is_held:
        edge.attach(failing)
    agent.write(b"for nobody")
    joined.carry()

    if is_held:
        edge.attach(failing)
    other.write(b"for somebody")
    joined.carry()
    joined.clock.advance(0)

    assert failing.ends == ["ConnectionAborted"]
    assert fine.octets == b"for somebody"
    assert not fine.ends


def test_a_wider_window_holds_more() -> None:
    joined = Joined()
    agent, edge = joined.stream()
    edge.widen(2 * INITIAL_WINDOW)
    joined.carry()
    for _ in range(10):
        agent.write(bytes(65_536))
        joined.carry()

    assert edge.held_octets == 2 * INITIAL_WINDOW


def test_a_device_that_ends_it_is_answered_at_once_although_the_reader_stands_still() -> None:
    joined = Joined()
    agent, edge = joined.stream()
    visitor, device = Remembering(), Remembering()
    edge.attach(visitor)
    agent.attach(device)
    edge.pauseProducing()
    agent.write(b"last words")
    agent.loseConnection()

    joined.carry()

    assert device.ends == ["ConnectionDone"]
    assert visitor.ends == []
    edge.resumeProducing()
    assert (visitor.octets, visitor.ends) == (b"last words", ["ConnectionDone"])
    assert joined.edge.session.stream_count == 0


def test_what_was_written_goes_before_our_fin() -> None:
    joined = Joined()
    agent, edge = joined.stream()
    device, visitor = Remembering(), Remembering()
    agent.attach(device)
    edge.attach(visitor)

    edge.write(b"last words")
    edge.loseConnection()
    edge.write(b"too late")
    joined.carry()

    assert device.octets == b"last words"
    assert device.ends == visitor.ends == ["ConnectionDone"]


def test_a_device_that_never_answers_our_fin_is_reset() -> None:
    joined = Joined()
    _, edge = joined.stream()
    visitor = Remembering()
    edge.attach(visitor)
    edge.loseConnection()

    for _ in range(int(CLOSE_S)):
        joined.clock.advance(1.0)
        joined.edge.session.receive(b"", joined.clock.seconds())

    joined.clock.advance(0)
    assert visitor.ends == ["ConnectionAborted"]


def test_a_reset_is_told_at_once_and_what_is_held_is_gone() -> None:
    joined = Joined()
    agent, edge = joined.stream()
    visitor = Remembering()
    edge.attach(visitor)
    edge.pauseProducing()
    agent.write(b"lost")
    joined.carry()

    agent.abortConnection()
    joined.carry()

    assert visitor.ends == ["ConnectionLost"]
    assert not visitor.octets


def test_what_comes_after_our_fin_is_forgotten_and_granted_anew() -> None:
    joined = Joined()
    agent, edge = joined.stream()
    visitor = Remembering()
    edge.attach(visitor)
    edge.loseConnection()
    for _ in range(8):
        agent.write(bytes(65_536))

    joined.edge.dataReceived(joined.agent_wire.carry())

    assert not visitor.octets
    assert edge.held_octets == 0


def test_a_writer_that_heeds_no_pause_loses_the_stream() -> None:
    joined = Joined()
    _, edge = joined.stream()
    visitor, producer = Remembering(), Producer()
    edge.attach(visitor)
    edge.registerProducer(producer, True)

    edge.write(bytes(MAX_WAITING))
    assert producer.is_paused()
    for _ in range(6):
        edge.write(bytes(MAX_WAITING))
    joined.clock.advance(0)

    assert edge.is_lost
    assert visitor.ends == ["ConnectionAborted"]


def test_one_producer_at_a_time_and_none_on_a_stream_that_is_lost() -> None:
    joined = Joined()
    _, edge = joined.stream()
    edge.registerProducer(Producer(), True)
    with pytest.raises(RuntimeError):
        edge.registerProducer(Producer(), True)
    edge.unregisterProducer()
    with pytest.raises(RuntimeError):
        edge.registerProducer(Producer(), False)

    edge.abortConnection()
    late = Producer()
    edge.registerProducer(late, True)

    assert late.is_stopped


def test_a_consumer_that_stops_wants_no_more() -> None:
    joined = Joined()
    agent, edge = joined.stream()
    device = Remembering()
    agent.attach(device)

    edge.stopProducing()
    joined.carry()

    assert device.ends == ["ConnectionDone"]


def test_a_protocol_that_hands_the_stream_on_gets_nothing_more() -> None:
    joined = Joined()
    agent, edge = joined.stream()
    first, second = Remembering(), Remembering()
    edge.attach(first)
    agent.write(b"a")
    joined.carry()

    edge.detach()
    agent.write(b"b")
    joined.carry()
    edge.attach(second)

    assert (first.octets, second.octets) == (b"a", b"b")


def test_a_device_that_ends_it_without_reading_is_answered_at_once() -> None:
    joined = Joined()
    agent, edge = joined.stream(INITIAL_WINDOW)
    visitor = Remembering()
    edge.attach(visitor)
    for _ in range(6):
        edge.write(bytes(65_536))
        joined.carry()
    assert edge.waiting_octets

    joined.agent.session.finish(agent.stream_id)
    joined.agent.pump()
    joined.carry()

    assert visitor.ends == ["ConnectionDone"]
    assert joined.edge.session.stream_count == 0


def test_nothing_is_kept_of_streams_that_were_reset_by_us() -> None:
    joined = Joined()
    for _ in range(300):
        _, edge = joined.stream()
        edge.abortConnection()
        joined.carry()
    joined.clock.advance(0)

    assert joined.edge._streams == {}
    assert joined.edge.session.stream_count == 0
