"""The SQL of devices, one statement a function."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from services.devices.records import Device, Machine, Reach, Status
from shared.database import Connection

ERASED: Final = "erased"  # in place of an erased owner's name
_SELECT: Final = (
    "SELECT d.device_key, d.project_key, p.name AS project_name, p.owner_account_key, p.owner_name, d.name,"
    " d.description, d.serial_number, d.state, d.flash_id, d.status, d.status_since, d.session, d.created_at,"
    " d.flashed_at, d.architecture, d.os, d.agent_version"
    " FROM devices.device d JOIN devices.project p USING (project_key)"
)


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


async def device_insert(
    connection: Connection, *, project_key: int, name: str, name_canonical: str, description: str, serial_number: UUID
) -> int:
    """A new device; returns its key.

    Raises:
        psycopg.errors.UniqueViolation: The project has one of that name.
    """
    cursor = await connection.execute(
        "INSERT INTO devices.device (project_key, name, name_canonical, description, serial_number, state)"
        " VALUES (%s, %s, %s, %s, %s, 'registered') RETURNING device_key",
        [project_key, name, name_canonical, description, serial_number],
    )
    row = await cursor.fetchone()
    if row is None:
        raise LookupError("an insert returned no row")
    return int(row[0])


async def device_find(connection: Connection, device_key: int) -> Device | None:
    """The device of that key."""
    return await _one(connection, f"{_SELECT} WHERE d.device_key = %s", [device_key])


async def device_lock_in_txn(connection: Connection, device_key: int) -> Device | None:
    """The device of that key, its row locked until the transaction ends."""
    return await _one(connection, f"{_SELECT} WHERE d.device_key = %s FOR UPDATE OF d", [device_key])


async def device_find_by_name(connection: Connection, project_keys: list[int], name_canonical: str) -> list[Device]:
    """The devices of that name in any of the projects, at most two."""
    query = f"{_SELECT} WHERE d.project_key = ANY (%s) AND d.name_canonical = %s ORDER BY d.device_key LIMIT 2"
    return await _many(connection, query, [project_keys, name_canonical])


async def device_list(connection: Connection, reach: Reach, *, after: int, limit: int) -> list[Device]:
    """At most `limit` devices within `reach` with keys above `after`, in the order of keys."""
    query = (
        f"{_SELECT} WHERE (d.project_key = ANY (%s) OR (d.project_key = ANY (%s) AND d.device_key = ANY (%s)))"
        " AND d.device_key > %s ORDER BY d.device_key LIMIT %s"
    )
    return await _many(connection, query, [*map(list, (reach.projects, reach.partly, reach.devices)), after, limit])


async def device_list_in_transit(connection: Connection, *, older_than_s: float) -> list[Device]:
    """Devices whose flashing or deletion began that long ago and has not ended: their process is gone."""
    query = (
        f"{_SELECT} WHERE d.state IN ('flashing', 'deleting') AND d.state_since < now() - make_interval(secs => %s)"
        " ORDER BY d.state_since LIMIT 100"
    )
    return await _many(connection, query, [older_than_s])


async def device_rename(connection: Connection, device_key: int, *, name: str, name_canonical: str) -> None:
    """Give the device another name.

    Raises:
        psycopg.errors.UniqueViolation: The project has another device of that name.
    """
    await connection.execute(
        "UPDATE devices.device SET name = %s, name_canonical = %s WHERE device_key = %s",
        [name, name_canonical, device_key],
    )


async def device_begin_flashing(connection: Connection, device_key: int, flash_id: UUID) -> None:
    """Remember that secrets are being made for the device, under `flash_id`."""
    await connection.execute(
        "UPDATE devices.device SET state = 'flashing', state_since = now(), flash_id = %s WHERE device_key = %s",
        [flash_id, device_key],
    )


async def device_end_flashing(connection: Connection, device_key: int, flash_id: UUID) -> bool:
    """Remember that the secrets are made; False where another flashing or a deletion came in between."""
    cursor = await connection.execute(
        "UPDATE devices.device SET state = 'flashed', state_since = now(), flashed_at = now()"
        " WHERE device_key = %s AND flash_id = %s AND state = 'flashing' RETURNING device_key",
        [device_key, flash_id],
    )
    return await cursor.fetchone() is not None


async def device_begin_deleting(connection: Connection, device_key: int) -> None:
    """Remember that the device is to go."""
    await connection.execute(
        "UPDATE devices.device SET state = 'deleting', state_since = now() WHERE device_key = %s", [device_key]
    )


async def device_delete(connection: Connection, device_key: int) -> bool:
    """Remove the device; False where it was gone."""
    cursor = await connection.execute(
        "DELETE FROM devices.device WHERE device_key = %s AND state = 'deleting' RETURNING device_key", [device_key]
    )
    return await cursor.fetchone() is not None


async def device_set_status(
    connection: Connection, device_key: int, *, status: Status, session: int, stats: dict[str, Any]
) -> bool:
    """Set what the device said of itself; returns whether people see a difference."""
    cursor = await connection.execute(
        "WITH before AS (SELECT device_key, status, session FROM devices.device WHERE device_key = %(key)s FOR UPDATE)"
        " UPDATE devices.device d SET status = %(status)s, session = %(session)s, seen_at = now(),"
        " stats = CASE WHEN %(stats)s = '{}'::jsonb THEN d.stats ELSE %(stats)s END,"
        " status_since = CASE WHEN before.status = %(status)s THEN d.status_since ELSE now() END"
        " FROM before WHERE d.device_key = before.device_key"
        " RETURNING before.status IS DISTINCT FROM %(status)s",
        {"key": device_key, "status": status, "session": session, "stats": Jsonb(stats)},
    )
    row = await cursor.fetchone()
    return row is not None and bool(row[0])


async def device_set_disconnected(connection: Connection, sessions: list[int]) -> list[tuple[int, int]]:
    """Those of `sessions` that were a device's current one are over; returns device and project keys."""
    cursor = await connection.execute(
        "UPDATE devices.device SET status = 'DISCONNECTED', session = NULL, status_since = now()"
        " WHERE session = ANY (%s) RETURNING device_key, project_key",
        [sessions],
    )
    return [(int(row[0]), int(row[1])) for row in await cursor.fetchall()]


async def device_set_disconnected_except(
    connection: Connection, live: list[int], seen_before: datetime
) -> list[tuple[int, int]]:
    """Every device whose session is not among `live` is gone, unless it was heard of after `seen_before`."""
    cursor = await connection.execute(
        "UPDATE devices.device SET status = 'DISCONNECTED', session = NULL, status_since = now()"
        " WHERE session IS NOT NULL AND session <> ALL (%s) AND seen_at < %s"
        " RETURNING device_key, project_key",
        [live, seen_before],
    )
    return [(int(row[0]), int(row[1])) for row in await cursor.fetchall()]


async def device_set_machine(connection: Connection, device_key: int, machine: Machine) -> None:
    """Set what the agent said of its machine and itself."""
    await connection.execute(
        "UPDATE devices.device SET architecture = %s, os = %s, agent_version = %s WHERE device_key = %s",
        [machine.architecture, machine.os, machine.agent_version, device_key],
    )


async def clock(connection: Connection) -> datetime:
    """The database's time, by which rows are compared."""
    cursor = await connection.execute("SELECT clock_timestamp()")
    row = await cursor.fetchone()
    if row is None:
        raise LookupError("the clock returned no row")
    moment: datetime = row[0]
    return moment


async def _one(connection: Connection, query: str, parameters: list[Any]) -> Device | None:
    async with connection.cursor(row_factory=class_row(Device)) as cursor:
        await cursor.execute(query, parameters)
        return await cursor.fetchone()


async def _many(connection: Connection, query: str, parameters: list[Any]) -> list[Device]:
    async with connection.cursor(row_factory=class_row(Device)) as cursor:
        await cursor.execute(query, parameters)
        return await cursor.fetchall()
