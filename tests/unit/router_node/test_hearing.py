"""How long something was not heard."""

from math import inf, nan

import pytest

from ironflock_router.hearing import Hearing


def test_it_is_silent_for_ever_until_something_is_heard() -> None:
    now = [100.0]
    hearing = Hearing(lambda: now[0])
    assert hearing.silent_s == inf

    hearing.follow(silent_s=0)
    now[0] = 103.0

    assert hearing.silent_s == 3.0


def test_what_is_old_when_it_is_said_counts_from_when_it_was_new() -> None:
    hearing = Hearing(lambda: 10.0)

    hearing.follow(silent_s=4.0)

    assert hearing.silent_s == 4.0


def test_of_two_who_say_it_the_one_that_hears_better_counts() -> None:
    hearing = Hearing(lambda: 10.0)

    hearing.follow(silent_s=0.5)
    hearing.follow(silent_s=5.0)

    assert hearing.silent_s == 0.5


@pytest.mark.parametrize(
    "event", [{}, {"silent_s": None}, {"silent_s": "0"}, {"silent_s": -1}, {"silent_s": nan}], ids=str
)
def test_what_is_malformed_says_nothing(event: dict[str, object]) -> None:
    hearing = Hearing(lambda: 0.0)

    hearing.follow(1, **event)

    assert hearing.silent_s == inf
