"""When a visit ends by itself, and how many there may be at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tunnels.records.visits import Cause
from services.tunnels.rules.visits import (
    MAX_IN_ALL,
    MAX_OF_A_DEVICE,
    MAX_OF_A_PERSON,
    MAX_OF_A_TUNNEL,
    MAX_OF_AN_ADDRESS,
    MAX_OF_STRANGERS,
    MAX_OF_STRANGERS_AT_A_DEVICE,
    UNCONFIRMED_S,
    Bounds,
    Course,
    end_of,
    full,
    hard_end,
)

BOUNDS = Bounds(life_s=43_200.0, idle_s=900.0)
moments = st.floats(0, 1e9)


def ended(
    *, hard: float = 1e9, moved: float = 100.0, confirmed: float | None = 100.0, now: float = 0.0
) -> Cause | None:
    return end_of(Course(hard, moved, confirmed), BOUNDS, now=now, clock=100.0)


@given(now=moments, ends=st.lists(st.one_of(st.none(), moments)))
def test_a_visit_never_outlasts_what_it_rests_on(now: float, ends: list[float | None]) -> None:
    found = hard_end(now, BOUNDS, *ends)

    assert found <= now + BOUNDS.life_s
    assert all(end is None or found <= end for end in ends)
    assert found in (now + BOUNDS.life_s, *ends)


@given(hard=moments, moved=moments, confirmed=st.one_of(st.none(), moments), now=moments, clock=moments, later=moments)
def test_what_has_ended_has_ended_later_too(
    *, hard: float, moved: float, confirmed: float | None, now: float, clock: float, later: float
) -> None:
    course = Course(hard, moved, confirmed)
    if end_of(course, BOUNDS, now=now, clock=clock) is not None:
        assert end_of(course, BOUNDS, now=now + later, clock=clock + later) is not None


def test_a_visit_ends_at_its_hard_end() -> None:
    assert (ended(hard=5.0, now=5.0), ended(hard=5.0, now=4.9)) == (Cause.HARD_END, None)


def test_a_visit_ends_when_nothing_went_for_long() -> None:
    assert ended(moved=100.0 - BOUNDS.idle_s) is Cause.IDLE
    assert ended(moved=100.1 - BOUNDS.idle_s) is None


def test_a_visit_ends_where_nobody_can_say_whether_it_may_go_on() -> None:
    assert ended(confirmed=100.0 - UNCONFIRMED_S) is Cause.UNHEARD
    assert ended(confirmed=100.1 - UNCONFIRMED_S) is None
    assert ended(confirmed=None) is None


@pytest.mark.parametrize(
    ("kind", "most"),
    [
        ("all", MAX_IN_ALL),
        ("tunnel", MAX_OF_A_TUNNEL),
        ("device", MAX_OF_A_DEVICE),
        ("strangers", MAX_OF_STRANGERS),
        ("strangers at the device", MAX_OF_STRANGERS_AT_A_DEVICE),
        ("person", MAX_OF_A_PERSON),
        ("address", MAX_OF_AN_ADDRESS),
    ],
)
def test_there_is_room_for_so_many(kind: str, most: int) -> None:
    assert full({kind: most - 1}) is None
    assert full({kind: most}) is not None
