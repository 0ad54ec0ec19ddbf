"""Boards end where nobody says any more that they are judged."""

from math import nan

import pytest

from ironflock_router.board_watch import RIGHTS_UNKNOWN, BoardWatch
from tests.unit.router_node.test_expiry import Session


def watch(now: list[float]) -> BoardWatch:
    return BoardWatch(lambda: now[0])


def test_it_is_silent_until_something_is_heard_and_five_seconds_after_it() -> None:
    now = [100.0]
    boards = watch(now)
    assert boards.is_silent
    boards.follow(silent_s=0)
    for now[0], is_silent in ((100.0, False), (105.0, False), (105.1, True)):
        assert boards.is_silent is is_silent


def test_all_boards_end_once_when_it_is_silent_and_none_before() -> None:
    now = [0.0]
    boards, first, second, gone = watch(now), Session(), Session(), Session()
    boards.follow(silent_s=0.0)
    for session in (first, second, gone):
        boards.joined(session)
    boards.left(gone)
    for now[0] in (4.9, 5.0, 5.1, 6.0):
        boards.look()
        assert first.left == second.left == ([RIGHTS_UNKNOWN] if now[0] > 5 else [])
    assert gone.left == []


def test_what_is_old_when_it_is_said_counts_from_when_it_was_new() -> None:
    now = [10.0]
    boards = watch(now)
    boards.follow(silent_s=4.0)
    now[0] = 11.1
    assert boards.is_silent


def test_of_two_who_say_it_the_one_that_hears_better_counts() -> None:
    now = [10.0]
    boards = watch(now)
    boards.follow(silent_s=0.5)
    boards.follow(silent_s=5.0)
    now[0] = 14.0
    assert not boards.is_silent


@pytest.mark.parametrize("event", [{}, {"silent_s": None}, {"silent_s": "0"}, {"silent_s": -1}, {"silent_s": nan}])
def test_what_is_malformed_says_nothing(event: dict[str, object]) -> None:
    boards = watch([0.0])
    boards.follow(1, **event)
    assert boards.is_silent
