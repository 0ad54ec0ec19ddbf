"""The SQL of what the privileges service is to be told."""

from typing import Final

from psycopg.rows import class_row

from services.devices.records.devices import Telling
from shared.database import Connection
from shared.flags import AssetKind

_SELECT: Final = (
    "SELECT o.outbox_key, o.kind, o.asset_key, o.is_gone, o.project_key, o.revision, o.creator_account_key, o.groups"
    " FROM devices.outbox o"
)
_IS_OLDEST: Final = (
    "NOT EXISTS (SELECT 1 FROM devices.outbox e"
    " WHERE e.kind = o.kind AND e.asset_key = o.asset_key AND e.outbox_key < o.outbox_key)"
)


async def put_device(connection: Connection, device_key: int, *, creator_account_key: int | None = None) -> None:
    """The device is to be told as it is now; whoever changed it has its row locked, so that rows stand in order."""
    await connection.execute(
        "INSERT INTO devices.outbox (kind, asset_key, project_key, revision, creator_account_key, groups)"
        " SELECT 'device', d.device_key, d.project_key, d.revision, %s,"
        " ARRAY(SELECT m.group_key FROM devices.group_member m WHERE m.device_key = d.device_key ORDER BY m.group_key)"
        " FROM devices.device d WHERE d.device_key = %s",
        [creator_account_key, device_key],
    )


async def put_group(connection: Connection, group_key: int, *, creator_account_key: int) -> None:
    """The new group is to be told."""
    await connection.execute(
        "INSERT INTO devices.outbox (kind, asset_key, project_key, revision, creator_account_key)"
        " SELECT 'group', g.group_key, g.project_key, g.revision, %s FROM devices.device_group g"
        " WHERE g.group_key = %s",
        [creator_account_key, group_key],
    )


async def put_devices_outside(connection: Connection, group_key: int) -> list[int]:
    """Every device of the group is to be told as outside of it; returns their keys.

    The rows are locked in the order of keys, so that two such statements do not wait for each other.
    """
    cursor = await connection.execute(
        "WITH inside AS (SELECT d.device_key FROM devices.device d JOIN devices.group_member m USING (device_key)"
        " WHERE m.group_key = %(group)s ORDER BY d.device_key FOR UPDATE OF d),"
        " outside AS (UPDATE devices.device d SET revision = d.revision + 1 FROM inside"
        " WHERE d.device_key = inside.device_key RETURNING d.device_key, d.project_key, d.revision)"
        " INSERT INTO devices.outbox (kind, asset_key, project_key, revision, groups)"
        " SELECT 'device', o.device_key, o.project_key, o.revision, ARRAY(SELECT m.group_key"
        " FROM devices.group_member m WHERE m.device_key = o.device_key AND m.group_key <> %(group)s ORDER BY 1)"
        " FROM outside o RETURNING asset_key",
        {"group": group_key},
    )
    return [int(row[0]) for row in await cursor.fetchall()]


async def forget(connection: Connection, kind: AssetKind, key: int, project_key: int) -> None:
    """The asset is gone, which is to be told."""
    await connection.execute(
        "INSERT INTO devices.outbox (kind, asset_key, is_gone, project_key, revision) VALUES (%s, %s, true, %s, 0)",
        [kind.value, key, project_key],
    )


async def list_due(connection: Connection, *, limit: int) -> list[Telling]:
    """At most `limit` rows that are due, the oldest of its asset each, in the order of keys."""
    query = f"{_SELECT} WHERE o.due_at <= now() AND {_IS_OLDEST} ORDER BY o.outbox_key LIMIT %s"
    async with connection.cursor(row_factory=class_row(Telling)) as cursor:
        await cursor.execute(query, [limit])
        return await cursor.fetchall()


async def find_oldest(connection: Connection, kind: AssetKind, key: int) -> Telling | None:
    """The oldest row of the asset, due or not."""
    query = f"{_SELECT} WHERE o.kind = %s AND o.asset_key = %s ORDER BY 1 LIMIT 1"
    async with connection.cursor(row_factory=class_row(Telling)) as cursor:
        await cursor.execute(query, [kind.value, key])
        return await cursor.fetchone()


async def delete(connection: Connection, outbox_key: int) -> None:
    """It was told."""
    await connection.execute("DELETE FROM devices.outbox WHERE outbox_key = %s", [outbox_key])


async def postpone(connection: Connection, outbox_key: int, *, most_s: float) -> None:
    """It was refused: try again later, each time twice as late, `most_s` seconds at most, half of it at random."""
    await connection.execute(
        "UPDATE devices.outbox SET attempts = attempts + 1, due_at = now() + make_interval(secs =>"
        " least(%s, 0.5 * 2 ^ least(attempts, 30)) * (0.5 + random() / 2)) WHERE outbox_key = %s",
        [most_s, outbox_key],
    )
