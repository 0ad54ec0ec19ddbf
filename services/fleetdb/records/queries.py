"""What is asked of a table's history, in the words of wire-sdk.md section 6; `rules.queries` decodes it."""

from typing import Literal, Union, get_args

from attrs import field, frozen

Scalar = str | int | float | bool
Combinator = Literal["AND", "OR"]
Published = Literal[
    "=",
    "!=",
    "<>",
    "<",
    "<=",
    ">",
    ">=",
    "LIKE",
    "ILIKE",
    "NOT LIKE",
    "NOT ILIKE",
    "IN",
    "NOT IN",
    "IS NULL",
    "IS NOT NULL",
]
Operator = Published | Literal["IS CURRENT USER"]
Method = Literal["AVG", "COUNT", "FIRST", "LAST", "MAX", "MIN", "SUM"]

PUBLISHED_OPERATORS: frozenset[str] = frozenset(get_args(Published))
OPERATORS: frozenset[str] = PUBLISHED_OPERATORS | {"IS CURRENT USER"}
METHODS: frozenset[str] = frozenset(get_args(Method))


@frozen
class Predicate:
    """A column, or a path in one of JSON, compared with a value; None where none was given.

    `data_type` is the reader's own guess at the type of what is at a path.
    """

    column: str
    operator: Operator
    value: Scalar | tuple[Scalar, ...] | None = field(repr=False)
    data_type: str | None


@frozen
class Latest:
    """Not a condition but a mode: the newest row of each entity only."""


@frozen
class Group:
    """Filters, of which all hold or any."""

    combinator: Combinator
    filters: tuple["Filter", ...]


Filter = Union[Predicate, Latest, Group]  # noqa: UP007 - the three refer to each other


@frozen
class Span:
    """From `start_ms` on and before `end_ms`, in milliseconds of Unix time; None where it is open."""

    start_ms: int | float | None
    end_ms: int | float | None


@frozen
class HistoryQuery:
    """Rows of a table: the newest `limit` after the newest `offset`; all columns where none are named."""

    limit: int
    offset: int
    span: Span
    filters: tuple[Filter, ...]
    columns: tuple[str, ...]
    column_paths: tuple[str, ...]


@frozen
class VerifyQuery:
    """Whether a secret column of the rows that `rows` selects holds `candidate`."""

    column: str
    candidate: str = field(repr=False)
    rows: HistoryQuery


@frozen
class Metric:
    """A column, or a path in one of JSON, aggregated in each bucket."""

    ref: str
    method: Method

    @property
    def name(self) -> str:
        """What the answer calls it."""
        return f"{self.method}:{self.ref}"


@frozen
class SeriesQuery:
    """One row for each bucket of time and each group; `limit` is the number of buckets that the span may have."""

    metrics: tuple[Metric, ...]
    limit: int
    span: Span | None
    bucket_ms: int | float | None
    group_by: tuple[str, ...]
    filters: tuple[Filter, ...]
