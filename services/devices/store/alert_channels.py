"""The SQL of whom alerts go to, and of what they are still to be told."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from attrs import asdict
from psycopg.rows import kwargs_row
from psycopg.types.json import Jsonb

from services.devices.records.alerts import Alert, Channel, CreateChannel, QuietTime, Severity, Telling
from shared.database import Connection

_SELECT: Final = (
    "SELECT c.channel_key, c.project_key, p.name AS project_name, c.name, c.url, c.secret_id, c.secret, c.account_key,"
    " c.min_severity, c.time_zone, c.quiet, c.created_at, c.attempts, c.failing_since, c.failure, c.gave_up_at,"
    " c.told_at FROM devices.alert_channel c JOIN devices.project p USING (project_key)"
)

_LEASE: Final = b"""
WITH ranked AS (
    SELECT c.channel_key, c.project_key, c.due_at,
        row_number() OVER (PARTITION BY c.project_key ORDER BY c.attempts > 0, c.due_at) AS of_project
    FROM devices.alert_channel c
    WHERE c.due_at <= %(now)s AND EXISTS (
        SELECT FROM devices.alert_telling t WHERE t.channel_key = c.channel_key AND t.due_at <= %(now)s)
), chosen AS (
    SELECT r.channel_key FROM ranked r
    LEFT JOIN unnest(%(projects)s::bigint[], %(free)s::int[]) AS p (project_key, free) USING (project_key)
    WHERE r.of_project <= coalesce(p.free, %(of_project)s)
    ORDER BY r.due_at LIMIT %(limit)s
), due AS (
    SELECT c.channel_key FROM devices.alert_channel c JOIN chosen USING (channel_key)
    WHERE c.due_at <= %(now)s FOR UPDATE OF c SKIP LOCKED
)
UPDATE devices.alert_channel SET due_at = %(now)s + make_interval(secs => %(lease)s)
WHERE channel_key IN (SELECT channel_key FROM due) RETURNING channel_key
"""


def _channel(*, quiet: list[dict[str, Any]], **rest: Any) -> Channel:
    return Channel(quiet=msgspec.convert(quiet, list[QuietTime]), **rest)


def _telling(*, due_at: datetime, told_state: Any, **rest: Any) -> Telling:
    return Telling(alert=Alert(**rest), due_at=due_at, told_state=told_state)


async def channel_insert(
    connection: Connection,
    project_key: int,
    channel: CreateChannel,
    *,
    name_canonical: str,
    sealed: tuple[UUID, bytes] | None,
    now: datetime,
) -> int:
    """A new channel; returns its key.

    Raises:
        psycopg.errors.UniqueViolation: The project has one of that name.
    """
    secret_id, secret = sealed or (None, None)
    cursor = await connection.execute(
        "INSERT INTO devices.alert_channel (project_key, name, name_canonical, url, account_key, min_severity,"
        " time_zone, quiet, secret_id, secret, created_at, due_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING channel_key",
        [
            project_key,
            channel.name,
            name_canonical,
            channel.url,
            channel.account,
            channel.min_severity,
            channel.time_zone,
            Jsonb([asdict(time) for time in channel.quiet]),
            secret_id,
            secret,
            now,
            now,
        ],
    )
    row = await cursor.fetchone()
    if row is None:
        raise LookupError("an insert returned no row")
    return int(row[0])


async def channel_count(connection: Connection, project_key: int) -> int:
    """How many channels the project has; nobody adds one before the transaction ends."""
    await connection.execute("SELECT 1 FROM devices.project WHERE project_key = %s FOR UPDATE", [project_key])
    cursor = await connection.execute(
        "SELECT count(*) FROM devices.alert_channel WHERE project_key = %s", [project_key]
    )
    row = await cursor.fetchone()
    return 0 if row is None else int(row[0])


async def channel_find(connection: Connection, channel_key: int) -> Channel | None:
    """The channel of that key."""
    async with connection.cursor(row_factory=kwargs_row(_channel)) as cursor:
        await cursor.execute(f"{_SELECT} WHERE c.channel_key = %s".encode(), [channel_key])
        return await cursor.fetchone()


async def channel_list(connection: Connection, project_key: int) -> list[Channel]:
    """The channels of the project, in the order of keys."""
    async with connection.cursor(row_factory=kwargs_row(_channel)) as cursor:
        await cursor.execute(f"{_SELECT} WHERE c.project_key = %s ORDER BY c.channel_key".encode(), [project_key])
        return await cursor.fetchall()


async def channel_delete(connection: Connection, channel_key: int) -> bool:
    """Remove the channel, and what it was still to be told; False where it was gone."""
    cursor = await connection.execute(
        "DELETE FROM devices.alert_channel WHERE channel_key = %s RETURNING channel_key", [channel_key]
    )
    return await cursor.fetchone() is not None


async def channel_lease(
    connection: Connection, places: Mapping[int, int], *, now: datetime, lease_s: float, limit: int, of_project: int
) -> list[Channel]:
    """At most `limit` channels with something to be told, for this process alone for `lease_s` seconds.

    Of a project as many as it has `places`, or `of_project`; those that took what they were told last come first.
    """
    cursor = await connection.execute(
        _LEASE,
        {
            "now": now,
            "lease": lease_s,
            "limit": limit,
            "of_project": of_project,
            "projects": list(places),
            "free": list(places.values()),
        },
    )
    keys = [int(row[0]) for row in await cursor.fetchall()]
    async with connection.cursor(row_factory=kwargs_row(_channel)) as found:
        await found.execute(f"{_SELECT} WHERE c.channel_key = ANY (%s)".encode(), [keys])
        return await found.fetchall()


async def channel_set_told(connection: Connection, channel_key: int, *, now: datetime, pause_s: float) -> None:
    """The channel took what it was told; the next message goes after `pause_s` seconds at the earliest."""
    await connection.execute(
        "UPDATE devices.alert_channel SET attempts = 0, failing_since = NULL, failure = NULL, gave_up_at = NULL,"
        " told_at = %(now)s, due_at = %(now)s + make_interval(secs => %(pause)s) WHERE channel_key = %(key)s",
        {"now": now, "pause": pause_s, "key": channel_key},
    )


async def channel_set_failed(
    connection: Connection, channel_key: int, *, now: datetime, pause_s: float, failure: str
) -> None:
    """The channel did not take it; it is tried again after `pause_s` seconds."""
    await connection.execute(
        "UPDATE devices.alert_channel SET attempts = attempts + 1, failure = %(failure)s,"
        " failing_since = coalesce(failing_since, %(now)s), due_at = %(now)s + make_interval(secs => %(pause)s)"
        " WHERE channel_key = %(key)s",
        {"now": now, "pause": pause_s, "failure": failure, "key": channel_key},
    )


async def channel_give_up(connection: Connection, channel_key: int, *, now: datetime, failure: str) -> int:
    """What the channel was to be told by now is dropped, which it says; returns how much that was."""
    cursor = await connection.execute(
        "UPDATE devices.alert_telling SET due_at = NULL WHERE channel_key = %s AND due_at <= %s RETURNING alert_key",
        [channel_key, now],
    )
    dropped = len(await cursor.fetchall())
    await connection.execute(
        "UPDATE devices.alert_channel SET attempts = 0, failing_since = NULL, failure = %s, gave_up_at = %s,"
        " due_at = %s WHERE channel_key = %s",
        [failure, now, now, channel_key],
    )
    return dropped


async def channel_release(connection: Connection, channel_key: int, *, now: datetime) -> None:
    """There was nothing to say to the channel."""
    await connection.execute("UPDATE devices.alert_channel SET due_at = %s WHERE channel_key = %s", [now, channel_key])


async def telling_put(
    connection: Connection, alert_key: int, severities: list[Severity], *, now: datetime, gap_s: float, most_s: float
) -> None:
    """Channels of the alert's project that ask for one of these least severities are to be told, from `now` on.

    One that was told of this alert already waits: `gap_s` seconds, each time twice as long, `most_s` at most.
    """
    await connection.execute(
        "INSERT INTO devices.alert_telling AS t (channel_key, alert_key, due_at)"
        " SELECT c.channel_key, x.alert_key, %(now)s FROM devices.alert x"
        " JOIN devices.alert_channel c USING (project_key) WHERE x.alert_key = %(alert)s"
        " AND c.min_severity = ANY (%(severities)s)"
        " ON CONFLICT (channel_key, alert_key) DO UPDATE SET due_at = greatest(excluded.due_at,"
        " t.told_at + make_interval(secs => least(%(most)s, %(gap)s * 2 ^ least(t.times - 1, 20))))",
        {"alert": alert_key, "severities": severities, "now": now, "gap": gap_s, "most": most_s},
    )


async def telling_renew(connection: Connection, alert_key: int) -> None:
    """What channels were told of this alert was of an earlier outage."""
    await connection.execute(
        "UPDATE devices.alert_telling SET told_state = 'before' WHERE alert_key = %s AND told_state = 'open'",
        [alert_key],
    )


async def telling_list_due(connection: Connection, channel_key: int, *, now: datetime, limit: int) -> list[Telling]:
    """What the channel is to be told by now, the oldest first."""
    async with connection.cursor(row_factory=kwargs_row(_telling)) as cursor:
        await cursor.execute(
            "SELECT t.due_at, t.told_state, x.alert_key, x.project_key, x.kind, x.subject, x.severity, x.state,"
            " x.details, x.opened_at, x.state_since, x.acknowledged_by, x.reopenings, x.revision"
            " FROM devices.alert_telling t JOIN devices.alert x USING (alert_key)"
            " WHERE t.channel_key = %s AND t.due_at <= %s ORDER BY t.due_at, t.alert_key LIMIT %s",
            [channel_key, now, limit],
        )
        return await cursor.fetchall()


async def telling_set_told(connection: Connection, channel_key: int, told: list[Telling], *, now: datetime) -> None:
    """The channel was told of these as they stand in `told`; what has changed meanwhile is still to be told."""
    for telling in told:
        await connection.execute(
            "UPDATE devices.alert_telling SET told_at = %(now)s, told_state = CASE"
            " WHEN %(state)s = 'resolved' OR due_at = %(due)s THEN %(state)s ELSE 'before' END,"
            " times = CASE WHEN told_at > %(now)s - interval '1 day' THEN times + 1 ELSE 1 END,"
            " due_at = CASE WHEN due_at = %(due)s THEN NULL ELSE due_at END"
            " WHERE channel_key = %(channel)s AND alert_key = %(alert)s",
            {
                "state": "resolved" if telling.alert.state == "resolved" else "open",
                "now": now,
                "due": telling.due_at,
                "channel": channel_key,
                "alert": telling.alert.alert_key,
            },
        )


async def telling_drop(connection: Connection, channel_key: int, stale: list[Telling]) -> None:
    """These are no news, unless they have changed meanwhile."""
    for telling in stale:
        await connection.execute(
            "UPDATE devices.alert_telling SET due_at = NULL WHERE channel_key = %s AND alert_key = %s AND due_at = %s",
            [channel_key, telling.alert.alert_key, telling.due_at],
        )


async def telling_keep(connection: Connection, channel_key: int, kept: list[Telling], *, until: datetime) -> None:
    """These wait for the end of the quiet time, unless they have changed meanwhile."""
    for telling in kept:
        await connection.execute(
            "UPDATE devices.alert_telling SET due_at = %s WHERE channel_key = %s AND alert_key = %s AND due_at = %s",
            [until, channel_key, telling.alert.alert_key, telling.due_at],
        )
