"""How long ago something was, as people say it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auth.rules.moments import since, span

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, ("now", 0)),
        (0, ("now", 0)),
        (59.9, ("now", 0)),
        (60, ("minutes", 1)),
        (3_599, ("minutes", 59)),
        (3_600, ("hours", 1)),
        (2 * 86_400 - 1, ("hours", 47)),
        (2 * 86_400, ("days", 2)),
        (400 * 86_400, ("days", 400)),
    ],
)
def test_a_span_in_its_largest_unit(seconds: float, said: tuple[str, int]) -> None:
    assert span(seconds) == said
    assert since(NOW - timedelta(seconds=seconds), NOW) == said


@given(st.floats(0, 1e9))
def test_it_never_says_more_than_it_was(seconds: float) -> None:
    unit, count = span(seconds)

    assert count * {"now": 0, "minutes": 60, "hours": 3_600, "days": 86_400}[unit] <= seconds
