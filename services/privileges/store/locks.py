"""Locks."""

from datetime import datetime
from typing import Final

from services.privileges.rows import LockRow
from services.privileges.store.rows_of import many, one
from shared.database import Connection
from shared.rights.records import LockKind

_LOCK: Final = "lock_key, kind, key, ends_at, reason, is_operators, created_by, created_at"


async def lock_insert(connection: Connection, row: LockRow) -> LockRow | None:
    """A new lock, with a key of its own; None where one stands there already. One that ended by itself gives way."""
    return await one(
        connection,
        LockRow,
        "INSERT INTO privileges.lock (kind, key, ends_at, reason, is_operators, created_by, created_at)"
        " VALUES (%(kind)s, %(key)s, %(ends_at)s, %(reason)s, %(is_operators)s, %(created_by)s, %(created_at)s)"
        " ON CONFLICT (kind, key) DO UPDATE SET lock_key = DEFAULT, ends_at = excluded.ends_at,"
        " reason = excluded.reason,"
        " is_operators = excluded.is_operators, created_by = excluded.created_by, created_at = excluded.created_at"
        f" WHERE lock.ends_at <= %(created_at)s RETURNING {_LOCK}",
        {
            "kind": row.kind, "key": row.key, "ends_at": row.ends_at, "reason": row.reason,
            "is_operators": row.is_operators, "created_by": row.created_by, "created_at": row.created_at,
        },
    )  # fmt: skip


async def lock_find(connection: Connection, lock_key: int, now: datetime) -> LockRow | None:
    """The lock of that key, while it is in force."""
    query = f"SELECT {_LOCK} FROM privileges.lock WHERE lock_key = %s AND (ends_at IS NULL OR ends_at > %s)"
    return await one(connection, LockRow, query, [lock_key, now])


async def lock_list(connection: Connection, now: datetime) -> list[LockRow]:
    """Every lock that is in force."""
    query = f"SELECT {_LOCK} FROM privileges.lock WHERE ends_at IS NULL OR ends_at > %s ORDER BY lock_key"
    return await many(connection, LockRow, query, [now])


async def lock_delete(connection: Connection, lock_key: int) -> LockRow | None:
    """The lock is no more; what it was."""
    query = f"DELETE FROM privileges.lock WHERE lock_key = %s RETURNING {_LOCK}"
    return await one(connection, LockRow, query, [lock_key])


async def lock_delete_on(connection: Connection, kind: LockKind, keys: list[str]) -> list[LockRow]:
    """No lock is on any of those any more; what there was."""
    query = f"DELETE FROM privileges.lock WHERE kind = %s AND key = ANY (%s) RETURNING {_LOCK}"
    return await many(connection, LockRow, query, [kind, keys])


async def lock_list_on(connection: Connection, named: list[tuple[LockKind, str]], now: datetime) -> list[LockRow]:
    """The locks that are in force on any of those."""
    query = (
        f"SELECT {_LOCK} FROM privileges.lock WHERE (ends_at IS NULL OR ends_at > %s)"
        " AND (kind, key) IN (SELECT * FROM unnest(%s::text[], %s::text[]))"
    )
    return await many(connection, LockRow, query, [now, [kind.value for kind, _ in named], [key for _, key in named]])


async def lock_sweep(connection: Connection, ended_before: datetime) -> None:
    """Forget locks that ended by themselves before; the history keeps them."""
    await connection.execute("DELETE FROM privileges.lock WHERE ends_at < %s", [ended_before])
