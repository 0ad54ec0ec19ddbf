"""Rows: what a call or an event of an app becomes before it is stored (wire-sdk.md section 6, "Writes")."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from services.fleetdb.errors import RUNTIME_ERROR, TOO_LARGE, Refusal, no_such_procedure, not_authorized, refused
from services.fleetdb.records.tables import TIME, Bulk, Row, Table
from services.fleetdb.rules.documents import Document
from services.fleetdb.rules.values import MAX_ROW_OCTETS, octets_of, stored, stored_column

MAX_ROWS: Final = 10_000
NO_DEVICE: Final = -1
"""The device of a row that no device wrote."""
DEVICE_KEY: Final = "DEVICE_KEY"
NOT_THIS_DEVICE: Final = "the payload names another device than the session's own"
_MISSING: Final = object()
_SEGMENT: Final = re.compile(r"""\[(?:([0-9]+)|(?P<quote>['"])(.*?)(?P=quote))\]|([^.\[\]]+)""")
_INDEX: Final = re.compile(r"[0-9]{1,9}")
_INTEGER: Final = re.compile(r"-?[0-9]{1,18}")
_LONG: Final = frozenset({"string", "json"})
_SMALL_LETTERS: Final = MAX_ROW_OCTETS // 4


def incoming(
    table: Table,
    args: Sequence[Any],
    kwargs: dict[str, Any],
    *,
    device_key: int | None,
    authid: str,
    details: dict[str, Any] | None = None,
) -> Row:
    """The row of a call with `args` and `kwargs`, by the paths of the table's columns.

    `device_key` is the caller's own (decision 8). None says that the caller is no device: then the payload may name
    one, as a board's form does.

    Raises:
        Refusal: Nobody writes to the table; or the row names another device, has no `tsp`, is larger than 12 MiB, or
            has a value that cannot be kept.
    """
    if table.source is not None:
        raise no_such_procedure(f"{table.name} is not written to: it is what {table.source} comes to")
    device = _device_of(args, kwargs, device_key)
    root = {"args": args, "kwargs": kwargs, "details": details or {}}
    values = {}
    for column in table.columns.values():
        found = _found(root, _segments(column.path))
        if found is not _MISSING:
            values[column.id] = stored(column, found)
    if values.get(TIME) is None:
        raise Refusal(RUNTIME_ERROR, {})
    _check_size(values)
    return Row(values, device, authid)


def incoming_bulk(
    table: Table,
    args: Sequence[Any],
    kwargs: dict[str, Any],
    *,
    device_key: int | None,
    authid: str,
    details: dict[str, Any] | None = None,
) -> Sequence[Row]:
    """The rows of a call whose first argument is a list of them; each is looked at as if it had come alone.

    Raises:
        Refusal: As `incoming`, or it is no list, or one of none or of more than 10,000 rows.
    """
    rows = args[0] if args else None
    if not isinstance(rows, list) or not 1 <= len(rows) <= MAX_ROWS:
        raise refused(TOO_LARGE, f"the first argument must be a list of 1 to {MAX_ROWS} rows")
    rest = args[1:]
    if device_key is not None and _is_plain(table) and all(type(row) is dict for row in rows):
        return _by_column(table, args, kwargs, device_key=device_key, authid=authid, details=details or {})
    return [
        incoming(table, [row, *rest], kwargs, device_key=device_key, authid=authid, details=details) for row in rows
    ]


def _is_plain(table: Table) -> bool:
    """Whether it is all the same to its rows whether a column was not given or is NULL, and nothing is sealed."""
    return not (table.entity_key or table.secret_columns or table.source)


def _by_column(
    table: Table,
    args: Sequence[Any],
    kwargs: dict[str, Any],
    *,
    device_key: int,
    authid: str,
    details: dict[str, Any],
) -> Sequence[Row]:
    rows, rest = args[0], args[1:]
    _device_of([], kwargs, device_key)
    for told in [row[DEVICE_KEY] for row in rows if DEVICE_KEY in row]:
        _device_of([], {DEVICE_KEY: told}, device_key)
    columns = {}
    root = {"args": [_MISSING, *rest], "kwargs": kwargs, "details": details}
    for column in table.columns.values():
        below = _in_row(column.path)
        if below is None:
            found = _found(root, _segments(column.path))
            columns[column.id] = [None if found is _MISSING else stored(column, found)] * len(rows)
        elif len(below) == 1:
            columns[column.id] = stored_column(column, [row.get(below[0]) for row in rows])
        else:
            given = [_found(row, below) for row in rows]
            columns[column.id] = stored_column(column, [None if raw is _MISSING else raw for raw in given])
    if None in columns[TIME]:
        raise Refusal(RUNTIME_ERROR, {})
    bulk = Bulk(columns, device_key, authid)
    texts = [columns[column.id] for column in table.columns.values() if column.data_type in _LONG]
    if sum(max(map(_letters_of, values)) for values in texts) > _SMALL_LETTERS:
        for row in bulk:
            _check_size(row.values)
    return bulk


def _in_row(path: str) -> tuple[str, ...] | None:
    """The way to a value in the row itself, or None where it lies beside the rows."""
    segments = _segments(path)
    return segments[2:] if segments[:2] == ("args", "0") and len(segments) > len(("args", "0")) else None


def _letters_of(value: Any) -> int:
    if type(value) is str:
        return len(value)
    return len(value.text) if type(value) is Document else 0


def _device_of(args: Sequence[Any], kwargs: dict[str, Any], device_key: int | None) -> int:
    first = args[0] if args else None
    told = [kwargs.get(DEVICE_KEY), first.get(DEVICE_KEY) if isinstance(first, dict) else None]
    named = [key for key in map(_device_key_in, told) if key is not None]
    if device_key is None:
        return named[0] if named else NO_DEVICE
    if any(key != device_key for key in named):
        raise not_authorized(NOT_THIS_DEVICE)
    return device_key


def _device_key_in(told: Any) -> int | None:
    """A key that somebody could have; SDKs send theirs as text, some of them `None`."""
    if isinstance(told, str) and _INTEGER.fullmatch(told.strip()):
        return int(told)
    is_number = isinstance(told, int | float) and not isinstance(told, bool)
    return int(told) if is_number and abs(told) < 1 << 63 else None


def _found(root: dict[str, Any], segments: Sequence[str]) -> Any:
    """What lodash's `get` finds, or `_MISSING`."""
    value: Any = root
    for name in segments:
        if isinstance(value, dict):
            value = value.get(name, _MISSING)
        elif isinstance(value, list | tuple) and _INDEX.fullmatch(name):
            value = value[int(name)] if int(name) < len(value) else _MISSING
        else:
            return _MISSING
        if value is _MISSING:
            break
    return value


@lru_cache(maxsize=16_384)
def _segments(path: str) -> tuple[str, ...]:
    """`args[0].x` as `args`, `0`, `x`; an empty path is in nothing."""
    found = tuple(match[1] or match[3] or match[4] or "" for match in _SEGMENT.finditer(path))
    return found or ("",)


def _check_size(values: dict[str, Any]) -> None:
    letters = sum(map(_letters_of, values.values()))
    if letters > _SMALL_LETTERS and sum(map(octets_of, values.values())) > MAX_ROW_OCTETS:
        raise refused(TOO_LARGE, f"a row may have at most {MAX_ROW_OCTETS} octets")
