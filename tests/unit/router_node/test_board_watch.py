"""Boards end where nobody says any more that they are judged, or that what ended is told."""

import pytest
from attrs import frozen

from ironflock_router.board_watch import RIGHTS_UNKNOWN, BoardWatch
from ironflock_router.hearing import Hearing
from tests.unit.router_node.test_expiry import Session


@frozen
class Case:
    """The boards of a router, and what it hears of realms and of auth."""

    now: list[float]
    judged: Hearing
    told: Hearing
    boards: BoardWatch

    def hear(self) -> None:
        """Both."""
        self.judged.follow(silent_s=0.0)
        self.told.follow(silent_s=0.0)


@pytest.fixture(name="case")
def fixture_case() -> Case:
    now = [100.0]
    judged, told = Hearing(lambda: now[0]), Hearing(lambda: now[0])
    return Case(now, judged, told, BoardWatch(judged, told))


def test_it_is_silent_until_both_are_heard_and_five_seconds_after_it(case: Case) -> None:
    for heard in (case.judged, case.told):
        assert case.boards.is_silent
        heard.follow(silent_s=0)

    for case.now[0], is_silent in ((100.0, False), (105.0, False), (105.1, True)):
        assert case.boards.is_silent is is_silent


@pytest.mark.parametrize("lost", ["judged", "told"])
def test_one_of_the_two_does_not_speak_for_the_other(case: Case, lost: str) -> None:
    case.hear()
    board = Session()
    case.boards.joined(board)

    case.now[0] = 105.1
    (case.told if lost == "judged" else case.judged).follow(silent_s=0)
    case.boards.look()

    assert board.left == [RIGHTS_UNKNOWN]


def test_all_boards_end_once_when_it_is_silent_and_none_before(case: Case) -> None:
    first, second, gone = Session(), Session(), Session()
    case.hear()
    for session in (first, second, gone):
        case.boards.joined(session)
    case.boards.left(gone)

    for case.now[0] in (104.9, 105.0, 105.1, 106.0):
        case.boards.look()
        assert first.left == second.left == ([RIGHTS_UNKNOWN] if case.now[0] > 105 else [])
    assert gone.left == []
