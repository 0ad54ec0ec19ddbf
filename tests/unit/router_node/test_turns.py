"""What is held back while octets are taken in, and when it is done."""

from typing import Any

from twisted.internet.task import Clock

from ironflock_router.turns import Turn


def test_what_is_asked_for_within_a_turn_is_done_at_its_end_in_order() -> None:
    turn, done = Turn(Clock()), list[str]()

    with turn:
        turn.callLater(0, lambda: done.append("a"))
        with turn:
            turn.callLater(0, lambda: done.append("b"))
        assert done == []

    assert done == ["a", "b"]


def test_what_is_asked_for_meanwhile_is_done_too() -> None:
    turn, done = Turn(Clock()), list[str]()

    with turn:
        turn.callLater(0, lambda: turn.callLater(0, lambda: done.append("later")))

    assert done == ["later"]


def test_what_is_asked_for_outside_is_done_soon_and_once() -> None:
    clock = Clock()
    turn, done = Turn(clock), list[str]()

    turn.callLater(0, lambda: done.append("a"))
    turn.callLater(0, lambda: done.append("b"))
    assert len(clock.getDelayedCalls()) == 1
    clock.advance(0)
    clock.advance(1)

    assert done == ["a", "b"]


def test_what_is_cancelled_is_not_done() -> None:
    turn, done = Turn(Clock()), list[str]()

    with turn:
        turn.callLater(0, lambda: done.append("a")).cancel()

    assert done == []


def test_the_trouble_of_one_holds_back_nobody() -> None:
    turn, done = Turn(Clock()), list[str]()

    def fail() -> Any:
        raise ValueError

    with turn:
        turn.callLater(0, fail)
        turn.callLater(0, lambda: done.append("b"))

    assert done == ["b"]
