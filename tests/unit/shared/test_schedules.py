"""When transforms run."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.schedules import is_schedule, schedule_of

RANGES = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)]


@st.composite
def fields(draw: st.DrawFn) -> str:
    """Five fields of cron."""
    said = []
    for low, high in RANGES:
        first = draw(st.integers(low, high))
        last = draw(st.integers(first, high))
        said.append(
            draw(st.sampled_from(["*", f"{first}", f"{first}-{last}", "*/5", f"{first}-{last}/2", f"{low},{high}"]))
        )
    return draw(st.sampled_from([" ", "  ", "\t"])).join(said)


@given(fields())
def test_five_fields_within_their_ranges_are_a_schedule(text: str) -> None:
    assert is_schedule(text)


@pytest.mark.parametrize("text", ["*/5 * * * *", "0 0 * * 7", "0 0 1 JAN mon-fri", "0,30 8-18/2 * * 1,2,3"])
def test_these_are(text: str) -> None:
    assert is_schedule(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "5-1 * * * *",
        "*/0 * * * *",
        "a * * * *",
        "* * * mon *",
        "1, * * * *",
        "@hourly",
        "\u0661 * * * *",
        "* * * * *; DROP",
    ],
)
def test_these_are_not(text: str) -> None:
    assert not is_schedule(text)


@given(st.text(max_size=40))
def test_any_text_is_one_or_is_not(text: str) -> None:
    assert is_schedule(text) in (True, False)


def minutes_of(text: str, first: datetime, count: int) -> list[str]:
    """The minutes from `first` on in which the schedule `text` runs."""
    schedule = schedule_of(text)
    assert schedule is not None
    moments = (first + timedelta(minutes=number) for number in range(count))
    return [f"{moment:%d %H:%M}" for moment in moments if schedule.matches(moment)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("*/20 1 1 * *", ["01 01:00", "01 01:20", "01 01:40"]),
        ("5/25 0 1 * *", ["01 00:05", "01 00:30", "01 00:55"]),
        ("0 12 * * sun", ["01 12:00"]),
        ("0 12 * * 7", ["01 12:00"]),
        ("0 12 * * 0", ["01 12:00"]),
        ("0 6 2 * mon", ["02 06:00"]),
        ("0 6 3 * mon", ["02 06:00", "03 06:00"]),
        ("0 6 */2 * mon", []),
        ("0 6 3 dec mon", []),
        ("30 23 * 11 1-2", ["02 23:30", "03 23:30"]),
        ("59 0-1,3 2 nov *", ["02 00:59", "02 01:59", "02 03:59"]),
    ],
)
def test_it_runs_in_these_minutes(text: str, expected: list[str]) -> None:
    sunday = datetime(2026, 11, 1, tzinfo=UTC)

    assert minutes_of(text, sunday, 3 * 24 * 60) == expected


@given(fields(), st.datetimes(min_value=datetime(2026, 1, 1), max_value=datetime(2030, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_a_minute_that_matches_has_a_number_of_every_field(text: str, moment: datetime) -> None:
    schedule = schedule_of(text)
    assert schedule is not None

    if schedule.matches(moment):
        assert moment.minute in schedule.minutes
        assert moment.hour in schedule.hours
        assert moment.month in schedule.months
        assert moment.day in schedule.days or moment.isoweekday() % 7 in schedule.weekdays
    assert schedule.matches(moment) == schedule.matches(moment.replace(second=59))
