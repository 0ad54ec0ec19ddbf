"""Moments as text."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from shared.moments import rfc3339

FIRST, LAST = datetime(1000, 1, 2), datetime(9999, 12, 30)  # noqa: DTZ001 - Hypothesis gives them their zone


@given(
    st.datetimes(
        timezones=st.integers(-14, 14).map(lambda hours: timezone(timedelta(hours=hours))),
        min_value=FIRST,
        max_value=LAST,
    )
)
def test_a_moment_is_read_back_as_itself(moment: datetime) -> None:
    text = rfc3339(moment)

    assert datetime.fromisoformat(text) == moment
    assert (len(text), text[-1], text[10]) == (27, "Z", "T")


def test_whole_seconds_have_their_microseconds_too() -> None:
    assert rfc3339(datetime(2026, 11, 30, 12, tzinfo=UTC)) == "2026-11-30T12:00:00.000000Z"
