"""The SQL of rollouts and of the turns of devices in them."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
from psycopg.rows import class_row, kwargs_row
from psycopg.types.json import Jsonb

from services.devices.records.apps import Stage
from services.devices.records.rollouts import Aim, Before, Pace, Rollout, Turn, TurnState, WaveTally
from shared.database import Connection

_ROLLOUT: Final = (
    "SELECT rollout_key, project_key, aim, meant, pace, account_key, credential, state, wave, waves, wave_ended_at,"
    " reason, by_account_key, created_at, ended_at, revision FROM devices.rollout"
)
_TURN: Final = (
    "SELECT t.rollout_key, t.device_key, t.wave, t.state, t.reason, t.ordered_at, t.ended_at, t.wish_revision, t.before"
    " FROM devices.rollout_turn t"
)
_WAVES: Final = (
    "SELECT t.wave, count(*) FILTER (WHERE t.state = 'waiting' AND is_there) AS waiting,"
    " count(*) FILTER (WHERE t.state = 'waiting' AND NOT is_there) AS away,"
    " count(*) FILTER (WHERE t.state = 'ordered') AS ordered, count(*) FILTER (WHERE t.state = 'done') AS done,"
    " count(*) FILTER (WHERE t.state = 'failed') AS failed,"
    " count(*) FILTER (WHERE t.state = 'failed' AND t.is_forgiven) AS forgiven,"
    " count(*) FILTER (WHERE t.state = 'skipped') AS skipped,"
    " count(*) FILTER (WHERE t.state = 'rolled_back') AS rolled_back FROM devices.rollout_turn t"
)
_THERE: Final = (
    " LEFT JOIN devices.device d USING (device_key) CROSS JOIN LATERAL (SELECT d.device_key IS NULL"
    " OR d.project_key <> %(project)s OR d.status IN ('CONNECTED', 'EMERGENCY') AS is_there) presence"
)
"""A device that has gone, or is elsewhere, has its turn at once: it is left out by it."""


def _rollout(*, aim: Any, pace: Any, **rest: Any) -> Rollout:
    return Rollout(aim=msgspec.convert(aim, Aim), pace=msgspec.convert(pace, Pace), **rest)


def _turn(*, before: Any, **rest: Any) -> Turn:
    return Turn(before=msgspec.convert(before, Before), **rest)


async def rollout_insert(
    connection: Connection,
    *,
    project_key: int,
    aim: Aim,
    meant: dict[str, Any],
    pace: Pace,
    account_key: int,
    credential: str | None,
    waves: int,
) -> int:
    """A rollout that runs from now on; returns its key."""
    cursor = await connection.execute(
        "INSERT INTO devices.rollout (project_key, aim, meant, pace, app_key, stage, account_key, credential, waves)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING rollout_key",
        [
            project_key,
            Jsonb(msgspec.to_builtins(aim)),
            Jsonb(meant),
            Jsonb(msgspec.to_builtins(pace)),
            aim.app_key,
            aim.stage,
            account_key,
            credential,
            waves,
        ],
    )
    row = await cursor.fetchone()
    if row is None:
        raise LookupError("an insert returned no row")
    return int(row[0])


async def project_lock_in_txn(connection: Connection, project_key: int) -> None:
    """No other rollout of the project starts before this transaction ends."""
    await connection.execute("SELECT FROM devices.project WHERE project_key = %s FOR NO KEY UPDATE", [project_key])


async def turn_insert(connection: Connection, rollout_key: int, waves: Sequence[tuple[int, int]]) -> None:
    """Each of these devices, with its wave, is to have its turn."""
    await connection.execute(
        "INSERT INTO devices.rollout_turn (rollout_key, device_key, wave)"
        " SELECT %s, * FROM unnest(%s::bigint[], %s::integer[])",
        [rollout_key, [key for key, _ in waves], [wave for _, wave in waves]],
    )


async def rollout_find(connection: Connection, rollout_key: int) -> Rollout | None:
    """The rollout of that key."""
    return await _one(connection, f"{_ROLLOUT} WHERE rollout_key = %s", [rollout_key])


async def rollout_lock_in_txn(connection: Connection, rollout_key: int) -> Rollout | None:
    """The rollout of that key; nobody else changes it or its turns before this transaction ends."""
    return await _one(connection, f"{_ROLLOUT} WHERE rollout_key = %s FOR UPDATE", [rollout_key])


async def rollout_drive_in_txn(
    connection: Connection, rollout_key: int, driver: UUID, *, for_s: float
) -> Rollout | None:
    """As `rollout_lock_in_txn`, for the process that has it go on; None where another one does, or holds it now.

    That is `driver` for the next `for_s` seconds at least.
    """
    await connection.execute(
        "UPDATE devices.rollout SET driver = %(driver)s,"
        " driven_until = clock_timestamp() + make_interval(secs => %(s)s)"
        " WHERE rollout_key = (SELECT rollout_key FROM devices.rollout WHERE rollout_key = %(key)s"
        " AND ended_at IS NULL AND (driven_until < clock_timestamp() OR (driver = %(driver)s"
        " AND driven_until < clock_timestamp() + make_interval(secs => %(s)s / 2))) FOR UPDATE SKIP LOCKED)",
        {"driver": driver, "s": for_s, "key": rollout_key},
    )
    query = f"{_ROLLOUT} WHERE rollout_key = %s AND driver = %s AND ended_at IS NULL FOR UPDATE SKIP LOCKED"
    return await _one(connection, query, [rollout_key, driver])


async def rollout_list(connection: Connection, project_key: int, *, before: int, limit: int) -> list[Rollout]:
    """At most `limit` rollouts of the project with keys below `before`, the newest first."""
    query = f"{_ROLLOUT} WHERE project_key = %s AND rollout_key < %s ORDER BY rollout_key DESC LIMIT %s"
    async with connection.cursor(row_factory=kwargs_row(_rollout)) as cursor:
        await cursor.execute(query.encode(), [project_key, before, limit])
        return await cursor.fetchall()


async def rollout_list_under_way(connection: Connection, *, limit: int) -> list[int]:
    """The keys of at most `limit` rollouts that go on, or of which a device has its turn, the oldest first."""
    cursor = await connection.execute(
        "SELECT r.rollout_key FROM devices.rollout r WHERE r.ended_at IS NULL AND (r.state IN ('running', 'aborting')"
        " OR EXISTS (SELECT FROM devices.rollout_turn t WHERE t.rollout_key = r.rollout_key AND t.state = 'ordered'))"
        " ORDER BY r.rollout_key LIMIT %s",
        [limit],
    )
    return [int(row[0]) for row in await cursor.fetchall()]


async def rollout_set(connection: Connection, rollout: Rollout) -> None:
    """State, wave and reason as they stand in `rollout`; an end is now."""
    await connection.execute(
        "UPDATE devices.rollout SET state = %(state)s, wave = %(wave)s, wave_ended_at = %(wave_ended_at)s,"
        " reason = %(reason)s, by_account_key = %(by)s, revision = revision + 1,"
        " ended_at = CASE WHEN %(state)s IN ('done', 'aborted') THEN clock_timestamp() END"
        " WHERE rollout_key = %(key)s",
        {
            "state": rollout.state,
            "wave": rollout.wave,
            "wave_ended_at": rollout.wave_ended_at,
            "reason": rollout.reason,
            "by": rollout.by_account_key,
            "key": rollout.rollout_key,
        },
    )


async def turn_set(connection: Connection, turn: Turn, state: TurnState, reason: str | None) -> None:
    """What became of the turn, by now; the rollout has changed by it."""
    await connection.execute(
        "WITH told AS (UPDATE devices.rollout SET revision = revision + 1 WHERE rollout_key = %(key)s"
        " RETURNING revision)"
        " UPDATE devices.rollout_turn SET state = %(state)s, reason = %(reason)s, is_forgiven = false,"
        " ended_at = clock_timestamp(), revision = told.revision FROM told"
        " WHERE rollout_key = %(key)s AND device_key = %(device)s",
        {"state": state, "reason": reason, "key": turn.rollout_key, "device": turn.device_key},
    )


async def turn_order(connection: Connection, turn: Turn, wish_revision: int | None, before: Before) -> None:
    """The device has its turn now: the wish of that revision was made; it was wanted as in `before`."""
    await connection.execute(
        "WITH told AS (UPDATE devices.rollout SET revision = revision + 1 WHERE rollout_key = %(key)s"
        " RETURNING revision)"
        " UPDATE devices.rollout_turn SET state = 'ordered', reason = NULL, ordered_at = clock_timestamp(),"
        " ended_at = NULL, wish_revision = %(wish)s, before = %(before)s, revision = told.revision FROM told"
        " WHERE rollout_key = %(key)s AND device_key = %(device)s",
        {
            "wish": wish_revision,
            "before": Jsonb(msgspec.to_builtins(before)),
            "key": turn.rollout_key,
            "device": turn.device_key,
        },
    )


async def turn_skip_waiting(connection: Connection, rollout_key: int, reason: str) -> None:
    """No device that waits gets a turn any more."""
    await connection.execute(
        "WITH told AS (UPDATE devices.rollout SET revision = revision + 1 WHERE rollout_key = %(key)s"
        " RETURNING revision)"
        " UPDATE devices.rollout_turn SET state = 'skipped', reason = %(reason)s, ended_at = clock_timestamp(),"
        " revision = told.revision FROM told WHERE rollout_key = %(key)s AND state = 'waiting'",
        {"key": rollout_key, "reason": reason},
    )


async def turn_forgive(connection: Connection, rollout_key: int, *, retry: bool) -> None:
    """Failures so far count no more; with `retry` those devices wait for another turn."""
    await connection.execute(
        "WITH told AS (UPDATE devices.rollout SET revision = revision + 1 WHERE rollout_key = %(key)s"
        " RETURNING revision)"
        " UPDATE devices.rollout_turn SET is_forgiven = NOT %(retry)s, revision = told.revision,"
        " state = CASE WHEN %(retry)s THEN 'waiting' ELSE state END,"
        " reason = CASE WHEN %(retry)s THEN NULL ELSE reason END FROM told"
        " WHERE rollout_key = %(key)s AND state = 'failed'",
        {"key": rollout_key, "retry": retry},
    )


async def turn_lock_in_txn(connection: Connection, rollout_key: int, device_key: int) -> Turn | None:
    """The device's turn; nobody else changes it before this transaction ends."""
    query = f"{_TURN} WHERE t.rollout_key = %s AND t.device_key = %s FOR UPDATE OF t"
    async with connection.cursor(row_factory=kwargs_row(_turn)) as cursor:
        await cursor.execute(query.encode(), [rollout_key, device_key])
        return await cursor.fetchone()


async def turn_list(
    connection: Connection, rollout_key: int, *, state: TurnState | None, after: int, limit: int
) -> list[Turn]:
    """At most `limit` turns, of that state or of all, of devices with keys above `after`, in the order of keys."""
    query = (
        f"{_TURN} WHERE t.rollout_key = %(key)s AND (%(state)s::text IS NULL OR t.state = %(state)s)"
        " AND t.device_key > %(after)s ORDER BY t.device_key LIMIT %(limit)s"
    )
    return await _turns(connection, query, {"key": rollout_key, "state": state, "after": after, "limit": limit})


async def turn_list_changed(connection: Connection, rollout_key: int, *, since: int, limit: int) -> list[Turn]:
    """At most `limit` turns that were changed after that revision, in the order of keys."""
    query = f"{_TURN} WHERE t.rollout_key = %(key)s AND t.revision > %(since)s ORDER BY t.device_key LIMIT %(limit)s"
    return await _turns(connection, query, {"key": rollout_key, "since": since, "limit": limit})


async def turn_list_of(connection: Connection, rollout_key: int, states: Sequence[TurnState]) -> list[Turn]:
    """The turns that are in one of `states`, in the order of waves and keys."""
    query = f"{_TURN} WHERE t.rollout_key = %(key)s AND t.state = ANY (%(states)s) ORDER BY t.wave, t.device_key"
    return await _turns(connection, query, {"key": rollout_key, "states": list(states)})


async def turn_list_due(connection: Connection, rollout: Rollout, *, limit: int) -> list[Turn]:
    """At most `limit` turns of the waves that have begun, whose devices are there, in the order of waves and keys."""
    query = (
        f"{_TURN}{_THERE} WHERE t.rollout_key = %(key)s AND t.state = 'waiting' AND t.wave <= %(wave)s AND is_there"
        " ORDER BY t.wave, t.device_key LIMIT %(limit)s"
    )
    parameters = {"project": rollout.project_key, "key": rollout.rollout_key, "wave": rollout.wave, "limit": limit}
    return await _turns(connection, query, parameters)


async def turn_list_failed_late(connection: Connection, rollout: Rollout) -> list[Turn]:
    """The turns that had succeeded, of whose devices the app has failed since."""
    query = (
        f"{_TURN} JOIN devices.device_app a ON a.device_key = t.device_key AND a.app_key = %(app)s"
        " AND a.stage = %(stage)s WHERE t.rollout_key = %(key)s AND t.state = 'done' AND a.state = 'FAILED'"
        " AND a.state_since >= t.ended_at"
    )
    parameters = {"app": rollout.aim.app_key, "stage": rollout.aim.stage, "key": rollout.rollout_key}
    return await _turns(connection, query, parameters)


async def turn_list_taken(
    connection: Connection, device_keys: list[int], app_key: int | None, stage: Stage | None
) -> set[int]:
    """Which of these devices have, or wait for, their turn in a rollout of the same app (or of agents)."""
    cursor = await connection.execute(
        "SELECT DISTINCT t.device_key FROM devices.rollout_turn t JOIN devices.rollout r USING (rollout_key)"
        " WHERE t.device_key = ANY (%s) AND t.state IN ('waiting', 'ordered') AND r.ended_at IS NULL"
        " AND r.app_key IS NOT DISTINCT FROM %s AND r.stage IS NOT DISTINCT FROM %s",
        [device_keys, app_key, stage],
    )
    return {int(row[0]) for row in await cursor.fetchall()}


async def wave_list(connection: Connection, rollout: Rollout) -> list[WaveTally]:
    """How many devices of each wave stand how, in the order of waves."""
    query = f"{_WAVES}{_THERE} WHERE t.rollout_key = %(key)s GROUP BY t.wave ORDER BY t.wave"
    async with connection.cursor(row_factory=class_row(WaveTally)) as cursor:
        await cursor.execute(query.encode(), {"key": rollout.rollout_key, "project": rollout.project_key})
        return await cursor.fetchall()


async def _one(connection: Connection, query: str, parameters: list[Any]) -> Rollout | None:
    async with connection.cursor(row_factory=kwargs_row(_rollout)) as cursor:
        await cursor.execute(query.encode(), parameters)
        return await cursor.fetchone()


async def _turns(connection: Connection, query: str, parameters: dict[str, Any]) -> list[Turn]:
    async with connection.cursor(row_factory=kwargs_row(_turn)) as cursor:
        await cursor.execute(query.encode(), parameters)
        return await cursor.fetchall()
