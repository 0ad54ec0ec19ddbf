"""The SQL of groups of devices."""

from typing import Any, Final

from psycopg.rows import class_row

from services.devices.records.devices import Group, Reach
from shared.database import Connection

_SELECT: Final = (
    "SELECT g.group_key, g.project_key, p.name AS project_name, g.name, g.description, g.created_at"
    " FROM devices.device_group g JOIN devices.project p USING (project_key)"
)
_WITHIN: Final = (
    "g.project_key = ANY (%(every)s) AND (g.project_key = ANY (%(whole)s)"
    " OR (g.project_key, g.group_key) IN (SELECT * FROM unnest(%(single_projects)s::bigint[], %(singles)s::bigint[])))"
)


async def group_insert(
    connection: Connection, *, project_key: int, name: str, name_canonical: str, description: str
) -> int:
    """A new group; returns its key.

    Raises:
        psycopg.errors.UniqueViolation: The project has one of that name.
    """
    cursor = await connection.execute(
        "INSERT INTO devices.device_group (project_key, name, name_canonical, description)"
        " VALUES (%s, %s, %s, %s) RETURNING group_key",
        [project_key, name, name_canonical, description],
    )
    row = await cursor.fetchone()
    if row is None:
        raise LookupError("an insert returned no row")
    return int(row[0])


async def group_find(connection: Connection, group_key: int) -> Group | None:
    """The group of that key."""
    return await _one(connection, f"{_SELECT} WHERE g.group_key = %s", [group_key])


async def group_lock_in_txn(connection: Connection, group_key: int) -> Group | None:
    """The group of that key, its row locked until the transaction ends."""
    return await _one(connection, f"{_SELECT} WHERE g.group_key = %s FOR UPDATE OF g", [group_key])


async def group_find_by_name(connection: Connection, reach: Reach, name_canonical: str) -> list[Group]:
    """The groups of that name within `reach`, at most two."""
    query = f"{_SELECT} WHERE g.name_canonical = %(name)s AND {_WITHIN} ORDER BY g.group_key LIMIT 2"
    return await _many(connection, query, {**_parameters(reach), "name": name_canonical})


async def group_list(connection: Connection, reach: Reach, *, after: int, limit: int) -> list[Group]:
    """At most `limit` groups within `reach` with keys above `after`, in the order of keys."""
    query = f"{_SELECT} WHERE {_WITHIN} AND g.group_key > %(after)s ORDER BY g.group_key LIMIT %(limit)s"
    return await _many(connection, query, {**_parameters(reach), "after": after, "limit": limit})


async def group_rename(connection: Connection, group_key: int, *, name: str, name_canonical: str) -> None:
    """Give the group another name.

    Raises:
        psycopg.errors.UniqueViolation: The project has another group of that name.
    """
    await connection.execute(
        "UPDATE devices.device_group SET name = %s, name_canonical = %s WHERE group_key = %s",
        [name, name_canonical, group_key],
    )


async def group_delete(connection: Connection, group_key: int) -> None:
    """Remove the group; its devices stay, outside of it."""
    await connection.execute("DELETE FROM devices.device_group WHERE group_key = %s", [group_key])


async def member_insert(connection: Connection, *, group_key: int, device_key: int, project_key: int) -> bool:
    """Put the device into the group; False where it is in it already.

    Raises:
        psycopg.errors.ForeignKeyViolation: One of them is not there, or not in that project.
    """
    cursor = await connection.execute(
        "WITH moved AS (INSERT INTO devices.group_member (group_key, device_key, project_key)"
        " VALUES (%s, %s, %s) ON CONFLICT DO NOTHING RETURNING device_key)"
        " UPDATE devices.device d SET revision = d.revision + 1 FROM moved"
        " WHERE d.device_key = moved.device_key RETURNING d.device_key",
        [group_key, device_key, project_key],
    )
    return await cursor.fetchone() is not None


async def member_delete(connection: Connection, *, group_key: int, device_key: int) -> bool:
    """Take the device out of the group; False where it is not in it."""
    cursor = await connection.execute(
        "WITH moved AS (DELETE FROM devices.group_member WHERE group_key = %s AND device_key = %s RETURNING device_key)"
        " UPDATE devices.device d SET revision = d.revision + 1 FROM moved"
        " WHERE d.device_key = moved.device_key RETURNING d.device_key",
        [group_key, device_key],
    )
    return await cursor.fetchone() is not None


async def member_find(connection: Connection, group_key: int, *, key: int | None, name: str | None) -> int | None:
    """The key of the device of that key, or of that canonical name, if it is in the group."""
    cursor = await connection.execute(
        "SELECT d.device_key FROM devices.group_member m JOIN devices.device d USING (device_key)"
        " WHERE m.group_key = %s AND (d.device_key = %s OR d.name_canonical = %s)",
        [group_key, key, name],
    )
    row = await cursor.fetchone()
    return None if row is None else int(row[0])


def _parameters(reach: Reach) -> dict[str, Any]:
    singles = sorted(reach.singles)
    return {
        "every": list(reach.every_project),
        "whole": list(reach.projects),
        "single_projects": [project_key for project_key, _ in singles],
        "singles": [group_key for _, group_key in singles],
    }


async def _one(connection: Connection, query: str, parameters: list[Any]) -> Group | None:
    async with connection.cursor(row_factory=class_row(Group)) as cursor:
        await cursor.execute(query, parameters)
        return await cursor.fetchone()


async def _many(connection: Connection, query: str, parameters: dict[str, Any]) -> list[Group]:
    async with connection.cursor(row_factory=class_row(Group)) as cursor:
        await cursor.execute(query, parameters)
        return await cursor.fetchall()
