"""The SQL of what devices must know of projects."""

from typing import Final

from shared.database import Connection

ERASED: Final = "erased"  # in place of an erased owner's name


async def project_upsert(
    connection: Connection, *, project_key: int, name: str, owner_account_key: int, owner_name: str
) -> None:
    """Keep what devices must know of a project."""
    await connection.execute(
        "INSERT INTO devices.project (project_key, name, owner_account_key, owner_name) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (project_key) DO UPDATE SET name = excluded.name,"
        " owner_account_key = excluded.owner_account_key, owner_name = excluded.owner_name",
        [project_key, name, owner_account_key, owner_name],
    )


async def owner_list(connection: Connection, *, after: int, limit: int) -> list[int]:
    """At most `limit` accounts with keys above `after` whose names are kept here as owners of projects."""
    cursor = await connection.execute(
        "SELECT DISTINCT owner_account_key FROM devices.project"
        " WHERE owner_account_key > %s AND owner_name <> %s ORDER BY owner_account_key LIMIT %s",
        [after, ERASED, limit],
    )
    return [int(row[0]) for row in await cursor.fetchall()]


async def owner_forget(connection: Connection, account_key: int) -> int:
    """Replace the name of an erased owner; returns in how many projects it stood."""
    cursor = await connection.execute(
        "UPDATE devices.project SET owner_name = %s WHERE owner_account_key = %s AND owner_name <> %s",
        [ERASED, account_key, ERASED],
    )
    return cursor.rowcount
