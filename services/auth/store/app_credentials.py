"""The SQL of apps' credentials."""

from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from services.auth.records.app_credentials import Epoch, StoredKey
from shared.database import Connection


async def app_cred_key_find(connection: Connection, serial_number: UUID) -> StoredKey | None:
    """The key of the device of that serial number, ended or not."""
    async with connection.cursor(row_factory=class_row(StoredKey)) as cursor:
        await cursor.execute(
            "SELECT device_key, project_key, state, app_cred_key FROM auth.device_credential WHERE serial_number = %s",
            [serial_number],
        )
        return await cursor.fetchone()


async def epoch_find(connection: Connection, device_key: int, app_key: int, stage: str) -> Epoch | None:
    """Which epoch counts, None where it is the first one still."""
    async with connection.cursor(row_factory=class_row(Epoch)) as cursor:
        await cursor.execute(
            "SELECT epoch AS current, extract(epoch FROM clock_timestamp() - rotated_at)::float8 AS rotated_s_ago"
            " FROM auth.app_credential WHERE device_key = %s AND app_key = %s AND stage = %s",
            [device_key, app_key, stage],
        )
        return await cursor.fetchone()


async def epoch_raise(
    connection: Connection, device_key: int, app_key: int, stage: str, *, overlap_s: float
) -> tuple[int, datetime]:
    """The next epoch counts; returns it, and until when the one before it does."""
    cursor = await connection.execute(
        "INSERT INTO auth.app_credential AS c (device_key, app_key, stage, epoch, rotated_at)"
        " VALUES (%s, %s, %s, 2, clock_timestamp())"
        " ON CONFLICT (device_key, app_key, stage) DO UPDATE SET epoch = c.epoch + 1, rotated_at = clock_timestamp()"
        " RETURNING c.epoch, c.rotated_at + make_interval(secs => %s)",
        [device_key, app_key, stage, overlap_s],
    )
    row = await cursor.fetchone()
    if row is None:
        raise LookupError("an upsert returned no row")
    return int(row[0]), row[1]
