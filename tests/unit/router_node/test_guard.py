"""The guard's bounds, one by one, in memory and on a clock."""

from typing import Any, cast

import pytest
from attrs import evolve
from twisted.internet.address import IPv4Address
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from typing_extensions import override

from ironflock_router.guard import BURST, PARTS, Guard, GuardedConnection
from ironflock_router.metrics import DROPPED
from ironflock_router.settings import Limits
from ironflock_router.turns import Turn

LIMITS = Limits(
    join_timeout_s=8.0,
    handshake_timeout_s=3.0,
    room_after_s=2.0,
    unjoined_per_address=3,
    unjoined_in_all=5,
    handshake_room_after_s=0.5,
    handshakes_per_address=2,
    handshakes_at_once=2,
    connections=7,
    octets_before_join=100,
    max_message_octets=1000,
    waiting_per_connection=1000,
    waiting_in_all=1500,
)


class Tcp:
    """A TCP transport that keeps what is written to it."""

    def __init__(self) -> None:
        """Nothing waits."""
        self.dataBuffer = b""
        self.offset = 0
        self._tempDataLen = 0
        self._tempDataBuffer: list[bytes] = []
        self.is_aborted = False

    def writeSomeData(self, data: bytes) -> int:  # noqa: N802 - Twisted's name
        """The peer takes nothing."""
        return len(data[:0])

    def write(self, data: bytes) -> None:
        """Let it wait."""
        self._tempDataLen += len(data)

    def abortConnection(self) -> None:
        """Note it."""
        self.is_aborted = True


class Inner(Protocol):
    """What the guard wraps."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.received = b""

    @override
    def dataReceived(self, data: bytes) -> None:
        """Keep it."""
        self.received += data


class Case:
    """A guard, its clock, and connections."""

    def __init__(self, **limits: Any) -> None:
        """`limits` change the small ones above."""
        self.clock = Clock()
        turn = Turn(self.clock)
        self.guard = Guard("test", evolve(LIMITS, **limits), Factory.forProtocol(Inner), self.clock, turn)  # type: ignore[arg-type]
        self.guard.doStart()

    def open(self, address: str = "10.0.0.1") -> GuardedConnection | None:
        """A new connection, or None where it is refused."""
        connection = self.guard.buildProtocol(IPv4Address("TCP", address, 1))
        if connection is not None:
            connection.makeConnection(Tcp())
        return connection

    def opened(self, address: str = "10.0.0.1") -> GuardedConnection:
        """A new connection that is not refused."""
        connection = self.open(address)
        assert connection is not None
        return connection


def tcp(connection: GuardedConnection) -> Tcp:
    return cast("Tcp", connection.transport)


def received(connection: GuardedConnection) -> bytes:
    return cast("Inner", connection.wrappedProtocol).received


def is_cut(connection: GuardedConnection) -> bool:
    return tcp(connection).is_aborted


def test_what_does_not_join_in_time_is_cut_and_what_joins_stays() -> None:
    case = Case()
    slow, joined = case.opened(), case.opened()
    for connection in (slow, joined):
        connection.dataReceived(b"x")
        connection.handshake_done()
    joined.joined()
    case.clock.pump([0.5] * 16)
    assert not is_cut(slow)
    case.clock.pump([0.5] * 2)
    assert is_cut(slow)
    assert not is_cut(joined)


def test_a_silent_connection_is_cut_when_tls_should_stand() -> None:
    case = Case()
    silent = case.opened()
    case.clock.pump([0.5] * 7)
    assert is_cut(silent)


def test_an_address_has_a_bounded_number_of_unjoined_connections() -> None:
    case = Case()
    opened = [case.opened() for _ in range(3)]
    assert case.open() is None
    assert case.open("10.0.0.2") is not None
    opened[0].joined()
    assert case.open() is not None


def test_unjoined_connections_are_bounded_in_all() -> None:
    case = Case()
    for number in range(5):
        case.opened(f"10.0.0.{number}")
    assert case.open("10.0.0.9") is None


def test_a_newcomer_takes_the_place_of_the_oldest_that_had_its_time() -> None:
    case = Case()
    oldest = case.opened()
    case.clock.advance(1.0)
    younger = [case.opened() for _ in range(2)]
    case.clock.advance(1.0)
    assert case.open() is not None
    assert is_cut(oldest)
    assert not any(is_cut(connection) for connection in younger)
    assert case.open() is None


def test_connections_are_bounded_in_all() -> None:
    case = Case()
    for number in range(7):
        case.opened(f"10.0.0.{number}").joined()
    assert case.open("10.0.0.9") is None


def test_handshakes_at_once_are_bounded_and_silence_is_none() -> None:
    case = Case()
    first, second, third = case.opened("10.0.0.1"), case.opened("10.0.0.2"), case.opened("10.0.0.3")
    first.dataReceived(b"x")
    second.dataReceived(b"x")
    assert case.open("10.0.0.4") is None
    third.dataReceived(b"x")
    assert is_cut(third)
    assert received(third) == b""
    first.handshake_done()
    assert case.open("10.0.0.4") is not None


def shaking(case: Case, address: str, count: int = 1) -> list[GuardedConnection]:
    """Connections that said their first octet and no more."""
    connections = [case.opened(address) for _ in range(count)]
    for connection in connections:
        connection.dataReceived(b"x")
    return connections


def test_handshakes_of_one_address_are_bounded_and_those_of_others_welcome() -> None:
    case = Case(handshakes_per_address=2, handshakes_at_once=4)
    silent = [case.opened() for _ in range(3)]
    for connection in silent:
        connection.dataReceived(b"x")
    assert [is_cut(connection) for connection in silent] == [False, False, True]
    assert case.open() is None
    assert not is_cut(shaking(case, "10.0.0.2")[0])


def test_a_handshake_that_had_its_time_gives_way_to_one_of_the_same_address() -> None:
    case = Case(handshakes_per_address=2, handshakes_at_once=4)
    stranger = shaking(case, "10.0.0.2")[0]
    oldest, younger = shaking(case, "10.0.0.1", 2)
    case.clock.advance(0.4)
    assert case.open() is None
    case.clock.advance(0.1)
    silent = case.opened()
    assert not is_cut(oldest)
    silent.dataReceived(b"x")
    assert received(silent) == b"x"
    assert [is_cut(connection) for connection in (stranger, oldest, younger, silent)] == [False, True, False, False]


def test_at_the_bound_in_all_the_oldest_of_an_address_with_more_gives_way() -> None:
    case = Case(handshakes_per_address=3, handshakes_at_once=4, unjoined_in_all=9, connections=9)
    single = shaking(case, "10.0.0.1")[0]
    crowd = shaking(case, "10.0.0.2", 3)
    assert case.open("10.0.0.3") is None
    case.clock.advance(0.5)
    newcomers = shaking(case, "10.0.0.3", 3)
    assert [is_cut(connection) for connection in (single, *crowd)] == [False, True, True, False]
    # Then no address has more than the newcomers' own.
    assert [is_cut(connection) for connection in newcomers] == [False, False, True]


def test_a_handshake_that_gave_way_leaves_its_place_in_the_same_turn() -> None:
    case = Case(handshakes_per_address=1, handshakes_at_once=1)
    for _ in range(3):
        newcomer = shaking(case, "10.0.0.1")[0]
        assert received(newcomer) == b"x"
        case.clock.advance(0.5)


def test_a_lost_connection_gives_its_places_back() -> None:
    case = Case()
    for _ in range(20):
        connection = case.opened()
        connection.dataReceived(b"x")
        connection.connectionLost()
    assert case.guard.protocols == {}


def test_octets_before_joining_are_bounded_and_after_it_not() -> None:
    case = Case()
    flood, joined = case.opened(), case.opened()
    joined.joined()
    for connection in (flood, joined):
        connection.dataReceived(b"x" * 101)
    assert is_cut(flood)
    assert received(flood) == b""
    assert not is_cut(joined)
    assert len(received(joined)) == 101


def test_a_peer_that_does_not_read_is_cut_at_the_next_sweep() -> None:
    case = Case()
    slow, fine = case.opened(), case.opened()
    for connection, octets in ((slow, 1001), (fine, 400)):
        connection.joined()
        connection.write(b"x" * octets)
    assert not is_cut(slow)
    case.clock.advance(0.5)
    assert is_cut(slow)
    assert not is_cut(fine)


def test_a_burst_beyond_measure_is_cut_at_once() -> None:
    case = Case()
    slow = case.opened()
    slow.joined()
    slow.write(b"x" * (BURST * 1000 + 1))
    assert is_cut(slow)


def test_what_waits_in_all_is_bounded_and_the_largest_go_first() -> None:
    case = Case()
    connections = [case.opened(f"10.0.0.{number}") for number in range(4)]
    for connection, octets in zip(connections, (900, 300, 400, 100), strict=True):
        connection.joined()
        connection.write(b"x" * octets)
    case.clock.advance(0.5)
    assert [is_cut(connection) for connection in connections] == [True, False, False, False]


def dropped(listener: str) -> dict[str, float]:
    """How many of `listener` were cut, by reason."""
    samples = [sample for metric in DROPPED.collect() for sample in metric.samples if sample.name.endswith("_total")]
    return {each.labels["reason"]: each.value for each in samples if each.labels["listener"] == listener}


def test_a_slow_reader_above_the_bound_in_all_is_cut_and_counted_once() -> None:
    case = Case()
    slow, fine = case.opened(), case.opened()
    for connection, octets in ((slow, 1400), (fine, 200)):
        connection.joined()
        tcp(connection)._tempDataLen = octets
        case.guard.written(connection, 0)
    before = dropped("test")
    case.clock.advance(0.5)
    assert [is_cut(connection) for connection in (slow, fine)] == [True, False]
    counted = {reason: count - before.get(reason, 0) for reason, count in dropped("test").items()}
    assert {reason: count for reason, count in counted.items() if count} == {"slow_reader": 1}


def test_a_sweep_looks_only_where_something_may_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case()
    idle, written = case.opened(), case.opened()
    written.writeSequence([b"x", b"y"])
    looked_at: list[GuardedConnection] = []

    def waiting_octets(connection: GuardedConnection) -> int:
        looked_at.append(connection)
        return tcp(connection)._tempDataLen

    monkeypatch.setattr(GuardedConnection, "waiting_octets", waiting_octets)
    case.guard.sweep()
    assert looked_at == [written]
    tcp(written)._tempDataLen = 0
    case.guard.sweep()
    case.guard.sweep()
    assert looked_at == [written, written]
    assert not is_cut(idle)


def test_what_waits_in_all_is_bounded_within_one_turn_and_the_room_is_there_at_once() -> None:
    case = Case(connections=100)
    peers = []
    for _ in range(20):
        peers.append(case.opened())
        peers[-1].joined()
    for connection in peers:
        connection.write(b"x" * 500)
        assert sum(each.waiting_octets() for each in peers) <= 1500 + 1500 // PARTS + 500
    assert sum(not is_cut(each) for each in peers) in {3, 4}


def test_one_that_is_cut_takes_nothing_more() -> None:
    case = Case()
    slow = case.opened()
    slow.joined()
    slow.write(b"x" * (BURST * 1000 + 1))
    slow.write(b"x" * 1000)
    assert slow.waiting_octets() == 0


def test_what_is_lost_while_octets_wait_is_forgotten_whatever_is_still_written_to_it() -> None:
    case = Case()
    lost, living = case.opened(), case.opened()
    for each in (lost, living):
        each.joined()
        each.write(b"x" * 700)

    class Farewell(Inner):
        def connectionLost(self, reason: Any = None) -> None:
            lost.write(b"TLS has an alert to send")

    lost.wrappedProtocol = Farewell()
    lost.connectionLost()
    for _ in range(3):
        living.write(b"x" * 10)
        case.guard.sweep()

    assert lost not in case.guard._written
    assert not is_cut(living)


def test_octets_already_sent_do_not_count_as_waiting() -> None:
    connection = Case().opened()
    tcp(connection).dataBuffer, tcp(connection).offset = b"x" * 500, 450
    assert connection.waiting_octets() == 50


@pytest.mark.parametrize("count", [1, 3])
def test_the_sweep_ends_with_the_port(count: int) -> None:
    case = Case()
    for _ in range(count):
        case.guard.doStart()
    for _ in range(count + 1):
        case.guard.doStop()
    assert case.clock.getDelayedCalls() == []


def test_who_has_a_network_of_ipv6_has_the_bound_of_one_address() -> None:
    case = Case(unjoined_per_address=3)
    for number in range(3):
        case.opened(f"2001:db8:7::{number + 1:x}")

    assert case.open("2001:db8:7::ffff") is None
    assert case.open("2001:db8:8::1") is not None
    assert case.open("::ffff:192.0.2.1") is not None
