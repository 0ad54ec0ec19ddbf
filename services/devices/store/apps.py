"""The SQL of apps on devices, and of the sessions that end with them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from services.devices.records.apps import Ending, Install, Installed, InstalledApp, RemovedApp, Stage
from shared.database import Connection


async def app_insert(connection: Connection, device_key: int, install: Install) -> None:
    """The app is on the device from now on; what is wanted of it is said next.

    Raises:
        psycopg.errors.ForeignKeyViolation: The device is not in that project.
    """
    await connection.execute(
        "INSERT INTO devices.device_app (device_key, project_key, app_key, stage) VALUES (%s, %s, %s, %s)",
        [device_key, install.project_key, install.app_key, install.stage],
    )


async def app_delete(connection: Connection, device_key: int, app_key: int, stage: Stage) -> None:
    """The app is not on the device any more."""
    await connection.execute(
        "DELETE FROM devices.device_app WHERE device_key = %s AND app_key = %s AND stage = %s",
        [device_key, app_key, stage],
    )


async def app_list_by_install(connection: Connection, install: Install, *, before: datetime, limit: int) -> list[int]:
    """The devices of which `app_delete_by_install` takes the app; nobody else changes it in this transaction."""
    cursor = await connection.execute(
        "SELECT device_key FROM devices.device_app WHERE project_key = %s AND app_key = %s AND stage = %s"
        " AND created_at < %s AND target <> 'UNINSTALLED' ORDER BY device_key LIMIT %s FOR UPDATE",
        [install.project_key, install.app_key, install.stage, before, limit],
    )
    return [int(row[0]) for row in await cursor.fetchall()]


async def app_delete_by_install(
    connection: Connection, install: Install, *, before: datetime, limit: int
) -> list[RemovedApp]:
    """The app leaves at most `limit` devices of the project: those on which it has been since before `before`.

    A device that was never told of it forgets it; any other is to be told that it is to go.
    """
    async with connection.cursor(row_factory=class_row(RemovedApp)) as cursor:
        await cursor.execute(
            "WITH old AS (SELECT device_key FROM devices.device_app WHERE project_key = %(project)s"
            " AND app_key = %(app)s AND stage = %(stage)s AND created_at < %(before)s AND target <> 'UNINSTALLED'"
            " ORDER BY device_key LIMIT %(limit)s FOR UPDATE),"
            " gone AS (DELETE FROM devices.device_app a USING old WHERE a.device_key = old.device_key"
            " AND a.app_key = %(app)s AND a.stage = %(stage)s AND a.told_revision = 0 AND NOT a.is_offered),"
            " leaving AS (UPDATE devices.device_app a SET target = 'UNINSTALLED', revision = a.revision + 1 FROM old"
            " WHERE a.device_key = old.device_key AND a.app_key = %(app)s AND a.stage = %(stage)s"
            " AND (a.told_revision > 0 OR a.is_offered) RETURNING a.device_key),"
            " ordered AS (INSERT INTO devices.app_order (device_key, app_key, stage)"
            " SELECT device_key, %(app)s, %(stage)s FROM leaving ON CONFLICT (device_key, app_key, stage)"
            " DO UPDATE SET attempts = 0, due_at = clock_timestamp(), refusal = NULL)"
            " SELECT d.device_key, d.serial_number FROM old JOIN devices.device d USING (device_key)",
            {
                "project": install.project_key,
                "app": install.app_key,
                "stage": install.stage,
                "before": before,
                "limit": limit,
            },
        )
        return await cursor.fetchall()


async def installed_find(connection: Connection, serial_number: UUID) -> Installed | None:
    """The device of that serial number with its apps; None where there is none, or it is to go."""
    cursor = await connection.execute(
        "SELECT d.device_key, d.project_key, a.app_key, a.stage FROM devices.device d"
        " LEFT JOIN devices.device_app a ON a.device_key = d.device_key AND a.target <> 'UNINSTALLED'"
        " WHERE d.serial_number = %s AND d.state <> 'deleting' ORDER BY a.app_key, a.stage",
        [serial_number],
    )
    rows = await cursor.fetchall()
    if not rows:
        return None
    apps = [InstalledApp(app_key, stage) for _, _, app_key, stage in rows if app_key is not None]
    return Installed(device_key=rows[0][0], project_key=rows[0][1], apps=apps)


async def install_list(connection: Connection, *, after: Install, limit: int) -> list[Install]:
    """At most `limit` installs of which any device has the app, in order, behind `after`."""
    async with connection.cursor(row_factory=class_row(Install)) as cursor:
        await cursor.execute(
            "SELECT DISTINCT project_key, app_key, stage FROM devices.device_app"
            " WHERE (project_key, app_key, stage) > (%s, %s, %s) AND target <> 'UNINSTALLED' ORDER BY 1, 2, 3 LIMIT %s",
            [after.project_key, after.app_key, after.stage, limit],
        )
        return await cursor.fetchall()


async def ending_insert(
    connection: Connection, serial_number: UUID, conditions: Mapping[str, Any], *, after_s: float = 0.0
) -> int:
    """What the device's apps have open is to end, where `conditions` hold, in `after_s` seconds; returns its key."""
    cursor = await connection.execute(
        "INSERT INTO devices.app_ending (serial_number, conditions, due_at)"
        " VALUES (%s, %s, clock_timestamp() + make_interval(secs => %s)) RETURNING ending_key",
        [serial_number, Jsonb(conditions), after_s],
    )
    row = await cursor.fetchone()
    if row is None:
        raise LookupError("an insert returned no row")
    return int(row[0])


async def ending_narrow(connection: Connection, ending_key: int, conditions: Mapping[str, Any]) -> None:
    """Let it end what these conditions hold for, besides its own."""
    await connection.execute(
        "UPDATE devices.app_ending SET conditions = conditions || %s WHERE ending_key = %s",
        [Jsonb(conditions), ending_key],
    )


async def ending_list_due(connection: Connection, *, limit: int) -> list[Ending]:
    """At most `limit` that are due, the oldest first."""
    async with connection.cursor(row_factory=class_row(Ending)) as cursor:
        await cursor.execute(
            "SELECT e.ending_key, e.serial_number, e.conditions,"
            " (SELECT d.project_key FROM devices.device d WHERE d.serial_number = e.serial_number) AS project_key"
            " FROM devices.app_ending e WHERE e.due_at <= clock_timestamp() ORDER BY e.due_at LIMIT %s",
            [limit],
        )
        return await cursor.fetchall()


async def ending_delete(connection: Connection, ending_key: int) -> None:
    """The router was told."""
    await connection.execute("DELETE FROM devices.app_ending WHERE ending_key = %s", [ending_key])


async def ending_put_off(connection: Connection, ending_key: int, *, after_s: float) -> None:
    """Nobody was there to be told: again in `after_s` seconds, however often that was."""
    await connection.execute(
        "UPDATE devices.app_ending SET due_at = clock_timestamp() + make_interval(secs => %s) WHERE ending_key = %s",
        [after_s, ending_key],
    )


async def ending_postpone(connection: Connection, ending_key: int, *, most_s: float) -> None:
    """It was refused: again later, each time twice as late, `most_s` seconds at most."""
    await connection.execute(
        "UPDATE devices.app_ending SET attempts = attempts + 1, due_at = clock_timestamp()"
        " + make_interval(secs => least(%s, 0.5 * 2 ^ least(attempts, 30))) WHERE ending_key = %s",
        [most_s, ending_key],
    )
