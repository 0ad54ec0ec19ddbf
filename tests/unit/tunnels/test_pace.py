"""How much may wait to be sent to an agent."""

from services.tunnels.pace import FAST_OCTETS, FAST_S, SLOW_OCTETS, SURE_AFTER, Pace


def limits(waits: list[float]) -> list[int]:
    """What may wait after each pause of so many seconds."""
    pace, now, found = Pace(), 0.0, list[int]()
    for wait in waits:
        pace.paused(now)
        now += wait
        found.append(pace.limit(now))
    return found


def test_a_line_is_fast_once_it_was_so_often_enough_in_a_row() -> None:
    assert limits([FAST_S / 2] * (SURE_AFTER + 1)) == [SLOW_OCTETS] * (SURE_AFTER - 1) + [FAST_OCTETS] * 2


def test_one_long_wait_makes_it_slow_again() -> None:
    assert limits([FAST_S / 2] * SURE_AFTER + [1.0, FAST_S / 2])[-3:] == [FAST_OCTETS, SLOW_OCTETS, SLOW_OCTETS]


def test_a_line_that_never_made_us_pause_has_shown_nothing() -> None:
    assert Pace().limit(5.0) == SLOW_OCTETS
