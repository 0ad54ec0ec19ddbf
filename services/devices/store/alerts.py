"""The SQL of alerts: what is wrong, what is told of it, by which rules."""

from datetime import datetime
from typing import Any, Final

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from services.devices.records.alerts import Alert, AlertRule, AlertState, Offline, SetRule, Severity, Trouble
from shared.database import Connection

LOOKING: Final = 0x414C4552  # "ALER": one process looks for troubles at a time
_COLUMNS: Final = (
    "x.alert_key, x.project_key, x.kind, x.subject, x.severity, x.state, x.details, x.opened_at, x.state_since,"
    " x.acknowledged_by, x.reopenings, x.revision"
)
_SELECT: Final = f"SELECT {_COLUMNS} FROM devices.alert x"
_OFFLINE: Final = "d.status = 'DISCONNECTED' AND d.state = 'flashed' AND d.status_since IS NOT NULL"
_UNTOLD: Final = (
    "NOT EXISTS (SELECT 1 FROM devices.alert x JOIN devices.alert_device m USING (alert_key)"
    " WHERE m.device_key = d.device_key AND x.project_key = d.project_key AND x.state <> 'resolved'"
)
_RULE: Final = " LEFT JOIN devices.alert_rule r ON r.project_key = d.project_key AND r.kind = %(kind)s"
_PARAMETERS_OF_RULE: Final = ("kind", "is_on", "after_s")
_AT_WORK: Final = (
    "('FAILED', 'BUILDING', 'TRANSFERING', 'PUBLISHING', 'DOWNLOADING', 'STARTING', 'STOPPING', 'UPDATING', 'DELETING')"
)


async def looking_lock_in_txn(connection: Connection) -> bool:
    """Whether this transaction alone looks for troubles now."""
    cursor = await connection.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOOKING])
    row = await cursor.fetchone()
    return row is not None and bool(row[0])


async def offline_list(connection: Connection, rule: AlertRule, *, now: datetime, many_on: bool) -> list[Offline]:
    """Devices that are not there and not told of, of each project in which one of them is due."""
    query = (
        "SELECT project_key, device_key, name, since, is_due, tells_one, groups_many FROM (SELECT d.project_key,"
        " d.device_key, d.name, d.status_since AS since,"
        " d.status_since <= %(now)s - make_interval(secs => coalesce(r.after_s, %(after_s)s)) AS is_due,"
        " coalesce(r.is_on, %(is_on)s) AS tells_one, coalesce(g.is_on, %(many_on)s) AS groups_many,"
        " bool_or(d.status_since <= %(now)s - make_interval(secs => coalesce(r.after_s, %(after_s)s)))"
        " OVER (PARTITION BY d.project_key) AS is_project_due"
        f" FROM devices.device d{_RULE}"
        " LEFT JOIN devices.alert_rule g ON g.project_key = d.project_key AND g.kind = 'devices_offline'"
        f" WHERE {_OFFLINE} AND (coalesce(r.is_on, %(is_on)s) OR coalesce(g.is_on, %(many_on)s))"
        f" AND {_UNTOLD} AND x.kind IN ('device_offline', 'devices_offline'))) o WHERE is_project_due"
    )
    async with connection.cursor(row_factory=class_row(Offline)) as cursor:
        await cursor.execute(query.encode(), {**_of(rule), "now": now, "many_on": many_on})
        return await cursor.fetchall()


async def emergency_list(connection: Connection, rule: AlertRule, *, now: datetime) -> list[Trouble]:
    """Devices that say that they run out of storage, and are not told of."""
    query = (
        f"SELECT d.project_key, d.device_key, d.name, d.status_since FROM devices.device d{_RULE}"
        " WHERE d.status = 'EMERGENCY' AND coalesce(r.is_on, %(is_on)s)"
        " AND d.status_since <= %(now)s - make_interval(secs => coalesce(r.after_s, %(after_s)s))"
        f" AND {_UNTOLD} AND x.kind = %(kind)s)"
    )
    cursor = await connection.execute(query.encode(), {**_of(rule), "now": now})
    return [
        Trouble(
            "device_emergency",
            project_key,
            f"device/{key}",
            {"device_key": key, "device_name": name, "since": since.isoformat()},
            (key,),
        )
        for project_key, key, name, since in await cursor.fetchall()
    ]


async def failed_app_list(connection: Connection, rule: AlertRule, *, now: datetime) -> list[Trouble]:
    """Released apps that have failed on devices, and are not told of."""
    query = (
        "SELECT d.project_key, d.device_key, d.name, a.app_key, a.app_name, a.stage, a.state_since"
        f" FROM devices.device_app a JOIN devices.device d USING (device_key){_RULE}"
        " WHERE a.state = 'FAILED' AND a.stage = 'PROD' AND a.target <> 'UNINSTALLED' AND coalesce(r.is_on, %(is_on)s)"
        " AND a.state_since <= %(now)s - make_interval(secs => coalesce(r.after_s, %(after_s)s))"
        f" AND {_UNTOLD} AND x.kind = %(kind)s"
        " AND x.subject = format('device/%%s/app/%%s/%%s', d.device_key, a.app_key, a.stage))"
    )
    cursor = await connection.execute(query.encode(), {**_of(rule), "now": now})
    return [
        Trouble(
            "app_failed",
            project_key,
            f"device/{key}/app/{app_key}/{stage}",
            {
                "device_key": key,
                "device_name": name,
                "app_key": app_key,
                "app_name": app_name,
                "stage": stage,
                "since": since.isoformat(),
            },
            (key,),
        )
        for project_key, key, name, app_key, app_name, stage, since in await cursor.fetchall()
    ]


async def over_list(connection: Connection, *, seen_before: datetime, limit: int) -> list[int]:
    """Alerts whose trouble is over, or whose rule was switched off; those of events when they were last seen before."""
    query = (
        "SELECT x.alert_key FROM devices.alert x WHERE x.state <> 'resolved' AND (CASE"
        " WHEN x.kind IN ('device_offline', 'devices_offline') THEN NOT EXISTS (SELECT 1 FROM devices.alert_device m"
        f" JOIN devices.device d USING (device_key) WHERE m.alert_key = x.alert_key AND {_OFFLINE}"
        " AND d.project_key = x.project_key)"
        " WHEN x.kind = 'device_emergency' THEN NOT EXISTS (SELECT 1 FROM devices.alert_device m"
        " JOIN devices.device d USING (device_key) WHERE m.alert_key = x.alert_key AND d.project_key = x.project_key"
        " AND d.status IN ('EMERGENCY', 'DISCONNECTED'))"
        " WHEN x.kind = 'app_failed' THEN NOT EXISTS (SELECT 1 FROM devices.alert_device m"
        " JOIN devices.device_app a USING (device_key) WHERE m.alert_key = x.alert_key"
        f" AND a.project_key = x.project_key AND a.target <> 'UNINSTALLED' AND a.state IN {_AT_WORK}"
        " AND x.subject = format('device/%%s/app/%%s/%%s', a.device_key, a.app_key, a.stage))"
        " WHEN x.kind = 'device_duplicated' THEN x.seen_at < %(seen_before)s ELSE false END"
        " OR EXISTS (SELECT 1 FROM devices.alert_rule r WHERE r.project_key = x.project_key AND r.kind = x.kind"
        " AND NOT r.is_on)) ORDER BY x.alert_key LIMIT %(limit)s"
    )
    cursor = await connection.execute(query.encode(), {"seen_before": seen_before, "limit": limit})
    return [int(row[0]) for row in await cursor.fetchall()]


async def alert_lock_newest_in_txn(connection: Connection, trouble: Trouble) -> Alert | None:
    """The newest alert of that trouble, resolved or not, its row locked."""
    return await _one(
        connection,
        f"{_SELECT} WHERE x.project_key = %s AND x.kind = %s AND x.subject = %s"
        " ORDER BY x.alert_key DESC LIMIT 1 FOR UPDATE",
        [trouble.project_key, trouble.kind, trouble.subject],
    )


async def alert_insert(connection: Connection, trouble: Trouble, severity: Severity, now: datetime) -> int | None:
    """A new alert; returns its key, None where one is open meanwhile."""
    cursor = await connection.execute(
        "INSERT INTO devices.alert (project_key, kind, subject, severity, state, details, opened_at, state_since,"
        " seen_at) VALUES (%s, %s, %s, %s, 'open', %s, %s, %s, %s) ON CONFLICT (project_key, kind, subject)"
        " WHERE state <> 'resolved' DO NOTHING RETURNING alert_key",
        [trouble.project_key, trouble.kind, trouble.subject, severity, Jsonb(trouble.details), now, now, now],
    )
    row = await cursor.fetchone()
    return None if row is None else int(row[0])


async def alert_reopen(
    connection: Connection, alert_key: int, trouble: Trouble, severity: Severity, now: datetime
) -> None:
    """The alert is open again, with what is known of the trouble now."""
    await connection.execute(
        "UPDATE devices.alert SET state = 'open', severity = %s, details = %s, state_since = %s, seen_at = %s,"
        " acknowledged_by = NULL, reopenings = reopenings + 1, revision = revision + 1, is_told = false"
        " WHERE alert_key = %s",
        [severity, Jsonb(trouble.details), now, now, alert_key],
    )
    await connection.execute("DELETE FROM devices.alert_device WHERE alert_key = %s", [alert_key])


async def alert_set_state(
    connection: Connection, alert_key: int, state: AlertState, now: datetime, *, account_key: int | None = None
) -> bool:
    """The alert is in that state from now on; False where it was, or was resolved."""
    cursor = await connection.execute(
        "UPDATE devices.alert SET state = %(state)s, state_since = %(now)s,"
        " acknowledged_by = coalesce(%(account)s, acknowledged_by), revision = revision + 1, is_told = false"
        " WHERE alert_key = %(key)s AND state NOT IN (%(state)s, 'resolved') RETURNING alert_key",
        {"state": state, "now": now, "account": account_key, "key": alert_key},
    )
    return await cursor.fetchone() is not None


async def alert_see(connection: Connection, alert_key: int, now: datetime) -> None:
    """The trouble is there still."""
    await connection.execute("UPDATE devices.alert SET seen_at = %s WHERE alert_key = %s", [now, alert_key])


async def alert_renew(
    connection: Connection, alert_key: int, trouble: Trouble, severity: Severity, now: datetime
) -> None:
    """The open alert is of another outage: it says of that what is known, and how many devices are away of all."""
    await connection.execute(
        "UPDATE devices.alert SET state = 'open', severity = %s, state_since = %s, acknowledged_by = NULL,"
        " details = %s || jsonb_build_object('devices', (SELECT count(*) FROM devices.alert_device"
        " WHERE alert_key = %s)), revision = revision + 1, is_told = false WHERE alert_key = %s",
        [severity, now, Jsonb(trouble.details), alert_key, alert_key],
    )


async def alert_add_devices(connection: Connection, alert_key: int, devices: tuple[int, ...]) -> int:
    """The alert is about these devices too; returns of how many it was not."""
    cursor = await connection.execute(
        "INSERT INTO devices.alert_device (alert_key, device_key) SELECT %s, unnest(%s::bigint[])"
        " ON CONFLICT DO NOTHING",
        [alert_key, list(devices)],
    )
    return cursor.rowcount


async def alert_drop_devices(connection: Connection) -> None:
    """Open alerts of many are no more about devices that are back: when those go again, that is news."""
    await connection.execute(
        "DELETE FROM devices.alert_device m USING devices.alert x WHERE x.alert_key = m.alert_key"
        " AND x.kind = 'devices_offline' AND x.state <> 'resolved' AND NOT EXISTS (SELECT 1 FROM devices.device d"
        f" WHERE d.device_key = m.device_key AND d.project_key = x.project_key AND {_OFFLINE})".encode()
    )


async def alert_find(connection: Connection, alert_key: int) -> Alert | None:
    """The alert of that key."""
    return await _one(connection, f"{_SELECT} WHERE x.alert_key = %s", [alert_key])


async def alert_list(
    connection: Connection, project_key: int, state: AlertState | None, *, after: int, limit: int
) -> list[Alert]:
    """At most `limit` alerts of the project, of one state or not resolved, with keys above `after`, in their order."""
    query = (
        f"{_SELECT} WHERE x.project_key = %(project)s AND x.alert_key > %(after)s"
        " AND CASE WHEN %(state)s::text IS NULL THEN x.state <> 'resolved' ELSE x.state = %(state)s END"
        " ORDER BY x.alert_key LIMIT %(limit)s"
    )
    async with connection.cursor(row_factory=class_row(Alert)) as cursor:
        await cursor.execute(query.encode(), {"project": project_key, "state": state, "after": after, "limit": limit})
        return await cursor.fetchall()


async def untold_list(connection: Connection, *, limit: int) -> list[tuple[int, int, int]]:
    """Alert, project and revision of what watches do not know of."""
    cursor = await connection.execute(
        "SELECT alert_key, project_key, revision FROM devices.alert WHERE NOT is_told ORDER BY alert_key LIMIT %s",
        [limit],
    )
    return [(int(row[0]), int(row[1]), int(row[2])) for row in await cursor.fetchall()]


async def told_set(connection: Connection, told: list[tuple[int, int, int]]) -> None:
    """Watches know of these, if they have not changed meanwhile."""
    await connection.execute(
        "UPDATE devices.alert x SET is_told = true FROM unnest(%s::bigint[], %s::bigint[]) t (alert_key, revision)"
        " WHERE x.alert_key = t.alert_key AND x.revision = t.revision",
        [[key for key, _, _ in told], [revision for _, _, revision in told]],
    )


async def rule_list(connection: Connection, project_key: int) -> list[SetRule]:
    """What the project has set of its rules."""
    async with connection.cursor(row_factory=class_row(SetRule)) as cursor:
        await cursor.execute(
            "SELECT kind, is_on, severity, after_s FROM devices.alert_rule WHERE project_key = %s", [project_key]
        )
        return await cursor.fetchall()


async def rule_upsert(connection: Connection, project_key: int, rule: SetRule) -> None:
    """The project has set this of the rule."""
    await connection.execute(
        "INSERT INTO devices.alert_rule (project_key, kind, is_on, severity, after_s) VALUES (%s, %s, %s, %s, %s)"
        " ON CONFLICT (project_key, kind) DO UPDATE SET is_on = excluded.is_on, severity = excluded.severity,"
        " after_s = excluded.after_s",
        [project_key, rule.kind, rule.is_on, rule.severity, rule.after_s],
    )


async def alert_sweep(connection: Connection, *, resolved_before: datetime, limit: int) -> None:
    """Forget alerts that were over before."""
    await connection.execute(
        "DELETE FROM devices.alert WHERE alert_key IN (SELECT alert_key FROM devices.alert"
        " WHERE state = 'resolved' AND state_since < %s ORDER BY alert_key LIMIT %s)",
        [resolved_before, limit],
    )


def _of(rule: AlertRule) -> dict[str, Any]:
    return {name: getattr(rule, name) for name in _PARAMETERS_OF_RULE}


async def _one(connection: Connection, query: str, parameters: list[Any]) -> Alert | None:
    async with connection.cursor(row_factory=class_row(Alert)) as cursor:
        await cursor.execute(query.encode(), parameters)
        return await cursor.fetchone()
