"""Chunks and buckets."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.fleetdb.rules.spans import MAX_FUTURE, MAX_PAST, Span, chunk_of, gaps, is_near, moment_of, seconds_at

MOMENTS = st.datetimes(datetime(1, 2, 1), datetime(9999, 11, 1), timezones=st.just(UTC))  # noqa: DTZ001 - as asked for


@given(MOMENTS, st.integers(1, 10**6))
def test_a_chunk_has_its_moment_and_its_width(moment: datetime, width_s: int) -> None:
    chunk = chunk_of(moment, width_s)

    assert chunk.has(moment)
    assert chunk.end_s - chunk.start_s == width_s
    assert chunk.start_s % width_s == 0
    assert chunk.start <= moment < chunk.end


@given(st.integers(-100, 100), st.integers(1, 50), st.lists(st.tuples(st.integers(-200, 200), st.integers(1, 50))))
def test_gaps_are_what_others_leave(start_s: int, width_s: int, others: list[tuple[int, int]]) -> None:
    chunk = Span(start_s, start_s + width_s)
    spans = [Span(at, at + length) for at, length in others]

    left = gaps(chunk, spans)

    def seconds(found: list[Span]) -> list[int]:
        return [second for span in found for second in range(span.start_s, span.end_s)]

    assert seconds(left) == sorted(set(seconds([chunk])) - set(seconds(spans)))
    assert all(one.end_s < other.start_s for one, other in pairwise(left))


def test_far_moments_are_kept_apart() -> None:
    now = datetime(2026, 6, 1, tzinfo=UTC)

    assert is_near(now, now)
    assert is_near(now - MAX_PAST, now)
    assert is_near(now + MAX_FUTURE, now)
    assert not is_near(now - MAX_PAST - timedelta(seconds=1), now)
    assert not is_near(now + MAX_FUTURE + timedelta(seconds=1), now)


def test_moments_before_1970_are_rounded_down() -> None:
    moment = datetime(1969, 12, 31, 23, 59, 59, 500_000, tzinfo=UTC)

    assert seconds_at(moment) == -1
    assert moment_of(-1) <= moment
