"""The SQL of apps that groups are to have."""

from typing import Any, Final

from psycopg.rows import class_row, kwargs_row

from services.devices.records.apps import AppRelease, Stage
from services.devices.records.group_apps import Applied, AppliedState, Due, GroupApp, Refusal
from shared.database import Connection

_SELECT: Final = (
    "SELECT group_key, app_key, stage, app_name, target, release_key, version, environment, account_key, credential,"
    " changed_at, revision FROM devices.group_app"
)
_ONE: Final = " WHERE group_key = %s AND app_key = %s AND stage = %s"


def _row(*, release_key: int, version: str, **rest: Any) -> GroupApp:
    return GroupApp(release=AppRelease(release_key, version), **rest)


async def group_app_set(connection: Connection, app: GroupApp) -> None:
    """The group is to have the app as it stands in `app`, from now on."""
    await connection.execute(
        "INSERT INTO devices.group_app AS g (group_key, app_key, stage, app_name, target, release_key, version,"
        " environment, account_key, credential) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (group_key, app_key, stage) DO UPDATE SET target = excluded.target,"
        " release_key = excluded.release_key, version = excluded.version, environment = excluded.environment,"
        " account_key = excluded.account_key, credential = excluded.credential, changed_at = clock_timestamp(),"
        " revision = g.revision + 1",
        [
            app.group_key,
            app.app_key,
            app.stage,
            app.app_name,
            app.target,
            app.release.release_key,
            app.release.version,
            app.environment,
            app.account_key,
            app.credential,
        ],
    )


async def group_app_find(connection: Connection, group_key: int, app_key: int, stage: Stage) -> GroupApp | None:
    """The app that the group is to have."""
    async with connection.cursor(row_factory=kwargs_row(_row)) as cursor:
        await cursor.execute(f"{_SELECT}{_ONE}".encode(), [group_key, app_key, stage])
        return await cursor.fetchone()


async def group_app_list(connection: Connection, group_key: int) -> list[GroupApp]:
    """The apps that the group is to have, in the order of keys and stages."""
    async with connection.cursor(row_factory=kwargs_row(_row)) as cursor:
        await cursor.execute(f"{_SELECT} WHERE group_key = %s ORDER BY app_key, stage".encode(), [group_key])
        return await cursor.fetchall()


async def group_app_delete(connection: Connection, group_key: int, app_key: int, stage: Stage) -> bool:
    """The group is not to have the app any more; False where it was not."""
    cursor = await connection.execute(
        "DELETE FROM devices.group_app WHERE group_key = %s AND app_key = %s AND stage = %s",
        [group_key, app_key, stage],
    )
    return cursor.rowcount > 0


async def due_list(connection: Connection, *, limit: int) -> list[Due]:
    """At most `limit` devices on which an app of a group is to be looked at."""
    async with connection.cursor(row_factory=class_row(Due)) as cursor:
        await cursor.execute(
            "SELECT g.group_key, g.app_key, g.stage, m.device_key FROM devices.group_app g"
            " JOIN devices.group_member m USING (group_key)"
            " LEFT JOIN devices.group_app_device x USING (group_key, device_key, app_key, stage)"
            " WHERE x.revision IS DISTINCT FROM g.revision OR (x.state = 'refused' AND x.due_at <= clock_timestamp())"
            " ORDER BY x.due_at NULLS FIRST, g.group_key, g.app_key, g.stage, m.device_key LIMIT %s",
            [limit],
        )
        return await cursor.fetchall()


async def applied_find(connection: Connection, due: Due) -> Applied | None:
    """What the group had done on the device."""
    async with connection.cursor(row_factory=class_row(Applied)) as cursor:
        await cursor.execute(
            "SELECT state, revision, target, release_key, environment FROM devices.group_app_device"
            " WHERE group_key = %s AND device_key = %s AND app_key = %s AND stage = %s",
            [due.group_key, due.device_key, due.app_key, due.stage],
        )
        return await cursor.fetchone()


async def member_is_there(connection: Connection, due: Due) -> bool:
    """Whether the device is in the group."""
    cursor = await connection.execute(
        "SELECT FROM devices.group_member WHERE group_key = %s AND device_key = %s",
        [due.group_key, due.device_key],
    )
    return await cursor.fetchone() is not None


async def applied_set(
    connection: Connection, due: Due, applied: Applied, *, reason: str | None, again_in_s: float
) -> None:
    """What the group has done on the device; what was refused is tried again in so many seconds."""
    await connection.execute(
        "INSERT INTO devices.group_app_device (group_key, device_key, app_key, stage, revision, state, reason, target,"
        " release_key, environment, due_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s,"
        " clock_timestamp() + make_interval(secs => %s)) ON CONFLICT (group_key, device_key, app_key, stage) DO UPDATE"
        " SET revision = excluded.revision, state = excluded.state, reason = excluded.reason, target = excluded.target,"
        " release_key = excluded.release_key, environment = excluded.environment, due_at = excluded.due_at",
        [
            due.group_key,
            due.device_key,
            due.app_key,
            due.stage,
            applied.revision,
            applied.state,
            reason,
            applied.target,
            applied.release_key,
            applied.environment,
            again_in_s,
        ],
    )


async def applied_count(connection: Connection, app: GroupApp) -> dict[AppliedState | None, int]:
    """On how many devices of the group the app stands how; None: it is still to be looked at."""
    cursor = await connection.execute(
        "SELECT CASE WHEN x.revision = %(revision)s THEN x.state END AS state, count(*) FROM devices.group_member m"
        " LEFT JOIN devices.group_app_device x ON (x.group_key, x.device_key) = (m.group_key, m.device_key)"
        " AND x.app_key = %(app)s AND x.stage = %(stage)s WHERE m.group_key = %(group)s GROUP BY 1",
        {"revision": app.revision, "app": app.app_key, "stage": app.stage, "group": app.group_key},
    )
    return {row[0]: int(row[1]) for row in await cursor.fetchall()}


async def refusal_list(connection: Connection, app: GroupApp, *, limit: int) -> list[Refusal]:
    """At most `limit` devices on which the group's wish could not be made, in the order of keys."""
    async with connection.cursor(row_factory=class_row(Refusal)) as cursor:
        await cursor.execute(
            "SELECT device_key, coalesce(reason, '') AS reason FROM devices.group_app_device WHERE group_key = %s"
            " AND app_key = %s AND stage = %s AND state = 'refused' ORDER BY device_key LIMIT %s",
            [app.group_key, app.app_key, app.stage, limit],
        )
        return await cursor.fetchall()
