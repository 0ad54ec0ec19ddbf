"""Rows of any query as records."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import attrs
import msgspec
from psycopg.rows import dict_row

from shared.database import Connection

Parameters = Sequence[Any] | Mapping[str, Any]
Row = TypeVar("Row", bound=attrs.AttrsInstance)


async def many(connection: Connection, record: type[Row], query: str, parameters: Parameters) -> list[Row]:
    """Every row that `query` comes to, as a `record`: a column for each field, words as members of enumerations."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query.encode(), parameters)
        return [msgspec.convert(row, record) for row in await cursor.fetchall()]


async def one(connection: Connection, record: type[Row], query: str, parameters: Parameters) -> Row | None:
    """The one row that `query` comes to, if any. As `many`."""
    return next(iter(await many(connection, record, query, parameters)), None)


async def value(connection: Connection, query: str, parameters: Parameters = ()) -> Any:
    """The one value that `query` comes to; None where there is no row."""
    cursor = await connection.execute(query.encode(), parameters)
    row = await cursor.fetchone()
    return None if row is None else row[0]


async def values(connection: Connection, query: str, parameters: Parameters = ()) -> list[Any]:
    """The first column of every row that `query` comes to."""
    cursor = await connection.execute(query.encode(), parameters)
    return [row[0] for row in await cursor.fetchall()]
