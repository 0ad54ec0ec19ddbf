"""Who has the seat of a device."""

from typing import Any

from twisted.internet.defer import Deferred

from ironflock_router.records import Identity
from ironflock_router.seats import ALERT_EVERY_S, Seats

DEVICE = Identity("realm1", "1-7", "device", "wampcra", {"device_key": 7}, serial="S", device_key=7)


class Client:
    """A session whose client answers pings or does not."""

    def __init__(self, *, lives: bool = True) -> None:
        """Whether it answers."""
        self.lives = lives
        self.closed: Deferred[None] = Deferred()
        self.is_ended = False

    async def answers_ping(self, timeout_s: float) -> bool:
        """As it is told."""
        assert timeout_s == 2.0
        return self.lives

    def end(self) -> None:
        """Note it."""
        self.is_ended = True


class Case:
    """Seats with a clock and a record of alerts."""

    def __init__(self) -> None:
        """All seats are free."""
        self.time = 0.0
        self.alerts: list[Identity] = []
        self.seats = Seats(lambda: self.time, self.alerts.append)

    def admit(self) -> "Deferred[Identity]":
        """A newcomer for the one device."""
        return Deferred.fromCoroutine(self.seats.admit(DEVICE))


def result(deferred: "Deferred[Any]") -> Any:
    results: list[Any] = []
    deferred.addCallback(results.append)  # type: ignore[unused-awaitable]
    return results[0] if results else None


def test_a_free_seat_is_given() -> None:
    assert result(Case().admit()) is DEVICE


def test_a_living_sitter_keeps_the_seat_and_the_newcomer_is_a_duplicate() -> None:
    case, sitter = Case(), Client()
    case.seats.take(7, sitter)
    newcomer = result(case.admit())
    assert newcomer.role == "device_duplicate"
    assert newcomer.serial == "S"
    assert not sitter.is_ended


def test_a_dead_sitter_is_ended_and_the_newcomer_waits_until_it_is_gone() -> None:
    case, sitter = Case(), Client(lives=False)
    case.seats.take(7, sitter)
    first, second = case.admit(), case.admit()
    assert sitter.is_ended
    assert not first.called
    case.seats.release(7, sitter)
    sitter.closed.callback(None)
    assert result(first) is DEVICE
    assert result(second) is DEVICE
    assert case.alerts == []


def test_a_seat_is_released_by_its_sitter_only() -> None:
    case, sitter = Case(), Client()
    case.seats.take(7, sitter)
    case.seats.release(7, Client())
    assert result(case.admit()).role == "device_duplicate"
    case.seats.release(7, sitter)
    assert result(case.admit()) is DEVICE


def test_an_alert_is_given_once_a_minute() -> None:
    case = Case()
    case.seats.take(7, Client())
    for case.time in (0.0, 1.0, ALERT_EVERY_S - 1, ALERT_EVERY_S + 1):
        result(case.admit())
    assert len(case.alerts) == 2
