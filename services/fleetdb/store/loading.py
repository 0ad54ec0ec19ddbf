"""How the driver reads what tables hold: moments as the wire has them, whatever the session's time zone is."""

from typing import Any, Final

from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format
from typing_extensions import override

from shared.database import Connection, read_json

_FROM_1970_TO_2000_US: Final = 946_684_800_000_000


class MillisecondsLoader(Loader):
    """`timestamptz` in binary, microseconds since 2000 (PostgreSQL, `timestamp.c`), as milliseconds of Unix time.

    A `datetime` of the driver has the session's time zone, in which the first and the last hours that rows may have
    do not exist; and it takes longer.
    """

    format = Format.BINARY

    @override
    def load(self, data: Buffer) -> int | float:
        """An integer where the moment is of whole milliseconds."""
        microseconds = int.from_bytes(data, "big", signed=True) + _FROM_1970_TO_2000_US
        return microseconds / 1_000 if microseconds % 1_000 else microseconds // 1_000


class DocumentLoader(Loader):
    """`jsonb` in binary: a text behind its version."""

    format = Format.BINARY

    @override
    def load(self, data: Buffer) -> Any:
        """Whatever it is."""
        return read_json(bytes(data)[1:])


def reading_cursor(connection: Connection) -> Any:
    """A cursor for rows that go out."""
    cursor = connection.cursor()
    cursor.format = Format.BINARY
    cursor.adapters.register_loader("timestamptz", MillisecondsLoader)
    cursor.adapters.register_loader("jsonb", DocumentLoader)
    return cursor
