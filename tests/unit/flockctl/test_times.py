"""What a person says of a time."""

import os
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.flockctl.errors import CommandError, ExitStatus
from deploy.flockctl.times import end, lasting_s, moment, span_text

NOW = 1_764_064_800.0  # 2025-11-25T10:00:00Z


@pytest.fixture(autouse=True)
def _berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    os.environ.pop("TZ")
    time.tzset()


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("2026-11-25T10:00:00Z", "2026-11-25T10:00:00Z"),
        ("2026-11-25T10:00:00.123456+02:00", "2026-11-25T08:00:00.123456Z"),
        ("2026-11-25", "2026-11-24T23:00:00Z"),
        ("2026-07-01T12:00", "2026-07-01T10:00:00Z"),
        ("90s", "2025-11-25T09:58:30Z"),
        ("30m", "2025-11-25T09:30:00Z"),
        ("24h", "2025-11-24T10:00:00Z"),
        ("7d", "2025-11-18T10:00:00Z"),
        ("2w", "2025-11-11T10:00:00Z"),
    ],
)
def test_a_time_is_a_time_a_date_or_an_age(word: str, said: str) -> None:
    assert moment(word, what="since", now=NOW) == said


@pytest.mark.parametrize(
    "word", ["", "yesterday", "7", "d7", "-7d", "7 d", "999999w", "2026-13-01", "\u0667d", "0001-01-01"]
)
def test_nothing_else_is(word: str) -> None:
    with pytest.raises(CommandError) as refused:
        moment(word, what="since", now=NOW)

    assert refused.value.status is ExitStatus.USAGE


@pytest.mark.parametrize(
    ("lasting", "said"), [("90s", "10:01:30Z"), ("30m", "10:30:00Z"), ("8h", "18:00:00Z"), ("1s", "10:00:01Z")]
)
def test_what_lasts_ends_that_long_from_now(lasting: str, said: str) -> None:
    assert end(None, lasting, now=NOW) == f"2025-11-25T{said}"


def test_an_end_is_a_time_of_this_zone_or_none() -> None:
    assert end("2026-12-24T12:00", None, now=NOW) == "2026-12-24T11:00:00Z"
    assert end("2026-12-24", None, now=NOW) == "2026-12-23T23:00:00Z"
    assert end(None, "1w", now=NOW) == "2025-12-02T10:00:00Z"
    assert end(None, None, now=NOW) is None


@pytest.mark.parametrize(
    ("until", "lasting"),
    [
        ("24h", None),
        ("tomorrow", None),
        ("9999-12-31T23:59:59-23:59", None),
        (None, "0s"),
        (None, "8"),
        (None, "-8h"),
        (None, "999999w"),
        (None, "2026-12-24"),
        ("2026-12-24", "8h"),
    ],
)
def test_no_other_end_is(until: str | None, lasting: str | None) -> None:
    with pytest.raises(CommandError) as refused:
        end(until, lasting, now=NOW)

    assert refused.value.status is ExitStatus.USAGE


@given(st.integers(1, 10**6 - 1), st.sampled_from("smhd"))
def test_a_length_is_said_as_it_is_read(number: int, unit: str) -> None:
    seconds = lasting_s(f"{number}{unit}", what="keep")

    assert lasting_s(span_text(seconds), what="keep") == seconds
