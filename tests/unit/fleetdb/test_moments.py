"""Moments as clients write them."""

import pytest

from services.fleetdb.rules.moments import microseconds_of_number, microseconds_of_text, milliseconds_of_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01", 0),
        ("1970-01-01 00:00:01", 1_000_000),
        ("1970-01-01T02:00:00.000001+02:00", 1),
        ("1969-12-31T23:59:59.999999Z", -1),
        ("9999-12-31T23:59:59.999999Z", 253_402_300_799_999_999),
        (" 2026-01-01T00:00Z ", 1_767_225_600_000_000),
        ("2026-02-30", None),
        ("10000-01-01", None),
        ("now", None),
        ("", None),
        ("1970-01-01" + " " * 100, None),
    ],
)
def test_a_text_is_a_moment_in_utc_where_it_names_no_zone(text: str, expected: int | None) -> None:
    assert microseconds_of_text(text) == expected


def test_bounds_are_whole_milliseconds() -> None:
    assert milliseconds_of_text("1970-01-01T00:00:00.001999Z") == 1
    assert milliseconds_of_text("x") is None


def test_numbers_are_milliseconds() -> None:
    assert microseconds_of_number(1) == 1_000
    assert microseconds_of_number(1.5) == 1_500
    assert microseconds_of_number(2**60) == 2**60 * 1_000
    assert microseconds_of_number(float("nan")) is None
    assert microseconds_of_number(1e308) == int(1e308) * 1_000
    assert microseconds_of_number(10**400) == 10**403
