"""The write-ahead log on its way into a backup: received through a slot, so that the server keeps what is not yet here.

What was received and not yet sealed stays in the spool beside the cluster, where the log lay in clear anyway, and is
sealed by the next run: a run that is killed loses nothing.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import psycopg
from attrs import frozen

from deploy.backup.manifest import HISTORY, WAL
from deploy.backup.sealing import Part, Recipient, seal
from deploy.backup.tools import Tools

SLOT: Final = "ironflock_backup"
SPOOL: Final = "wal-spool"
_WHOLE: Final = re.compile(rf"[0-9A-F]{{24}}|[0-9A-F]{{8}}{re.escape(HISTORY)}")


@frozen
class Moment:
    """A moment of the server: Unix seconds, and the last octet of the segment that was closed then."""

    at: float
    end: str


def is_kept(connection: psycopg.Connection[Any]) -> bool:
    """Whether the server has kept all of its log since the last backup: not where nobody fetched it for too long."""
    found = connection.execute("SELECT wal_status FROM pg_replication_slots WHERE slot_name = %s", [SLOT]).fetchone()
    return found is not None and found[0] != "lost"


def keep_anew(connection: psycopg.Connection[Any], postgres: Path) -> None:
    """Have the server keep its log from now on; what waits in the spool ends before a hole, and goes."""
    # pg_receivewal goes on behind what lies there, which is what the server has not any more.
    for path in (postgres / SPOOL).glob("*"):
        path.unlink()
    query = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s"
    connection.execute(query, [SLOT])
    connection.execute("SELECT pg_create_physical_replication_slot(%s, true)", [SLOT])


def receive(tools: Tools, connection: psycopg.Connection[Any], segment_octets: int, postgres: Path) -> Moment:
    """Fetch the log up to now into the spool, which is there, whole segments only.

    Raises:
        BackupError: The server does not give it.
    """
    moment = close_segment(connection, segment_octets)
    tools.run(
        "pg_receivewal",
        "--slot",
        SLOT,
        "--endpos",
        moment.end,
        "--directory",
        str(postgres / SPOOL),
        "--synchronous",
        "--no-loop",
    )
    return moment


def close_segment(connection: psycopg.Connection[Any], segment_octets: int) -> Moment:
    """Have the server begin a new segment, so that the one with everything acknowledged so far is whole."""
    # The moment first: what is acknowledged after it may be in the log or not.
    query = "SELECT extract(epoch FROM clock_timestamp())::float, pg_switch_wal() - '0/0'::pg_lsn"
    at, position = one(connection, query)
    # A server that wrote nothing since the last switch does not switch, and answers the beginning of a segment.
    end = -(-int(position) // segment_octets) * segment_octets - 1
    return Moment(float(at), f"{end >> 32:X}/{end & 0xFFFFFFFF:X}")


def one(connection: psycopg.Connection[Any], query: str) -> tuple[Any, ...]:
    """The one row of `query`."""
    row = connection.execute(query.encode()).fetchone()
    if row is None:
        raise psycopg.DataError("a query of one row had none")
    return tuple(row)


def spooled(postgres: Path) -> Iterator[Path]:
    """The whole segments that wait in the spool, and histories of timelines before theirs, in order."""
    folder = postgres / SPOOL
    yield from (path for path in sorted(folder.glob("*")) if _WHOLE.fullmatch(path.name))


def seal_spooled(postgres: Path, folder: Path, recipients: Sequence[Recipient], after: str) -> list[Part]:
    """Seal what waits; it stays in the spool until `forget` is told that the manifest stands.

    Args:
        after: The newest segment that is in a backup already: the server sends the last ones once more.
    """
    parts = []
    for path in spooled(postgres):
        if path.name > after:
            with path.open("rb") as source:
                parts.append(seal(source, folder, f"{WAL}{path.name}", recipients))
    return parts


def forget(postgres: Path, last: str) -> None:
    """Take out of the spool what is in a backup now: the segments up to `last`."""
    for path in spooled(postgres):
        if path.name <= last:
            path.unlink()
