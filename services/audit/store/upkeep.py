"""Retention, and how far each forwarder has come."""

from typing import Final

from shared.database import Connection

FORWARDER_LOCK: Final = 0x464F5257  # "FORW": one replica at a time feeds a receiver


async def retention(connection: Connection, project_key: int) -> int | None:
    """For how many days the project's entries are kept; None: for ever."""
    cursor = await connection.execute("SELECT days FROM audit.retention WHERE project = %s", [project_key])
    row = await cursor.fetchone()
    return None if row is None else row[0]


async def retention_set(connection: Connection, project_key: int, days: int | None) -> int | None:
    """Keep them for `days` from now on; the answer is what it was before."""
    cursor = await connection.execute("SELECT audit.set_retention(%s, %s)", [project_key, days])
    row = await cursor.fetchone()
    return None if row is None else row[0]


async def redact(connection: Connection, most: int) -> int:
    """Redact at most `most` entries that are past their project's days, and say how many."""
    cursor = await connection.execute("SELECT audit.redact(%s)", [most])
    row = await cursor.fetchone()
    return 0 if row is None else int(row[0])


async def forwarder_lock_in_txn(connection: Connection, name: str) -> bool:
    """Whether this transaction is the one that forwards as `name`; another replica's may be at it."""
    cursor = await connection.execute("SELECT pg_try_advisory_xact_lock(%s, hashtext(%s))", [FORWARDER_LOCK, name])
    row = await cursor.fetchone()
    return row is not None and bool(row[0])


async def position(connection: Connection, name: str) -> int:
    """The leaf index at which forwarder `name` goes on."""
    cursor = await connection.execute("SELECT position FROM audit.forwarder WHERE name = %s", [name])
    row = await cursor.fetchone()
    return 0 if row is None else int(row[0])


async def forwarded(connection: Connection, name: str, position: int) -> None:
    """Everything before `position` was taken by the receiver of forwarder `name`."""
    await connection.execute("SELECT audit.forwarded(%s, %s)", [name, position])
