"""Rows of a table summed up by buckets of time: wire-sdk.md section 6, "Series query"."""

import math
from contextlib import aclosing
from datetime import timedelta
from typing import Any, Final

from psycopg import sql

from services.fleetdb.records.tables import TIME, Column, Table
from services.fleetdb.rules.projections import Show, answered, number
from services.fleetdb.rules.series import MAX_ROWS, Grouping, Measured, Series, too_many
from services.fleetdb.store.conditions import Parameters, Rendered, all_of, inner_number, inner_text, named, rendered
from services.fleetdb.store.history import BATCH, MAX_ROW_OCTETS, MAX_VIEW_OCTETS, Statement, too_large
from services.fleetdb.store.loading import reading_cursor
from shared.database import Connection

_BUCKET: Final = "date_bin({width}, {time}, {start})"
_AGGREGATES: Final = {name: sql.SQL(name) for name in ("AVG", "SUM", "COUNT", "MIN", "MAX")}
_PICKS: Final = {"FIRST": sql.SQL("ASC"), "LAST": sql.SQL("DESC")}


async def series(connection: Connection, schema: str, table: Table, asked: Series) -> list[dict[str, Any]]:
    """One row for each bucket and group that has any, in order of time.

    Raises:
        Refusal: There are more than 50,000.
    """
    statement = statement_of(schema, table, asked)
    rows = await _measured(connection, table, statement) if _has_text(asked) else await _all(connection, statement)
    if len(rows) > MAX_ROWS:
        raise too_many(table)
    values = _values(asked)
    names = [TIME, *(each.name for each in values)]
    shows: list[tuple[str, Show]] = [(TIME, math.floor)]
    shows += [(each.name, number) for each in values if _is_number(each)]
    return [answered(names, row, shows) for row in rows]


def _has_text(asked: Series) -> bool:
    """Whether some of its values may be of any length."""
    return any(map(_may_be_long, _values(asked)))


async def _all(connection: Connection, statement: Statement) -> list[Any]:
    cursor = reading_cursor(connection)
    async with cursor:
        await cursor.execute(statement.text, statement.parameters)
        found: list[Any] = await cursor.fetchall()
    return found


async def _measured(connection: Connection, table: Table, statement: Statement) -> list[Any]:
    """Rows behind their size, few at a time: they are of the client's making, and may be many and large."""
    rows, octets = list[Any](), 0
    cursor = reading_cursor(connection)
    async with cursor, aclosing(cursor.stream(statement.text, statement.parameters, binary=True, size=BATCH)) as found:
        async for size, *row in found:
            octets += size
            if size > MAX_ROW_OCTETS or octets > MAX_VIEW_OCTETS:
                raise too_large(table, len(rows) + 1, octets)
            rows.append(row)
    return rows


async def now_us(connection: Connection) -> int:
    """What time it is in the database, in microseconds of Unix time."""
    cursor = await connection.execute("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
    found = await cursor.fetchone()
    return int(found[0]) if found else 0


def statement_of(schema: str, table: Table, asked: Series) -> Statement:
    """What reads them: values by position, since their names are the client's; behind the size of a row that has text.

    Of a row that is too large there is nothing but the size.
    """
    parameters = Parameters()
    parts = _Parts(schema, table, asked, parameters)
    columns: list[Rendered] = [sql.SQL("{}").format(named(f"k{at}")) for at in range(len(asked.groups) + 1)]
    columns += parts.values()
    size = _size([column for column, each in zip(columns[1:], _values(asked), strict=True) if _may_be_long(each)])
    picked = [method for method in _PICKS if any(each.method == method for each in asked.measured)]
    froms: list[Rendered] = [sql.SQL("({}) AS summed").format(parts.summed())]
    froms += [sql.SQL("({}) AS {}").format(parts.picked(method), named(method)) for method in picked]
    joined = sql.SQL(" JOIN ").join([froms[0], *(sql.SQL("{} USING (place)").format(each) for each in froms[1:])])
    if size is not None:
        joined = sql.SQL("(SELECT *, {} AS size FROM {}) AS sized").format(size, joined)
        most = sql.Literal(MAX_ROW_OCTETS)
        columns = [sql.SQL("CASE WHEN size <= {} THEN {} END").format(most, column) for column in columns]
        columns.insert(0, sql.SQL("size"))
    whole = sql.SQL("SELECT {} FROM {} ORDER BY place LIMIT {}").format(
        sql.SQL(", ").join(columns), joined, parameters.bind(MAX_ROWS + 1, "bigint")
    )
    return Statement(whole, parameters.values)


class _Parts:
    """The parts of one statement. All have the same rows, each numbered in the order of bucket and groups."""

    def __init__(self, schema: str, table: Table, asked: Series, parameters: Parameters) -> None:
        self._source = named(schema, table.name)
        self._asked = asked
        self._parameters = parameters
        time = named(TIME)
        start = parameters.bind_moment(asked.start_us)
        within = sql.SQL("{time} >= {start} AND {time} < {end}").format(
            time=time, start=start, end=parameters.bind_moment(asked.end_us)
        )
        self._where = all_of([within, *(rendered(each, parameters) for each in asked.conditions)])
        width = parameters.bind(timedelta(microseconds=asked.width_us), "interval")
        bucket = sql.SQL(_BUCKET).format(width=width, time=time, start=start)
        self._keys = [bucket, *(_value(each, parameters) for each in asked.groups)]

    def summed(self) -> Rendered:
        """What is aggregated over all rows of a bucket."""
        found = [each for each in self._asked.measured if each.method not in _PICKS]
        values = [_named(self._aggregate(each), "v", at) for at, each in enumerate(found)]
        places = self._positions()
        keys = [_named(key, "k", at) for at, key in enumerate(self._keys)]
        ordered = sql.SQL(", ").join([named(f"k{at}") for at in range(len(self._keys))])
        grouped = sql.SQL("SELECT {} FROM {} WHERE {} GROUP BY {}").format(
            sql.SQL(", ").join([*keys, *values]), self._source, self._where, places
        )
        return sql.SQL("SELECT *, row_number() OVER (ORDER BY {}) AS place FROM ({}) AS grouped").format(
            ordered, grouped
        )

    def picked(self, method: str) -> Rendered:
        """The values of the earliest row of each bucket, or of the latest."""
        found = [each for each in self._asked.measured if each.method == method]
        keys = [_named(key, "q", at) for at, key in enumerate(self._keys)]
        values = [_named(_value(each, self._parameters), method, at) for at, each in enumerate(found)]
        distinct = sql.SQL(", ").join([named(f"q{at}") for at in range(len(self._keys))])
        order = sql.SQL("{places}, {time} {way}, _row {way}").format(
            places=self._positions(), time=named(TIME), way=_PICKS[method]
        )
        chosen = sql.SQL("SELECT DISTINCT ON ({}) {} FROM {} WHERE {} ORDER BY {}").format(
            self._positions(), sql.SQL(", ").join([*keys, *values]), self._source, self._where, order
        )
        names = sql.SQL(", ").join([named(f"{method}{at}") for at in range(len(found))])
        return sql.SQL("SELECT {}, row_number() OVER (ORDER BY {}) AS place FROM ({}) AS chosen").format(
            names, distinct, chosen
        )

    def values(self) -> list[Rendered]:
        """Where the values are, in the order in which they were asked for."""
        counts: dict[str, int] = {}
        found: list[Rendered] = []
        for each in self._asked.measured:
            prefix = each.method if each.method in _PICKS else "v"
            at = counts.get(prefix, 0)
            counts[prefix] = at + 1
            found.append(sql.SQL("{}").format(named(f"{prefix}{at}")))
        return found

    def _aggregate(self, each: Measured) -> Rendered:
        value = _value(each, self._parameters)
        if each.is_number:
            value = inner_number(value)
        elif each.column.data_type == "string" and each.method in ("MIN", "MAX"):
            value = sql.SQL('{} COLLATE "C"').format(value)
        return sql.SQL("{}({})").format(_AGGREGATES[each.method], value)

    def _positions(self) -> Rendered:
        return sql.SQL(", ").join([sql.SQL("{}").format(sql.Literal(at + 1)) for at in range(len(self._keys))])


def _value(each: Measured | Grouping, parameters: Parameters) -> Rendered:
    if each.path:
        return inner_text(each.column, each.path, parameters)
    return sql.SQL("{}::jsonb" if _is_json(each.column) else "{}").format(named(each.column.id))


def _is_json(column: Column) -> bool:
    return column.data_type == "json"


def _named(value: Rendered, prefix: str, at: int) -> Rendered:
    return sql.SQL("{} AS {}").format(value, named(f"{prefix}{at}"))


def _values(asked: Series) -> list[Measured | Grouping]:
    """What a row has behind its bucket."""
    return [*asked.groups, *asked.measured]


def _may_be_long(each: Measured | Grouping) -> bool:
    if isinstance(each, Measured) and (each.is_number or each.method in ("AVG", "SUM", "COUNT")):
        return False
    return bool(each.path) or each.column.data_type in ("string", "json")


def _size(columns: list[Rendered]) -> Rendered | None:
    """The octets of these together; None where there are none."""
    sizes = [sql.SQL("coalesce(octet_length({}::text), 0)::bigint").format(column) for column in columns]
    return sql.SQL(" + ").join(sizes) if sizes else None


def _is_number(each: Measured | Grouping) -> bool:
    """Whether its values come as numbers of the database; what is at a path is text unless it is summed up."""
    if isinstance(each, Measured) and each.method in ("AVG", "SUM"):
        return True
    if each.path:
        return isinstance(each, Measured) and each.is_number
    return each.column.data_type == "numeric"
