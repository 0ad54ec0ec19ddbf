"""Which columns an answer has, and how values look in it."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Final

from attrs import frozen

from services.fleetdb.errors import refused
from services.fleetdb.records.queries import HistoryQuery
from services.fleetdb.records.tables import AUTHID, DEVICE, TIME, Column, Table
from services.fleetdb.rules.filters import IMPLICIT, LATEST_FLAG
from services.fleetdb.rules.moments import epoch_ms
from services.fleetdb.rules.paths import Tree, pruned, split, trees
from services.fleetdb.rules.values import shown

UNDEFINED_COLUMN: Final = "42703"
"""SQLSTATE: PostgreSQL, appendix A."""
_EXACT: Final = 2.0**53
_AS_THEY_ARE: Final = frozenset({"string", "boolean", "bigint", "timestamp"})
"""Of these, what comes from the database is what goes out; `store.loading` reads moments as milliseconds."""

Show = Callable[[Any], Any]


@frozen
class Projection:
    """The columns of an answer in order, and by name what is done with their values."""

    columns: tuple[Column, ...]
    shows: Mapping[str, Show]


def projection(table: Table, query: HistoryQuery, *, is_latest: bool, hides: bool = True) -> Projection:
    """All columns of `table`, or those that `query` names, with those that every answer has.

    Secret values stay as they are stored where `hides` is not set: for `secret.reveal` alone.

    Raises:
        Refusal: A column is named that the table has not.
    """
    columns = _columns(table, query, is_latest=is_latest)
    kept = _trees(table, query)
    if is_latest:
        kept = {name: tree for name, tree in kept.items() if name not in table.entity_key}
    shows: dict[str, Show] = {}
    for column in columns:
        show = show_of(column, hides=hides)
        tree = kept.get(column.id)
        if tree:
            shows[column.id] = partial(pruned, tree=tree)
        elif show is not None:
            shows[column.id] = show
    return Projection(columns, shows)


def answered(names: Sequence[str], row: Sequence[Any], shows: Iterable[tuple[str, Show]]) -> dict[str, Any]:
    """A row of an answer: its values by name, each as it is shown where something is done with it."""
    found = dict(zip(names, row, strict=True))
    for name, show in shows:
        found[name] = show(found[name])
    return found


def show_of(column: Column, *, hides: bool = True) -> Show | None:
    """What makes a stored value of `column` one of the wire; None where it is one already."""
    if column.is_secret:
        return partial(shown, column) if hides else None
    if column.data_type == "numeric":
        return number
    return None if column.data_type in _AS_THEY_ARE else partial(shown, column)


def number(value: float | Decimal | None) -> int | float | None:
    """A number of the wire: an integer where it is one of 64 bits; None where it is none that JSON has."""
    if value is None or isinstance(value, int):
        return value
    double = float(value)
    if -_EXACT < double < _EXACT:
        return int(double) if double.is_integer() else double
    if not math.isfinite(double):
        return None
    whole = int(value)
    return whole if -(2**63) <= whole < 2**63 and whole == value else double


def plain(value: Any) -> Any:
    """A value of whatever type the database has, as the wire has it: views may have any."""
    match value:
        case Decimal() | float():
            return number(value)
        case datetime():
            return epoch_ms(value)
        case timedelta():
            return number(value.total_seconds())
        case list() | tuple():
            return [plain(each) for each in value]
        case None | bool() | int() | str() | dict():
            return value
        case _:
            return _text(value)


def _text(value: Any) -> str:
    if isinstance(value, date | time):
        return value.isoformat()
    return value.hex() if isinstance(value, bytes) else str(value)


def _columns(table: Table, query: HistoryQuery, *, is_latest: bool) -> tuple[Column, ...]:
    known = {**table.columns, **IMPLICIT}
    named = [name for name in query.columns if name.strip() and name != LATEST_FLAG]
    if not named:
        return tuple(known.values())
    wanted = dict.fromkeys((*named, TIME, DEVICE, AUTHID, *(table.entity_key if is_latest else ())))
    return tuple(_known(known, name) for name in wanted)


def _known(columns: Mapping[str, Column], name: str) -> Column:
    column = columns.get(name)
    if column is None:
        raise refused(UNDEFINED_COLUMN, f"column {name[:63]!r} does not exist")
    return column


def _trees(table: Table, query: HistoryQuery) -> dict[str, Tree]:
    """By column, what of it is asked for; one that is named without a path comes whole."""
    found: dict[str, list[tuple[str, ...]]] = {}
    refs = [split(ref) for ref in query.column_paths if ref.strip()]
    whole = {base for base, path in refs if not path}
    for base, path in refs:
        column = table.columns.get(base)
        if column is not None and _is_prunable(column, base, whole, query.columns):
            found.setdefault(base, []).append(path)
    return {base: trees(paths) for base, paths in found.items()}


def _is_prunable(column: Column, base: str, whole: set[str], named: Sequence[str]) -> bool:
    return column.data_type == "json" and not column.is_secret and base not in whole and base in named
