"""Rows go in, many of them by COPY; what is answered is what readers see of them."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from psycopg import AsyncRawCursor, sql

from services.fleetdb.records.tables import AUTHID, DEVICE, Bulk, Column, Row, Table
from services.fleetdb.rules.values import shown, shown_column, text_of
from services.fleetdb.store.catalog import name_in
from services.fleetdb.store.inheriting import completed
from shared.database import Connection

PIECE: Final = 500
_PLAIN: Final[dict[type, Callable[[Any], str]]] = {
    int: repr,
    float: repr,
    bool: {True: "t", False: "f"}.__getitem__,
    datetime: datetime.isoformat,
}
"""What is written with no letter that COPY wants escaped: as `rules.values.text_of` has it."""
_ESCAPED: Final = re.compile(r"[\\\t\n\r]")
_ESCAPES: Final = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


async def insert(connection: Connection, schema: str, table: Table, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Store `rows`, all or none, and answer them as readers see them, in order.

    In a transaction, unless `is_one_statement`.

    Raises:
        psycopg.errors.UniqueViolation: An entity has a row of that moment already.
    """
    if table.entity_key:
        rows = await completed(connection, schema, table, rows)
    given = tuple(column.id for column in table.columns.values() if column.path)
    if len(given) < len(table.columns):
        return [await _insert_returning(connection, schema, table, given, row) for row in rows]
    if len(rows) > 1:
        return await _copy(connection, _copy_statement(schema, table.name, given), table, rows)
    await AsyncRawCursor(connection).execute(
        _insert_statement(schema, table.name, given), _texts(given, rows[0]), prepare=True
    )
    return _shown_all(table, rows)


def is_one_statement(table: Table) -> bool:
    """Whether rows go in by one statement, which is a transaction by itself, however many they are."""
    return not table.entity_key and all(column.path for column in table.columns.values())


async def _copy(connection: Connection, statement: bytes, table: Table, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """In pieces: the server stores one while the next is written down."""
    async with AsyncRawCursor(connection).copy(statement) as copy:
        for start in range(0, len(rows), PIECE):
            piece = rows[start : start + PIECE]
            await copy.write(_block(table, piece) if isinstance(piece, Bulk) else "".join(_lines(table, piece)))
        return _shown_all(table, rows)


def _shown_all(table: Table, rows: Sequence[Row]) -> list[dict[str, Any]]:
    if not isinstance(rows, Bulk):
        columns = list(table.columns.values())
        return [_shown(columns, row, row.values) for row in rows]
    names = (*table.columns, DEVICE, AUTHID)
    values = [shown_column(column, rows.columns[column.id]) for column in table.columns.values()]
    values += [[rows.device_key] * len(rows), [rows.authid] * len(rows)]
    return [dict(zip(names, each, strict=True)) for each in zip(*values, strict=True)]


async def _insert_returning(
    connection: Connection, schema: str, table: Table, given: tuple[str, ...], row: Row
) -> dict[str, Any]:
    made = tuple(column.id for column in table.columns.values() if not column.path)
    statement = _insert_statement(schema, table.name, given, made)
    cursor = await AsyncRawCursor(connection).execute(statement, _texts(given, row), prepare=True)
    answered = await cursor.fetchone() or ()
    return _shown(list(table.columns.values()), row, {**row.values, **dict(zip(made, answered, strict=True))})


def _texts(given: tuple[str, ...], row: Row) -> list[str | None]:
    """Everything as text of no type: the server reads it as the column's own, and one prepared statement does."""
    values = row.values
    return [str(row.device_key), row.authid, *(text_of(values.get(name)) for name in given)]


def _lines(table: Table, rows: Sequence[Row]) -> Iterator[str]:
    """As COPY reads them (PostgreSQL, COPY, "Text Format")."""
    for row in rows:
        values = row.values
        fields = [str(row.device_key), _field(row.authid), *[_field(values.get(name)) for name in table.columns]]
        yield "\t".join(fields) + "\n"


def _block(table: Table, rows: Bulk) -> str:
    """The same by column."""
    begin = f"{rows.device_key}\t{_field(rows.authid)}\t"
    fields = zip(*(_fields(rows.columns[name]) for name in table.columns), strict=True)
    return begin + f"\n{begin}".join(map("\t".join, fields)) + "\n"


def _fields(values: list[Any]) -> Iterable[str]:
    kinds = set(map(type, values))
    if kinds == {str} and not _ESCAPED.search("".join(values)):
        return values
    writes = {_PLAIN.get(kind, _field) for kind in kinds}
    return map(writes.pop() if len(writes) == 1 else _field, values)


def _field(value: Any) -> str:
    text = text_of(value)
    if text is None:
        return r"\N"
    return text.translate(_ESCAPES) if _ESCAPED.search(text) else text


def _shown(columns: list[Column], row: Row, values: dict[str, Any]) -> dict[str, Any]:
    told = {column.id: shown(column, values.get(column.id)) for column in columns}
    told[DEVICE] = row.device_key
    told[AUTHID] = row.authid
    return told


@lru_cache(maxsize=8_192)
def _insert_statement(schema: str, table: str, given: tuple[str, ...], made: tuple[str, ...] = ()) -> bytes:
    names = (DEVICE, AUTHID, *given)
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        name_in(schema, table),
        _joined(names),
        sql.SQL(", ".join(f"${place + 1}" for place in range(len(names)))),
    )
    if made:
        statement += sql.SQL(" RETURNING {}").format(_joined(made))
    return statement.as_bytes()


@lru_cache(maxsize=8_192)
def _copy_statement(schema: str, table: str, given: tuple[str, ...]) -> bytes:
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(name_in(schema, table), _joined((DEVICE, AUTHID, *given)))
    return statement.as_bytes()


def _joined(names: tuple[str, ...]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))
