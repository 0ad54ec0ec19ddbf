"""How tables are kept in chunks of time: natively, or as hypertables where the cluster has TimescaleDB."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Protocol

from psycopg import sql

from services.fleetdb.records.tables import DEVICE, TIME, Table
from services.fleetdb.store import partitions
from services.fleetdb.store.catalog import has_timescale, name_in
from shared.database import Connection


class Engine(Protocol):
    """What differs between the two."""

    @property
    def has_partitions(self) -> bool:
        """Whether partitions are to be made before rows come."""
        ...

    def made(self, schema: str, table: Table, columns: sql.Composed) -> Sequence[sql.Composed]:
        """The statements that make `table` of `columns`, or see that it is as it is to be; they may run again."""
        ...

    async def drop_before(self, connection: Connection, schema: str, table: Table, moment: datetime) -> int:
        """Drop the chunks that end before `moment`; how many there were."""
        ...


class Native:
    """Partitions by range: see `store.partitions`."""

    has_partitions: Final = True

    def made(self, schema: str, table: Table, columns: sql.Composed) -> Sequence[sql.Composed]:
        """As `Engine` has it."""
        return (
            sql.SQL("CREATE TABLE IF NOT EXISTS {} ({}) PARTITION BY RANGE ({})").format(
                name_in(schema, table.name), columns, sql.Identifier(TIME)
            ),
            partitions.far_statement(schema, table),
        )

    async def drop_before(self, connection: Connection, schema: str, table: Table, moment: datetime) -> int:
        """As `Engine` has it."""
        return await partitions.drop_before(connection, schema, table, moment)


class Timescale:
    """Hypertables: TimescaleDB 2.18 or newer makes and compresses the chunks itself.

    The template of project databases has the extension in a schema `timescale`; `public` is not there.
    """

    has_partitions: Final = False

    def made(self, schema: str, table: Table, columns: sql.Composed) -> Sequence[sql.Composed]:
        """As `Engine` has it."""
        names = {
            "table": name_in(schema, table.name),
            "name": _regclass(schema, table.name),
            "columns": columns,
            "time": sql.Literal(TIME),
            "device": sql.Identifier(DEVICE),
            "chunk": _interval(table.chunk_s),
        }
        statements = [
            "CREATE TABLE IF NOT EXISTS {table} ({columns})",
            "SELECT timescale.create_hypertable({name}, timescale.by_range({time}, {chunk}), if_not_exists => TRUE)",
            "SELECT timescale.set_chunk_time_interval({name}, {chunk})",
        ]
        if table.columnstore_after_s is not None:
            names["after"] = _interval(table.columnstore_after_s)
            statements += [
                "ALTER TABLE {table} SET (timescaledb.enable_columnstore = TRUE, timescaledb.segmentby = 'device_key')",
                "CALL timescale.add_columnstore_policy({name}, after => {after}, if_not_exists => TRUE)",
            ]
        return [sql.SQL(statement).format(**names) for statement in statements]

    async def drop_before(self, connection: Connection, schema: str, table: Table, moment: datetime) -> int:
        """As `Engine` has it."""
        statement = sql.SQL("SELECT count(*) FROM timescale.drop_chunks({}, older_than => %s::timestamptz)")
        cursor = await connection.execute(statement.format(_regclass(schema, table.name)), (moment,))
        row = await cursor.fetchone()
        return int(row[0]) if row else 0


async def engine_of(connection: Connection) -> Engine:
    """The one of the database that `connection` is to."""
    return Timescale() if await has_timescale(connection) else Native()


def _regclass(schema: str, name: str) -> sql.Composed:
    """A table, as functions of TimescaleDB are told it: its quoted name, as text."""
    quoted = ".".join('"' + part.replace('"', '""') + '"' for part in (schema, name))
    return sql.SQL("{}::regclass").format(sql.Literal(quoted))


def _interval(seconds: int) -> sql.Composed:
    return sql.SQL("make_interval(secs => {})").format(sql.Literal(seconds))
