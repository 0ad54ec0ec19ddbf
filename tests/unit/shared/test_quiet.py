"""At most one word a minute about each device."""

from hypothesis import given
from hypothesis import strategies as st

from shared.quiet import QUIET_S, REMEMBERED, Quiet


def test_the_second_within_a_minute_is_counted_and_not_said() -> None:
    quiet = Quiet()

    assert quiet.take(7, 0.0) == 1
    assert quiet.take(7, QUIET_S - 1) is None
    assert quiet.take(7, QUIET_S - 0.5) is None
    assert quiet.take(7, QUIET_S) == 3


def test_devices_do_not_silence_each_other() -> None:
    quiet = Quiet()

    assert [quiet.take(key, 0.0) for key in range(1, 50)] == [1] * 49


def test_what_was_taken_back_is_said_again() -> None:
    quiet = Quiet()
    quiet.take(7, 0.0)

    quiet.take_back(7)

    assert quiet.take(7, 1.0) == 1


@given(st.lists(st.floats(0, 10_000), min_size=1).map(sorted))
def test_every_happening_is_counted_once(moments: list[float]) -> None:
    quiet = Quiet()
    said = [count for moment in moments if (count := quiet.take(7, moment)) is not None]
    rest = quiet.take(7, moments[-1] + QUIET_S)

    assert rest is not None
    assert sum(said) + rest - 1 == len(moments)


def test_memory_is_bounded() -> None:
    quiet = Quiet()
    for key in range(REMEMBERED + 100):
        quiet.take(key, 0.0)

    assert len(quiet._said) == REMEMBERED
