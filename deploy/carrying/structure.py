"""What a table of a data backend is, as far as fleetdb makes any: told in values, and made out of them.

What is carried comes from elsewhere, and is made by the superuser's connection: no statement of it is ever executed,
names are quoted, types are those of a list.
"""

import re
from collections.abc import Iterator
from typing import Any, Final, LiteralString

import psycopg
from attrs import frozen
from psycopg import sql

from deploy.backup.errors import UntrustedError

TYPES: Final[dict[str, LiteralString]] = {
    "numeric": "numeric",
    "bigint": "bigint",
    "timestamp with time zone": "timestamptz",
    "text": "text",
    "boolean": "boolean",
    "jsonb": "jsonb",
}
"""Source: services/fleetdb/store/catalog.py."""
IDENTITIES: Final[dict[str, LiteralString]] = {"a": "ALWAYS", "d": "BY DEFAULT"}
METHODS: Final[dict[str, LiteralString]] = {"btree": "btree", "brin": "brin"}
LEFT_OUT: Final = frozenset({"_carried", "_erased"})
"""What fleetdb has noted of its own work: of moves, and of requests to delete, which nobody there knows of.
Source: services/fleetdb/store/carrying.py, erasing.py."""
_BOUNDS: Final = re.compile(r"FOR VALUES FROM \('([0-9 :.+-]+)'\) TO \('([0-9 :.+-]+)'\)")
_TABLES: Final = (
    "SELECT c.oid, c.relname, c.relkind = 'p' FROM pg_class c"
    " WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s) AND c.relkind IN ('r', 'p')"
    " AND NOT c.relispartition ORDER BY c.relname"
)
_COLUMNS: Final = (
    "SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity::text, s.relname"
    " FROM pg_attribute a LEFT JOIN pg_depend d ON a.attidentity <> '' AND d.refobjid = a.attrelid"
    " AND d.refobjsubid = a.attnum AND d.deptype = 'i' AND d.classid = 'pg_class'::regclass"
    " LEFT JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'"
    " WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
)
_PARTITIONED_BY: Final = (
    "SELECT a.attname FROM pg_partitioned_table p JOIN pg_attribute a ON a.attrelid = p.partrelid"
    " AND a.attnum = ANY (p.partattrs) WHERE p.partrelid = %s"
)
_PARTITIONS: Final = (
    "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
    " WHERE i.inhparent = %s ORDER BY c.relname"
)
_INDEXES: Final = (
    "SELECT c.relname, m.amname, i.indisprimary, EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid),"
    " i.indnullsnotdistinct, ARRAY (SELECT a.attname FROM unnest(i.indkey::int2[]) WITH ORDINALITY u (n, place)"
    " JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.n ORDER BY u.place)::text[]"
    " FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam"
    " WHERE i.indrelid = %s ORDER BY c.relname"
)


@frozen
class Column:
    """A column; `sequence` counts it, where it counts by itself, and goes on with `next_value`."""

    name: str
    data_type: str
    is_required: bool
    identity: str
    sequence: str | None
    next_value: int


@frozen
class Partition:
    """A partition by range, or, without bounds, the one of what no other takes."""

    name: str
    start: str | None
    end: str | None


@frozen
class Index:
    """An index; some are there for a constraint."""

    name: str
    method: str
    columns: tuple[str, ...]
    is_primary: bool
    is_constraint: bool
    nulls_not_distinct: bool


@frozen
class Table:
    """A table; `partitioned_by` has no column where it has no partitions."""

    name: str
    columns: tuple[Column, ...]
    partitioned_by: tuple[str, ...]
    partitions: tuple[Partition, ...]
    indexes: tuple[Index, ...]

    def place_of(self, column: str) -> int | None:
        """Which one it is, of `columns`; None where there is none of that name."""
        return next((place for place, each in enumerate(self.columns) if each.name == column), None)


def tables_of(connection: psycopg.Connection[Any], schema: str) -> list[Table]:
    """What is carried of a schema, as of the moment of the connection's transaction."""
    found = connection.execute(_TABLES, [schema]).fetchall()
    return [_table(connection, schema, *row) for row in found if row[1] not in LEFT_OUT]


def _table(connection: psycopg.Connection[Any], schema: str, oid: int, name: str, is_partitioned: bool) -> Table:  # noqa: FBT001 - a row
    columns = [
        Column(column, data_type, is_required, identity, sequence, _next_value(connection, schema, sequence))
        for column, data_type, is_required, identity, sequence in connection.execute(_COLUMNS, [oid]).fetchall()
    ]
    by = [row[0] for row in connection.execute(_PARTITIONED_BY, [oid]).fetchall()]
    found = connection.execute(_PARTITIONS, [oid]).fetchall() if is_partitioned else []
    partitions = [Partition(each, *bounds_in(text)) for each, text in found]
    indexes = [
        Index(index, method, tuple(names), is_primary, is_constraint, nulls_not_distinct)
        for index, method, is_primary, is_constraint, nulls_not_distinct, names in connection.execute(
            _INDEXES, [oid]
        ).fetchall()
    ]
    return Table(name, tuple(columns), tuple(by), tuple(partitions), tuple(indexes))


def _next_value(connection: psycopg.Connection[Any], schema: str, sequence: str | None) -> int:
    if sequence is None:
        return 1
    query = sql.SQL("SELECT last_value + is_called::int FROM {}").format(sql.Identifier(schema, sequence))
    row = connection.execute(query).fetchone()
    return 1 if row is None else int(row[0])


def bounds_in(text: str) -> tuple[str | None, str | None]:
    """The bounds that PostgreSQL tells of a partition.

    Raises:
        UntrustedError: They are of another kind than fleetdb makes.
    """
    if text == "DEFAULT":
        return None, None
    found = _BOUNDS.fullmatch(text)
    if found is None:
        raise UntrustedError("a table has partitions of another kind than this release knows")
    return found[1], found[2]


def made(schema: str, table: Table) -> Iterator[sql.Composed]:
    """The statements that make the table, ready for rows.

    Raises:
        UntrustedError: It is of something that this release does not know.
    """
    whole = sql.Identifier(schema, table.name)
    columns = sql.SQL(", ").join(_column(schema, each) for each in table.columns)
    if not table.partitioned_by:
        yield sql.SQL("CREATE TABLE {} ({})").format(whole, columns)
        return
    by = _listed(table.partitioned_by)
    yield sql.SQL("CREATE TABLE {} ({}) PARTITION BY RANGE ({})").format(whole, columns, by)
    for each in table.partitions:
        of = sql.SQL("CREATE TABLE {} PARTITION OF {}").format(sql.Identifier(schema, each.name), whole)
        if each.start is None:
            yield sql.SQL("{} DEFAULT").format(of)
        else:
            bounds = sql.Literal(each.start), sql.Literal(each.end)
            yield sql.SQL("{} FOR VALUES FROM ({}) TO ({})").format(of, *bounds)


def finished(schema: str, table: Table) -> Iterator[sql.Composed]:
    """The statements after the rows: constraints, indexes, from where to count on. Errors as `made`."""
    whole = sql.Identifier(schema, table.name)
    for each in table.indexes:
        name, columns = sql.Identifier(each.name), _listed(each.columns)
        method = sql.SQL(_known(METHODS, each.method))
        nulls = sql.SQL("NULLS NOT DISTINCT " if each.nulls_not_distinct else "")
        if each.is_primary:
            yield sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} PRIMARY KEY ({})").format(whole, name, columns)
        elif each.is_constraint:
            query = sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} UNIQUE {}({})")
            yield query.format(whole, name, nulls, columns)
        else:
            options = sql.SQL(" WITH (autosummarize = on)" if each.method == "brin" else "")
            yield sql.SQL("CREATE INDEX {} ON {} USING {} ({}){}").format(name, whole, method, columns, options)
    for column in table.columns:
        if column.sequence is not None:
            query = sql.SQL("ALTER TABLE {} ALTER COLUMN {} RESTART WITH {}")
            yield query.format(whole, sql.Identifier(column.name), sql.Literal(column.next_value))


def _column(schema: str, column: Column) -> sql.Composed:
    parts: list[sql.Composable] = [sql.Identifier(column.name), sql.SQL(_known(TYPES, column.data_type))]
    if column.is_required:
        parts.append(sql.SQL("NOT NULL"))
    if column.sequence is not None:
        kind = sql.SQL(_known(IDENTITIES, column.identity))
        sequence = sql.Identifier(schema, column.sequence)
        parts.append(sql.SQL("GENERATED {} AS IDENTITY (SEQUENCE NAME {})").format(kind, sequence))
    return sql.SQL(" ").join(parts)


def _listed(names: tuple[str, ...]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _known(words: dict[str, LiteralString], word: str) -> LiteralString:
    if word not in words:
        raise UntrustedError(f"a table has {word[:40]!r}, which this release does not know")
    return words[word]
