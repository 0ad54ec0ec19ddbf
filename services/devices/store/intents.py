"""The SQL of what was begun and has not ended yet: orders to agents, and rotations of apps' credentials."""

from typing import Any
from uuid import UUID

from attrs import frozen
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from services.devices.records.apps import Rotation, Stage
from shared.database import Connection


@frozen
class OpenIntent:
    """An entry that is to be closed by another; its draft as JSON."""

    request_id: UUID
    draft: dict[str, Any]


async def intent_insert(
    connection: Connection, request_id: UUID, device_key: int, draft: dict[str, Any], *, is_holding: bool, for_s: float
) -> None:
    """It is open, and its process alive for `for_s` seconds at least."""
    await connection.execute(
        "INSERT INTO devices.open_intent (request_id, device_key, draft, is_holding, due_at)"
        " VALUES (%s, %s, %s, %s, clock_timestamp() + make_interval(secs => %s))",
        [request_id, device_key, Jsonb(draft), is_holding, for_s],
    )


async def intent_extend(connection: Connection, request_id: UUID, *, for_s: float) -> None:
    """Its process lives."""
    await connection.execute(
        "UPDATE devices.open_intent SET due_at = clock_timestamp() + make_interval(secs => %s) WHERE request_id = %s",
        [for_s, request_id],
    )


async def intent_delete(connection: Connection, request_id: UUID) -> bool:
    """It is closed; false where it was already."""
    cursor = await connection.execute(
        "DELETE FROM devices.open_intent WHERE request_id = %s RETURNING request_id", [request_id]
    )
    return await cursor.fetchone() is not None


async def intent_take_due(connection: Connection, *, limit: int) -> list[OpenIntent]:
    """At most `limit` whose processes are gone, each for this transaction alone; closed by it."""
    async with connection.cursor(row_factory=class_row(OpenIntent)) as cursor:
        await cursor.execute(
            "DELETE FROM devices.open_intent WHERE request_id IN (SELECT request_id FROM devices.open_intent"
            " WHERE due_at < clock_timestamp() ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED)"
            " RETURNING request_id, draft",
            [limit],
        )
        return await cursor.fetchall()


async def intent_is_holding(connection: Connection, device_key: int) -> bool:
    """Whether the device is doing something for its project."""
    cursor = await connection.execute(
        "SELECT FROM devices.open_intent WHERE device_key = %s AND is_holding AND due_at >= clock_timestamp() LIMIT 1",
        [device_key],
    )
    return await cursor.fetchone() is not None


async def rotation_put(connection: Connection, device_key: int, app_key: int, stage: Stage, ending_key: int) -> None:
    """A rotation begins; one that had begun before is a part of it."""
    await connection.execute(
        "INSERT INTO devices.app_rotation (device_key, app_key, stage, ending_key) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (device_key, app_key, stage) DO UPDATE SET ending_key = excluded.ending_key,"
        " began_at = clock_timestamp()",
        [device_key, app_key, stage, ending_key],
    )


async def rotation_list_stale(connection: Connection, *, older_than_s: float, limit: int) -> list[Rotation]:
    """At most `limit` that began so long ago that nobody is at them."""
    async with connection.cursor(row_factory=class_row(Rotation)) as cursor:
        await cursor.execute(
            "SELECT device_key, app_key, stage, ending_key FROM devices.app_rotation"
            " WHERE began_at < clock_timestamp() - make_interval(secs => %s) ORDER BY began_at LIMIT %s",
            [older_than_s, limit],
        )
        return await cursor.fetchall()


async def rotation_delete(connection: Connection, rotation: Rotation) -> bool:
    """It is over; false where another has begun meanwhile, or nothing is left to end."""
    cursor = await connection.execute(
        "DELETE FROM devices.app_rotation WHERE device_key = %s AND app_key = %s AND stage = %s AND ending_key = %s"
        " RETURNING ending_key",
        [rotation.device_key, rotation.app_key, rotation.stage, rotation.ending_key],
    )
    return await cursor.fetchone() is not None
