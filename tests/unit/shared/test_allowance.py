"""Somebody may do something a few times within a time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import allowance
from shared.allowance import Allowance

TIMES, WINDOW_S = 3, 100.0
moments = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 60)), max_size=60)


def test_it_is_used_up_and_comes_back_one_by_one() -> None:
    left = Allowance(TIMES, WINDOW_S)
    assert all(left.take(7, float(at)) for at in range(TIMES))

    assert not left.take(7, WINDOW_S - 1)
    assert left.take(7, WINDOW_S)
    assert not left.take(7, WINDOW_S)
    assert left.take(7, WINDOW_S + 1)


@given(moments)
def test_within_any_window_nobody_has_more_and_nobody_less(uses: list[tuple[int, int]]) -> None:
    left, now = Allowance(TIMES, WINDOW_S), 0.0
    taken: dict[int, list[float]] = {}
    for principal, later in uses:
        now += later
        lately = [moment for moment in taken.get(principal, []) if now - moment < WINDOW_S]

        assert left.take(principal, now) is (len(lately) < TIMES)

        taken[principal] = [*lately, now] if len(lately) < TIMES else lately


def test_no_more_are_remembered_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allowance, "REMEMBERED", 3)
    left = Allowance(TIMES, WINDOW_S)

    for principal in range(10):
        left.take(principal, 0.0)

    assert list(left._used) == [7, 8, 9]


def test_what_was_given_back_does_not_count() -> None:
    left = Allowance(TIMES, WINDOW_S)
    left.give_back(7)
    for at in range(3 * TIMES):
        assert left.take(7, float(at))
        left.give_back(7)
