"""Spans of time: the chunks that a table is kept in, and the buckets that it is summed up in."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from attrs import frozen

from services.fleetdb.rules.moments import EPOCH

MAX_PAST: Final = timedelta(days=3_653)
MAX_FUTURE: Final = timedelta(days=366)
"""Beyond these rows are kept apart: a wrong clock makes no partition."""


@frozen(order=True)
class Span:
    """Seconds since 1970: `start` is in it, `end` is not."""

    start_s: int
    end_s: int

    def has(self, moment: datetime) -> bool:
        """Whether `moment` lies in it."""
        return self.start_s <= seconds_at(moment) < self.end_s

    @property
    def start(self) -> datetime:
        """Its first moment."""
        return moment_of(self.start_s)

    @property
    def end(self) -> datetime:
        """The first moment after it."""
        return moment_of(self.end_s)


def seconds_at(moment: datetime) -> int:
    """Whole seconds since 1970, rounded down; in whole numbers, since doubles have no microseconds in year 9999."""
    return (moment - EPOCH) // timedelta(seconds=1)


def moment_of(seconds: int) -> datetime:
    """The moment that is `seconds` since 1970."""
    return EPOCH + timedelta(seconds=seconds)


def chunk_of(moment: datetime, chunk_s: int) -> Span:
    """The chunk that `moment` falls in; chunks are counted from 1970."""
    start_s = seconds_at(moment) // chunk_s * chunk_s
    return Span(start_s, start_s + chunk_s)


def gaps(chunk: Span, others: Iterable[Span]) -> list[Span]:
    """What `others` leave of `chunk`, in order."""
    left, start_s = [], chunk.start_s
    for other in sorted(others):
        if start_s < other.start_s < chunk.end_s:
            left.append(Span(start_s, other.start_s))
        if other.start_s < chunk.end_s:
            start_s = max(start_s, other.end_s)
    return [*left, Span(start_s, chunk.end_s)] if start_s < chunk.end_s else left


def is_near(moment: datetime, now: datetime) -> bool:
    """Whether it is likely enough to get a partition."""
    return now - MAX_PAST <= moment <= now + MAX_FUTURE
