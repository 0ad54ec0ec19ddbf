"""What a series query comes to: buckets of time, aligned to its start, and what is aggregated in each."""

import math
from typing import Final

from attrs import frozen

from services.fleetdb.errors import Refusal, typed
from services.fleetdb.records.queries import Method, Metric, SeriesQuery
from services.fleetdb.records.tables import TIME, Column, DataType, Table
from services.fleetdb.rules.filters import Condition, columns_of, selection
from services.fleetdb.rules.moments import microseconds_of_number
from services.fleetdb.rules.paths import split

MAX_ROWS: Final = 50_000
MAX_METRICS: Final = 200
MAX_GROUPS: Final = 32
MAX_NAME_OCTETS: Final = 63
EARLIEST_US: Final = -62_135_596_800_000_000
LATEST_US: Final = 253_402_300_800_000_000
_SUMMED: Final = frozenset({"AVG", "SUM"})
_COMPARED: Final = frozenset({"MIN", "MAX"})
_NUMBERS: Final[frozenset[DataType]] = frozenset({"numeric", "bigint"})
_ORDERED: Final[frozenset[DataType]] = _NUMBERS | {"string", "timestamp"}


@frozen
class Measured:
    """One value of a row: `method` over a column, or over what is at `path` in it."""

    name: str
    method: Method
    column: Column
    path: tuple[str, ...]

    @property
    def is_number(self) -> bool:
        """Whether what is at the path is read as a number."""
        return bool(self.path) and self.method in _SUMMED | _COMPARED


@frozen
class Grouping:
    """What splits the buckets."""

    name: str
    column: Column
    path: tuple[str, ...]


@frozen
class Series:
    """Buckets of `width_us` from `start_us` on and before `end_us`, in microseconds of Unix time."""

    start_us: int
    end_us: int
    width_us: int
    measured: tuple[Measured, ...]
    groups: tuple[Grouping, ...]
    conditions: tuple[Condition, ...]


def series(query: SeriesQuery, table: Table, *, now_us: int, reader: str | None) -> Series:
    """What `query` comes to on `table`; an open end is now.

    Raises:
        Refusal: The span has no start or no length; a metric or a group is none that the table has; or filters ask
            for the latest rows, or are on a secret column.
    """
    start_us, end_us = _span(query, now_us)
    groups = dict.fromkeys(query.group_by)
    measured = _measured(query, table)
    found = _groups(tuple(groups), table)
    selected = selection(query.filters, columns_of(table), reader)
    if selected.is_latest:
        raise typed("invalid_filter", "a series has no latest rows: read the history with the marker instead")
    width_us = _width_us(query, start_us, end_us)
    return Series(start_us, end_us, width_us, measured, found, selected.conditions)


def too_many(table: Table) -> Refusal:
    """The answer would have more rows than one may have."""
    return typed(
        "series_too_many_groups",
        f"the series has more than {MAX_ROWS} rows: ask for fewer buckets, a shorter time, or groups of fewer values",
        tablename=table.name,
        cap=MAX_ROWS,
    )


def _span(query: SeriesQuery, now_us: int) -> tuple[int, int]:
    span = query.span
    start_us = None if span is None or span.start_ms is None else microseconds_of_number(span.start_ms)
    if span is None or start_us is None or not EARLIEST_US <= start_us < LATEST_US:
        raise typed("invalid_time_range", "a series needs a time range with a start")
    end_us = now_us if span.end_ms is None else microseconds_of_number(span.end_ms)
    if end_us is None or (span.end_ms is not None and end_us <= start_us):
        raise typed("invalid_time_range", "the time range must end after its start")
    return start_us, min(max(end_us, start_us), LATEST_US)


def _width_us(query: SeriesQuery, start_us: int, end_us: int) -> int:
    """As many buckets as `limit` has; of a given width, or a multiple of it where there would be more."""
    if query.bucket_ms is None:
        return max(1, round((end_us - start_us) / query.limit))
    bucket_us = microseconds_of_number(query.bucket_ms) or 1
    needed = -(-(end_us - start_us) // bucket_us)
    return min(bucket_us * max(1, math.ceil(needed / query.limit)), LATEST_US - EARLIEST_US)


def _measured(query: SeriesQuery, table: Table) -> tuple[Measured, ...]:
    metrics = dict.fromkeys(query.metrics)
    if len(metrics) > MAX_METRICS:
        raise _bad_metric(f"a series has at most {MAX_METRICS} metrics")
    grouped = frozenset(query.group_by)
    return tuple(_metric(metric, table, grouped) for metric in metrics)


def _metric(metric: Metric, table: Table, grouped: frozenset[str]) -> Measured:
    ref, method = metric.ref, metric.method
    base, path = split(ref)
    if not _is_name(metric.name):
        raise _bad_metric(f"metric {ref[:63]!r} is too long: '{method}:<ref>' must fit {MAX_NAME_OCTETS} octets")
    column = columns_of(table).get(base)
    if column is None:
        raise _bad_metric(f"metric {ref!r} is not a column of this table")
    if column.is_secret:
        raise _bad_metric(f"{ref!r} is a secret column: its values differ in every row")
    if column.id == TIME and (method != "COUNT" or path):
        raise _bad_metric("'tsp' is the time of the buckets: only COUNT of it is a metric")
    if path and column.data_type != "json":
        raise _bad_metric(f"metric {ref!r}: {base!r} is not a json column")
    if not path and not _fits(method, column.data_type):
        raise _bad_metric(f"{method} is not defined on the {column.data_type} column {ref!r}")
    if ref in grouped and column.id != TIME:
        raise _bad_group(f"{ref!r} cannot be both a metric and a groupBy column")
    return Measured(metric.name, method, column, path)


def _fits(method: Method, data_type: DataType) -> bool:
    if method in _SUMMED:
        return data_type in _NUMBERS
    return method not in _COMPARED or data_type in _ORDERED


def _groups(refs: tuple[str, ...], table: Table) -> tuple[Grouping, ...]:
    if len(refs) > MAX_GROUPS:
        raise _bad_group(f"a series has at most {MAX_GROUPS} groupBy columns")
    return tuple(_group(ref, table) for ref in refs)


def _group(ref: str, table: Table) -> Grouping:
    base, path = split(ref)
    if not _is_name(ref):
        raise _bad_group(f"groupBy {ref[:63]!r} is too long: it must fit {MAX_NAME_OCTETS} octets")
    column = columns_of(table).get(base)
    if column is None:
        raise _bad_group(f"groupBy {ref!r} is not a column of this table")
    if column.id == TIME:
        raise _bad_group("'tsp' is the time of the buckets, not a groupBy column")
    if column.is_secret:
        raise _bad_group(f"{ref!r} is a secret column: its values differ in every row")
    if path and column.data_type != "json":
        raise _bad_group(f"groupBy {ref!r}: {base!r} is not a json column")
    return Grouping(ref, column, path)


def _is_name(name: str) -> bool:
    """Whether it fits, and can be said: a text of the wire may have half a surrogate pair or NUL in a path."""
    try:
        return len(name.encode()) <= MAX_NAME_OCTETS and "\0" not in name
    except UnicodeEncodeError:
        return False


def _bad_metric(detail: str) -> Refusal:
    return typed("invalid_metric", detail)


def _bad_group(detail: str) -> Refusal:
    return typed("invalid_group_by", detail)
