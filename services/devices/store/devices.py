"""The SQL of devices themselves."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from services.devices.records.devices import Device, Machine, Reach, Search, Status
from shared.database import Connection

EVERY: Final = Search()
_SELECT: Final = (
    "SELECT d.device_key, d.project_key, p.name AS project_name, p.owner_account_key, p.owner_name, d.name,"
    " d.description, d.serial_number, d.state, d.flash_id, d.status, d.status_since, d.session, d.created_at,"
    " d.flashed_at, d.architecture, d.os, d.agent_version, d.moved_from, d.claim_digest IS NOT NULL AS is_claimable,"
    " ARRAY(SELECT m.group_key FROM devices.group_member m WHERE m.device_key = d.device_key) AS groups,"
    " d.seen_at, d.stats, coalesce((SELECT jsonb_object_agg(t.name, t.value) FROM devices.device_tag t"
    " WHERE t.device_key = d.device_key), '{}') AS tags"
    " FROM devices.device d JOIN devices.project p USING (project_key)"
)
_WITHIN: Final = (
    "d.project_key = ANY (%(every)s) AND (d.project_key = ANY (%(whole)s)"
    " OR (d.project_key, d.device_key) IN (SELECT * FROM unnest(%(single_projects)s::bigint[], %(singles)s::bigint[]))"
    " OR EXISTS (SELECT 1 FROM devices.group_member m WHERE m.device_key = d.device_key"
    " AND (m.project_key, m.group_key) IN (SELECT * FROM unnest(%(group_projects)s::bigint[], %(groups)s::bigint[]))))"
    " AND (d.project_key = ANY (%(open)s) OR d.device_key = ANY (%(scoped)s))"
)
_IN_GROUP: Final = (
    "(%(group)s::bigint IS NULL OR EXISTS (SELECT 1 FROM devices.group_member m WHERE m.device_key = d.device_key"
    " AND m.group_key = %(group)s))"
)

_LIKE: Final = (
    "(%(status)s::text IS NULL OR d.status = %(status)s)"
    " AND (%(agent_version)s::text IS NULL OR d.agent_version = %(agent_version)s)"
    " AND (%(architecture)s::text IS NULL OR d.architecture = %(architecture)s)"
    " AND (%(name)s::text IS NULL OR position(%(name)s IN d.name_canonical) > 0)"
    " AND NOT EXISTS (SELECT 1 FROM unnest(%(tag_names)s::text[], %(tag_values)s::text[]) w (name, value)"
    " WHERE NOT EXISTS (SELECT 1 FROM devices.device_tag t WHERE t.device_key = d.device_key AND t.name = w.name"
    " AND (w.value IS NULL OR t.value = w.value)))"
)


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


async def device_find_by_name(connection: Connection, reach: Reach, name_canonical: str) -> list[Device]:
    """The devices of that name within `reach`, at most two."""
    query = f"{_SELECT} WHERE d.name_canonical = %(name)s AND {_WITHIN} ORDER BY d.device_key LIMIT 2"
    return await _many(connection, query, {**_parameters(reach), "name": name_canonical})


async def device_list(
    connection: Connection, reach: Reach, *, after: int, limit: int, search: Search = EVERY
) -> list[Device]:
    """At most `limit` devices within `reach` that are looked for, with keys above `after`, in the order of keys."""
    query = (
        f"{_SELECT} WHERE {_WITHIN} AND {_IN_GROUP} AND {_LIKE} AND d.device_key > %(after)s ORDER BY 1 LIMIT %(limit)s"
    )
    more = {
        "after": after,
        "limit": limit,
        "group": search.group_key,
        "status": search.status,
        "agent_version": search.agent_version,
        "architecture": search.architecture,
        "name": search.name,
        "tag_names": [name for name, _ in search.tags],
        "tag_values": [value for _, value in search.tags],
    }
    return await _many(connection, query, {**_parameters(reach), **more})


async def device_list_within(connection: Connection, reach: Reach, keys: list[int]) -> list[Device]:
    """The devices of those keys that are within `reach`."""
    query = f"{_SELECT} WHERE {_WITHIN} AND d.device_key = ANY (%(keys)s) ORDER BY d.device_key"
    return await _many(connection, query, {**_parameters(reach), "keys": keys})


async def device_list_by_keys(connection: Connection, keys: list[int]) -> list[Device]:
    """The devices of those keys, whoever may see them."""
    return await _many(connection, f"{_SELECT} WHERE d.device_key = ANY (%s) ORDER BY d.device_key", [keys])


async def device_list_by_project(connection: Connection, project_key: int, *, only_online: bool) -> list[Device]:
    """Every device of the project, whoever may see it; or those that the registry knows as online."""
    online = " AND d.session IS NOT NULL" if only_online else ""
    return await _many(connection, f"{_SELECT} WHERE d.project_key = %s{online}", [project_key])


async def device_lock_by_claim_in_txn(connection: Connection, claim_digest: bytes) -> Device | None:
    """The device that may be claimed by the code of that digest, its row locked until the transaction ends."""
    return await _one(connection, f"{_SELECT} WHERE d.claim_digest = %s FOR UPDATE OF d", [claim_digest])


async def device_find_by_claim(connection: Connection, claim_digest: bytes) -> tuple[Device, int] | None:
    """The device that may be claimed by the code of that digest, and the account that made the code."""
    device = await _one(connection, f"{_SELECT} WHERE d.claim_digest = %s", [claim_digest])
    cursor = await connection.execute(
        "SELECT claim_account_key FROM devices.device WHERE claim_digest = %s", [claim_digest]
    )
    row = await cursor.fetchone()
    return None if device is None or row is None or row[0] is None else (device, int(row[0]))


async def device_set_claim(
    connection: Connection, device_key: int, claim_digest: bytes | None, account_key: int
) -> None:
    """Let the device be claimed by the code of that digest alone, which that account made, or not at all."""
    await connection.execute(
        "UPDATE devices.device SET claim_digest = %s, claim_account_key = %s WHERE device_key = %s",
        [claim_digest, account_key, device_key],
    )


async def device_move(
    connection: Connection, device_key: int, *, project_key: int, name: str, name_canonical: str
) -> None:
    """Put the device into another project: out of its groups, without its apps, its code spent.

    Raises:
        psycopg.errors.UniqueViolation: That project has a device of that name.
    """
    await connection.execute("DELETE FROM devices.group_member WHERE device_key = %s", [device_key])
    await connection.execute("DELETE FROM devices.device_app WHERE device_key = %s", [device_key])
    await connection.execute(
        # Nothing of what the old project had is to stay: the agent is told so as soon as it asks.
        "INSERT INTO devices.app_list (device_key) VALUES (%s)"
        " ON CONFLICT (device_key) DO UPDATE SET account_key = NULL, committed_at = clock_timestamp()",
        [device_key],
    )
    await connection.execute(
        "UPDATE devices.device SET moved_from = project_key, project_key = %s, name = %s, name_canonical = %s,"
        " claim_digest = NULL, revision = revision + 1 WHERE device_key = %s",
        [project_key, name, name_canonical, device_key],
    )


async def device_begin_move(connection: Connection, device_key: int) -> None:
    """A device that was just moved: auth is to be told; one that was never flashed has nothing under its old name."""
    await connection.execute(
        "UPDATE devices.device SET untold_move = revision,"
        " moved_from = CASE WHEN flash_id IS NULL THEN NULL ELSE moved_from END WHERE device_key = %s",
        [device_key],
    )


async def device_end_move(connection: Connection, device_key: int, project_key: int) -> bool:
    """The device has come under its new name: auth is to be told, its old name ends; False where that is known."""
    cursor = await connection.execute(
        "UPDATE devices.device SET moved_from = NULL, revision = revision + 1, untold_move = revision + 1"
        " WHERE device_key = %s AND project_key = %s AND moved_from IS NOT NULL AND state = 'flashed'"
        " RETURNING device_key",
        [device_key, project_key],
    )
    return await cursor.fetchone() is not None


async def device_list_untold_moves(connection: Connection, *, after: int, limit: int) -> list[int]:
    """At most `limit` devices of whose move auth is still to be told, with keys above `after`, in the order of keys."""
    cursor = await connection.execute(
        "SELECT device_key FROM devices.device WHERE untold_move IS NOT NULL AND state <> 'flashing'"
        " AND device_key > %s ORDER BY device_key LIMIT %s",
        [after, limit],
    )
    return [int(row[0]) for row in await cursor.fetchall()]


async def device_find_untold_move(connection: Connection, device_key: int) -> tuple[Device | None, int | None]:
    """The device, and the revision that auth is still to be told of."""
    cursor = await connection.execute("SELECT untold_move FROM devices.device WHERE device_key = %s", [device_key])
    row = await cursor.fetchone()
    return await device_find(connection, device_key), None if row is None else row[0]


async def device_set_move_told(connection: Connection, device_key: int, revision: int) -> None:
    """Auth knows of that revision."""
    await connection.execute(
        "UPDATE devices.device SET untold_move = NULL WHERE device_key = %s AND untold_move = %s",
        [device_key, revision],
    )


async def device_list_in_transit(
    connection: Connection, *, older_than_s: float, after: int, limit: int
) -> list[Device]:
    """Devices whose flashing or deletion began that long ago and has not ended: their process is gone.

    At most `limit` of them, with keys above `after`, in the order of keys.
    """
    query = (
        f"{_SELECT} WHERE d.state IN ('flashing', 'deleting') AND d.state_since < now() - make_interval(secs => %s)"
        " AND d.device_key > %s ORDER BY d.device_key LIMIT %s"
    )
    return await _many(connection, query, [older_than_s, after, limit])


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
        "UPDATE devices.device SET state = 'flashing', state_since = now(), flash_id = %s, untold_move = NULL"
        " WHERE device_key = %s",
        [flash_id, device_key],
    )


async def device_end_flashing(connection: Connection, device_key: int, flash_id: UUID) -> bool:
    """Remember that the secrets are made; False where another flashing or a deletion came in between."""
    cursor = await connection.execute(
        "UPDATE devices.device SET state = 'flashed', state_since = now(), flashed_at = now(), moved_from = NULL"
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
        "WITH gone AS (SELECT device_key FROM devices.device WHERE session = ANY (%s) ORDER BY device_key FOR UPDATE)"
        " UPDATE devices.device d SET status = 'DISCONNECTED', session = NULL, status_since = now()"
        " FROM gone WHERE d.device_key = gone.device_key RETURNING d.device_key, d.project_key",
        [sessions],
    )
    return [(int(row[0]), int(row[1])) for row in await cursor.fetchall()]


async def device_set_disconnected_except(
    connection: Connection, live: list[int], seen_before: datetime, unheard: list[int]
) -> list[tuple[int, int]]:
    """Every device whose session is not among `live` is gone, unless it was heard of after `seen_before`.

    Nothing is known of devices in the projects `unheard`.
    """
    cursor = await connection.execute(
        "UPDATE devices.device SET status = 'DISCONNECTED', session = NULL, status_since = now()"
        " WHERE session IS NOT NULL AND session <> ALL (%s) AND seen_at < %s AND project_key <> ALL (%s)"
        " RETURNING device_key, project_key",
        [live, seen_before, unheard],
    )
    return [(int(row[0]), int(row[1])) for row in await cursor.fetchall()]


async def project_list_online(connection: Connection) -> list[int]:
    """The projects of which a device is online."""
    cursor = await connection.execute("SELECT DISTINCT project_key FROM devices.device WHERE session IS NOT NULL")
    return [int(row[0]) for row in await cursor.fetchall()]


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


def _parameters(reach: Reach) -> dict[str, Any]:
    singles, groups = sorted(reach.singles), sorted(reach.groups)
    return {
        "every": list(reach.every_project),
        "whole": list(reach.projects),
        "single_projects": [project_key for project_key, _ in singles],
        "singles": [device_key for _, device_key in singles],
        "group_projects": [project_key for project_key, _ in groups],
        "groups": [group_key for _, group_key in groups],
        "open": [project_key for project_key in reach.every_project if reach.scopes.reaches(project_key)],
        "scoped": list(reach.scopes.devices),
    }


async def _one(connection: Connection, query: str, parameters: list[Any]) -> Device | None:
    async with connection.cursor(row_factory=class_row(Device)) as cursor:
        await cursor.execute(query, parameters)
        return await cursor.fetchone()


async def _many(connection: Connection, query: str, parameters: list[Any] | dict[str, Any]) -> list[Device]:
    async with connection.cursor(row_factory=class_row(Device)) as cursor:
        await cursor.execute(query, parameters)
        return await cursor.fetchall()
