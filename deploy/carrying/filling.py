"""The tables of a data backend, made in one that is new: devices have their new keys there, secrets the new seal.

Nobody works in it yet, since nothing is installed there. It is one transaction, and may be done again.
"""

import collections
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import IO, Any, Final

import msgspec
import psycopg
from attrs import frozen
from psycopg import sql

from deploy.backup.errors import UntrustedError
from deploy.carrying.lines import CLEAR, END, MAX_LINE_OCTETS, Rows, secret_in
from deploy.carrying.sealed_values import place_of_secret, sealed
from deploy.carrying.structure import LEFT_OUT, Table, finished, made
from shared.sealed_texts import text_of
from shared.secrets import Sealer

DEVICE: Final = "device_key"
_TABLES: Final = (
    "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
    " AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s)"
)


@frozen
class Target:
    """The new backend: where it is, what it is called, as whom it is worked with, on which database server."""

    backend_key: int
    database: str
    schema: str
    owner: str
    server: str


class Devices:
    """The new keys of devices; one that was gone when the rows were taken out gets a key that nobody else has."""

    def __init__(self, known: Mapping[int, int], add: Callable[[int], int]) -> None:
        """`add` makes the new key of one that is not among the `known`."""
        self._known = dict(known)
        self._add = add

    def new(self, old: int) -> int:
        """The new key."""
        if old not in self._known:
            self._known[old] = self._add(old)
        return self._known[old]


def fill_backend(
    connection: psycopg.Connection[Any], content: IO[bytes], target: Target, devices: Devices, sealer: Sealer
) -> None:
    """Put all tables of `content` into `target`, in whose database `connection` is.

    Raises:
        UntrustedError: They are not of the form that this release writes.
    """
    with connection.transaction():
        for (name,) in connection.execute(_TABLES, [target.schema]).fetchall():
            connection.execute(sql.SQL("DROP TABLE {} CASCADE").format(sql.Identifier(target.schema, name)))
        # As whom the tables are to be: it may not do more there than they who work with them.
        connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(target.owner)))
        for name in ("statement_timeout", "transaction_timeout", "idle_in_transaction_session_timeout"):
            connection.execute(f"SET LOCAL {name} = 0".encode())
        while line := content.readline(MAX_LINE_OCTETS):
            table = _table_in(line)
            if table.name in LEFT_OUT:  # releases before took it along
                collections.deque(_rows_in(content), maxlen=0)
            else:
                _fill_table(connection, content, target, table, (devices, sealer))


def _fill_table(
    connection: psycopg.Connection[Any],
    content: IO[bytes],
    target: Target,
    table: Table,
    changed: tuple[Devices, Sealer],
) -> None:
    devices, sealer = changed
    for statement in made(target.schema, table):
        connection.execute(statement)
    names = tuple(column.name for column in table.columns)
    secret = partial(_sealed, sealer, target.backend_key, table.name)
    rows = Rows(names, CLEAR, secret, table.place_of(DEVICE), devices.new)
    query = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(target.schema, table.name), sql.SQL(", ").join(map(sql.Identifier, names))
    )
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        for line in rows.changed(_rows_in(content)):
            copy.write(line)
    for statement in finished(target.schema, table):
        connection.execute(statement)


def _table_in(line: bytes) -> Table:
    try:
        return msgspec.json.decode(line, type=Table, strict=True)
    except msgspec.MsgspecError as error:
        raise UntrustedError("a table is not told as this release tells them") from error


def _rows_in(content: IO[bytes]) -> Iterator[bytes]:
    while (line := content.readline(MAX_LINE_OCTETS)) != END:
        if not line.endswith(b"\n"):
            raise UntrustedError("the rows of a table end too early")
        yield line


def _sealed(sealer: Sealer, backend_key: int, table: str, column: str, field: bytes) -> bytes:
    octets = sealed(sealer, secret_in(field), place_of_secret(backend_key, table, column))
    return text_of(octets).encode()
