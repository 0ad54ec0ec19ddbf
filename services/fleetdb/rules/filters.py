"""What the filters of a query come to on a table: conditions in SQL's three-valued logic (wire-sdk.md section 6).

Filters on columns that the table has not are left out, and so are those that compare a number with what is none. What
else cannot be read as the column's type is equal to nothing and different from nothing: the condition is unknown.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Union

from attrs import field, frozen

from services.fleetdb.errors import typed
from services.fleetdb.records.queries import Combinator, Filter, Group, Latest, Operator, Predicate, Scalar
from services.fleetdb.records.tables import AUTHID, DEVICE, Column, DataType, Table
from services.fleetdb.rules.comparing import as_in_json, guessed, read, text_of
from services.fleetdb.rules.paths import split

IMPLICIT: Final[Mapping[str, Column]] = {
    DEVICE: Column(DEVICE, "bigint", ""),
    AUTHID: Column(AUTHID, "string", ""),
}
"""What every row has besides the columns of its table."""
LATEST_FLAG: Final = "latest_flag"
"""What the latest marker was before: a column that no table has any more."""
LIKES: Final = frozenset({"LIKE", "ILIKE", "NOT LIKE", "NOT ILIKE"})
SETS: Final = frozenset({"IN", "NOT IN"})
NULLS: Final = frozenset({"IS NULL", "IS NOT NULL"})
_EQUALITIES: Final = frozenset({"=", "!=", "<>"})


@frozen
class Comparison:
    """A column, or what is at `path` in it, compared as `data_type` with `values`.

    Where `is_open`, one more value could not be read: being none of `values` is unknown then.
    """

    column: Column
    path: tuple[str, ...]
    data_type: DataType
    operator: Operator
    values: tuple[Any, ...] = field(repr=False)
    is_open: bool = False


@frozen
class Constant:
    """The same for every row; None is unknown."""

    value: bool | None


@frozen
class Junction:
    """All of the parts, or any."""

    combinator: Combinator
    parts: tuple["Condition", ...]


_NOBODY: Final = Constant(value=False)
Condition = Union[Comparison, Constant, Junction]  # noqa: UP007 - the three refer to each other


@frozen
class Selection:
    """Conditions that all hold; only the newest row of each entity where `is_latest`."""

    is_latest: bool
    conditions: tuple[Condition, ...]


def columns_of(table: Table, *, has_implicit: bool = True) -> dict[str, Column]:
    """What filters and projections of `table` may name; views have nothing but their columns."""
    return {**table.columns, **IMPLICIT} if has_implicit else dict(table.columns)


def selection(filters: Iterable[Filter], columns: Mapping[str, Column], reader: str | None) -> Selection:
    """What `filters` come to; `reader` is the account id of the person who reads, None where it is no person.

    Raises:
        Refusal: A filter is on a secret column.
    """
    given = tuple(filters)
    kept = (_condition(each, columns, reader) for each in given)
    return Selection(any(_is_latest(each) for each in given), tuple(each for each in kept if each is not None))


def names_in(condition: Condition) -> frozenset[str]:
    """The columns that it looks at; one that it looks into counts as another."""
    match condition:
        case Comparison():
            return frozenset({".".join((condition.column.id, *condition.path))})
        case Junction():
            return frozenset().union(*(names_in(part) for part in condition.parts))
        case Constant():
            return frozenset()


def _is_latest(each: Filter) -> bool:
    match each:
        case Latest():
            return True
        case Group():
            return any(_is_latest(inner) for inner in each.filters)
        case Predicate():
            is_set = each.value in (True, "true", "1") and each.operator == "="
            return each.column == LATEST_FLAG and is_set


def _condition(each: Filter, columns: Mapping[str, Column], reader: str | None) -> Condition | None:
    """None where it is left out; a group of which nothing is left is left out too."""
    match each:
        case Latest():
            return None
        case Group():
            parts = (_condition(inner, columns, reader) for inner in each.filters)
            kept = tuple(part for part in parts if part is not None)
            return Junction(each.combinator, kept) if kept else None
        case Predicate():
            return _test(each, columns, reader)


def _test(predicate: Predicate, columns: Mapping[str, Column], reader: str | None) -> Condition | None:
    base, path = split(predicate.column)
    column = columns.get(base)
    if column is None:
        return None
    if column.is_secret:
        raise typed("secret_column", f"column {base!r} is secret: no filter can be on it; verify a value instead")
    if path and column.data_type != "json":
        return None
    return _on(column, path, predicate, reader)


def _on(column: Column, path: tuple[str, ...], predicate: Predicate, reader: str | None) -> Condition | None:
    operator = predicate.operator
    if operator in NULLS:
        return Comparison(column, path, column.data_type, operator, ())
    if operator == "IS CURRENT USER":
        return _NOBODY if reader is None else Comparison(column, path, "string", operator, (reader,))
    if operator in LIKES:
        return _like(column, path, predicate)
    data_type: DataType = "numeric" if column.id == DEVICE else column.data_type
    values = _values(predicate)
    if path:
        values = tuple(as_in_json(value) for value in values)
        data_type = guessed(values, predicate.data_type)
    return _compared(Comparison(column, path, data_type, operator, ()), values, is_set=operator in SETS)


def _values(predicate: Predicate) -> tuple[Scalar, ...]:
    value = predicate.value
    if isinstance(value, tuple):
        return value
    if value is None:
        return ()
    return tuple(text_of(value).split(",")) if predicate.operator in SETS else (value,)


def _like(column: Column, path: tuple[str, ...], predicate: Predicate) -> Condition:
    """A pattern whose last letter would escape nothing is none."""
    value = predicate.value
    if value is None or isinstance(value, tuple):
        return Constant(None)
    pattern = text_of(value)
    escapes = len(pattern) - len(pattern.rstrip("\\"))
    return Constant(None) if escapes % 2 else Comparison(column, path, "string", predicate.operator, (pattern,))


def _compared(test: Comparison, values: tuple[Scalar, ...], *, is_set: bool) -> Condition | None:
    found = [read(value, test.data_type) for value in values]
    known = _fit(test, tuple(each for each in found if each is not None))
    is_open = len(known) < len(found)
    if test.data_type in ("numeric", "bigint") and (is_open or (not is_set and len(found) != 1)):
        return None
    if is_set:
        return _set(test, known, is_open=is_open)
    is_ordered = test.operator not in _EQUALITIES
    if len(known) != 1 or is_open or (test.data_type == "json" and is_ordered):
        return Constant(None)
    return Comparison(test.column, test.path, test.data_type, test.operator, known)


def _set(test: Comparison, known: tuple[Any, ...], *, is_open: bool) -> Condition:
    if known:
        return Comparison(test.column, test.path, test.data_type, test.operator, known, is_open)
    return Constant(None if is_open else test.operator == "NOT IN")


def _fit(test: Comparison, values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Where all are whole numbers, a whole column is compared with them as such: there may be an index for that."""
    is_whole = test.data_type == "numeric" and test.column.data_type == "bigint" and not test.path
    if is_whole and all(value == value.to_integral_value() for value in values):
        return tuple(int(value) for value in values)
    return values
