"""Which queries are taken, and what they ask for.

A query that is not taken is refused in the sentences of the published platform's own validator, with the path of what
is wrong: wire-sdk.md section 6, `tests/vectors/history-query.jsonl`. The checks are made in its order, since only the
first that fails is told.
"""

import math
from collections.abc import Sequence
from typing import Any, Final, cast

from attrs import frozen

from services.fleetdb.records.queries import METHODS, HistoryQuery, Method, Metric, SeriesQuery, Span, VerifyQuery
from services.fleetdb.rules.moments import milliseconds_of_text
from services.fleetdb.rules.nodes import MISSING, filters_of, is_number, is_object, member, refuse

AT: Final = "$input[0]"
MIN_BUCKET_MS: Final = 1_000
_UINT32: Final = 2**32 - 1
_INTEGER: Final = 'number & Type<"uint32">'
_RANGE: Final = "(ISOTimeRange | TimeRange)"
_METHOD: Final = "(" + " | ".join(f'"{name}"' for name in sorted(METHODS)) + ")"


@frozen
class Limits:
    """Between which numbers a limit has to be; any unsigned one where there is no lowest."""

    lowest: int | None
    highest: int

    @property
    def expected(self) -> str:
        """How the published validator says it."""
        lowest = "" if self.lowest is None else f" & Minimum<{self.lowest}>"
        return f'(number & Type<"uint32">{lowest} & Maximum<{self.highest}>)'


HISTORY: Final = Limits(None, 10_000)
SERIES: Final = Limits(1, 10_000)
SECRETS: Final = Limits(1, 100)


def history_query(args: Sequence[Any]) -> HistoryQuery:
    """What `history.transformed.<table>` was called with.

    Raises:
        Refusal: It is not taken.
    """
    asked = _only(args, "TableQueryParams")
    limit, offset, span = _limit(asked, HISTORY), _offset(asked), _span(asked)
    filters = filters_of(asked, AT)
    return HistoryQuery(limit, offset, span, filters, _texts(asked, "columns"), _texts(asked, "columnPaths"))


def reveal_query(args: Sequence[Any]) -> HistoryQuery:
    """What `secret.reveal.<table>` was called with.

    Raises:
        Refusal: It is not taken.
    """
    return _secret_rows(_only(args, "SecretQuerySelector"))


def verify_query(args: Sequence[Any]) -> VerifyQuery:
    """What `secret.verify.<table>` was called with.

    Raises:
        Refusal: It is not taken.
    """
    asked = _only(args, "SecretVerifyParams")
    rows = _secret_rows(asked)
    column, candidate = member(asked, "column"), member(asked, "candidate")
    if not isinstance(column, str):
        refuse(f"{AT}.column", "(string & MinLength<1>)", column)
    if not column:
        refuse(f"{AT}.column", "string & MinLength<1>", column)
    if not isinstance(candidate, str):
        refuse(f"{AT}.candidate", "string", candidate)
    return VerifyQuery(column, candidate, rows)


def series_query(args: Sequence[Any]) -> SeriesQuery:
    """What `history.transformed.series.<table>` was called with.

    Raises:
        Refusal: It is not taken.
    """
    asked = _only(args, "SeriesQueryParams")
    metrics, limit = _metrics(asked), _limit(asked, SERIES)
    given = member(asked, "timeRange")
    if not (given is None or isinstance(given, (list, tuple))):
        refuse(f"{AT}.timeRange", "(ISOTimeRange | TimeRange | null)", given)
    span = None if given is None else _span_of(given)
    bucket_ms, group_by = _bucket_ms(asked), _texts(asked, "groupBy")
    return SeriesQuery(metrics, limit, span, bucket_ms, group_by, filters_of(asked, AT))


def _only(args: Sequence[Any], name: str) -> Any:
    """The one argument there has to be."""
    if len(args) != 1:
        refuse("$input", f"[{name}]", list(args))
    if not is_object(args[0]):
        refuse(AT, name, args[0])
    return args[0]


def _secret_rows(asked: Any) -> HistoryQuery:
    columns, offset, span = _texts(asked, "columns"), _offset(asked), _span(asked)
    filters, paths = filters_of(asked, AT), _texts(asked, "columnPaths")
    return HistoryQuery(_limit(asked, SECRETS), offset, span, filters, columns, paths)


def _limit(asked: Any, limits: Limits) -> int:
    path, value = f"{AT}.limit", member(asked, "limit")
    if not is_number(value):
        refuse(path, limits.expected, value)
    number = _uint32(value)
    if number is None:
        refuse(path, _INTEGER, value)
    if limits.lowest is not None and number < limits.lowest:
        refuse(path, f"number & Minimum<{limits.lowest}>", value)
    if number > limits.highest:
        refuse(path, f"number & Maximum<{limits.highest}>", value)
    return number


def _offset(asked: Any) -> int:
    path, value = f"{AT}.offset", member(asked, "offset")
    if value is MISSING:
        return 0
    if not is_number(value):
        refuse(path, f"(({_INTEGER}) | undefined)", value)
    number = _uint32(value)
    if number is None:
        refuse(path, _INTEGER, value)
    return number


def _uint32(value: float) -> int | None:
    return int(value) if 0 <= value <= _UINT32 and value == int(value) else None


def _span(asked: Any) -> Span:
    value = member(asked, "timeRange")
    if value is None or value is MISSING:
        return Span(None, None)
    if not isinstance(value, (list, tuple)):
        refuse(f"{AT}.timeRange", "(ISOTimeRange | TimeRange | null | undefined)", value)
    return _span_of(value)


def _span_of(value: Sequence[Any]) -> Span:
    """Two bounds of one kind; what is no moment would have been an open end, and is refused."""
    is_pair = len(value) == 2  # noqa: PLR2004
    is_of_texts = all(bound is None or isinstance(bound, str) for bound in value)
    if not is_pair or not (is_of_texts or all(bound is None or is_number(bound) for bound in value)):
        refuse(f"{AT}.timeRange", _RANGE, value)
    start, end = (_bound_ms(bound) for bound in value)
    if (start is None, end is None) != (value[0] is None, value[1] is None):
        refuse(f"{AT}.timeRange", _RANGE, value)
    return Span(start, end)


def _bound_ms(bound: str | float | None) -> int | float | None:
    if isinstance(bound, str):
        return milliseconds_of_text(bound)
    if isinstance(bound, float) and not math.isfinite(bound):
        return None
    return bound


def _texts(asked: Any, name: str) -> tuple[str, ...]:
    value = member(asked, name)
    if value is None or value is MISSING:
        return ()
    if not isinstance(value, (list, tuple)):
        refuse(f"{AT}.{name}", "(Array<string> | null | undefined)", value)
    for at, each in enumerate(value):
        if not isinstance(each, str):
            refuse(f"{AT}.{name}[{at}]", "string", each)
    return tuple(value)


def _metrics(asked: Any) -> tuple[Metric, ...]:
    value = member(asked, "metrics")
    if not isinstance(value, (list, tuple)):
        refuse(f"{AT}.metrics", "(Array<SeriesMetric> & MinItems<1>)", value)
    if not value:
        refuse(f"{AT}.metrics", "Array<> & MinItems<1>", value)
    return tuple(_metric(each, f"{AT}.metrics[{at}]") for at, each in enumerate(value))


def _metric(value: Any, path: str) -> Metric:
    if not is_object(value):
        refuse(path, "SeriesMetric", value)
    ref, method = member(value, "ref"), member(value, "method")
    if not isinstance(ref, str):
        refuse(f"{path}.ref", "string", ref)
    if not (isinstance(method, str) and method in METHODS):
        refuse(f"{path}.method", _METHOD, method)
    return Metric(ref, cast("Method", method))


def _bucket_ms(asked: Any) -> int | float | None:
    value = member(asked, "bucketMs")
    if value is None or value is MISSING:
        return None
    if not is_number(value):
        refuse(f"{AT}.bucketMs", "((number & Minimum<1000>) | null | undefined)", value)
    if not MIN_BUCKET_MS <= value < math.inf:
        refuse(f"{AT}.bucketMs", "number & Minimum<1000>", value)
    return cast("int | float", value)
