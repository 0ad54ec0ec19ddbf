"""The UDP port of this machine: each local address has a visit of its own, for as long as it is used."""

from typing import Any

import pytest
from attrs import define, field
from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock

from deploy.flockctl.datagrams import MAX_DATAGRAM, MAX_SENDERS, MAX_WAITING, SILENCE_S, LocalDatagrams
from deploy.flockctl.errors import CommandError

ONE, TWO = ("127.0.0.1", 5_001), ("127.0.0.1", 5_002)


class Visit:
    """As far as the port needs one."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.ended: Deferred[str] = Deferred()
        self.told: Any = None

    def hear(self, told: Any) -> None:
        self.told = told

    def send_whole(self, octets: bytes) -> None:
        self.sent.append(octets)

    def sendClose(self, code: int) -> None:  # noqa: N802 - autobahn's name
        assert code == 1000
        self.ended.callback("")


@define
class Place:
    """A port whose visits open when the test says so."""

    clock: Clock = field(factory=Clock)
    asked: list["Deferred[Any]"] = field(factory=list)
    notices: list[str] = field(factory=list)
    written: list[tuple[bytes, tuple[str, int]]] = field(factory=list)

    def port(self) -> LocalDatagrams:
        made: Any = LocalDatagrams(self._go, self.notices.append, self.clock)
        made.transport = self
        port: LocalDatagrams = made
        return port

    def write(self, datagram: bytes, address: tuple[str, int]) -> None:
        self.written.append((datagram, address))

    async def _go(self) -> Any:
        self.asked.append(Deferred())
        return await self.asked[-1]

    def opened(self, number: int) -> Visit:
        visit = Visit()
        self.asked[number].callback(visit)
        return visit


@pytest.fixture(name="place")
def fixture_place() -> Place:
    return Place()


def test_what_came_before_the_visit_was_open_goes_first_and_answers_find_back(place: Place) -> None:
    port = place.port()
    port.datagramReceived(b"one", ONE)
    port.datagramReceived(b"two", ONE)
    port.datagramReceived(b"other", TWO)
    first, second = place.opened(0), place.opened(1)
    port.datagramReceived(b"three", ONE)

    first.told(b"for one")
    second.told(b"for two")

    assert (first.sent, second.sent) == ([b"one", b"two", b"three"], [b"other"])
    assert place.written == [(b"for one", ONE), (b"for two", TWO)]


def test_after_silence_either_way_the_visit_ends_and_the_next_datagram_begins_another(place: Place) -> None:
    port = place.port()
    port.datagramReceived(b"one", ONE)
    visit = place.opened(0)
    place.clock.advance(SILENCE_S - 1)
    visit.told(b"still here")
    place.clock.advance(SILENCE_S - 1)
    ended = [visit.ended.called]
    place.clock.advance(1)
    assert [*ended, visit.ended.called] == [False, True]

    port.datagramReceived(b"two", ONE)

    assert place.opened(1).sent == [b"two"]
    assert place.notices == []


def test_a_visit_that_is_refused_or_cut_is_told_and_forgotten(place: Place) -> None:
    port = place.port()
    port.datagramReceived(b"one", ONE)
    place.asked[0].errback(CommandError("not_authorized", "you may not"))
    port.datagramReceived(b"two", ONE)
    place.opened(1).ended.callback("right_ended")
    port.datagramReceived(b"three", ONE)

    assert len(place.asked) == 3
    assert place.notices[0] == "you may not"
    assert "a right" in place.notices[1]
    assert place.clock.getDelayedCalls() == []


def test_what_is_too_long_and_who_is_one_too_many_is_dropped_and_said_once(place: Place) -> None:
    port = place.port()
    for _ in range(3):
        port.datagramReceived(bytes(MAX_DATAGRAM + 1), ONE)
    for number in range(MAX_SENDERS + 5):
        port.datagramReceived(b"x", ("127.0.0.1", 6_000 + number))

    assert len(place.asked) == MAX_SENDERS
    assert len(place.notices) == 2


def test_little_waits_for_a_visit_that_does_not_open(place: Place) -> None:
    port = place.port()
    for number in range(MAX_WAITING + 10):
        port.datagramReceived(str(number).encode(), ONE)

    assert place.opened(0).sent == [str(number).encode() for number in range(10, MAX_WAITING + 10)]


def test_an_error_of_ours_tells_nothing_of_itself(place: Place) -> None:
    async def broken() -> Any:
        return await fail(RuntimeError("inside"))

    LocalDatagrams(broken, place.notices.append, place.clock).datagramReceived(b"x", ONE)

    assert place.notices == ["something went wrong"]
