"""The SQL by which tables of a backend come to another cluster: their shape, and their rows in pieces.

Rows are only ever added while one try goes on, with numbers (`_row`) that grow; so the rows up to a number before which
none is still to come are the same whenever they are read. The first time a table is walked by moment and number, as its
index has them; what came meanwhile is found by number, by an index that is made for it. Between two tries sums change
in place, and are carried over again; sealed values may, too, and are looked through again where they have come to.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from psycopg import sql

from services.fleetdb.records.moves import Place, Shape
from services.fleetdb.records.tables import TIME, Table
from services.fleetdb.store import erasing, partitions
from services.fleetdb.store.catalog import COUNTER, ORDER, belongings, name_in, own_name
from services.fleetdb.store.downsampling import PROGRESS
from shared.database import Connection

PIECE: Final = 20_000
"""Rows of one transaction: none takes long, and a stop costs no more."""
CARRIED: Final = "_carried"
"""The table on the target that says how far each table is."""
SEARCHED: Final = "moving"
UNFINISHED: Final = "making"
INDEX_S: Final = 6 * 3_600
"""One statement over one partition, however large, and other transactions are waited for; it is in nobody's way."""
INDEX_LOCK_S: Final = 120
"""Longer than any transaction of a backend may last."""
_BOUNDS: Final = {"statement_timeout": INDEX_S, "transaction_timeout": INDEX_S, "lock_timeout": INDEX_LOCK_S}
_BRIN: Final = "CREATE INDEX CONCURRENTLY {} ON {} USING brin ({}) WITH (pages_per_range = 32)"


async def shapes(connection: Connection, schema: str) -> list[Shape]:
    """The tables that have rows of apps, as they are."""
    cursor = await connection.execute(
        "SELECT c.table_name, c.column_name, c.data_type, c.is_nullable = 'YES', c.identity_generation"
        " FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)"
        " WHERE c.table_schema = %s AND t.table_type = 'BASE TABLE' AND NOT starts_with(c.table_name, '_')"
        " ORDER BY c.table_name, c.ordinal_position",
        [schema],
    )
    columns: dict[str, list[tuple[str, str, bool, str | None]]] = {}
    for name, *column in await cursor.fetchall():
        columns.setdefault(name, []).append((column[0], column[1], column[2], column[3]))
    keys = await _keys(connection, schema)
    return [Shape(name, tuple(each), keys.get(name, {})) for name, each in columns.items()]


async def shape_make(connection: Connection, schema: str, shape: Shape, *, is_summed: bool) -> None:
    """Make the table with its keys and indexes, and nothing where it is there; in a transaction."""
    for statement in _made(schema, shape, is_summed=is_summed):
        await connection.execute(statement)


async def shape_drop(connection: Connection, schema: str, table: str) -> None:
    """Drop the table on the target, and how far it is; in a transaction."""
    await connection.execute(sql.SQL("DROP TABLE {}").format(name_in(schema, table)))
    await connection.execute(sql.SQL("DELETE FROM {} WHERE name = %s").format(name_in(schema, CARRIED)), [table])


async def spans_make(source: Connection, target: Connection, schema: str, table: str) -> None:
    """Give the table the partitions on the target that it has on the source."""
    there = set(await partitions.spans(target, schema, table))
    for span in await partitions.spans(source, schema, table):
        if span not in there:
            async with target.transaction():
                await partitions.span_make(target, schema, table, span)


async def progress_make(connection: Connection, schema: str) -> None:
    """See that there is a table for how far the others are."""
    await connection.execute(
        sql.SQL(
            "CREATE TABLE IF NOT EXISTS {} (name text PRIMARY KEY, upto bigint NOT NULL, moment timestamptz,"
            " row bigint, is_first boolean NOT NULL)"
        ).format(name_in(schema, CARRIED))
    )


async def progress_drop(connection: Connection, schema: str) -> None:
    """It has done its service."""
    await connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(name_in(schema, CARRIED)))


async def progress_find(connection: Connection, schema: str, table: str) -> Place | None:
    """How far the table is; None where nothing of it was carried over."""
    cursor = await connection.execute(
        sql.SQL("SELECT upto, moment::text, row, is_first FROM {} WHERE name = %s").format(name_in(schema, CARRIED)),
        [table],
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    return Place(row[0], None if row[1] is None else (row[1], row[2]), row[3])


async def progress_set(connection: Connection, schema: str, table: str, place: Place) -> None:
    """It is that far."""
    moment, row = place.after or (None, None)
    await connection.execute(
        sql.SQL(
            "INSERT INTO {} (name, upto, moment, row, is_first) VALUES (%s, %s, %s, %s, %s) ON CONFLICT (name)"
            " DO UPDATE SET upto = excluded.upto, moment = excluded.moment, row = excluded.row,"
            " is_first = excluded.is_first"
        ).format(name_in(schema, CARRIED)),
        [table, place.upto, moment, row, place.is_first],
    )


async def search_ensure(connection: Connection, schema: str, table: str) -> None:
    """An index by number on each partition of the table, on the source; outside of a transaction, in nobody's way.

    One that was cut off stays, and serves nobody; which those are only PostgreSQL's own catalog tells, which is closed
    to backends. So each has its name when it is complete. Whoever is cancelled meanwhile ends the statement.
    """
    for setting, seconds in _BOUNDS.items():
        await connection.execute(f"SET {setting} = '{seconds}s'".encode())
    for name in await belongings(connection, schema, table):
        index, unfinished = own_name(table, f"{SEARCHED}_{name}"), own_name(table, f"{UNFINISHED}_{name}")
        if await _is_there(connection, schema, index):
            continue
        await connection.execute(sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(name_in(schema, unfinished)))
        whole = name_in(schema, own_name(table, name))
        await connection.execute(sql.SQL(_BRIN).format(sql.Identifier(unfinished), whole, sql.Identifier(ORDER)))
        await connection.execute(
            sql.SQL("ALTER INDEX {} RENAME TO {}").format(name_in(schema, unfinished), sql.Identifier(index))
        )
    for setting in _BOUNDS:
        await connection.execute(f"RESET {setting}".encode())


async def piece_end(
    connection: Connection, schema: str, table: str, upto: int, after: tuple[str, int] | None
) -> tuple[str, int] | None:
    """The moment and number of the last row of the next piece; None where all that are left fit into one."""
    cursor = await connection.execute(
        sql.SQL(
            "SELECT {time}::text, {order} FROM {table} WHERE {where} ORDER BY {time}, {order} OFFSET %s LIMIT 1"
        ).format(
            time=sql.Identifier(TIME),
            order=sql.Identifier(ORDER),
            table=name_in(schema, table),
            where=_walked(upto, after, None),
        ),
        [PIECE - 1],
    )
    row = await cursor.fetchone()
    return None if row is None else (row[0], row[1])


def walked(schema: str, shape: Shape, upto: int, after: tuple[str, int] | None, end: tuple[str, int] | None) -> Any:
    """What reads a piece of the first walk."""
    return _read(schema, shape, _walked(upto, after, end))


def newer(schema: str, shape: Shape, after: int, upto: int) -> Any:
    """What reads the rows that came later."""
    order = sql.Identifier(ORDER)
    where = sql.SQL("{0} > {1} AND {0} <= {2}").format(order, sql.Literal(after), sql.Literal(upto))
    return _read(schema, shape, where)


async def carry(source: Connection, target: Connection, reading: Any, schema: str, shape: Shape) -> int:
    """Let the rows of `reading` flow from the source to the target, as the database has them; how many there were."""
    names = sql.SQL(", ").join(map(sql.Identifier, shape.names))
    into = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(name_in(schema, shape.name), names)
    with_source, with_target = source.cursor(), target.cursor()
    async with with_source.copy(reading) as rows, with_target.copy(into) as taken:
        async for octets in rows:
            await taken.write(octets)
    return with_target.rowcount


async def tables_lock(connection: Connection, schema: str, names: Sequence[str], within_ms: int) -> None:
    """Nobody adds rows to these tables until the transaction ends; who does so now is waited for, that long."""
    await connection.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(sql.Literal(within_ms)))
    if names:
        locked = sql.SQL(", ").join(sql.SQL("ONLY {}").format(name_in(schema, name)) for name in names)
        await connection.execute(sql.SQL("LOCK TABLE {} IN SHARE MODE").format(locked))


async def tables_close(connection: Connection, schema: str, names: Sequence[str]) -> None:
    """Nobody adds rows to these tables any more, whoever still has a session; undone with the transaction."""
    for name in names:
        await connection.execute(
            sql.SQL("REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON {} FROM CURRENT_USER").format(name_in(schema, name))
        )


async def counted(connection: Connection, schema: str, table: str) -> int:
    """The number of the newest row that any transaction was given for the table."""
    counter = name_in(schema, own_name(table, COUNTER))
    cursor = await connection.execute(sql.SQL("SELECT last_value FROM {} WHERE is_called").format(counter))
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def counters_carry(source: Connection, target: Connection, schema: str, shape: Shape) -> None:
    """What numbers rows, and what counts for apps, goes on where it was."""
    for name, _, _, generated in shape.columns:
        if generated is None:
            continue
        last = await _last_given(source, schema, shape.name, name)
        await target.execute(
            sql.SQL("ALTER TABLE {} ALTER COLUMN {} RESTART WITH {}").format(
                name_in(schema, shape.name), sql.Identifier(name), sql.Literal(last + 1)
            )
        )


async def sums_carry(source: Connection, target: Connection, schema: str) -> None:
    """How far sums are goes along, where there are any."""
    if not await _is_there(source, schema, PROGRESS):
        return
    whole = name_in(schema, PROGRESS)
    await target.execute(
        sql.SQL("CREATE TABLE IF NOT EXISTS {} (name text PRIMARY KEY, upto bigint NOT NULL)").format(whole)
    )
    cursor = await source.execute(sql.SQL("SELECT name, upto FROM {}").format(whole))
    for values in await cursor.fetchall():
        await target.execute(
            sql.SQL("INSERT INTO {} VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET upto = excluded.upto").format(
                whole
            ),
            values,
        )


async def erasures_carry(source: Connection, target: Connection, schema: str) -> None:
    """How many rows of devices were deleted goes along, and how far that is: certificates of it are made of these."""
    if not await _is_there(source, schema, erasing.ERASED):
        return
    await erasing.begin(target, schema)
    names = sql.SQL("request, round, name, tsp, number, rows, is_done")
    whole = name_in(schema, erasing.ERASED)
    await target.execute(sql.SQL("DELETE FROM {}").format(whole))  # of a try that did not come to its end
    cursor = await source.execute(sql.SQL("SELECT {} FROM {}").format(names, whole))
    async with target.cursor() as taken:
        await taken.executemany(
            sql.SQL("INSERT INTO {} ({}) VALUES (%s, %s, %s, %s, %s, %s, %s)").format(whole, names),
            await cursor.fetchall(),
        )


async def _is_there(connection: Connection, schema: str, name: str) -> bool:
    whole = name_in(schema, name).as_string(connection)
    cursor = await connection.execute("SELECT to_regclass(%s) IS NOT NULL", [whole])
    row = await cursor.fetchone()
    return row is not None and bool(row[0])


async def _last_given(connection: Connection, schema: str, table: str, column: str) -> int:
    """The last value that the column's sequence has given; its name comes quoted."""
    whole = name_in(schema, table).as_string(connection)
    cursor = await connection.execute("SELECT pg_get_serial_sequence(%s, %s)", [whole, column])
    row = await cursor.fetchone()
    if row is None or row[0] is None:
        return 0
    cursor = await connection.execute(f"SELECT last_value FROM {row[0]} WHERE is_called".encode())  # noqa: S608
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def _keys(connection: Connection, schema: str) -> dict[str, dict[str, tuple[str, ...]]]:
    cursor = await connection.execute(
        "SELECT t.table_name, t.constraint_name, array_agg(k.column_name::text ORDER BY k.ordinal_position)"
        " FROM information_schema.table_constraints t JOIN information_schema.key_column_usage k"
        " USING (table_schema, table_name, constraint_name) WHERE t.table_schema = %s"
        " AND t.constraint_type = 'UNIQUE' AND NOT starts_with(t.table_name, '_') GROUP BY 1, 2",
        [schema],
    )
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for table, name, columns in await cursor.fetchall():
        found.setdefault(table, {})[name] = tuple(columns)
    return found


def _made(schema: str, shape: Shape, *, is_summed: bool) -> Iterator[sql.Composed]:
    whole = name_in(schema, shape.name)
    columns = sql.SQL(", ").join(_column(schema, shape.name, each) for each in shape.columns)
    keys = [
        sql.SQL(", CONSTRAINT {} UNIQUE NULLS NOT DISTINCT ({})").format(
            sql.Identifier(name), sql.SQL(", ").join(map(sql.Identifier, of))
        )
        for name, of in shape.keys.items()
    ]
    yield sql.SQL("CREATE TABLE IF NOT EXISTS {} ({}{}) PARTITION BY RANGE ({})").format(
        whole, columns, sql.SQL("").join(keys), sql.Identifier(TIME)
    )
    yield partitions.far_statement(schema, Table(shape.name, {}))
    yield sql.SQL("CREATE INDEX IF NOT EXISTS {} ON {} ({}, {})").format(
        sql.Identifier(own_name(shape.name, "tsp")), whole, sql.Identifier(TIME), sql.Identifier(ORDER)
    )
    if is_summed:
        yield sql.SQL("CREATE INDEX IF NOT EXISTS {} ON {} USING brin ({}) WITH (autosummarize = on)").format(
            sql.Identifier(own_name(shape.name, "row")), whole, sql.Identifier(ORDER)
        )


def _column(schema: str, table: str, column: tuple[str, str, bool, str | None]) -> sql.Composed:
    name, kind, is_nullable, generated = column
    parts: list[sql.Composable] = [sql.Identifier(name), sql.SQL(kind)]
    if name == ORDER:
        counter = name_in(schema, own_name(table, COUNTER))
        parts.append(sql.SQL("GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME {})").format(counter))
    elif generated is not None:
        parts.append(sql.SQL("GENERATED BY DEFAULT AS IDENTITY"))
    elif not is_nullable:
        parts.append(sql.SQL("NOT NULL"))
    return sql.SQL(" ").join(parts)


def _walked(upto: int, after: tuple[str, int] | None, end: tuple[str, int] | None) -> sql.Composed:
    time, order = sql.Identifier(TIME), sql.Identifier(ORDER)
    parts = [sql.SQL("{} <= {}").format(order, sql.Literal(upto))]
    for bound, sign in ((after, sql.SQL(">")), (end, sql.SQL("<="))):
        if bound is not None:
            moment = sql.SQL("{}::timestamptz").format(sql.Literal(bound[0]))
            parts.append(sql.SQL("({}, {}) {} ({}, {})").format(time, order, sign, moment, sql.Literal(bound[1])))
    return sql.SQL(" AND ").join(parts)


def _read(schema: str, shape: Shape, where: sql.Composed) -> sql.Composed:
    return sql.SQL("COPY (SELECT {} FROM {} WHERE {}) TO STDOUT (FORMAT binary)").format(
        sql.SQL(", ").join(map(sql.Identifier, shape.names)), name_in(schema, shape.name), where
    )
